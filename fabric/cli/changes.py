"""Changes between two states, as data and as lines."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from fabric.cli import terminal, text

if TYPE_CHECKING:
    from fabric.repo.changes import Change

LETTERS = {"added": "A", "removed": "D", "modified": "M", "renamed": "R"}


class ChangeRow(dict[str, Any]):
    """The plain data of a change, which remembers the exact paths for its text."""

    def __init__(self, change: "Change") -> None:
        super().__init__(_plain(change))
        self.path = change.path
        self.old_path = change.old_path


def change_fields(change: "Change") -> ChangeRow:
    """Return a change as plain data."""
    return ChangeRow(change)


def _plain(change: "Change") -> dict[str, Any]:
    fields: dict[str, Any] = {"change": str(change.kind), **text.name_fields("path", change.path)}
    if change.old_path is not None:
        fields |= text.name_fields("old_path", change.old_path)
    fields["content"] = change.is_content
    for name, entry in (("before", change.before), ("after", change.after)):
        if entry is None:
            fields[name] = None
        else:
            plain = text.entry_fields(entry)
            fields[name] = {key: value for key, value in plain.items() if not key.startswith("path")}
    return fields


def size_change(row: Mapping[str, Any]) -> int:
    """Return by how many bytes a change makes its dataset larger."""
    before, after = row["before"], row["after"]
    return (after["size"] if after else 0) - (before["size"] if before else 0)


def change_line(row: ChangeRow, *, with_size: bool = False) -> str:
    """Return `M  path`, `R  old -> new`; `M  path (mode, mtime)` where only attributes changed."""
    letter = LETTERS[row["change"]]
    name = os.fsdecode(row.path) or "/"
    if row.old_path is not None:
        name = f"{os.fsdecode(row.old_path)} -> {name}"
    after, before = row["after"], row["before"]
    if (after or before)["kind"] == "directory" and row.path:
        name += "/"
    shown = terminal.styled(letter, row["change"]) + "  " + terminal.safe(name)
    if before and after and not row["content"] and row["change"] == "modified":
        differing = [key for key in ("mode", "uid", "gid", "mtime") if before[key] != after[key]] or ["attributes"]
        shown += terminal.styled(f"  ({', '.join(differing)})", "dim")
    if with_size and row["content"]:
        shown += terminal.styled(f"  {_signed(size_change(row))}", "dim")
    return shown


def _signed(size: int) -> str:
    return ("-" if size < 0 else "+") + text.size(abs(size))


def summary_line(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return `2 added, 1 modified; +3.00 KiB`."""
    counts: Counter[str] = Counter()
    size = 0
    for row in rows:
        counts[row["change"]] += 1
        size += size_change(row)
    return summary_text(counts, size)


def summary_text(counts: Mapping[str, int], size: int) -> str:
    """Return the summary of changes that were counted by kind."""
    shown = ", ".join(f"{counts[kind]:,} {kind}" for kind in LETTERS if counts.get(kind))
    return f"{shown}; {_signed(size)}" if shown else "no differences"


def summary_counts(kinds: Iterable[str]) -> str:
    """Return `2 added, 1 modified` for kinds of changes."""
    counts = Counter(kinds)
    return ", ".join(f"{counts[kind]:,} {kind}" for kind in LETTERS if counts[kind]) or "no differences"
