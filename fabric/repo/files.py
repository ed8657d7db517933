"""A file of a view as a Python file object: seekable, verified, with read-ahead fit for object storage."""

import io
from typing import Any

from fabric.cache.contents import ContentReader
from fabric.model.content import Content
from fabric.model.digest import BLOCK_BYTES

READ_AHEAD_BYTES = 4 * BLOCK_BYTES


class ContentFile(io.RawIOBase):
    """Raw reads of one content. Sequential reading streams ahead; a jump reads only what is asked."""

    def __init__(self, reader: ContentReader, content: Content, name: str) -> None:
        super().__init__()
        self._reader = reader
        self._content = content
        self.name = name
        self._position = 0
        self._stream: Any = None
        self._stream_at = -1
        self._rest = memoryview(b"")

    @property
    def size(self) -> int:
        """Length of the file in bytes."""
        return self._content.size

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position; past the end is allowed, as in any file."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._content.size}[whence]
        if base + offset < 0:
            raise ValueError(f"negative seek position {base + offset}")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` from the position on, as far as the file and the next run go."""
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), self._content.size - self._position)
        if wanted <= 0:
            return 0
        if self._stream_at != self._position:
            self._restart(wanted)
        if not self._rest:
            self._rest = next(self._stream, memoryview(b""))
        count = min(wanted, len(self._rest))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        self._position += count
        self._stream_at = self._position
        return count

    def _restart(self, wanted: int) -> None:
        """Begin at the position: what is asked alone after a jump, and with read-ahead from where a read ended."""
        self._drop()
        start = self._position
        if start == 0 or self._content.size - start <= wanted:
            self._stream = self._reader.stream(self._content, start)
        else:
            end = min(self._content.size, start + max(wanted, BLOCK_BYTES))
            self._stream = self._chain(start, end)
        self._stream_at = start

    def _chain(self, start: int, end: int) -> Any:
        yield memoryview(self._reader.read(self._content, start, end - start))
        if end < self._content.size:
            yield from self._reader.stream(self._content, end)

    def _drop(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream, self._rest, self._stream_at = None, memoryview(b""), -1

    def readall(self) -> bytes:
        """Return all from the position to the end."""
        if self._position >= self._content.size:
            return b""
        self._drop()
        data = b"".join(self._reader.stream(self._content, self._position))
        self._position = self._content.size
        return data

    def close(self) -> None:
        """Stop reading ahead."""
        if not self.closed:
            self._drop()
        super().close()
