"""The gate that the children of an index node pass when it is encoded and when it is decoded."""

from typing import Any

import numpy as np
import pyarrow as pa

from fabric.errors import DataError
from fabric.model import paths, rows
from fabric.model.checks import check_names, check_segments

KEY_BYTES_MAX = paths.PATH_BYTES_MAX + 1
"""A path of n bytes has a sort key of n + 1 (n + 2 right below the root)."""
ROWS_MAX = 2**53
SIZE_MAX = 2**63 - 1
_TO_SLASH = bytes.maketrans(b"\x00", b"/")


def check_keys(keys: list[bytes]) -> None:
    """Check that these are sort keys of paths, in order, none twice.

    Raises:
        DataError: they are not.
    """
    column = pa.array(keys, pa.binary())
    if not rows.is_strictly_sorted(column):
        raise DataError("the keys of an index node are not in order")
    first = 1 if keys[0] == paths.SEPARATOR else 0  # The root directory has no name.
    parts = [key.partition(paths.SEPARATOR) for key in keys[first:]]
    if b"/" in rows.raw_bytes(column) or not all(separator for _, separator, _ in parts) or _longest(keys) > KEY_BYTES_MAX:
        raise DataError("a key of an index node is not that of a path")
    parents, names = (pa.array([part[side] for part in parts], pa.binary()) for side in (0, 2))
    check_segments(rows.raw_bytes(parents).translate(_TO_SLASH), rows.offsets(parents).astype(np.int64))
    check_names(names, np.diff(rows.offsets(names)))


def _longest(keys: list[bytes]) -> int:
    return max(map(len, keys))


def check_counts(row_counts: list[int], sizes: list[int]) -> None:
    """Check what an index node says of how much lies below its children; raises DataError."""
    if min(row_counts) < 1 or sum(row_counts) > ROWS_MAX or min(sizes) < 0 or sum(sizes) > SIZE_MAX:
        raise DataError("an index node counts its rows wrong")


def check_references(column: Any) -> None:
    """Check that each value is a reference to a data object (`ids.parse_object_ref`), all at once; raises DataError."""
    count = len(column)
    if not np.all(np.diff(rows.offsets(column)) == _REFERENCE_BYTES):
        raise DataError("an index node names an object by something that is no object reference")
    table = np.frombuffer(rows.raw_bytes(column), np.uint8).reshape(count, _REFERENCE_BYTES)
    if not _ALLOWED[np.arange(_REFERENCE_BYTES), table].all():
        raise DataError("an index node names an object by something that is no object reference")


_REFERENCE_BYTES = 53
_ALLOWED = np.zeros((_REFERENCE_BYTES, 256), bool)
_ALLOWED[:, list(b"0123456789abcdefghjkmnpqrstvwxyz")] = True
_ALLOWED[[0, 27], :] = False
_ALLOWED[np.ix_([0, 27], list(b"01234567"))] = True
_ALLOWED[26, :] = False
_ALLOWED[26, ord("/")] = True
