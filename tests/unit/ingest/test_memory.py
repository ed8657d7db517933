"""A put takes memory for a few packs, whatever the size of what is put."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

MIB = 1024 * 1024
SCRIPT = """
    import os, resource, sys
    from fabric.ingest.packer import PackWriter
    from fabric.ingest.source import Source
    from fabric.ingest.tree import ingest_file
    from fabric.model.ids import new_ulid
    from fabric.objects.writer import ObjectWriter

    class Nowhere:
        def put(self, key, data):
            pass

    def put(path):
        writer = ObjectWriter(Nowhere(), new_ulid(), new_ulid())
        packer = PackWriter(writer)
        ingest_file(Source.of(path, b"f"), packer)
        packer.finish(); writer.flush(); packer.close(); writer.close()
        return packer.content_bytes_sent

    assert put(sys.argv[1] + "/small") == 1
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sent = put(sys.argv[1] + "/large")
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(sent, (after - before) * (1 if sys.platform == "darwin" else 1024))
"""


@pytest.fixture
def directory(tmp_path_factory):
    """In memory if the machine has such a file system: the file is large."""
    shared = Path("/dev/shm")
    if not shared.is_dir():
        yield tmp_path_factory.mktemp("large")
        return
    path = shared / f"ingest-{tmp_path_factory.getbasetemp().name}-{id(tmp_path_factory)}"
    path.mkdir()
    yield path
    for file in path.iterdir():
        file.unlink()
    path.rmdir()


def test_a_large_file_takes_three_packs_of_memory(directory):
    (directory / "small").write_bytes(b"x")
    size = 512 * MIB
    with open(directory / "large", "wb") as file:
        block = bytearray(b"x" * 4 * MIB)
        for number in range(size // len(block)):
            block[:4] = number.to_bytes(4, "little")
            file.write(block)
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT), str(directory)]
    sent, more = map(int, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())
    assert sent == size
    assert more < 3.5 * 64 * MIB
