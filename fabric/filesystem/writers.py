"""Files opened for writing.

What is written waits in memory, or on disk if it is large, and becomes a commit (or a part of the transaction) when the file
is closed. An exception inside of the `with` block forgets it instead: a failed write leaves nothing visible.
"""

import inspect
import io
import sys
import tempfile
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import Any, BinaryIO, cast

SPOOL_BYTES_MAX = 16 * 1024 * 1024
"""What a file holds in memory; more goes to a temporary file."""


class FabricWriter(io.RawIOBase):
    """What `open(..., "wb")`, "ab" and "xb" return. It can be read back and changed by seeking until it is closed.

    Args:
        fs: the filesystem.
        path: the address that it was opened under.
        mode: wb, ab or xb.
        publish: takes a file object with all that was written, and makes it the content at the path.
        deferred: closing does not publish; `commit` does.
    """

    def __init__(
        self, fs: Any, path: str, mode: str, *, publish: Callable[[BinaryIO], object], deferred: bool = False
    ) -> None:
        super().__init__()
        self.fs = fs
        self.path = path
        self.mode = mode
        self._publish = publish
        self._deferred = deferred
        # Not a context of ours: it lives as long as this file.
        self._spool = tempfile.SpooledTemporaryFile(SPOOL_BYTES_MAX)  # noqa: SIM115
        self._is_settled = False
        self._known_error = sys.exc_info()[1]

    @property
    def name(self) -> str:
        """The address."""
        return self.path

    @property
    def full_name(self) -> str:
        """The address with its scheme."""
        name: str = self.fs.unstrip_protocol(self.path)
        return name

    def readable(self) -> bool:
        """Return False: it is for writing."""
        return False

    def writable(self) -> bool:
        """Return True, until it is closed."""
        return not self.closed

    def seekable(self) -> bool:
        """Whether what was written can be changed: not in append mode."""
        return self.mode != "ab"

    def write(self, data: Any) -> int:
        """Take bytes; returns how many: all."""
        self._check_open()
        with memoryview(data) as view:
            self._spool.write(view)
            return view.nbytes

    def tell(self) -> int:
        """Return the position in what was written."""
        self._check_open()
        return self._spool.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move in what was written."""
        self._check_open()
        if not self.seekable():
            raise io.UnsupportedOperation("a file opened for appending does not seek")
        self._spool.seek(offset, whence)
        return self._spool.tell()

    def truncate(self, size: int | None = None) -> int:
        """Cut what was written."""
        self._check_open()
        size = self._spool.tell() if size is None else size
        self._spool.truncate(size)
        return size

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")

    # -- ending

    def commit(self) -> None:
        """Make what was written the content at the path, once. Closing does it, unless that was deferred."""
        if self._is_settled:
            return
        self._is_settled = True
        with self._spool as spool:
            spool.seek(0)
            self._publish(cast("BinaryIO", spool))

    def discard(self) -> None:
        """Forget what was written, and close."""
        if not self._is_settled:
            self._is_settled = True
            self._spool.close()
        if not self.closed:
            super().close()

    def close(self) -> None:
        """End the file: what was written is published, or forgotten if a `with` block is being left by an exception."""
        if self.closed:
            return
        try:
            if self._is_leaving_by_error():
                self.discard()
            elif not self._deferred:
                self.commit()
        finally:
            if not self.closed:
                super().close()

    def _is_leaving_by_error(self) -> bool:
        """Whether an `__exit__` that was given an exception is what closes this file.

        Wrappers (`fsspec.open`, pandas) call close() from their own `__exit__` and keep the exception for themselves. That
        an exception is being handled is not enough: a file may well be closed inside of an `except` block.
        """
        error = sys.exc_info()[1]
        if error is None or error is self._known_error:
            return False
        frame = inspect.currentframe()
        while frame is not None:
            if frame.f_code.co_name == "__exit__" and any(_holds(value, error) for value in frame.f_locals.values()):
                return True
            frame = frame.f_back
        return False

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self.close()
        else:
            self.discard()

    def __del__(self) -> None:
        # Not for a file whose constructor failed.
        if not self.closed and not getattr(self, "_is_settled", True):
            if self._spool.tell():
                warnings.warn(f"{self.path} was never closed: what was written is lost", ResourceWarning, stacklevel=2)
            self.discard()

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a file that is open for writing cannot be pickled")


def _holds(value: object, error: BaseException) -> bool:
    return value is error or (isinstance(value, tuple) and any(each is error for each in value))


class TextWriter(io.TextIOWrapper):
    """Text over a file opened for writing; an exception inside of its `with` block reaches the file."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self.close()
        else:
            self.buffer.discard()  # type: ignore[attr-defined]


class CompressedWriter(io.RawIOBase):
    """A compressor over a file opened for writing: closed together, forgotten together."""

    def __init__(self, compressor: Any, below: FabricWriter) -> None:
        super().__init__()
        self._compressor = compressor
        self._below = below
        self.path = below.path
        self.mode = below.mode

    def writable(self) -> bool:
        """Return True, until it is closed."""
        return not self.closed

    def write(self, data: Any) -> int:
        """Take bytes; returns how many: all."""
        with memoryview(data) as view:
            self._compressor.write(view)
            return view.nbytes

    def discard(self) -> None:
        """Forget what was written, and close."""
        if not self.closed:
            self._below.discard()
            super().close()

    def close(self) -> None:
        """Write the end of the compressed data and close the file below."""
        if not self.closed:
            try:
                self._compressor.close()
                self._below.close()
            finally:
                # A compressor that fails leaves half of a file.
                self._below.discard()
                super().close()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self.close()
        else:
            self.discard()


class Joined(io.RawIOBase):
    """One file after another, for appending."""

    def __init__(self, *files: Any) -> None:
        super().__init__()
        self._files = [*files]

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` from the first file that has something left."""
        view = memoryview(buffer).cast("B")
        while self._files:
            data = self._files[0].read(len(view))
            if data:
                view[: len(data)] = data
                return len(data)
            del self._files[0]
        return 0
