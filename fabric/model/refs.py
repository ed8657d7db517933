"""How people name states: `DATASET[@REF][/PATH]`, and the grammar of REF (docs/glossary.md, "ref").

    REF  = BASE SUFFIX*
    BASE = a branch or snapshot name | a commit id | a unique prefix of one, 8 digits or more
    SUFFIX = `~` [N]      the N-th first parent (1 if no number)
           | `@{` TIME `}`  where the branch pointed at that time; only directly after a branch name

In an address the first `@` ends the dataset, and the first `/` after it starts the path.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from fabric.errors import InvalidInputError
from fabric.model.commit import now_text
from fabric.model.ids import parse_name
from fabric.model.paths import display, parse_path

DEFAULT_SCHEME = "fabric://"
STEPS_MAX = 1_000_000
_REF = re.compile(r"(?P<base>[^~@{}/\s]+)(?:@\{(?P<time>[^{}]*)\})?(?P<steps>(?:~[0-9]*)*)")
_PREFIX = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True, slots=True)
class Ref:
    """A parsed REF.

    Attributes:
        base: branch or snapshot name, commit id or prefix.
        time: UTC text of `@{...}`, or None.
        steps: how many first parents to go back.
    """

    base: str
    time: str | None = None
    steps: int = 0

    @property
    def maybe_commit(self) -> bool:
        """Whether the base can be a commit id or a prefix of one."""
        return _PREFIX.fullmatch(self.base) is not None

    @property
    def is_plain(self) -> bool:
        """Whether it is a base alone."""
        return self.time is None and not self.steps


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed `DATASET[@REF][/PATH]`; `ref` is None where none was written."""

    dataset: str
    ref: str | None
    path: bytes


def parse_ref(text: str) -> Ref:
    """Parse a REF.

    Raises:
        InvalidInputError: it does not follow the grammar.
    """
    match = _REF.fullmatch(text) if len(text) <= 512 else None
    if match is None:
        raise InvalidInputError(
            f"{text[:80]!r} is not a ref",
            subject=text[:80],
            hint="write a branch, a snapshot or a commit id, then ~N: main, v1, main~2, main@{2026-01-31}",
        )
    base = match["base"]
    if not _PREFIX.fullmatch(base):
        parse_name(base, "ref")
    steps = 0
    for part in match["steps"].split("~")[1:]:
        steps += int(part) if part else 1
    if steps > STEPS_MAX:
        raise InvalidInputError(f"{text[:80]!r} goes back too far", subject=text[:80])
    return Ref(base, None if match["time"] is None else parse_time(match["time"]), steps)


def parse_time(text: str) -> str:
    """Return the UTC text of a time that a person wrote: a date (its end), or an ISO 8601 time (UTC if it says no zone).

    Raises:
        InvalidInputError: it is neither.
    """
    try:
        value = _date_end(text.strip()) or datetime.fromisoformat(text.strip())
    except ValueError:
        raise InvalidInputError(
            f"{text[:40]!r} is not a time", subject=text[:40], hint="write 2026-01-31 or 2026-01-31T12:00:00Z"
        ) from None
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    try:
        return now_text(value)
    except (OverflowError, ValueError):
        raise InvalidInputError(f"{text[:40]!r} is not a time", subject=text[:40]) from None


def _date_end(text: str) -> datetime | None:
    """Return the last moment of a date, or None if `text` is not a date alone."""
    try:
        return datetime.combine(date.fromisoformat(text), time.max)
    except ValueError:
        return None


def parse_address(text: str) -> Address:
    """Parse `DATASET[@REF][/PATH]`, with or without `fabric://` before it.

    Raises:
        InvalidInputError: no dataset, or a part that does not follow its grammar.
    """
    rest = text.removeprefix(DEFAULT_SCHEME)
    if "::" in rest.partition("/")[0] or not rest:
        raise InvalidInputError(
            f"{text[:80]!r} names no dataset",
            subject=text[:80],
            hint="write DATASET[@REF][/PATH], for example imagenet@v3/train",
        )
    at, slash = rest.find("@"), rest.find("/")
    if at < 0 or 0 <= slash < at:
        dataset, _, path = rest.partition("/")
        ref = None
    else:
        dataset, after = rest[:at], rest[at + 1 :]
        ref, _, path = after.partition("/")
        if not ref:
            raise InvalidInputError(f"there is no ref after the '@' of {text[:80]!r}", subject=text[:80])
        parse_ref(ref)
    return Address(parse_name(dataset, "dataset name"), ref, parse_path(path))


def format_address(dataset: str, ref: str | None = None, path: bytes = b"") -> str:
    """Return the text that parse_address reads back, without a scheme."""
    return dataset + (f"@{ref}" if ref else "") + (f"/{display(path)}" if path else "")
