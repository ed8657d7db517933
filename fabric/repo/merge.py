"""Three-way merge of trees, per path (docs/architecture.md, "Merge").

Two sides changed a common base. What only one side changed is taken. Where both did: the same result is no conflict; two
directories merge field by field (of two mtimes the later); anything else is a conflict, and so is a change below a directory
that the other side removed or made a file of. Conflicts are data.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import pyarrow as pa

from fabric.cache.nodes import NodeReader
from fabric.errors import MergeConflictError
from fabric.model import paths, rows
from fabric.model.entry import Entry, Kind, implicit_directory
from fabric.model.extent import Extent
from fabric.model.node import Child
from fabric.repo.compare import compare
from fabric.repo.edit import Edits
from fabric.repo.tree import Tree

Prefer = Literal["ours", "theirs"] | None
CONFLICTS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Conflict:
    """A path that both sides changed: what it was, and what each made of it (None: it is not there)."""

    path: bytes
    base: Entry | None
    ours: Entry | None
    theirs: Entry | None


@dataclass
class _Delta:
    """What one side changed: paths removed, rows put (by number in `table`), directories that are none any more."""

    removed: set[bytes] = field(default_factory=set)
    puts: dict[bytes, int] = field(default_factory=dict)
    gone: set[bytes] = field(default_factory=set)
    table: Any = None

    def touched(self) -> set[bytes]:
        return self.removed | self.puts.keys()

    def entry(self, path: bytes) -> Entry | None:
        return rows.entry_at(self.table, self.puts[path]) if path in self.puts else None


def _delta(nodes: NodeReader, base: Child, side: Child, *, extents: bool) -> _Delta:
    delta = _Delta()
    tables = [(rows.SCHEMA if extents else rows.LOGICAL).empty_table()]
    count = 0
    for part in compare(nodes, base, side, extents=extents):
        removed = rows.full_paths(part.removed).to_pylist()
        delta.removed.update(removed)
        kinds = part.removed.column("kind").to_pylist()
        delta.gone.update(path for path, kind in zip(removed, kinds, strict=True) if kind == Kind.DIRECTORY)
        kinds = zip(part.before.column("kind").to_pylist(), part.after.column("kind").to_pylist(), strict=True)
        changed = rows.full_paths(part.after).to_pylist()
        for path, (before, after) in zip(changed, kinds, strict=True):
            if before == Kind.DIRECTORY and after != Kind.DIRECTORY:
                delta.gone.add(path)
        for table in (part.added, part.after):
            for path in rows.full_paths(table).to_pylist():
                delta.puts[path] = count
                count += 1
            tables.append(table)
    delta.table = pa.concat_tables(tables).combine_chunks()
    return delta


def _below(candidates: Iterable[bytes], gone: set[bytes]) -> set[bytes]:
    """Return those candidates that have an ancestor among `gone`."""
    if not gone:
        return set()
    return {path for path in candidates if any(above in gone for above in paths.ancestors(path))}


def three_way(
    nodes: NodeReader, base: Child, ours: Child, theirs: Child, prefer: Prefer = None
) -> tuple[Edits, list[Conflict]]:
    """Return the edits that bring what `theirs` changed since `base` into `ours`, and the conflicts.

    With `prefer`, conflicts are settled for that side in the edits, and reported all the same.

    Raises:
        DataError, UnavailableError: a node cannot be read.
    """
    if theirs.id in (base.id, ours.id):
        return Edits(), []
    mine, other = _delta(nodes, base, ours, extents=False), _delta(nodes, base, theirs, extents=True)
    base_tree, our_tree, their_tree = Tree(nodes, base), Tree(nodes, ours), Tree(nodes, theirs)
    merged: dict[bytes, tuple[Entry, Sequence[Extent]]] = {}
    dropped: set[bytes] = set()
    conflicts: set[bytes] = set()
    for path in mine.touched() & other.touched():
        ours_entry, theirs_entry = mine.entry(path), other.entry(path)
        if ours_entry == theirs_entry:
            dropped.add(path)
        elif _is_directory(ours_entry) and _is_directory(theirs_entry):
            row = _merge_directories(base_tree.entry(path) or implicit_directory(path), ours_entry, theirs_entry)
            if row is None:
                conflicts.add(path)
            else:
                source = their_tree if _attributes(row) == _attributes(theirs_entry) else our_tree
                merged[path] = (row, _extents(source, path))
        else:
            conflicts.add(path)
    under_ours = _below(other.puts, mine.gone)
    under_theirs = _below(mine.puts, other.gone)
    conflicts |= under_ours | under_theirs
    found = [
        Conflict(path, base_tree.entry(path), our_tree.entry(path), their_tree.entry(path))
        for path in sorted(conflicts, key=paths.path_key)
    ]
    if conflicts and prefer is None:
        return Edits(), found
    extra_removed: set[bytes] = set()
    if prefer == "ours":
        # Where we keep no directory, nothing of theirs may come below.
        lost = {path for path in conflicts if not _is_directory(our_tree.entry(path))}
        dropped |= conflicts | _below(other.puts, lost)
        dropped |= {above for path in under_theirs for above in paths.ancestors(path)}
    elif prefer == "theirs":
        lost = {path for path in conflicts if not _is_directory(their_tree.entry(path))}
        extra_removed = under_theirs | _below(mine.puts, lost)
    edits = _edits(other, dropped, merged, extra_removed)
    return (_with_parents(edits, our_tree, their_tree) if conflicts else edits), found


def _is_directory(entry: Entry | None) -> bool:
    return entry is not None and entry.kind == Kind.DIRECTORY


def _merge_directories(base: Entry, ours: Entry | None, theirs: Entry | None) -> Entry | None:
    """Return the merged row of a directory that both sides changed; None if a field was changed in two ways."""
    assert ours is not None
    assert theirs is not None
    fields: dict[str, Any] = {"mtime_ns": max(ours.mtime_ns, theirs.mtime_ns)}
    for name in ("mode", "uid", "gid", "acl_access", "acl_default"):
        before, first, second = getattr(base, name), getattr(ours, name), getattr(theirs, name)
        if first != second and before not in (first, second):
            return None
        fields[name] = second if first == before else first
    # Small and large sets are two columns of one field.
    if _attributes(ours) != _attributes(theirs) and _attributes(base) not in (_attributes(ours), _attributes(theirs)):
        return None
    chosen = theirs if _attributes(ours) == _attributes(base) else ours
    return replace(theirs, **fields, xattrs=chosen.xattrs, xattrs_digest=chosen.xattrs_digest)


def _attributes(entry: Entry | None) -> tuple[Any, bytes] | None:
    return None if entry is None else (entry.xattrs, entry.xattrs_digest)


def _extents(tree: Tree, path: bytes) -> Sequence[Extent]:
    located = tree.locate(path)
    assert located is not None
    return rows.extents_at_leaf(located[0].extents, located[1])


def _edits(
    other: _Delta,
    dropped: set[bytes],
    merged: dict[bytes, tuple[Entry, Sequence[Extent]]],
    extra_removed: set[bytes],
) -> Edits:
    keep = [path not in dropped and path not in merged for path in other.puts]
    table = other.table.filter(pa.array(keep, pa.bool_()))
    if merged:
        table = pa.concat_tables([table, rows.from_entries(merged.values())])
    removed = (other.removed - dropped) | (extra_removed - other.puts.keys())
    return Edits(rows.sort(table), sorted(paths.path_key(path) for path in removed))


def _with_parents(edits: Edits, ours_tree: Tree, theirs_tree: Tree) -> Edits:
    """Bring back the directories above what is put, where settling a conflict left them out."""
    removed = set(edits.removed)
    put = set(rows.full_paths(edits.upserts).to_pylist())
    missing: dict[bytes, Entry] = {}
    for path in put:
        for above in paths.ancestors(path):
            if above in put or above in missing:
                continue
            there = ours_tree.entry(above)
            if paths.path_key(above) in removed or not _is_directory(there):
                row = theirs_tree.entry(above)
                missing[above] = row if row is not None and row.kind == Kind.DIRECTORY else implicit_directory(above)
    if not missing:
        return edits
    back = rows.from_entries((replace(entry, xattrs_digest=b""), ()) for entry in missing.values())
    keys = {paths.path_key(path) for path in missing}
    return Edits(rows.sort(pa.concat_tables([edits.upserts, back])), [key for key in edits.removed if key not in keys])


def conflict_error(conflicts: list[Conflict], subject: str, hint: str) -> MergeConflictError:
    """Return the error that names the conflicting paths."""
    shown = ", ".join(repr(paths.display(conflict.path)) for conflict in conflicts[:CONFLICTS_SHOWN])
    more = f" and {len(conflicts) - CONFLICTS_SHOWN} more" if len(conflicts) > CONFLICTS_SHOWN else ""
    return MergeConflictError(
        f"both sides changed {shown}{more}",
        paths=tuple(conflict.path for conflict in conflicts),
        subject=subject,
        hint=hint,
    )
