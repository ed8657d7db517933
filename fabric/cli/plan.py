"""What put and get would do, found out by looking at both sides: for --dry-run, and before files are deleted."""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fabric.model import paths

if TYPE_CHECKING:
    from fabric.ingest.ignore import Ignore
    from fabric.repo.view import View

Fact = tuple[str, int, int]
"""What is compared without reading a content: kind, size (of files), mtime in nanoseconds (of files)."""
OTHER = "other"


@dataclass(frozen=True, slots=True)
class Plan:
    """What would happen to paths, relative to the directory, in order."""

    added: list[bytes]
    changed: list[bytes]
    removed: list[bytes]

    def rows(self) -> Iterator[tuple[str, bytes]]:
        """Yield (change, path) in order of paths."""
        found = [("added", path) for path in self.added]
        found += [("modified", path) for path in self.changed]
        found += [("removed", path) for path in self.removed]
        found.sort(key=lambda row: row[1])
        yield from found


def compare(before: Mapping[bytes, Fact], after: Mapping[bytes, Fact], *, delete: bool) -> Plan:
    """Return what must happen to `before` to become `after`; what is left over is removed only with `delete`."""
    return Plan(
        [path for path in after if path not in before],
        [path for path, fact in after.items() if path in before and before[path] != fact],
        [path for path in before if path not in after] if delete else [],
    )


def in_view(view: "View", path: bytes) -> dict[bytes, Fact]:
    """Return the facts of all entries below a directory of a view (of itself, if it is a file or symlink)."""
    if path and not view.exists(path):
        return {}
    start = len(path) + 1 if path else 0
    facts: dict[bytes, Fact] = {}
    for entry in view.find(path):
        kind = entry.kind.name.lower()
        facts[entry.path[start:]] = (kind, entry.size, entry.mtime_ns) if kind == "file" else (kind, 0, 0)
    return facts


def in_directory(top: str, *, ignore: bool) -> dict[bytes, Fact]:
    """Return the facts of all that is below a local directory; {} if there is none. Symlinks are not followed.

    Args:
        top: the directory.
        ignore: leave out what `.fabricignore` files say, and what a put does not keep (sockets, devices).

    Raises:
        SourceError, InvalidInputError: an ignore file cannot be used.
        OSError: a directory cannot be read.
    """
    facts: dict[bytes, Fact] = {}
    if os.path.isdir(top):
        _walk(os.fsencode(top), b"", None, facts, ignore=ignore)
    return facts


def _walk(top: bytes, below: bytes, rules: "Ignore | None", facts: dict[bytes, Fact], *, ignore: bool) -> None:
    here = os.path.join(top, below) if below else top
    with os.scandir(here) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    if ignore and any(entry.name == b".fabricignore" for entry in entries):
        from fabric.ingest.ignore import read_ignore  # noqa: PLC0415 - its library is needed only where there is such a file

        descriptor = os.open(here, os.O_RDONLY | os.O_DIRECTORY)
        try:
            rules = read_ignore(descriptor, below, os.path.join(here, b".fabricignore"), rules)
        finally:
            os.close(descriptor)
    for entry in entries:
        path = paths.join(below, entry.name)
        kind, fact = _fact(entry)
        if ignore and (kind == OTHER or (rules is not None and rules.leaves_out(path, is_directory=kind == "directory"))):
            continue
        facts[path] = fact
        if kind == "directory":
            _walk(top, path, rules, facts, ignore=ignore)


def _fact(entry: "os.DirEntry[bytes]") -> tuple[str, Fact]:
    status = entry.stat(follow_symlinks=False)
    if stat.S_ISDIR(status.st_mode):
        return "directory", ("directory", 0, 0)
    if stat.S_ISLNK(status.st_mode):
        return "symlink", ("symlink", 0, 0)
    if stat.S_ISREG(status.st_mode):
        return "file", ("file", status.st_size, status.st_mtime_ns)
    return OTHER, (OTHER, 0, 0)


def topmost(removed: list[bytes]) -> list[bytes]:
    """Return those paths that have no ancestor among them."""
    there = set(removed)
    return [path for path in removed if not any(above in there for above in paths.ancestors(path))]
