"""Values as people read them. Pure functions."""

import math
import os
import stat
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fabric.cli.terminal import readable
from fabric.units import format_size

if TYPE_CHECKING:
    from fabric.model.entry import Entry
    from fabric.repo.store import CommitInfo

COMMIT_DIGITS = 12
RATE_BYTES_MIN = 1 << 20
_TYPE_LETTERS = {"file": "-", "directory": "d", "symlink": "l"}


def size(value: int, *, exact: bool = False) -> str:
    """Return a size for people, or as a number of bytes."""
    return str(value) if exact else format_size(value)


def count(number: int, one: str, many: str = "") -> str:
    """Return `1 file`, `12,345 files`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def rate(size_bytes: int, seconds: float) -> str:
    """Return `, 220 MiB/s` for the end of a sum, or "" where so few bytes say nothing about speed."""
    return f", {format_size(round(size_bytes / seconds))}/s" if size_bytes >= RATE_BYTES_MIN and seconds > 0 else ""


def short(commit: str) -> str:
    """Return a commit's id as it is shown in tables and summaries."""
    return commit[:COMMIT_DIGITS]


def local_time(text: str, *, seconds: bool = False) -> str:
    """Return a record's time (RFC 3339, UTC) in the reader's time zone."""
    moment = datetime.fromisoformat(text).astimezone()
    return moment.strftime("%Y-%m-%d %H:%M:%S %z" if seconds else "%Y-%m-%d %H:%M")


def mtime(nanoseconds: int, *, seconds: bool = False) -> str:
    """Return an entry's time in the reader's time zone; years that no calendar of ours has as a number.

    A directory that nobody made, only a path below it, has no time: it is 0, and a dash for people.
    """
    if nanoseconds == 0:
        return "-"
    try:
        return local_time(iso(nanoseconds), seconds=seconds)
    except (ValueError, OverflowError, OSError):
        return f"{nanoseconds / 1e9:.0f} s"


def iso(nanoseconds: int) -> str:
    """Return nanoseconds since 1970 as RFC 3339 in UTC, to the nanosecond.

    Raises:
        ValueError, OverflowError: outside of the years 1 to 9999.
    """
    whole, rest = divmod(nanoseconds, 1_000_000_000)
    return datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{rest:09d}Z"


def mode(kind: str, bits: int) -> str:
    """Return `-rw-r--r--`, as ls -l shows it."""
    return _TYPE_LETTERS[kind] + stat.filemode(bits)[1:]


def name_fields(key: str, path: bytes) -> dict[str, str]:
    """Return a path for JSON: as text, and exactly, in base64, where it is no text."""
    text = os.fsdecode(path)
    shown = readable(text)
    if shown == text:
        return {key: shown}
    import base64  # noqa: PLC0415 - such names are rare

    return {key: shown, f"{key}_base64": base64.b64encode(path).decode()}


def entry_fields(entry: "Entry") -> dict[str, Any]:
    """Return an entry as plain data."""
    fields: dict[str, Any] = {
        **name_fields("path", entry.path),
        "kind": entry.kind.name.lower(),
        "mode": f"{entry.mode:04o}",
        "uid": entry.uid,
        "gid": entry.gid,
        "mtime": iso_or_number(entry.mtime_ns),
        "size": entry.size,
    }
    if fields["kind"] == "file":
        fields["digest"] = entry.digest.hex()
    elif fields["kind"] == "symlink":
        fields |= name_fields("target", entry.target)
    return fields


def iso_or_number(nanoseconds: int) -> str | int:
    """Return an entry's time for machines."""
    try:
        return iso(nanoseconds)
    except (ValueError, OverflowError, OSError):
        return nanoseconds


def commit_fields(info: "CommitInfo") -> dict[str, Any]:
    """Return a commit as plain data."""
    commit = info.commit
    return {
        "commit": info.id,
        "tree": commit.tree.hex(),
        "parents": list(commit.parents),
        "author": commit.author,
        "time": commit.time,
        "message": commit.message,
        "metadata": dict(commit.metadata),
        "entries": commit.entries,
        "size": commit.size,
    }


def ref_fields(record: Any) -> dict[str, Any]:
    """Return a branch or snapshot as plain data."""
    return {
        "name": record.name,
        "kind": str(record.kind),
        "commit": record.commit,
        "created": record.created,
        "updated": record.updated,
        "message": record.message,
        "expires": record.expires,
        "metadata": dict(record.metadata),
    }


def first_line(message: str) -> str:
    """Return a message's first line."""
    return message.partition("\n")[0]


def columns(widths: list[int], total: int) -> list[list[int]]:
    """Lay names of these widths out as ls does, down, then across; return the numbers of the names of each line."""
    count_of = len(widths)
    for rows in range(1, count_of + 1):
        across = math.ceil(count_of / rows)
        needed = sum(max(widths[column * rows : (column + 1) * rows]) + 2 for column in range(across)) - 2
        if needed <= total:
            return [list(range(row, count_of, rows)) for row in range(rows)]
    return [[number] for number in range(count_of)]


def pairs(values: Mapping[str, str]) -> str:
    """Return `key=value, key=value`."""
    return ", ".join(f"{key}={value}" for key, value in values.items())
