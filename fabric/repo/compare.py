"""What differs between two trees, by their nodes: equal ids are equal subtrees and are never read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fabric.cache.nodes import NodeReader
from fabric.model import rows
from fabric.model.node import Child, Index, Leaf


@dataclass(frozen=True)
class RowDiff:
    """Differing rows of one range of keys, in tree order. `before` and `after` are aligned: the same paths.

    All are tables; `added` and `after` have extents if that was asked for.
    """

    removed: Any
    added: Any
    before: Any
    after: Any


def compare(nodes: NodeReader, left: Child, right: Child, *, extents: bool = False) -> Iterator[RowDiff]:
    """Yield what changed from `left` to `right`, range by range in tree order. Cost follows the difference.

    Raises:
        DataError, UnavailableError: a node cannot be read.
    """
    left_leaves, right_leaves = _differing_leaves(nodes, left, right)
    yield from _sweep(_Side(nodes, left_leaves, extents=False), _Side(nodes, right_leaves, extents=extents))


def _differing_leaves(nodes: NodeReader, left: Child, right: Child) -> tuple[list[Child], list[Child]]:
    sides = [[left], [right]]
    if left.id == right.id:
        return [], []
    levels = [_level(nodes, left), _level(nodes, right)]
    while any(levels):
        if levels[0] == levels[1]:
            sides = _without_common(sides)
        top = max(levels)
        for side in (0, 1):
            if levels[side] == top:
                sides[side] = [below for node in nodes.nodes(sides[side]) for below in _children(node)]
                levels[side] -= 1
    left_only, right_only = _without_common(sides)
    return left_only, right_only


def _level(nodes: NodeReader, child: Child) -> int:
    node = nodes.node(child)
    return node.level if isinstance(node, Index) else 0


def _children(node: Leaf | Index) -> Sequence[Child]:
    assert isinstance(node, Index)
    return node.children


def _without_common(sides: list[list[Child]]) -> list[list[Child]]:
    common = {child.id for child in sides[0]} & {child.id for child in sides[1]}
    return [[child for child in side if child.id not in common] for side in sides]


class _Side:
    """The rows of one side's differing leaves, taken from left to right."""

    def __init__(self, nodes: NodeReader, leaves: list[Child], *, extents: bool) -> None:
        self._nodes = nodes.nodes(leaves)
        self._left = len(leaves)
        self._extents = extents
        schema = rows.SCHEMA if extents else rows.LOGICAL
        self._nothing = schema.empty_table()
        self._table, self._keys = self._nothing, pa.array([], pa.binary())

    @property
    def is_done(self) -> bool:
        return not len(self._keys) and not self._left

    def fill(self) -> None:
        if not len(self._keys) and self._left:
            leaf = next(self._nodes)
            assert isinstance(leaf, Leaf)
            self._left -= 1
            self._keys = leaf.keys
            self._table = leaf.table if self._extents else pa.Table.from_batches([leaf.logical])

    def limit(self) -> bytes | None:
        """The last key up to which this side is known; None if nothing follows."""
        return self._keys[-1].as_py() if self._left else None

    def take(self, limit: bytes | None) -> tuple[Any, Any]:
        """Remove and return the rows up to and including `limit`, with their keys."""
        count = len(self._keys) if limit is None else rows.find(self._keys, limit + b"\x00")
        table, keys = self._table.slice(0, count), self._keys.slice(0, count)
        self._table, self._keys = self._table.slice(count), self._keys.slice(count)
        return table, keys


def _sweep(left: _Side, right: _Side) -> Iterator[RowDiff]:
    while True:
        left.fill()
        right.fill()
        if left.is_done and right.is_done:
            return
        limits = [limit for limit in (left.limit(), right.limit()) if limit is not None]
        limit = min(limits) if limits else None
        found = compare_rows(*left.take(limit), *right.take(limit))
        if found.removed.num_rows or found.added.num_rows or found.before.num_rows:
            yield found


def compare_rows(left: Any, left_keys: Any, right: Any, right_keys: Any) -> RowDiff:
    """Compare two tables of rows in tree order by their logical columns."""
    if len(left_keys) == len(right_keys) and left_keys.equals(right_keys):
        changed = _changed(left, right)
        return RowDiff(left.slice(0, 0), right.slice(0, 0), left.filter(changed), right.filter(changed))
    matches = pc.index_in(left_keys, value_set=right_keys)
    is_common = matches.is_valid()
    common = matches.drop_null()
    both_left, both_right = left.filter(is_common), right.take(common)
    changed = _changed(both_left, both_right)
    only_right = np.ones(len(right_keys), bool)
    only_right[common.to_numpy(zero_copy_only=False)] = False
    return RowDiff(
        left.filter(pc.invert(is_common)),
        right.filter(pa.array(only_right)),
        both_left.filter(changed),
        both_right.filter(changed),
    )


def _changed(left: Any, right: Any) -> Any:
    """Return which rows of two aligned tables differ in a logical column other than their path."""
    different = np.zeros(left.num_rows, bool)
    for name in rows.LOGICAL.names[2:]:
        first, second = rows.single_chunk(left.column(name)), rows.single_chunk(right.column(name))
        if not first.equals(second):
            different |= pc.not_equal(first, second).to_numpy(zero_copy_only=False)
    return pa.array(different)
