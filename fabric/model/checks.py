"""The gate that every row passes when a leaf is encoded and when it is decoded (docs/format.md, "What a reader refuses").

Everything here is vectorised: a leaf of 8,000 rows takes about a millisecond.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fabric.errors import DataError, InvalidInputError
from fabric.model import paths, rows, xattrs
from fabric.model.digest import BLOCK_BYTES, DIGEST_BYTES, NO_DIGEST, DigestKind
from fabric.model.entry import MODE_BITS, Kind
from fabric.model.extent import ExtentKind

SIZE_MAX = 2**53
TARGET_BYTES_MAX = 4095
ACL_BYTES_MAX = 4096


def check_rows(batch: Any) -> None:
    """Check names, parents, order and every logical field of rows of a leaf.

    Raises:
        DataError: a row that no tree may hold; the message says what is wrong with it.
    """
    parent, name = rows.single_chunk(batch.column("parent")), rows.single_chunk(batch.column("name"))
    if len(name) == 0:
        raise DataError("a leaf has no rows")
    _check_parents(parent)
    is_root = len(name[0].as_py()) == 0 and len(parent[0].as_py()) == 0
    _check_names(name.slice(1) if is_root else name)
    lengths = pc.add(pc.binary_length(parent), pc.binary_length(name))
    if pc.max(lengths).as_py() >= paths.PATH_BYTES_MAX:
        _refuse("a path is too long", True)
    if not rows.is_strictly_sorted(rows.sort_keys(batch)):
        raise DataError("the rows of a leaf are not in order, or a path stands twice")
    _check_fields(batch, is_root)


def _refuse(what: str, mask: Any) -> None:
    if np.any(mask):
        raise DataError(f"a row of a leaf is not valid: {what}")


def _any(mask: Any) -> bool:
    return bool(pc.any(mask).as_py())


def _check_parents(parent: Any) -> None:
    unique = pc.unique(parent)
    wrapped = pc.binary_join_element_wise(
        pa.scalar(b"", pa.binary()), unique, pa.scalar(b"", pa.binary()), pa.scalar(b"/", pa.binary())
    )
    wrapped = wrapped.filter(pc.greater(pc.binary_length(unique), 0))
    for pattern in (b"//", b"/./", b"/../", b"\x00"):
        _refuse("a parent path has an empty, '.', '..' or NUL segment", _any(pc.match_substring(wrapped, pattern)))
    if len(wrapped) and pc.max(pc.binary_length(wrapped)).as_py() > paths.NAME_BYTES_MAX:
        for value in unique.to_pylist():
            try:
                paths.check_path(value)
            except InvalidInputError as error:
                raise DataError(f"a row of a leaf is not valid: {error}") from None


def _check_names(name: Any) -> None:
    if len(name) == 0:
        return
    lengths = pc.binary_length(name)
    _refuse("an empty name", pc.min(lengths).as_py() == 0)
    _refuse("a name over 255 bytes", pc.max(lengths).as_py() > paths.NAME_BYTES_MAX)
    for pattern in (b"/", b"\x00"):
        _refuse("a name with '/' or NUL", _any(pc.match_substring(name, pattern)))
    _refuse("the name '.' or '..'", _any(pc.is_in(name, value_set=pa.array([b".", b".."], pa.binary()))))


def _numpy(batch: Any, column: str) -> Any:
    return rows.single_chunk(batch.column(column)).to_numpy(zero_copy_only=False)


def _widths(batch: Any, column: str) -> Any:
    return np.diff(rows.offsets(rows.single_chunk(batch.column(column))))


def _check_fields(batch: Any, is_root: bool) -> None:
    kind, size, digest_kind = (_numpy(batch, name) for name in ("kind", "size", "digest_kind"))
    file, directory, symlink = kind == Kind.FILE, kind == Kind.DIRECTORY, kind == Kind.SYMLINK
    _refuse("unknown kind", ~(file | directory | symlink))
    _refuse("the root is not a directory", is_root and not directory[0])
    _refuse("mode out of range", _numpy(batch, "mode") > MODE_BITS)
    _refuse("size out of range", (size < 0) | (size > SIZE_MAX))
    _refuse("a directory with a size", directory & (size != 0))
    _refuse("unknown kind of digest", digest_kind > max(DigestKind))
    _refuse("a digest where there is no content", ~file & (digest_kind != DigestKind.NONE))
    _refuse("a file without a digest", file & (digest_kind == DigestKind.NONE))
    _refuse("wrong kind of digest", (digest_kind == DigestKind.WHOLE) & (size > BLOCK_BYTES))
    _refuse("wrong kind of digest", (digest_kind == DigestKind.BLOCKS) & (size <= BLOCK_BYTES))
    if not file.all():
        blank = pc.equal(rows.single_chunk(batch.column("digest")), pa.scalar(NO_DIGEST, pa.binary(DIGEST_BYTES)))
        _refuse("a digest where there is no content", ~file & ~blank.to_numpy(zero_copy_only=False))
    target = _widths(batch, "target")
    _refuse("a symlink's size is not its target's length", symlink & ((target != size) | (target < 1)))
    _refuse("a symlink's target is too long", target > TARGET_BYTES_MAX)
    _refuse("a target of something that is no symlink", ~symlink & (target != 0))
    if symlink.any():
        targets = rows.single_chunk(batch.column("target"))
        _refuse("a symlink's target with NUL", _any(pc.match_substring(targets, b"\x00")))
    _check_attributes(batch, file, directory, symlink)


def _check_attributes(batch: Any, file: Any, directory: Any, symlink: Any) -> None:
    access, default = _widths(batch, "acl_access"), _widths(batch, "acl_default")
    _refuse("an ACL that is too long", (access > ACL_BYTES_MAX) | (default > ACL_BYTES_MAX))
    _refuse("an ACL of a symlink", symlink & (access > 0))
    _refuse("a default ACL of something that is no directory", ~directory & (default > 0))
    inline, large = _widths(batch, "xattrs"), _widths(batch, "xattrs_digest")
    _refuse("extended attributes that are too long", inline > xattrs.XATTRS_INLINE_BYTES_MAX)
    _refuse("a digest of extended attributes of wrong length", (large != 0) & (large != DIGEST_BYTES))
    _refuse("extended attributes twice", (large != 0) & (inline != 0))
    if inline.any():
        for value in pc.unique(rows.single_chunk(batch.column("xattrs"))).to_pylist():
            xattrs.decode(value)
    _refuse("a link group of something that is no file", ~file & (_numpy(batch, "link_group") != 0))


def check_extents(batch: Any, column: Any) -> None:
    """Check that the extents of each row cover its content (and its large attribute set) and nothing else.

    Raises:
        DataError: they do not.
    """
    if len(column) != batch.num_rows:
        raise DataError("a leaf has more or fewer extents than rows")
    size, file = _numpy(batch, "size"), _numpy(batch, "kind") == Kind.FILE
    has_xattrs = _widths(batch, "xattrs_digest") != 0
    ends = rows.offsets(column).astype(np.int64)
    ends = ends - ends[0]
    values = column.flatten()
    lengths = values.field("length").to_numpy(zero_copy_only=False)
    counts = np.diff(ends)
    _refuse("no extent for its extended attributes", has_xattrs & (counts < 1))
    total = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=total[1:])
    content_ends = ends[1:] - has_xattrs
    covered = total[content_ends] - total[ends[:-1]]
    _refuse("its extents do not cover its content", covered != np.where(file, size, 0))
    kinds = values.field("kind").to_numpy(zero_copy_only=False)
    if len(kinds) and (kinds == ExtentKind.LIST).any():
        rows_of = np.repeat(np.arange(len(counts)), counts)[kinds == ExtentKind.LIST]
        _refuse("a list beside other extents", (counts - has_xattrs)[rows_of] != 1)
