"""Files opened for reading.

A file stays at the commit at which it was opened, whatever becomes of the branch. The unit in which bytes are verified is a
block of 4 MiB, so that is what is fetched, kept (a few of them) and read ahead: of a jump just the blocks that it touches,
of reading in order the following ones as well.
"""

import io
import os
from collections import OrderedDict
from typing import Any

from fsspec.spec import AbstractBufferedFile

from fabric.filesystem.places import Place
from fabric.model.digest import BLOCK_BYTES
from fabric.repo.view import View

BLOCKS_KEPT = 4
SIDE_BY_SIDE_BYTES_MAX = 16 * BLOCK_BYTES
BUFFER_BYTES_MIN = 8 * 1024
BUFFER_BYTES_MAX = BLOCK_BYTES
DEFAULT_BUFFER_BYTES = 256 * 1024


class _Raw(io.RawIOBase):
    """Reads of one file: blocks of it in memory, and a stream ahead while it is read in order."""

    mode = "rb"

    def __init__(self, view: View, path: bytes, name: str, size: int) -> None:
        super().__init__()
        self.name = name
        self.size = size
        self._view = view
        self._path = path
        self._position = 0
        self._blocks: OrderedDict[int, memoryview] = OrderedDict()
        self._last = -2
        self._stream: Any = None
        self._stream_at = -1
        self._stream_process = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise ValueError(f"negative seek position {base + offset}")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        target = memoryview(buffer).cast("B")
        wanted = min(len(target), self.size - self._position)
        if wanted <= 0:
            return 0
        number, low = divmod(self._position, BLOCK_BYTES)
        if wanted > 2 * BLOCK_BYTES and number != self._last + 1:
            # One request of many blocks, as columnar formats make it: they are fetched side by side and not kept.
            wanted = min(wanted, SIDE_BY_SIDE_BYTES_MAX - low)
            target[:wanted] = self._view.read(self._path, self._position, wanted)
            self._position += wanted
            return wanted
        part = self._block(number)[low : low + wanted]
        target[: len(part)] = part
        self._position += len(part)
        return len(part)

    def readall(self) -> bytes:
        with self._view.open(self._path) as file:
            file.seek(self._position)
            data = file.read()
        self._position = max(self._position, self.size)
        return data

    def _block(self, number: int) -> memoryview:
        block = self._blocks.get(number)
        if block is None:
            start = number * BLOCK_BYTES
            length = min(BLOCK_BYTES, self.size - start)
            if number == self._last + 1 and length < self.size:
                block = self._next_of_stream(start, length)
            else:
                block = memoryview(self._view.read(self._path, start, length))
            self._blocks[number] = block
            if len(self._blocks) > BLOCKS_KEPT:
                self._blocks.popitem(last=False)
        else:
            self._blocks.move_to_end(number)
        self._last = number
        return block

    def _next_of_stream(self, start: int, length: int) -> memoryview:
        """Return a block that follows the last one, from a stream that reads ahead."""
        # A forked child has none of the threads that fill its parent's stream.
        if self._stream is None or self._stream_at != start or self._stream_process != os.getpid():
            self._drop_stream()
            self._stream = self._view.open(self._path)
            self._stream.seek(start)
            self._stream_process = os.getpid()
        data = self._stream.read(length)
        self._stream_at = start + length
        return memoryview(data)

    def _drop_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None and self._stream_process == os.getpid():
            stream.close()

    def close(self) -> None:
        if not self.closed:
            self._drop_stream()
            self._blocks.clear()
        super().close()


class FabricReader(io.BufferedReader):
    """A file of a view, opened for reading: what `open(..., "rb")` returns. Seekable, buffered, picklable.

    Attributes:
        fs: the filesystem.
        path: the address under which it was opened.
        size: its length in bytes.
        details: its info.
    """

    def __init__(self, fs: Any, place: Place, view: View, info: dict[str, Any], block_size: int | None) -> None:
        self.fs = fs
        self.path = place.name
        self.size: int = info["size"]
        self.details = info
        self.blocksize = min(max(block_size or DEFAULT_BUFFER_BYTES, BUFFER_BYTES_MIN), BUFFER_BYTES_MAX)
        self._pinned = pinned_name(place, view)
        super().__init__(_Raw(view, view.resolve(place.path), self.path, self.size), self.blocksize)

    @property
    def full_name(self) -> str:
        """The address with its scheme."""
        name: str = self.fs.unstrip_protocol(self.path)
        return name

    def info(self) -> dict[str, Any]:
        """Return the info of the file."""
        return self.details

    def __reduce__(self) -> tuple[Any, ...]:
        # By its commit: in another process, later, the branch may be elsewhere.
        return _reopen, (self.fs, self._pinned, self.blocksize, self.tell())

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        # From Python 3.12 on, io's own refuses before it asks __reduce__.
        return self.__reduce__()


def _reopen(fs: Any, path: str, block_size: int, position: int) -> Any:
    file = fs.open(path, "rb", block_size=block_size)
    file.seek(position)
    return file


class FabricCachedReader(AbstractBufferedFile):  # type: ignore[misc]
    """A file of a view behind one of fsspec's own caches, for callers that name a `cache_type`."""

    def __init__(self, fs: Any, place: Place, view: View, info: dict[str, Any], **options: Any) -> None:
        self._view = view
        self._real = view.resolve(place.path)
        # What is pickled is the path: by its commit, see FabricReader.
        super().__init__(fs, pinned_name(place, view), "rb", **{**options, "size": info["size"]})
        self.details = info

    def _fetch_range(self, start: int, end: int) -> bytes:
        return bytes(self._view.read(self._real, start, max(0, end - start)))


def pinned_name(place: Place, view: View) -> str:
    """Return the address of a place by the commit that a view is at."""
    return Place(place.dataset, view.id, place.path, f"{place.dataset}@{view.id}").name
