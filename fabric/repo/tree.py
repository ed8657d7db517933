"""Reading a tree: the path down to what is asked, and ranges of rows."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from fabric.cache.nodes import NodeReader
from fabric.errors import DataError
from fabric.model import paths
from fabric.model.entry import Entry
from fabric.model.node import Child, Index, Leaf, content_bytes

_DEPTH_MAX = 32


class Tree:
    """One immutable tree, read lazily. Cheap to make; thread-safe."""

    def __init__(self, nodes: NodeReader, root: Child) -> None:
        self.nodes = nodes
        self.root = root
        self._top: Leaf | Index | None = None

    def locate(self, path: bytes) -> tuple[Leaf, int] | None:
        """Return the leaf and the row number of a path, or None."""
        key = paths.path_key(path)
        node = self._top
        if node is None:
            # Kept while the tree is: every look passes it.
            node = self._top = self.nodes.node(self.root)
        for _ in range(_DEPTH_MAX):
            if isinstance(node, Leaf):
                index = node.lookup.find(key)
                return None if index is None else (node, index)
            position = bisect_right(node.keys, key)
            if position == 0:
                return None
            node = self.nodes.node(node.children[position - 1])
        raise DataError("a tree is deeper than any tree can be")

    def entry(self, path: bytes) -> Entry | None:
        """Return the entry at a path, or None."""
        found = self.locate(path)
        return None if found is None else found[0].lookup.entry(found[1], path)

    def spans(self, low: bytes, high: bytes) -> Iterator[tuple[Leaf, int, int]]:
        """Yield the rows with sort keys in [low, high) as (leaf, start, stop), in tree order, reading a few leaves ahead."""
        for leaf in self._leaves(self.root, low, high):
            # Only the first and the last leaf need all their keys.
            start = 0 if leaf.first_key >= low else leaf.lookup.first_from(low)
            stop = leaf.logical.num_rows if leaf.last_key < high else leaf.lookup.first_from(high)
            if start < stop:
                yield leaf, start, stop

    def _leaves(self, child: Child, low: bytes, high: bytes) -> Iterator[Leaf]:
        node = self.nodes.node(child)
        if isinstance(node, Leaf):
            yield node
            return
        below = node.children[_first_covering(node, low) : bisect_left(node.keys, high)]
        if node.level == 1 and len(below) > 1:
            for leaf in self.nodes.nodes(below):
                assert isinstance(leaf, Leaf)
                yield leaf
        else:
            for each in below:
                yield from self._leaves(each, low, high)

    def children(self, directory: bytes) -> Iterator[Entry]:
        """Yield the direct children of a directory, by name."""
        for leaf, start, stop in self.spans(*paths.children_range(directory)):
            for index in range(start, stop):
                yield leaf.lookup.entry(index)

    def below(self, directory: bytes) -> Iterator[Entry]:
        """Yield everything below a directory, in tree order, without its own row."""
        for leaf, start, stop in self.spans(*paths.subtree_range(directory)):
            for index in range(start, stop):
                yield leaf.lookup.entry(index)

    def has_children(self, directory: bytes) -> bool:
        """Whether there is anything in a directory."""
        return next(self.spans(*paths.children_range(directory)), None) is not None

    def usage(self, directory: bytes) -> tuple[int, int]:
        """Return (rows, bytes of files) below a directory; subtrees that lie in it whole are not read."""
        low, high = paths.subtree_range(directory)
        return self._usage(self.root, low, high, None)

    def _usage(self, child: Child, low: bytes, high: bytes, end: bytes | None) -> tuple[int, int]:
        if child.key >= low and end is not None and end <= high:
            return child.rows, child.size
        node = self.nodes.node(child)
        if isinstance(node, Leaf):
            start, stop = node.lookup.first_from(low), node.lookup.first_from(high)
            return stop - start, content_bytes(node.logical.slice(start, stop - start))
        entries = size = 0
        last = bisect_left(node.keys, high)
        for position in range(_first_covering(node, low), last):
            following = node.children[position + 1].key if position + 1 < len(node.children) else end
            more = self._usage(node.children[position], low, high, following)
            entries, size = entries + more[0], size + more[1]
        return entries, size


def _first_covering(node: Index, low: bytes) -> int:
    """Return the number of the first child that may hold keys from `low` on."""
    return max(0, bisect_right(node.keys, low) - 1)
