"""The byte layout of columns: what node ids are made over, and what is stored (docs/format.md, "Column layout").

All numbers are little-endian. A fixed column is its packed values. A variable column is u32 lengths, then the bytes. There
are no nulls, no padding and no choice: the same values have one encoding. The layout depends on no library's file format.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fabric.errors import DataError
from fabric.model.rows import offsets, single_chunk

_FIXED: dict[str, tuple[str, Any]] = {
    "u8": ("<u1", pa.uint8()),
    "u16": ("<u2", pa.uint16()),
    "u32": ("<u4", pa.uint32()),
    "u64": ("<u8", pa.uint64()),
    "i64": ("<i8", pa.int64()),
}
_OFFSET_MAX = 2**31 - 1
_ZEROS = np.zeros(64 * 1024 + 1, np.int32)
_ZEROS.flags.writeable = False


class LayoutWriter:
    """Collects columns in order; `parts` are the buffers to hash or to join."""

    def __init__(self, tag: bytes) -> None:
        self.parts: list[Any] = [tag]

    def number(self, value: int) -> None:
        """Append one u64."""
        self.parts.append(value.to_bytes(8, "little"))

    def fixed(self, kind: str, column: Any) -> None:
        """Append a fixed column from an Arrow or NumPy array."""
        dtype, _ = _FIXED[kind]
        values = column if isinstance(column, np.ndarray) else single_chunk(column).to_numpy(zero_copy_only=False)
        self.parts.append(np.ascontiguousarray(values, dtype).view(np.uint8))

    def bytes_fixed(self, column: Any, width: int) -> None:
        """Append a column of values of `width` bytes each."""
        array = single_chunk(column)
        buffer = array.buffers()[1]
        start = array.offset * width
        self.parts.append(memoryview(buffer)[start : start + len(array) * width] if len(array) else b"")

    def binary(self, column: Any) -> None:
        """Append a variable column: u32 lengths, then the bytes."""
        array = single_chunk(column)
        ends = offsets(array)
        self.parts.append(np.diff(ends).astype("<u4").view(np.uint8))
        data = array.buffers()[2]
        if data is not None and ends[-1] > ends[0]:
            self.parts.append(memoryview(data)[int(ends[0]) : int(ends[-1])])

    def strings(self, values: Sequence[bytes]) -> None:
        """Append a variable column from a list: u32 lengths, then the bytes."""
        self.parts.append(np.fromiter(map(len, values), "<u4", len(values)).view(np.uint8))
        self.parts.append(b"".join(values))

    def joined(self) -> bytes:
        """Return all bytes."""
        return b"".join(self.parts)


class LayoutReader:
    """Takes columns in order from bytes that nobody has checked; every length is checked before it is used.

    Arrow arrays own their memory; NumPy arrays are views.
    """

    def __init__(self, raw: Any, tag: bytes) -> None:
        self._raw = memoryview(raw)
        self._position = 0
        if bytes(self._take(len(tag))) != tag:
            raise DataError("a tree object does not begin with its tag")

    def _take(self, length: int) -> memoryview:
        if length < 0 or length > len(self._raw) - self._position:
            raise DataError("a tree object ends in the middle of a column")
        start, self._position = self._position, self._position + length
        return self._raw[start : self._position]

    def number(self, maximum: int) -> int:
        """Take one u64 of at most `maximum`."""
        value = int.from_bytes(self._take(8), "little")
        if value > maximum:
            raise DataError(f"a count of {value} in a tree object is over the limit of {maximum}")
        return value

    def numpy(self, kind: str, count: int) -> npt.NDArray[Any]:
        """Take a fixed column as a NumPy array (a view)."""
        dtype = np.dtype(_FIXED[kind][0])
        return np.frombuffer(self._take(count * dtype.itemsize), dtype)

    def fixed(self, kind: str, count: int) -> Any:
        """Take a fixed column as an Arrow array."""
        dtype, arrow = _FIXED[kind]
        return pa.Array.from_buffers(arrow, count, [None, self._own(count * np.dtype(dtype).itemsize)])

    def bytes_fixed(self, count: int, width: int) -> Any:
        """Take a column of values of `width` bytes as an Arrow array."""
        return pa.Array.from_buffers(pa.binary(width), count, [None, self._own(count * width)])

    def _own(self, length: int) -> Any:
        # A copy: aligned as users of Arrow expect it, and the raw bytes can go, whose memory the next node then reuses.
        return pa.py_buffer(self._take(length).tobytes())

    def lengths(self, count: int, maximum: int) -> npt.NDArray[np.int32]:
        """Take `count` u32 lengths of at most `maximum` each and return count + 1 offsets."""
        lengths = self.numpy("u32", count)
        longest = int(lengths.max()) if count else 0
        if longest > maximum:
            raise DataError(f"a length of {longest} in a tree object is over the limit of {maximum}")
        if longest * count > _OFFSET_MAX and int(lengths.sum(dtype=np.uint64)) > _OFFSET_MAX:
            raise DataError("a column of a tree object is over 2 GiB")
        if not longest:
            return _ZEROS[: count + 1] if count < len(_ZEROS) else np.zeros(count + 1, np.int32)
        ends = np.empty(count + 1, np.int32)
        ends[0] = 0
        np.cumsum(lengths, dtype=np.int32, out=ends[1:])
        return ends

    def binary(self, count: int, maximum: int) -> Any:
        """Take a variable column whose values have at most `maximum` bytes as an Arrow array."""
        ends = self.lengths(count, maximum)
        return pa.Array.from_buffers(pa.binary(), count, [None, pa.py_buffer(ends), self._own(int(ends[-1]))])

    def finish(self) -> None:
        """Check that nothing is left."""
        if self._position != len(self._raw):
            raise DataError("a tree object has bytes after its last column")
