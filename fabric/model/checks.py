"""The gate that every row passes when a leaf is encoded and when it is decoded (docs/format.md, "What a reader refuses").

Everything here is vectorised: a leaf of 8,000 rows takes 0.2 ms. NumPy looks at offsets and at all bytes of a column at
once; what is rare (symlinks, ACLs, names of one or two bytes) is looked at only where there is some.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fabric.errors import DataError
from fabric.model import paths, rows, xattrs
from fabric.model.digest import BLOCK_BYTES, DIGEST_BYTES, NO_DIGEST, DigestKind, block_digest
from fabric.model.entry import MODE_BITS, Kind

SIZE_MAX = 2**53
TARGET_BYTES_MAX = 4095
ACL_BYTES_MAX = 4096
_ACL_HEADER = b"\x02\x00\x00\x00"
_ACL_ENTRY_BYTES = 8
_SLASH = ord("/")
_DOT = ord(".")
_EMPTY_DIGEST = block_digest(b"")

Numbers = npt.NDArray[Any]


def check_rows(batch: Any) -> None:
    """Check names, parents, order and every logical field of rows of a leaf.

    Raises:
        DataError: a row that no tree may hold; the message says what is wrong with it.
    """
    parent, name = rows.single_chunk(batch.column("parent")), rows.single_chunk(batch.column("name"))
    if len(name) == 0:
        raise DataError("a leaf has no rows")
    starts = rows.parent_starts(parent)
    parents = parent if len(starts) == len(parent) else parent.take(pa.array(starts))
    check_paths(parents, starts, name)
    check_fields(batch)


def check_paths(parents: Any, starts: Numbers, name: Any) -> None:
    """Check parents, names and order of rows that come as runs of equal parents.

    Args:
        parents: the parent of each run.
        starts: the row number at which each run begins.
        name: the name of each row.

    Raises:
        DataError: a path that cannot be, rows out of order, a path that stands twice, or two runs of one parent.
    """
    parent_ends, name_ends = rows.offsets(parents).astype(np.int64), rows.offsets(name)
    is_root = parent_ends[1] == parent_ends[0] and name_ends[1] == name_ends[0]
    check_segments(rows.raw_bytes(parents), parent_ends - parent_ends[0])
    widths = np.diff(name_ends)
    if is_root:
        check_names(name.slice(1), widths[1:])
    else:
        check_names(name, widths)
    parent_widths = np.diff(parent_ends)
    if int(parent_widths.max()) + int(widths.max()) >= paths.PATH_BYTES_MAX:
        runs = np.diff(np.append(starts, len(name)))
        refuse("a path is too long", np.repeat(parent_widths, runs) + widths >= paths.PATH_BYTES_MAX)
    rising = rows.rising(name)
    if len(starts) > 1:
        rising[starts[1:] - 1] = rows.rising(rows.fold(parents))
    if not rising.all():
        raise DataError("the rows of a leaf are not in order, or a path stands twice")


def refuse(what: str, mask: Any) -> None:
    """Raise DataError if any of `mask` is true."""
    if mask if isinstance(mask, bool) else np.any(mask):
        raise DataError(f"a row of a tree is not valid: {what}")


def check_segments(data: bytes, ends: Numbers, what: str = "a parent path") -> None:
    """Check directory paths that stand back to back in `data`: each is empty (the root) or clean segments with `/` between.

    Raises:
        DataError: an empty, `.`, `..` or overlong segment, or a NUL.
    """
    starts, stops = ends[:-1], ends[1:]
    if len(data) == 0:
        return
    some = stops > starts
    slashes = np.flatnonzero(np.frombuffer(data, np.uint8) == _SLASH) if b"/" in data else np.empty(0, np.int64)
    # Segments stand one behind the other, so the sorted starts pair with the sorted ends.
    low = np.sort(np.concatenate((starts[some], slashes + 1)))
    high = np.sort(np.concatenate((stops[some], slashes)))
    widths = high - low
    refuse(f"{what} has an empty segment", widths < 1)
    refuse(f"{what} has a segment over {paths.NAME_BYTES_MAX} bytes", widths > paths.NAME_BYTES_MAX)
    refuse(f"{what} has a NUL", b"\x00" in data)
    # Of one byte that is a dot, or of two that both are: the first and the last are.
    raw, short = np.frombuffer(data, np.uint8), widths <= 2
    refuse(f"{what} has a '.' or '..' segment", (raw[low[short]] == _DOT) & (raw[high[short] - 1] == _DOT))


def check_names(name: Any, widths: Numbers) -> None:
    """Check path segments, whose lengths are `widths`; raises DataError."""
    if len(widths) == 0:
        return
    refuse("an empty name", int(widths.min()) < 1)
    refuse("a name over 255 bytes", int(widths.max()) > paths.NAME_BYTES_MAX)
    data = rows.raw_bytes(name)
    refuse("a name with '/' or NUL", b"/" in data or b"\x00" in data)
    if b"." in data and int(widths.min()) <= 2:
        short = name.take(pa.array(np.flatnonzero(widths <= 2)))
        refuse("the name '.' or '..'", pc.any(pc.is_in(short, value_set=pa.array([b".", b".."], pa.binary()))).as_py())


def check_fields(batch: Any) -> None:
    """Check all logical columns but parent and name; raises DataError."""
    kind, size, digest_kind = (numbers(batch, name) for name in ("kind", "size", "digest_kind"))
    refuse("unknown kind", int(kind.min()) < min(Kind) or int(kind.max()) > max(Kind))
    refuse("mode out of range", int(numbers(batch, "mode").max()) > MODE_BITS)
    refuse("size out of range", int(size.min()) < 0 or int(size.max()) > SIZE_MAX)
    refuse("unknown kind of digest", int(digest_kind.max()) > max(DigestKind))
    name = rows.offsets(rows.single_chunk(batch.column("name")))
    refuse("the root is not a directory", name[1] == name[0] and kind[0] != Kind.DIRECTORY)
    others = np.flatnonzero(kind != Kind.FILE)
    without = np.flatnonzero(digest_kind == DigestKind.NONE)
    if not np.array_equal(others, without):
        raise DataError("a row of a tree is not valid: a file without a digest, or a digest where there is no content")
    _check_contents(batch, size, digest_kind)
    if len(others):
        _check_others(batch, kind, size, others)
    else:
        for column in ("target", "acl_default"):
            refuse(f"a file with {column}", widths_of(batch, column) is not None)
    _check_access(batch, kind)
    _check_attributes(batch)
    groups = numbers(batch, "link_group")
    refuse("a link group of something that is no file", len(others) > 0 and groups[others].any())


def numbers(batch: Any, column: str) -> Numbers:
    """Return a fixed column as a NumPy array."""
    return rows.single_chunk(batch.column(column)).to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def widths_of(batch: Any, column: str) -> Numbers | None:
    """Return the length of each value of a variable column; None if all are empty."""
    ends = rows.offsets(rows.single_chunk(batch.column(column)))
    return np.diff(ends) if ends[-1] != ends[0] else None


def _digests(batch: Any, indices: Numbers) -> Any:
    return rows.single_chunk(batch.column("digest")).take(pa.array(indices))


def _all_equal(values: Any, value: bytes) -> bool:
    return bool(pc.all(pc.equal(values, pa.scalar(value, pa.binary(DIGEST_BYTES)))).as_py())


def _check_contents(batch: Any, size: Numbers, digest_kind: Numbers) -> None:
    if int(size.max()) > BLOCK_BYTES or int(digest_kind.max()) > DigestKind.WHOLE:
        refuse("wrong kind of digest", (digest_kind == DigestKind.WHOLE) & (size > BLOCK_BYTES))
        refuse("wrong kind of digest", (digest_kind == DigestKind.BLOCKS) & (size <= BLOCK_BYTES))
        refuse("a deferred digest of nothing", (digest_kind == DigestKind.DEFERRED) & (size == 0))
    empty = np.flatnonzero((size == 0) & (digest_kind == DigestKind.WHOLE))
    if len(empty) and not _all_equal(_digests(batch, empty), _EMPTY_DIGEST):
        raise DataError("a row of a tree is not valid: an empty file with the digest of another content")


def _check_others(batch: Any, kind: Numbers, size: Numbers, others: Numbers) -> None:
    """Check the rows that are no files."""
    if not _all_equal(_digests(batch, others), NO_DIGEST):
        raise DataError("a row of a tree is not valid: a digest where there is no content")
    directory = kind == Kind.DIRECTORY
    refuse("a directory with a size", size[directory].any())
    default = widths_of(batch, "acl_default")
    refuse("a default ACL of something that is no directory", default is not None and (default[~directory] != 0).any())
    symlink = kind == Kind.SYMLINK
    target = widths_of(batch, "target")
    if target is None:
        refuse("a symlink without a target", symlink.any())
        return
    refuse("a target of something that is no symlink", target[~symlink] != 0)
    refuse("a symlink's size is not its target's length", (target != size)[symlink])
    lengths = target[symlink]
    refuse("a symlink's target is empty or too long", (lengths < 1) | (lengths > TARGET_BYTES_MAX))
    refuse("a symlink's target with NUL", b"\x00" in rows.raw_bytes(rows.single_chunk(batch.column("target"))))


def _check_access(batch: Any, kind: Numbers) -> None:
    for column in ("acl_access", "acl_default"):
        widths = widths_of(batch, column)
        if widths is None:
            continue
        refuse("an ACL of a symlink", widths[kind == Kind.SYMLINK] != 0)
        for value in pc.unique(rows.single_chunk(batch.column(column))).to_pylist():
            if value:
                is_acl = value.startswith(_ACL_HEADER) and len(value) % _ACL_ENTRY_BYTES == len(_ACL_HEADER)
                refuse("an ACL that is too long or not in the kernel's form", not is_acl or len(value) > ACL_BYTES_MAX)


def _check_attributes(batch: Any) -> None:
    inline, large = widths_of(batch, "xattrs"), widths_of(batch, "xattrs_digest")
    if large is not None:
        refuse("a digest of extended attributes of wrong length", (large != 0) & (large != DIGEST_BYTES))
        refuse("extended attributes twice", inline is not None and ((large != 0) & (inline != 0)).any())
    if inline is not None:
        refuse("extended attributes that are too long", int(inline.max()) > xattrs.XATTRS_INLINE_BYTES_MAX)
        for value in pc.unique(rows.single_chunk(batch.column("xattrs"))).to_pylist():
            xattrs.decode(value)
