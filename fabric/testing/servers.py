"""Real S3 servers for tests: MinIO as a process of its own, moto in a thread.

MinIO checks signatures, policies and conditions as a real store does; moto is a second opinion that is always there.
Both listen on a free loopback port and vanish with the process that started them, however that ends.
"""

import contextlib
import logging
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import minio
import minio.error
import urllib3
import urllib3.exceptions

from fabric.errors import UnavailableError

MINIO_NAME = "minio-20260212"
REGION = "us-east-1"
_START_S_MAX = 60.0
_START_TRIES = 5
_STOP_S_MAX = 10.0
_MEMORY_BYTES_MIN = 1 << 30
# The shell waits on its standard input, a pipe that this process holds. Told to keep the data, it kills its whole process
# group, the server with it. If the pipe closes without a word, because we died, it removes the data first ($0, if it is a
# directory of our own). If the server ends by itself, the group ends too.
_GUARD = """{ "$@" </dev/null; kill -KILL 0; } &
trap '' TERM
read -r word
[ "$word" = keep ] || [ -z "$0" ] || { kill -TERM 0; rm -rf -- "$0"; sleep 0.2; rm -rf -- "$0"; }
kill -KILL 0"""


class ServerMissingError(Exception):
    """The server's program is not on this machine; the text says how to get it."""


@dataclass(frozen=True)
class S3Server:
    """Where a server listens and who may use it.

    Attributes:
        endpoint: `http://127.0.0.1:PORT`.
        access_key: the administrator's key.
        secret_key: its secret (not shown in reprs).
    """

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)

    @property
    def environment(self) -> dict[str, str]:
        """The AWS_* variables for a client of this server, for a child process or monkeypatch.setenv."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
            # So that no test ever asks a cloud's metadata service.
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self) -> minio.Minio:
        """Return an administrator's client, for set-up and for looking behind the adapter's back."""
        host = self.endpoint.removeprefix("http://")
        # Not the library's own retries: they obey a Retry-After of a minute, which MinIO sends while it starts.
        retries = urllib3.Retry(total=5, backoff_factor=0.1, status_forcelist=[500, 503], respect_retry_after_header=False)
        pool = urllib3.PoolManager(timeout=10, retries=retries)
        return minio.Minio(host, self.access_key, self.secret_key, secure=False, region=REGION, http_client=pool)

    def make_bucket(self, name: str = "") -> str:
        """Create a bucket, of a random name if none is given, and return the name."""
        name = name or f"test-{secrets.token_hex(6)}"
        self.client().make_bucket(name)
        return name

    def url(self, bucket: str, prefix: str = "") -> str:
        """Return what `fabric.objects.open.open_store` takes; credentials are not part of it."""
        path = f"{bucket}/{prefix}".rstrip("/")
        return f"s3://{path}?endpoint={self.endpoint}&region={REGION}"


def find_minio() -> Path:
    """Return the pinned MinIO program that `scripts/tools.sh` built.

    Raises:
        ServerMissingError: it is not there.
    """
    folder = Path(os.environ.get("DATAFABRIC_TOOLS") or Path.home() / ".cache" / "datafabric-tools")
    program = folder / "bin" / MINIO_NAME
    if not os.access(program, os.X_OK):
        raise ServerMissingError(f"the S3 server {program} is not there; run scripts/tools.sh (needs Go)")
    return program


class MinioServer:
    """A MinIO process over a directory: `with MinioServer() as server: server.address.make_bucket()`.

    It may be stopped and started again on the same data and port, which is how tests take a store away.

    Args:
        directory: where it keeps its data; by default a temporary one, in memory if there is room, that goes with it.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._program = find_minio()
        self._own_directory = directory is None
        self._directory = directory or Path(tempfile.mkdtemp(prefix="fabric-minio-", dir=_fast_directory()))
        self._process: subprocess.Popen[bytes] | None = None
        self._access_key = f"admin{secrets.token_hex(4)}"
        self._secret_key = secrets.token_hex(16)
        self._port = 0

    @property
    def address(self) -> S3Server:
        """Where it listens. Valid after start, and unchanged by stop and start."""
        return S3Server(f"http://127.0.0.1:{self._port}", self._access_key, self._secret_key)

    def start(self) -> None:
        """Start the process and return when it serves.

        Raises:
            UnavailableError: it does not come up; the message ends with its output.
        """
        tries = 1 if self._port else _START_TRIES
        for left in reversed(range(tries)):
            self._port = self._port or _free_port()
            self._spawn()
            if self._wait_ready():
                return
            self.stop()
            if not left:
                raise UnavailableError(f"MinIO did not start: {self._log_tail()}", subject=str(self._program))
            self._port = 0  # another process may have taken the port between our look and its start

    def stop(self) -> None:
        """Kill the server; its data stays for the next start. May be called twice."""
        if self._process is None:
            return
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended by itself
            self._process.stdin.write(b"keep\n")
            self._process.stdin.close()
        self._process.wait()
        self._process = None
        end = time.monotonic() + _STOP_S_MAX
        while _listens(self._port) and time.monotonic() < end:  # its last moments, after the shell's
            time.sleep(0.005)

    def close(self) -> None:
        """Stop, and remove the data if it lies in a directory of our own."""
        self.stop()
        if self._own_directory:
            shutil.rmtree(self._directory, ignore_errors=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _spawn(self) -> None:
        data, config = self._directory / "data", self._directory / "config"
        data.mkdir(parents=True, exist_ok=True)
        config.mkdir(exist_ok=True)
        environment = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": str(config),
            "MINIO_ROOT_USER": self._access_key,
            "MINIO_ROOT_PASSWORD": self._secret_key,
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
            "MINIO_CI_CD": "1",
        }
        command = [str(self._program), "server", "--quiet", "--certs-dir", str(config)]
        command += ["--address", f"127.0.0.1:{self._port}", str(data)]
        with (self._directory / "log").open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  (a program that we built)
                ["/bin/sh", "-c", _GUARD, str(self._directory) if self._own_directory else "", *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )

    def _wait_ready(self) -> bool:
        # Its health check says "ready" before it accepts signed requests, so a signed request is the check.
        assert self._process is not None
        end = time.monotonic() + _START_S_MAX
        client = self.address.client()
        while time.monotonic() < end and self._process.poll() is None:
            if not _listens(self._port):
                time.sleep(0.02)
                continue
            with contextlib.suppress(urllib3.exceptions.HTTPError, minio.error.MinioException):
                client.list_buckets()
                return True
            time.sleep(0.02)
        return False

    def _log_tail(self) -> str:
        return (self._directory / "log").read_text(errors="replace")[-500:].strip()


@contextlib.contextmanager
def moto_server() -> Iterator[S3Server]:
    """Serve S3 by moto in a thread of this process. It checks no signature: a conformance target, no security test."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415  (two seconds of imports that few tests need)

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it logs every request
    server: Any = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield S3Server(f"http://{host}:{port}", "moto", "moto-secret")
    finally:
        server.stop()


def _fast_directory() -> str | None:
    """Where many small files cost little: the memory file system if it has room, else the usual place (None)."""
    memory = "/dev/shm"  # noqa: S108  (a fresh directory is made in it)
    try:
        roomy = shutil.disk_usage(memory).free >= _MEMORY_BYTES_MIN
    except OSError:
        return None
    return memory if roomy and os.access(memory, os.W_OK) else None


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
