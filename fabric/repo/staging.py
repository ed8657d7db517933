"""A tree that is being changed: single edits gather in a dictionary, large ones go through the tree at once."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from blake3 import blake3

from fabric.cache.nodes import NodeReader
from fabric.errors import (
    AlreadyExistsError,
    InvalidInputError,
    IsADirectoryInViewError,
    NotADirectoryInViewError,
    PathNotFoundError,
)
from fabric.model import paths, rows
from fabric.model.entry import Entry, Kind, implicit_directory
from fabric.model.extent import Extent
from fabric.model.node import Child
from fabric.objects.writer import ObjectWriter
from fabric.repo.edit import Edits, apply_edits
from fabric.repo.tree import Tree

PENDING_MAX = 200_000
"""Single edits held in memory before they go through the tree."""


class Staging:
    """The working tree of one transaction. Not thread-safe: the transaction is not either."""

    def __init__(self, nodes: NodeReader, writer: Callable[[], ObjectWriter], root: Child | None) -> None:
        self._nodes = nodes
        self._writer = writer
        self._root = root
        self._pending: dict[bytes, tuple[Entry, Sequence[Extent]] | None] = {}

    @property
    def is_changed(self) -> bool:
        """Whether anything waits to be applied."""
        return bool(self._pending)

    def root(self) -> Child:
        """Apply what is pending and return the root."""
        if self._root is None and paths.ROOT not in self._pending:
            self._pending[paths.ROOT] = (implicit_directory(paths.ROOT), ())
        if self._pending:
            puts = rows.from_entries(pair for pair in self._pending.values() if pair is not None)
            removed = sorted(paths.path_key(path) for path, pair in self._pending.items() if pair is None)
            self._apply(Edits(puts, removed))
            self._pending.clear()
        assert self._root is not None
        return self._root

    def _apply(self, edits: Edits) -> None:
        self._root = apply_edits(self._nodes, self._writer(), self._root, edits)

    def tree(self) -> Tree:
        """Return the working tree as it is now."""
        return Tree(self._nodes, self.root())

    def entry(self, path: bytes) -> Entry | None:
        """Return the entry at a path as it is now, or None."""
        if path in self._pending:
            pair = self._pending[path]
            return None if pair is None else pair[0]
        return None if self._root is None else Tree(self._nodes, self._root).entry(path)

    def need(self, path: bytes) -> Entry:
        """Return the entry at a path; raises PathNotFoundError."""
        found = self.entry(path)
        if found is None:
            shown = paths.display(path)
            raise PathNotFoundError(f"there is no {shown!r} in this transaction", subject=shown)
        return found

    def extents(self, path: bytes) -> Sequence[Extent]:
        """Return the extents of the row at a path that is there."""
        pair = self._pending.get(path)
        if pair is not None:
            return pair[1]
        assert self._root is not None
        located = Tree(self._nodes, self._root).locate(path)
        assert located is not None
        return rows.extents_at_leaf(located[0].extents, located[1])

    def set(self, entry: Entry, extents: Sequence[Extent] = ()) -> None:
        """Put one row; its parent must be there."""
        self._set(entry.path, (entry, extents))

    def _set(self, path: bytes, pair: tuple[Entry, Sequence[Extent]] | None) -> None:
        self._pending[path] = pair
        if len(self._pending) >= PENDING_MAX:
            self.root()

    def put(self, entry: Entry, extents: Sequence[Extent] = ()) -> None:
        """Put a file or symlink, with directories above it as needed.

        Raises:
            IsADirectoryInViewError: there is a directory at its path.
            NotADirectoryInViewError: something above it is no directory.
        """
        self._check_not_root(entry.path)
        there = self.entry(entry.path)
        if there is not None and there.kind == Kind.DIRECTORY:
            shown = paths.display(entry.path)
            raise IsADirectoryInViewError(
                f"{shown!r} is a directory", subject=shown, hint="remove it first, or choose a path below it"
            )
        self.make_parents(entry.path)
        self.set(entry, extents)

    def make_parents(self, path: bytes) -> None:
        """Make the directories above a path that are missing; raises NotADirectoryInViewError."""
        missing = []
        for above in reversed(paths.ancestors(path)):
            found = self.entry(above)
            if found is None:
                missing.append(above)
            elif found.kind != Kind.DIRECTORY:
                shown = paths.display(above)
                raise NotADirectoryInViewError(f"{shown!r} is not a directory", subject=shown)
            else:
                break
        for above in missing:
            self.set(implicit_directory(above))

    def make_directory(self, path: bytes, entry: Entry, *, exist_ok: bool, parents: bool) -> None:
        """Put a directory; raises AlreadyExistsError, PathNotFoundError, NotADirectoryInViewError."""
        there = self.entry(path)
        if there is not None:
            if not (exist_ok and there.kind == Kind.DIRECTORY):
                shown = paths.display(path)
                raise AlreadyExistsError(f"{shown!r} exists already", subject=shown)
            return
        if parents:
            self.make_parents(path)
        else:
            above = self.need(paths.split(path)[0]) if paths.split(path)[0] else None
            if above is not None and above.kind != Kind.DIRECTORY:
                raise NotADirectoryInViewError(f"{paths.display(above.path)!r} is not a directory")
        self.set(entry)

    def _check_not_root(self, path: bytes) -> None:
        if not path:
            raise InvalidInputError("this needs a path below the dataset's root", hint="write DATASET/PATH")

    def remove(self, path: bytes, *, recursive: bool) -> None:
        """Remove an entry, or a directory with all below it.

        Raises:
            PathNotFoundError, IsADirectoryInViewError: a directory that is not empty, without `recursive`.
        """
        self._check_not_root(path)
        if self.need(path).kind != Kind.DIRECTORY:
            self._set(path, None)
            return
        if not recursive and self.tree().has_children(path):
            shown = paths.display(path)
            raise IsADirectoryInViewError(f"directory {shown!r} is not empty", subject=shown, hint="remove it recursively")
        self.root()
        self._apply(Edits(removed=[paths.path_key(path)], cleared=[paths.subtree_range(path)]))

    def replace_tree(self, path: bytes, table: Any, *, delete: bool) -> None:
        """Put rows (the directory `path` itself first, then what is below it, in tree order).

        With `delete` nothing else stays below `path`; else rows are added and replaced.
        """
        there = self.entry(path)
        if path:
            self.make_parents(path)
        self.root()
        if delete:
            cleared = [paths.subtree_range(path)] if there is not None and there.kind == Kind.DIRECTORY else []
            self._apply(Edits(table, cleared=cleared))
        else:
            self._apply(self._merged(path, table))

    def _merged(self, path: bytes, table: Any) -> Edits:
        """Return edits that put `table` beside what is there; what changes from directory to file or back goes first."""
        assert self._root is not None
        kinds = dict(
            zip(rows.full_paths(table).to_pylist(), rows.single_chunk(table.column("kind")).to_pylist(), strict=True)
        )
        cleared = [
            paths.subtree_range(entry.path)
            for entry in Tree(self._nodes, self._root).below(path)
            if entry.kind == Kind.DIRECTORY and kinds.get(entry.path, Kind.DIRECTORY) != Kind.DIRECTORY
        ]
        return Edits(table, cleared=_outermost(cleared))

    def copy(self, source: Tree, old: bytes, new: bytes, *, apart: bool = False) -> None:
        """Put what is at `old` in a tree of the same dataset at `new`, whole: no byte moves.

        A directory replaces what is at `new`. With `apart` no copy is a hard link of what it was copied from;
        links among the copies stay.

        Raises:
            PathNotFoundError, NotADirectoryInViewError, InvalidInputError (a path below `new` would be too long): nothing
                is changed.
        """
        found = source.entry(old)
        if found is None:
            shown = paths.display(old)
            raise PathNotFoundError(f"there is no {shown!r}", subject=shown)
        if found.kind != Kind.DIRECTORY:
            located = source.locate(old)
            assert located is not None
            there = self.entry(new)
            if there is not None and there.kind == Kind.DIRECTORY:
                self.remove(new, recursive=True)
            group = 0 if apart else found.link_group
            self.put(replace(found, path=new, link_group=group), rows.extents_at_leaf(located[0].extents, located[1]))
            return
        table = moved(subtree(source, old), old, new)
        self.replace_tree(new, relinked(table, new) if apart else table, delete=True)

    def move(self, old: bytes, new: bytes) -> None:
        """Move an entry or a directory with all below it; raises as copy, and InvalidInputError into itself."""
        self._check_not_root(old)
        self._check_not_root(new)
        self.need(old)
        if old == new:
            return
        if new.startswith(old + b"/"):
            raise InvalidInputError(
                f"{paths.display(old)!r} cannot move into itself", subject=paths.display(new), hint="choose another target"
            )
        there = self.entry(new)
        if old.startswith(new + b"/") and there is not None and there.kind == Kind.DIRECTORY:
            raise InvalidInputError(
                f"{paths.display(old)!r} cannot replace the directory that it is in",
                subject=paths.display(new),
                hint="move it to another name first",
            )
        self.copy(self.tree(), old, new)
        self.remove(old, recursive=True)


def _outermost(ranges: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    result: list[tuple[bytes, bytes]] = []
    for low, high in sorted(ranges):
        if not result or low >= result[-1][1]:
            result.append((low, high))
    return result


def subtree(tree: Tree, path: bytes) -> Any:
    """Return the rows of a directory and of all below it, in tree order."""
    located = tree.locate(path)
    assert located is not None
    parts = [located[0].table.slice(located[1], 1)]
    parts += [leaf.table.slice(start, stop - start) for leaf, start, stop in tree.spans(*paths.subtree_range(path))]
    return pa.concat_tables(parts)


def moved(table: Any, old: bytes, new: bytes) -> Any:
    """Return rows of the subtree `old` as they are below `new`, in order; raises InvalidInputError for too long a path."""
    below = pc.dictionary_encode(rows.single_chunk(table.column("parent")).slice(1))
    tails = [parent[len(old) + 1 :] if old else parent for parent in below.dictionary.to_pylist()]
    renamed = pa.array([paths.join(new, tail) if new else tail for tail in tails], pa.binary())
    top_parent, top_name = paths.split(new)
    name = rows.single_chunk(table.column("name"))
    parents = pa.concat_arrays([pa.array([top_parent], pa.binary()), renamed.take(below.indices)])
    names = pa.concat_arrays([pa.array([top_name], pa.binary()), name.slice(1)])
    lengths = pc.add(pc.binary_length(parents), pc.binary_length(names))
    if pc.max(lengths).as_py() >= paths.PATH_BYTES_MAX:
        shown = paths.display(new[:80])
        raise InvalidInputError(
            f"below {shown!r} a path would be longer than {paths.PATH_BYTES_MAX} bytes",
            subject=shown,
            hint="choose a shorter target",
        )
    result = table.set_column(0, rows.SCHEMA.field("parent"), parents).set_column(1, rows.SCHEMA.field("name"), names)
    return rows.sort(result)


def relinked(table: Any, new: bytes) -> Any:
    """Return rows that were copied to `new` with link groups of their own."""
    column = rows.SCHEMA.get_field_index("link_group")
    groups = rows.single_chunk(table.column(column)).to_numpy(zero_copy_only=False)
    if not groups.any():
        return table
    known, positions = np.unique(groups, return_inverse=True)
    names = [blake3(b"%d\x00%s" % (group, new)).digest(8) if group else bytes(8) for group in known.tolist()]
    fresh = np.array([int.from_bytes(name, "little") for name in names], np.uint64)
    return table.set_column(column, rows.SCHEMA.field(column), pa.array(fresh[positions]))
