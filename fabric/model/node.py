"""Tree nodes: leaves of rows, and index nodes over them, as values and as objects (docs/format.md, "Tree nodes").

    object = envelope | frame table | logical frame | placement frame

The id of a node is the digest of its logical frame, so identity and integrity are one check. Placement has its own digest in
the frame table and is decoded only when somebody asks where bytes lie.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fabric.errors import DataError, InvalidInputError
from fabric.model import envelope, extents, frames, paths, rows
from fabric.model.checks import check_extents, check_rows
from fabric.model.digest import DIGEST_BYTES, block_digest
from fabric.model.entry import Kind
from fabric.model.ids import NodeId, ObjectRef, parse_object_ref
from fabric.model.layout import LayoutReader, LayoutWriter
from fabric.model.lookup import Lookup
from fabric.model.xattrs import XATTRS_INLINE_BYTES_MAX

_LEAF_TAG = b"fabric.leaf.1"
_INDEX_TAG = b"fabric.index.1"
_PLACES_TAG = b"fabric.places.1"
LEAF_ROWS_MAX = 64 * 1024
INDEX_CHILDREN_MAX = 64 * 1024
LEVEL_MAX = 16
_COUNT_MAX = 2**53
_KEY_BYTES_MAX = paths.PATH_BYTES_MAX + 3
_FIXED_COLUMNS = (
    ("kind", "u8"),
    ("mode", "u16"),
    ("uid", "u32"),
    ("gid", "u32"),
    ("mtime_ns", "i64"),
    ("size", "i64"),
    ("digest_kind", "u8"),
)
_BINARY_COLUMNS = (
    ("target", 4095),
    ("acl_access", 4096),
    ("acl_default", 4096),
    ("xattrs", XATTRS_INLINE_BYTES_MAX),
    ("xattrs_digest", DIGEST_BYTES),
)


@dataclass(frozen=True, slots=True)
class Child:
    """A node as its parent sees it.

    Attributes:
        key: sort key of the first row below it.
        id: what it says.
        object: where it lies.
        rows: number of rows below it.
        size: sum of the sizes of the files below it, in bytes.
    """

    key: bytes
    id: NodeId
    object: ObjectRef
    rows: int
    size: int


@dataclass(frozen=True)
class Leaf:
    """A leaf that was decoded and checked. `logical` is a RecordBatch of `rows.LOGICAL`."""

    id: NodeId
    logical: Any
    _frames: Any = field(repr=False)

    @cached_property
    def extents(self) -> Any:
        """The column of extents, decoded at the first use; raises DataError."""
        column = extents.decode_columns(self._frames[1])
        check_extents(self.logical, column)
        return column

    @cached_property
    def keys(self) -> Any:
        """The sort key of each row."""
        return rows.sort_keys(self.logical)

    @cached_property
    def lookup(self) -> Lookup:
        """The rows for single looks."""
        return Lookup(self.logical)

    @cached_property
    def size(self) -> int:
        """Sum of the sizes of the files in it, in bytes. Symlinks do not count."""
        return content_bytes(self.logical)

    @property
    def first_key(self) -> bytes:
        """The sort key of the first row."""
        return paths.sort_key(self.logical.column("parent")[0].as_py(), self.logical.column("name")[0].as_py())

    @property
    def table(self) -> Any:
        """All columns, as a table of `rows.SCHEMA`."""
        return pa.table([*self.logical.columns, self.extents], schema=rows.SCHEMA)


@dataclass(frozen=True, slots=True)
class Index:
    """An index node that was decoded and checked. Level 1 stands over leaves."""

    id: NodeId
    level: int
    children: Sequence[Child]


def content_bytes(batch: Any) -> int:
    """Return the sum of the sizes of the files among these rows, in bytes."""
    kind = rows.single_chunk(batch.column("kind")).to_numpy(zero_copy_only=False)
    size = rows.single_chunk(batch.column("size")).to_numpy(zero_copy_only=False)
    return int(size[kind == Kind.FILE].sum())


def _logical_bytes(batch: Any) -> bytes:
    out = LayoutWriter(_LEAF_TAG)
    out.number(batch.num_rows)
    parent = rows.single_chunk(batch.column("parent"))
    starts = parent_starts(parent)
    out.number(len(starts))
    out.fixed("u32", np.diff(np.append(starts, len(parent))))
    out.binary(parent.take(pa.array(starts)))
    out.binary(batch.column("name"))
    for name, kind in _FIXED_COLUMNS:
        out.fixed(kind, batch.column(name))
    out.bytes_fixed(batch.column("digest"), DIGEST_BYTES)
    for name, _ in _BINARY_COLUMNS:
        out.binary(batch.column(name))
    out.fixed("u64", batch.column("link_group"))
    return out.joined()


def parent_starts(parent: Any) -> Any:
    """Return the row numbers at which a run of equal parents begins."""
    if len(parent) < 2:
        return np.zeros(len(parent), np.int64)
    changed = pc.not_equal(parent.slice(1), parent.slice(0, len(parent) - 1)).to_numpy(zero_copy_only=False)
    return np.concatenate(([0], np.flatnonzero(changed) + 1))


def encode_leaf(table: Any) -> tuple[NodeId, bytes]:
    """Return the id and the object bytes of a leaf of these rows of `rows.SCHEMA`.

    Raises:
        DataError: the rows are not ones that a leaf may hold.
    """
    if table.num_rows > LEAF_ROWS_MAX:
        raise DataError(f"{table.num_rows} rows are too many for a leaf")
    check_rows(table)
    column = rows.single_chunk(table.column("extents"))
    check_extents(table, column)
    logical = _logical_bytes(table)
    header = envelope.encode_header(envelope.ObjectKind.LEAF)
    return NodeId(block_digest(logical)), header + frames.encode([logical, extents.encode_columns(column)])


def decode_leaf(data: bytes | memoryview, expected: NodeId | None = None) -> Leaf:
    """Return the leaf that an object holds, its logical columns checked in full.

    Raises:
        DataError: it does not decode, breaks a rule, or is not the node of the `expected` id.
        UnsupportedFormatError: written by a newer release.
    """
    payload = envelope.decode_header(data, envelope.ObjectKind.LEAF)
    stored = frames.Frames(payload, 2)
    raw = stored[0]
    source = LayoutReader(raw, _LEAF_TAG)
    count = source.number(LEAF_ROWS_MAX)
    runs = source.number(LEAF_ROWS_MAX)
    run_lengths = source.numpy("u32", runs)
    if runs and (int(run_lengths.min()) < 1 or int(run_lengths.sum()) != count):
        raise DataError("the parents of a leaf do not add up")
    parents = source.binary(runs, paths.PATH_BYTES_MAX)
    columns = [parents.take(pa.array(np.repeat(np.arange(runs), run_lengths)))]
    columns.append(source.binary(count, paths.NAME_BYTES_MAX))
    columns.extend(source.fixed(kind, count) for _, kind in _FIXED_COLUMNS)
    columns.append(source.bytes_fixed(count, DIGEST_BYTES))
    columns.extend(source.binary(count, maximum) for _, maximum in _BINARY_COLUMNS)
    columns.append(source.fixed("u64", count))
    source.finish()
    batch = pa.RecordBatch.from_arrays(columns, schema=rows.LOGICAL)
    check_rows(batch)
    if len(parent_starts(columns[0])) != runs:
        raise DataError("the parents of a leaf are not in their shortest form")
    return Leaf(_expect(stored, expected), batch, stored)


def _expect(stored: frames.Frames, expected: NodeId | None) -> NodeId:
    node_id = NodeId(stored.digest(0))
    if expected is not None and node_id != expected:
        raise DataError(f"tree node {expected.hex()} was asked for, {node_id.hex()} was found")
    return node_id


def encode_index(level: int, children: Sequence[Child]) -> tuple[NodeId, bytes]:
    """Return the id and the object bytes of an index node over these children; raises DataError."""
    _check_children(level, children)
    out = LayoutWriter(_INDEX_TAG)
    out.number(level)
    out.number(len(children))
    out.strings([child.key for child in children])
    out.parts.append(b"".join(child.id for child in children))
    out.fixed("u64", np.array([child.rows for child in children], np.uint64))
    out.fixed("u64", np.array([child.size for child in children], np.uint64))
    logical = out.joined()
    places = LayoutWriter(_PLACES_TAG)
    places.number(len(children))
    places.strings([child.object.encode("ascii") for child in children])
    header = envelope.encode_header(envelope.ObjectKind.INDEX)
    return NodeId(block_digest(logical)), header + frames.encode([logical, places.joined()])


def decode_index(data: bytes | memoryview, expected: NodeId | None = None) -> Index:
    """Return the index node that an object holds; raises as decode_leaf."""
    stored = frames.Frames(envelope.decode_header(data, envelope.ObjectKind.INDEX), 2)
    raw = stored[0]
    source = LayoutReader(raw, _INDEX_TAG)
    level = source.number(LEVEL_MAX)
    count = source.number(INDEX_CHILDREN_MAX)
    keys = source.binary(count, _KEY_BYTES_MAX).to_pylist()
    ids = source.bytes_fixed(count, DIGEST_BYTES).to_pylist()
    row_counts, sizes = source.numpy("u64", count).tolist(), source.numpy("u64", count).tolist()
    source.finish()
    places = LayoutReader(stored[1], _PLACES_TAG)
    if places.number(INDEX_CHILDREN_MAX) != count:
        raise DataError("an index node has more or fewer places than children")
    objects = places.binary(count, 128).to_pylist()
    places.finish()
    try:
        children = [
            Child(key, NodeId(id_), parse_object_ref(object_.decode("ascii", "replace")), row_count, size)
            for key, id_, object_, row_count, size in zip(keys, ids, objects, row_counts, sizes, strict=True)
        ]
    except InvalidInputError as error:
        raise DataError(f"an index node does not decode: {error}") from None
    _check_children(level, children)
    return Index(_expect(stored, expected), level, children)


def _check_children(level: int, children: Sequence[Child]) -> None:
    if not 1 <= level <= LEVEL_MAX or not 1 <= len(children) <= INDEX_CHILDREN_MAX:
        raise DataError("an index node has no children, too many, or an impossible level")
    before = None
    for child in children:
        if before is not None and child.key <= before:
            raise DataError("the keys of an index node are not in order")
        if not 1 <= child.rows <= _COUNT_MAX or not 0 <= child.size <= _COUNT_MAX * LEAF_ROWS_MAX:
            raise DataError("an index node counts its rows wrong")
        before = child.key
    if sum(child.rows for child in children) > _COUNT_MAX:
        raise DataError("an index node counts its rows wrong")
