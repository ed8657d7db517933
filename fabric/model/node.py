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

from fabric.errors import DataError
from fabric.model import envelope, extents, frames, paths, rows
from fabric.model.checks import ACL_BYTES_MAX, TARGET_BYTES_MAX, check_fields, check_paths
from fabric.model.child_checks import KEY_BYTES_MAX, check_counts, check_keys, check_references
from fabric.model.digest import DIGEST_BYTES
from fabric.model.entry import Kind
from fabric.model.extent_checks import check_extents
from fabric.model.ids import NodeId, ObjectRef
from fabric.model.layout import LayoutReader, LayoutWriter
from fabric.model.lookup import Lookup
from fabric.model.xattrs import XATTRS_INLINE_BYTES_MAX

_LEAF_TAG = b"fabric.leaf.1"
_INDEX_TAG = b"fabric.index.1"
_PLACES_TAG = b"fabric.places.1"
LEAF_ROWS_MAX = 64 * 1024
INDEX_CHILDREN_MAX = 64 * 1024
LEVEL_MAX = 16
UNKNOWN_LEVEL = -1
_PLACE_BYTES_MAX = 128
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
    ("target", TARGET_BYTES_MAX),
    ("acl_access", ACL_BYTES_MAX),
    ("acl_default", ACL_BYTES_MAX),
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
        level: 0 for a leaf, as an index node knows of its children; UNKNOWN_LEVEL for a root. A reader that checks it cannot
            be led down a chain of nodes without end.
    """

    key: bytes
    id: NodeId
    object: ObjectRef
    rows: int
    size: int
    level: int = field(default=UNKNOWN_LEVEL, compare=False)


@dataclass(frozen=True)
class Leaf:
    """A leaf that was decoded and checked. `logical` is a RecordBatch of `rows.LOGICAL`."""

    id: NodeId
    logical: Any
    _placement: frames.Frames = field(repr=False)

    @cached_property
    def extents(self) -> Any:
        """The column of extents, decoded at the first use; raises DataError."""
        column = extents.decode_columns(self._placement[0])
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
    def last_key(self) -> bytes:
        """The sort key of the last row."""
        return paths.sort_key(self.logical.column("parent")[-1].as_py(), self.logical.column("name")[-1].as_py())

    @property
    def table(self) -> Any:
        """All columns, as a table of `rows.SCHEMA`."""
        return pa.table([*self.logical.columns, self.extents], schema=rows.SCHEMA)


@dataclass(frozen=True)
class Index:
    """An index node that was decoded and checked. Level 1 stands over leaves."""

    id: NodeId
    level: int
    children: Sequence[Child]

    @cached_property
    def keys(self) -> list[bytes]:
        """The key of each child, to be bisected."""
        return [child.key for child in self.children]


def content_bytes(batch: Any) -> int:
    """Return the sum of the sizes of the files among these rows, in bytes."""
    kind = rows.single_chunk(batch.column("kind")).to_numpy(zero_copy_only=False)
    size = rows.single_chunk(batch.column("size")).to_numpy(zero_copy_only=False)
    return int(size[kind == Kind.FILE].sum())


def encode_leaf(table: Any) -> tuple[NodeId, bytes]:
    """Return the id and the object bytes of a leaf of these rows of `rows.SCHEMA`.

    Raises:
        DataError: the rows are not ones that a leaf may hold.
        InvalidInputError: they take more bytes than a tree object may.
    """
    if table.num_rows > LEAF_ROWS_MAX:
        raise DataError(f"{table.num_rows} rows are too many for a leaf")
    if not table.num_rows:
        raise DataError("a leaf has no rows")
    if not table.schema.equals(rows.SCHEMA):
        raise DataError("rows to encode do not have the columns of rows.SCHEMA")
    columns = [rows.single_chunk(column) for column in table.columns]
    if any(column.null_count for column in columns):
        raise DataError("rows to encode have nulls")
    batch = pa.RecordBatch.from_arrays(columns[:-1], schema=rows.LOGICAL)
    starts = rows.parent_starts(columns[0])
    parents = columns[0].take(pa.array(starts))
    check_paths(parents, starts, columns[1])
    check_fields(batch)
    placement = extents.encode_columns(columns[-1])
    check_extents(batch, columns[-1])
    header = envelope.encode_header(envelope.ObjectKind.LEAF)
    data, digests = frames.encode_hashed([_logical_bytes(batch, starts, parents), placement], header)
    return NodeId(digests[0]), data


def _logical_bytes(batch: Any, starts: Any, parents: Any) -> bytes:
    out = LayoutWriter(_LEAF_TAG)
    out.number(batch.num_rows)
    out.number(len(starts))
    out.fixed("u32", np.diff(np.append(starts, batch.num_rows)))
    out.binary(parents)
    out.binary(batch.column("name"))
    for name, kind in _FIXED_COLUMNS:
        out.fixed(kind, batch.column(name))
    out.bytes_fixed(batch.column("digest"), DIGEST_BYTES)
    for name, _ in _BINARY_COLUMNS:
        out.binary(batch.column(name))
    out.fixed("u64", batch.column("link_group"))
    return out.joined()


def decode_leaf(data: bytes | memoryview, expected: NodeId | None = None) -> Leaf:
    """Return the leaf that an object holds, its logical columns checked in full.

    Raises:
        DataError: it does not decode, breaks a rule, or is not the node of the `expected` id.
        UnsupportedFormatError: written by a newer release.
    """
    stored = frames.Frames(envelope.decode_header(data, envelope.ObjectKind.LEAF), 2)
    node_id = _expect(stored, expected)
    source = LayoutReader(stored[0], _LEAF_TAG)
    count = source.number(LEAF_ROWS_MAX)
    runs = source.number(count)
    run_lengths = source.numpy("u32", runs)
    if runs == 0 or int(run_lengths.min()) < 1 or int(run_lengths.sum(dtype=np.uint64)) != count:
        raise DataError("the parents of a leaf do not add up to its rows")
    parents = source.binary(runs, paths.PATH_BYTES_MAX)
    names = source.binary(count, paths.NAME_BYTES_MAX)
    columns = [source.fixed(kind, count) for _, kind in _FIXED_COLUMNS]
    columns.append(source.bytes_fixed(count, DIGEST_BYTES))
    columns.extend(source.binary(count, maximum) for _, maximum in _BINARY_COLUMNS)
    columns.append(source.fixed("u64", count))
    source.finish()
    starts = np.cumsum(run_lengths, dtype=np.int64) - run_lengths
    check_paths(parents, starts, names)
    parent = parents.take(pa.array(np.repeat(np.arange(runs, dtype=np.int32), run_lengths)))
    batch = pa.RecordBatch.from_arrays([parent, names, *columns], schema=rows.LOGICAL)
    check_fields(batch)
    return Leaf(node_id, batch, stored.detached(1))


def _expect(stored: frames.Frames, expected: NodeId | None) -> NodeId:
    node_id = NodeId(stored.digest(0))
    if expected is not None and node_id != expected:
        raise DataError(f"tree node {expected.hex()} was asked for, {node_id.hex()} was found")
    return node_id


def encode_index(level: int, children: Sequence[Child]) -> tuple[NodeId, bytes]:
    """Return the id and the object bytes of an index node over these children.

    Raises:
        DataError: they are not ones that an index node may hold.
    """
    if not 1 <= level <= LEVEL_MAX or not 1 <= len(children) <= INDEX_CHILDREN_MAX:
        raise DataError("an index node has no children, too many, or an impossible level")
    if any(child.level not in (UNKNOWN_LEVEL, level - 1) for child in children):
        raise DataError("an index node stands over nodes of another level than the one below it")
    keys, row_counts, sizes = zip(*((child.key, child.rows, child.size) for child in children), strict=True)
    objects = pa.array([child.object.encode("utf-8", "replace") for child in children], pa.binary())
    check_keys(list(keys))
    check_counts(list(row_counts), list(sizes))
    check_references(objects)
    ids = b"".join(child.id for child in children)
    if len(ids) != len(children) * DIGEST_BYTES:
        raise DataError("a child of an index node has an id that has not 32 bytes")
    out = LayoutWriter(_INDEX_TAG)
    out.number(level)
    out.number(len(children))
    out.strings(keys)
    out.parts.append(ids)
    out.fixed("u64", np.array(row_counts, np.uint64))
    out.fixed("u64", np.array(sizes, np.uint64))
    places = LayoutWriter(_PLACES_TAG)
    places.number(len(children))
    places.binary(objects)
    header = envelope.encode_header(envelope.ObjectKind.INDEX)
    data, digests = frames.encode_hashed([out.joined(), places.joined()], header)
    return NodeId(digests[0]), data


def decode_index(data: bytes | memoryview, expected: NodeId | None = None) -> Index:
    """Return the index node that an object holds; raises as decode_leaf."""
    stored = frames.Frames(envelope.decode_header(data, envelope.ObjectKind.INDEX), 2)
    node_id = _expect(stored, expected)
    source = LayoutReader(stored[0], _INDEX_TAG)
    level, count = source.number(LEVEL_MAX), source.number(INDEX_CHILDREN_MAX)
    if not level or not count:
        raise DataError("an index node has no children, or an impossible level")
    keys = source.binary(count, KEY_BYTES_MAX).to_pylist()
    ids = source.bytes_fixed(count, DIGEST_BYTES).to_pylist()
    row_counts, sizes = source.numpy("u64", count).tolist(), source.numpy("u64", count).tolist()
    source.finish()
    check_keys(keys)
    check_counts(row_counts, sizes)
    places = LayoutReader(stored[1], _PLACES_TAG)
    if places.number(INDEX_CHILDREN_MAX) != count:
        raise DataError("an index node has more or fewer places than children")
    objects = places.binary(count, _PLACE_BYTES_MAX)
    places.finish()
    check_references(objects)
    references = objects.cast(pa.string()).to_pylist()
    levels = [level - 1] * count
    children = [Child(*values) for values in zip(keys, ids, references, row_counts, sizes, levels, strict=True)]
    return Index(node_id, level, children)
