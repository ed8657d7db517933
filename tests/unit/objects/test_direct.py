"""Direct writes: whole, whatever the length, the buffer's address and the file system."""

import mmap
import os

import pytest

from fabric.objects.direct import DIRECT_BYTES_MIN, PAGE_BYTES, write_all

LENGTHS = [0, 1, DIRECT_BYTES_MIN - 1, DIRECT_BYTES_MIN, DIRECT_BYTES_MIN + 1, 20 * 1024 * 1024 + PAGE_BYTES + 7]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("shift", [0, 1, 512])
def test_every_byte_is_written(tmp_path, length, shift):
    buffer = mmap.mmap(-1, max(LENGTHS) + PAGE_BYTES)
    pattern = bytes(range(251)) * (len(buffer) // 251 + 1)
    buffer[:] = pattern[: len(buffer)]
    view = memoryview(buffer)[shift : shift + length]
    path = tmp_path / "file"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        write_all(fd, view)
    finally:
        os.close(fd)
    assert path.read_bytes() == view
    view.release()


def test_a_file_system_without_direct_writes_is_written_plainly(tmp_path, monkeypatch):
    refused = []
    real = os.write

    def write(fd, data):
        if not refused:
            refused.append(len(data))
            raise OSError(22, "Invalid argument")
        return real(fd, data)

    monkeypatch.setattr(os, "write", write)
    data = os.urandom(DIRECT_BYTES_MIN + 5)
    fd = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
    write_all(fd, memoryview(data))
    os.close(fd)
    assert refused
    assert (tmp_path / "file").read_bytes() == data
