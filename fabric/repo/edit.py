"""Changing a tree: the one way in which nodes come into being.

`apply_edits` walks an old tree and a set of edits together. Nodes that no edit touches are kept as they are, whole
subtrees at a time; touched leaves are read, changed and cut again, and reading goes on until a cut falls on an old one.
Building a tree from nothing is the same walk without an old tree. So the result depends on the entries alone, never on
the way to them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fabric.cache.nodes import NodeReader
from fabric.errors import InvalidInputError
from fabric.model import cuts, rows
from fabric.model.ids import NodeId
from fabric.model.node import Child, Index, content_bytes, encode_index, encode_leaf
from fabric.objects.writer import ObjectWriter

SPLICED_ROWS_MAX = 64
"""So few edits of one leaf are cut into its rows one by one."""


@dataclass(frozen=True)
class Edits:
    """What is to change, in the order: clear ranges, remove keys, put rows.

    Attributes:
        upserts: rows of `rows.SCHEMA` in tree order, new or replacing.
        removed: sort keys to remove, in order; absent ones are no error.
        cleared: half-open ranges of sort keys to remove, in order, not overlapping.
    """

    upserts: Any = field(default_factory=rows.empty)
    removed: Sequence[bytes] = ()
    cleared: Sequence[tuple[bytes, bytes]] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing would change."""
        return not (self.upserts.num_rows or self.removed or self.cleared)


class _Part:
    """Edits with their keys, to be asked for what falls into a range."""

    def __init__(self, edits: Edits) -> None:
        self.upserts = edits.upserts.combine_chunks()
        self.keys = rows.sort_keys(self.upserts)
        if not rows.is_strictly_sorted(self.keys):
            raise InvalidInputError("rows to put into a tree are not in order, or a path stands twice")
        self.removed = pa.array(edits.removed, pa.binary())
        self.cleared = edits.cleared

    @staticmethod
    def _span(keys: Any, low: bytes, high: bytes | None) -> tuple[int, int]:
        start = rows.find(keys, low)
        return start, len(keys) if high is None else rows.find(keys, high, start)

    def touches(self, low: bytes, high: bytes | None) -> bool:
        """Whether any edit falls into [low, high)."""
        for keys in (self.keys, self.removed):
            start, end = self._span(keys, low, high)
            if start < end:
                return True
        return any(stop > low and (high is None or start < high) for start, stop in self.cleared)

    def clears(self, low: bytes, high: bytes | None) -> bool:
        """Whether all of [low, high) goes and nothing comes."""
        start, end = self._span(self.keys, low, high)
        return start == end and high is not None and any(begin <= low and high <= stop for begin, stop in self.cleared)

    def apply(self, table: Any, keys: Any, low: bytes, high: bytes | None) -> Any:
        """Return the rows of one leaf, which covers [low, high), after the edits."""
        start, end = self._span(self.keys, low, high)
        new, new_keys = self.upserts.slice(start, end - start), self.keys.slice(start, end - start)
        first, last = self._span(self.removed, low, high)
        if len(new) + last - first <= SPLICED_ROWS_MAX and not self.cleared:
            return _splice(table, keys, new, new_keys, self.removed.slice(first, last - first))
        gone = pa.concat_arrays([new_keys, self.removed])
        keep = np.ones(len(keys), bool)
        if len(gone):
            keep &= ~pc.is_in(keys, value_set=gone).to_numpy(zero_copy_only=False)
        for begin, stop in self.cleared:
            keep[rows.find(keys, begin) : rows.find(keys, stop)] = False
        if not len(new) and keep.all():
            return table
        kept = table if keep.all() else table.filter(pa.array(keep))
        if not len(new):
            return kept
        both = pa.concat_tables([kept, new])
        order = pc.sort_indices(pa.concat_arrays([keys.filter(pa.array(keep)), new_keys]))
        return both.take(order)


def _splice(table: Any, keys: Any, new: Any, new_keys: Any, removed: Any) -> Any:
    """Do a few edits by cutting the old rows where they fall: that copies no row, where sorting copies all of them."""
    edits: dict[bytes, int | None] = dict.fromkeys(removed.to_pylist())
    edits.update((key, number) for number, key in enumerate(new_keys.to_pylist()))
    pieces, done = [], 0
    for key, number in sorted(edits.items()):
        at = rows.find(keys, key, done)
        pieces.append(table.slice(done, at - done))
        done = at + (at < len(keys) and keys[at].as_py() == key)
        if number is not None:
            pieces.append(new.slice(number, 1))
    pieces.append(table.slice(done))
    return pa.concat_tables(pieces)


class TreeBuilder:
    """Takes rows and finished nodes from left to right, and makes the nodes above them."""

    def __init__(self, writer: ObjectWriter) -> None:
        self._writer = writer
        self._open_rows: Any = None
        self._open_hashes: Any = np.empty(0, np.uint64)
        self._open_children: list[list[Child]] = []
        self._known: dict[NodeId, Child] = {}

    def remember(self, children: Sequence[Child]) -> None:
        """Nodes that exist already: one that comes out equal is not written again."""
        self._known.update((child.id, child) for child in children)

    def is_at_cut(self, level: int) -> bool:
        """Whether nothing is open below `level`: a kept node of that level may follow."""
        return self._open_rows is None and not any(self._open_children[:level])

    def add_rows(self, table: Any) -> None:
        """Append rows; those that complete a leaf go out."""
        if not table.num_rows:
            return
        hashes = np.concatenate((self._open_hashes, cuts.row_hashes(table)))
        if self._open_rows is not None:
            table = pa.concat_tables([self._open_rows, table])
        start = 0
        for end in cuts.cut_points(hashes, cuts.LEAF_RULE):
            self._close_leaf(table.slice(start, end - start))
            start = end
        self._open_rows = table.slice(start) if start < table.num_rows else None
        self._open_hashes = hashes[start:]

    def _close_leaf(self, table: Any) -> None:
        table = table.combine_chunks()
        node_id, data = encode_leaf(table)
        known = self._known.get(node_id)
        if known is None:
            key = rows.sort_keys(table.slice(0, 1))[0].as_py()
            known = Child(key, node_id, self._writer.write(data), table.num_rows, content_bytes(table))
        self.add_node(0, known)

    def add_node(self, level: int, child: Child) -> None:
        """Append a finished node of `level` (0 is a leaf)."""
        while len(self._open_children) <= level:
            self._open_children.append([])
        siblings = self._open_children[level]
        siblings.append(child)
        limit = cuts.INDEX_RULE.threshold(len(siblings))
        if limit and cuts.child_hash(level + 1, child.key) < limit:
            self._close_index(level)

    def _close_index(self, level: int) -> None:
        children, self._open_children[level] = self._open_children[level], []
        node_id, data = encode_index(level + 1, children)
        known = self._known.get(node_id)
        if known is None:
            count, size = sum(child.rows for child in children), sum(child.size for child in children)
            known = Child(children[0].key, node_id, self._writer.write(data), count, size)
        self.add_node(level + 1, known)

    def finish(self) -> Child:
        """Close what is open and return the root."""
        if self._open_rows is not None:
            self._close_leaf(self._open_rows)
            self._open_rows, self._open_hashes = None, self._open_hashes[:0]
        level = 0
        while True:
            siblings = self._open_children[level] if level < len(self._open_children) else []
            if len(siblings) == 1 and not any(self._open_children[level + 1 :]):
                return siblings[0]
            if siblings:
                self._close_index(level)
            level += 1
            if level > len(self._open_children):
                raise InvalidInputError("a tree cannot be empty: it has at least the root directory")


def apply_edits(nodes: NodeReader, writer: ObjectWriter, root: Child | None, edits: Edits) -> Child:
    """Return the root of the tree after the edits; new nodes are on their way to the store (flush before use).

    The caller keeps the tree whole: every parent is there and a directory. Cost follows the edits, not the tree.

    Raises:
        DataError: the old tree, or a row to put, is not valid.
        UnavailableError: the store cannot be reached.
    """
    if root is not None and edits.is_empty:
        return root
    builder = TreeBuilder(writer)
    walk = _Walk(nodes, builder, _Part(edits))
    if root is None:
        builder.add_rows(walk.part.upserts)
    else:
        builder.remember([root])
        walk.read(root, b"", None)
    return builder.finish()


class _Walk:
    """Passes an old tree through the edits to the builder, from left to right."""

    def __init__(self, nodes: NodeReader, builder: TreeBuilder, part: _Part) -> None:
        self._nodes = nodes
        self._builder = builder
        self.part = part

    def read(self, child: Child, low: bytes, high: bytes | None) -> None:
        """Read the node of `child`, which covers [low, high), and pass on what is below it."""
        if self.part.clears(low, high):
            return
        node = self._nodes.node(child)
        if not isinstance(node, Index):
            self._builder.add_rows(self.part.apply(node.table, node.keys, low, high))
            return
        self._builder.remember(node.children)
        bounds = [low, *(below.key for below in node.children[1:]), high]
        for position, below in enumerate(node.children):
            start, stop = bounds[position] or b"", bounds[position + 1]
            if self._builder.is_at_cut(node.level - 1) and not self.part.touches(start, stop):
                self._builder.add_node(node.level - 1, below)
            else:
                self.read(below, start, stop)
