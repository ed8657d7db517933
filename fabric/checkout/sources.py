"""Where the bytes of small files come from: memory, or a file of this machine that is read piece by piece."""

import os
import sys
from typing import Protocol

READ_BYTES = 1024 * 1024
"""Small enough that what was read is still in the processor's cache when it is hashed and written."""


class Source(Protocol):
    """Gives the bytes of one file after the other, in order of where they stand."""

    def take(self, low: int, length: int, /) -> memoryview:
        """Return these bytes, good until the next call; raises OSError if they cannot be read."""
        ...


class MemorySource:
    """Bytes at hand."""

    def __init__(self, data: memoryview) -> None:
        self._data = data

    def take(self, low: int, length: int) -> memoryview:
        """See Source."""
        return self._data[low : low + length]


class FileReader:
    """Reads stretches of files through one buffer. Not thread-safe."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def open(self, path: str, offset: int, length: int) -> "FileSource":
        """Return the source of `length` bytes from `offset`; raises OSError."""
        return FileSource(self, path, offset, length)

    def buffer(self, size: int) -> memoryview:
        """Return a buffer of at least this size: always the same, as long as it suffices."""
        if len(self._buffer) < size:
            self._buffer = bytearray(size)
        return memoryview(self._buffer)


class FileSource:
    """A stretch of a file. A context manager: closes the file."""

    def __init__(self, reader: FileReader, path: str, offset: int, length: int) -> None:
        self._reader = reader
        self._offset = offset
        self._length = length
        self._low = self._high = 0
        self._view = memoryview(b"")
        self._fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        if sys.platform == "linux":
            os.posix_fadvise(self._fd, offset, length, os.POSIX_FADV_WILLNEED)

    def __enter__(self) -> "FileSource":  # noqa: PYI034 - Self costs an import that a worker does without
        return self

    def __exit__(self, *_: object) -> None:
        self._view.release()
        os.close(self._fd)

    def take(self, low: int, length: int) -> memoryview:
        """See Source."""
        if low < self._low or low + length > self._high:
            self._fill(low, max(length, min(READ_BYTES, self._length - low)))
        return self._view[low - self._low : low - self._low + length]

    def _fill(self, low: int, length: int) -> None:
        view = self._reader.buffer(length)[:length]
        filled = 0
        while filled < length:
            count = os.preadv(self._fd, [view[filled:]], self._offset + low + filled)
            if count == 0:
                raise OSError("the file ends early")
            filled += count
        self._view, self._low, self._high = view, low, low + length


class NoSource:
    """Nothing can be read: the caller has other ways."""

    def take(self, _low: int, length: int) -> memoryview:
        """Raise OSError, but for nothing at all."""
        if length:
            raise OSError("nothing to read from")
        return memoryview(b"")
