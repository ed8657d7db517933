"""Changes between two trees as values, with renames found by digest."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fabric.cache.nodes import NodeReader
from fabric.model import paths, rows
from fabric.model.entry import Entry, Kind
from fabric.model.node import Child
from fabric.repo.compare import compare

RENAMES_MAX = 100_000
"""With more added or more removed files than this, renames are not looked for."""


class ChangeKind(StrEnum):
    """What happened to a path."""

    ADDED = "added"
    REMOVED = "removed"
    MODIFIED = "modified"
    RENAMED = "renamed"


@dataclass(frozen=True, slots=True)
class Change:
    """One path that differs.

    Attributes:
        kind: what happened.
        path: the path (the new one of a rename).
        before: the entry as it was; None if added.
        after: the entry as it is; None if removed.
        old_path: where a renamed file was; None otherwise.
    """

    kind: ChangeKind
    path: bytes
    before: Entry | None
    after: Entry | None
    old_path: bytes | None = None

    @property
    def is_content(self) -> bool:
        """Whether bytes changed, not only attributes."""
        if self.before is None or self.after is None:
            return True
        first, second = self.before, self.after
        return (first.kind, first.digest, first.target) != (second.kind, second.digest, second.target)


def changes(nodes: NodeReader, before: Child, after: Child, *, path: bytes = b"", renames: bool = True) -> Iterator[Change]:
    """Yield what changed at and below `path`, in tree order of the paths within each run of changes.

    A removed and an added file of the same content are one rename: of several candidates the one of the same name, else the
    first. To find them all changes are held in memory; without `renames` they stream.

    Raises:
        DataError, UnavailableError: a node cannot be read.
    """
    found = _plain(nodes, before, after, path)
    if not renames:
        yield from found
        return
    held = [*found]
    yield from _with_renames(held)


def _plain(nodes: NodeReader, before: Child, after: Child, path: bytes) -> Iterator[Change]:
    for part in compare(nodes, before, after):
        batch = [Change(ChangeKind.REMOVED, entry.path, entry, None) for entry in _entries(part.removed)]
        batch += [Change(ChangeKind.ADDED, entry.path, None, entry) for entry in _entries(part.added)]
        pairs = zip(_entries(part.before), _entries(part.after), strict=True)
        batch += [Change(ChangeKind.MODIFIED, new.path, old, new) for old, new in pairs]
        if path:
            batch = [change for change in batch if change.path == path or change.path.startswith(path + b"/")]
        batch.sort(key=lambda change: paths.path_key(change.path))
        yield from batch


def _entries(table: Any) -> Iterator[Entry]:
    return rows.iter_entries(table) if table.num_rows else iter(())


def _with_renames(held: list[Change]) -> list[Change]:
    removed: dict[bytes, list[Change]] = {}
    added = 0
    for change in held:
        if change.kind == ChangeKind.REMOVED and _has_content(change.before):
            assert change.before is not None
            removed.setdefault(change.before.digest, []).append(change)
        added += change.kind == ChangeKind.ADDED
    if not removed or not added or added > RENAMES_MAX or sum(map(len, removed.values())) > RENAMES_MAX:
        return held
    result, gone = [], set()
    for change in held:
        candidates = removed.get(change.after.digest) if change.kind == ChangeKind.ADDED and change.after else None
        if candidates and _has_content(change.after):
            assert change.after is not None
            name = change.after.name
            origin = next((one for one in candidates if paths.split(one.path)[1] == name), candidates[0])
            candidates.remove(origin)
            gone.add(origin.path)
            result.append(Change(ChangeKind.RENAMED, change.path, origin.before, change.after, origin.path))
        else:
            result.append(change)
    return [change for change in result if change.kind != ChangeKind.REMOVED or change.path not in gone]


def _has_content(entry: Entry | None) -> bool:
    return entry is not None and entry.kind == Kind.FILE and entry.size > 0
