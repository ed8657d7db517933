"""Entries as columns: the form in which trees are built, stored, compared and listed.

A `pyarrow.Table` or `RecordBatch` of SCHEMA holds entries in tree order (`fabric.model.paths`), one row each. The first
columns say what an entry is (LOGICAL, in the order in which the identity layout takes them), the last where its bytes lie.
No column has nulls.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fabric.errors import DataError, InvalidInputError
from fabric.model import paths, xattrs
from fabric.model.digest import DIGEST_BYTES, DigestKind
from fabric.model.entry import Entry, Kind
from fabric.model.extent import Extent, ExtentKind

EXTENT = pa.struct(
    [
        pa.field("kind", pa.uint8(), nullable=False),
        pa.field("object", pa.binary(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("stored", pa.int64(), nullable=False),
        pa.field("length", pa.int64(), nullable=False),
        pa.field("codec", pa.uint8(), nullable=False),
        pa.field("key", pa.uint32(), nullable=False),
        pa.field("digest", pa.binary(), nullable=False),
    ]
)
EXTENTS = pa.list_(pa.field("extent", EXTENT, nullable=False))

LOGICAL = pa.schema(
    [
        pa.field("parent", pa.binary(), nullable=False),
        pa.field("name", pa.binary(), nullable=False),
        pa.field("kind", pa.uint8(), nullable=False),
        pa.field("mode", pa.uint16(), nullable=False),
        pa.field("uid", pa.uint32(), nullable=False),
        pa.field("gid", pa.uint32(), nullable=False),
        pa.field("mtime_ns", pa.int64(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("digest_kind", pa.uint8(), nullable=False),
        pa.field("digest", pa.binary(DIGEST_BYTES), nullable=False),
        pa.field("target", pa.binary(), nullable=False),
        pa.field("acl_access", pa.binary(), nullable=False),
        pa.field("acl_default", pa.binary(), nullable=False),
        pa.field("xattrs", pa.binary(), nullable=False),
        pa.field("xattrs_digest", pa.binary(), nullable=False),
        pa.field("link_group", pa.uint64(), nullable=False),
    ]
)
"""What an entry is. `xattrs` holds the canonical bytes of a small set (`fabric.model.xattrs`)."""

SCHEMA = LOGICAL.append(pa.field("extents", EXTENTS, nullable=False))
"""... and where its bytes lie. If xattrs_digest is set, the last extent of the row is that of the attribute set."""

_FOLD = bytes.maketrans(b"/", b"\x00")


def from_entries(entries: Iterable[tuple[Entry, Sequence[Extent]]]) -> pa.Table:
    """Return rows of SCHEMA, sorted in tree order, from entries with their extents.

    Raises:
        InvalidInputError: a number does not fit its column, or a digest has not 32 bytes. (What a tree may hold is checked
            when it is encoded.)
    """
    ordered = sorted(entries, key=lambda pair: paths.path_key(pair[0].path))
    columns: dict[str, list[object]] = {name: [] for name in SCHEMA.names}
    for entry, extents in ordered:
        parent, name = paths.split(entry.path)
        columns["parent"].append(parent)
        columns["name"].append(name)
        for column in ("kind", "mode", "uid", "gid", "mtime_ns", "size", "digest_kind", "digest", "target"):
            columns[column].append(getattr(entry, column))
        columns["acl_access"].append(entry.acl_access)
        columns["acl_default"].append(entry.acl_default)
        columns["xattrs"].append(xattrs.encode(entry.xattrs))
        columns["xattrs_digest"].append(entry.xattrs_digest)
        columns["link_group"].append(entry.link_group)
        columns["extents"].append([extent_dict(extent) for extent in extents])
    try:
        return pa.table([pa.array(columns[field.name], field.type) for field in SCHEMA], schema=SCHEMA)
    except (pa.ArrowException, OverflowError, TypeError) as error:
        raise InvalidInputError(f"an entry has a value that its column cannot hold: {error}") from None


def extent_dict(extent: Extent) -> dict[str, Any]:
    """Return an extent as the value that pyarrow takes for EXTENT."""
    return {name: getattr(extent, name) for name in Extent.__slots__}


def extent_of(value: dict[str, Any]) -> Extent:
    """Return the extent that a value of EXTENT says.

    Raises:
        DataError: its kind is not known.
    """
    try:
        kind = ExtentKind(value["kind"])
    except ValueError:
        raise DataError(f"unknown kind of extent {value['kind']}") from None
    return Extent(**{**value, "kind": kind})


def entry_at(batch: pa.RecordBatch | pa.Table, index: int) -> Entry:
    """Return one row as an entry. For single looks: about 10 us."""
    row = {name: batch.column(name)[index].as_py() for name in LOGICAL.names}
    return Entry(
        path=paths.join(row["parent"], row["name"]),
        kind=Kind(row["kind"]),
        digest_kind=DigestKind(row["digest_kind"]),
        xattrs=xattrs.decode(row["xattrs"]),
        **{
            name: row[name]
            for name in ("mode", "uid", "gid", "mtime_ns", "size", "digest", "target", "acl_access", "acl_default")
        },
        xattrs_digest=row["xattrs_digest"],
        link_group=row["link_group"],
    )


def iter_entries(batch: pa.RecordBatch | pa.Table) -> Iterator[Entry]:
    """Yield all rows as entries, column-wise: about 2 us a row."""
    columns = [batch.column(name).to_pylist() for name in LOGICAL.names]
    for row in zip(*columns, strict=True):
        parent, name, kind, mode, uid, gid, mtime_ns, size, digest_kind, digest, target, acl, acl_default, *rest = row
        yield Entry(
            path=paths.join(parent, name),
            kind=Kind(kind),
            mode=mode,
            uid=uid,
            gid=gid,
            mtime_ns=mtime_ns,
            size=size,
            digest_kind=DigestKind(digest_kind),
            digest=digest,
            target=target,
            acl_access=acl,
            acl_default=acl_default,
            xattrs=xattrs.decode(rest[0]),
            xattrs_digest=rest[1],
            link_group=rest[2],
        )


def extents_at(batch: pa.RecordBatch | pa.Table, index: int) -> list[Extent]:
    """Return the extents of one row."""
    return extents_at_leaf(batch.column("extents"), index)


def extents_at_leaf(column: Any, index: int) -> list[Extent]:
    """Return one value of a column of extents."""
    return [extent_of(value) for value in column[index].as_py()]


def single_chunk(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Return a column as one array, without a copy if it is one chunk already."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def sort_keys(batch: pa.RecordBatch | pa.Table) -> pa.Array:
    """Return the sort key of each row (`paths.sort_key`), as a binary array."""
    folded = fold(single_chunk(batch.column("parent")))
    return pc.binary_join_element_wise(folded, single_chunk(batch.column("name")), pa.scalar(paths.SEPARATOR, pa.binary()))


def fold(parent: pa.Array) -> pa.Array:
    """Return parent paths as sort keys hold them: `/` as 0x00. All bytes at once, since no length changes."""
    ends = offsets(parent)
    data = raw_bytes(parent).translate(_FOLD)
    ends = ends - ends[0] if ends[0] else ends
    return pa.Array.from_buffers(pa.binary(), len(parent), [None, pa.py_buffer(ends), pa.py_buffer(data)])


def parent_starts(parent: pa.Array) -> npt.NDArray[np.int64]:
    """Return the row numbers at which a run of equal parents begins."""
    if len(parent) < 2:
        return np.zeros(len(parent), np.int64)
    changed = pc.not_equal(parent.slice(1), parent.slice(0, len(parent) - 1)).to_numpy(zero_copy_only=False)
    return np.concatenate((np.zeros(1, np.int64), np.flatnonzero(changed) + 1))


def raw_bytes(column: pa.Array) -> bytes:
    """Return the values of a binary column back to back."""
    ends = offsets(column)
    buffer = column.buffers()[2]
    return b"" if buffer is None else bytes(memoryview(buffer)[int(ends[0]) : int(ends[-1])])


def full_paths(batch: pa.RecordBatch | pa.Table) -> pa.Array:
    """Return the whole path of each row, as a binary array."""
    parent, name = single_chunk(batch.column("parent")), single_chunk(batch.column("name"))
    joined = pc.binary_join_element_wise(parent, name, pa.scalar(b"/", pa.binary()))
    if np.diff(offsets(parent)).all():
        return joined
    return pc.if_else(pc.equal(pc.binary_length(parent), 0), name, joined)


def rising(keys: pa.Array) -> npt.NDArray[np.bool_]:
    """Return, for each value but the first, whether it is above the one before."""
    below = pc.less(keys.slice(0, len(keys) - 1), keys.slice(1))
    return below.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def is_strictly_sorted(keys: pa.Array) -> bool:
    """Whether sort keys rise from row to row: sorted, and no path twice."""
    return len(keys) < 2 or bool(rising(keys).all())


def sort(table: pa.Table) -> pa.Table:
    """Return the rows in tree order."""
    keys = sort_keys(table)
    return table if is_strictly_sorted(keys) else table.take(pc.sort_indices(keys))


def empty() -> pa.Table:
    """Return no rows."""
    return SCHEMA.empty_table()


def find(keys: pa.Array, key: bytes, low: int = 0) -> int:
    """Return the first row whose sort key is not below `key` (bisection over an array: a few us)."""
    high = len(keys)
    while low < high:
        middle = (low + high) // 2
        if keys[middle].as_py() < key:
            low = middle + 1
        else:
            high = middle
    return low


def offsets(column: pa.Array) -> npt.NDArray[np.int32]:
    """Return the n + 1 offsets of a binary or list column, as they are: the first need not be 0."""
    buffer = column.buffers()[1]
    if buffer is None or len(column) == 0:
        return np.zeros(1, np.int32)
    return np.frombuffer(buffer, np.int32, len(column) + 1, column.offset * 4)
