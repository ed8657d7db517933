"""The tests' own S3 server: it goes with whoever started it, and keeps its data when it is only stopped."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fabric.errors import UnavailableError
from fabric.testing.servers import MINIO_NAME, MinioServer, ServerMissingError, find_minio

START = (
    "import sys, time; from fabric.testing.servers import MinioServer\n"
    "s = MinioServer(); s.start(); print(s._directory, s.address.endpoint, flush=True); time.sleep(600)"
)


@pytest.mark.s3
def test_it_goes_with_a_killed_parent(s3_server):
    parent = subprocess.Popen([sys.executable, "-c", START], stdout=subprocess.PIPE, text=True)
    directory, endpoint = parent.stdout.readline().split()
    assert _listens(endpoint)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    end = time.monotonic() + 30
    while _listens(endpoint) or Path(directory).exists():
        assert time.monotonic() < end, "the server outlives its parent"
        time.sleep(0.01)


@pytest.mark.s3
def test_it_keeps_data_and_port(s3_server, tmp_path):
    server = MinioServer(tmp_path)
    server.start()
    bucket, endpoint = server.address.make_bucket(), server.address.endpoint
    server.stop()
    server.stop()
    assert not _listens(endpoint)
    server.start()
    assert server.address.endpoint == endpoint
    assert server.address.client().bucket_exists(bucket)
    server.close()
    assert (tmp_path / "data" / bucket).is_dir()


@pytest.mark.s3
def test_a_port_that_is_taken(s3_server, tmp_path):
    server = MinioServer(tmp_path)
    server._port = int(s3_server.endpoint.rpartition(":")[2])
    with pytest.raises(UnavailableError, match="did not start"):
        server.start()


def test_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAFABRIC_TOOLS", str(tmp_path))
    with pytest.raises(ServerMissingError, match=r"scripts/tools\.sh"):
        find_minio()


def test_the_build_script_says_what_is_missing(tmp_path):
    script = Path(__file__).parents[3] / "scripts" / "tools.sh"
    (tmp_path / "bin").mkdir()
    environment = {"PATH": str(tmp_path / "bin"), "DATAFABRIC_TOOLS": str(tmp_path), "HOME": str(tmp_path)}
    ended = subprocess.run(["/bin/sh", str(script)], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "Go" in ended.stderr
    (tmp_path / "bin" / MINIO_NAME).write_text("#!/bin/sh\n")
    (tmp_path / "bin" / MINIO_NAME).chmod(0o755)
    ended = subprocess.run(["/bin/sh", str(script)], env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, f"{tmp_path}/bin/{MINIO_NAME}\n")


def _listens(endpoint):
    host, port = endpoint.removeprefix("http://").split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0
