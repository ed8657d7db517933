"""What a command gives back, in the form that was asked for: text for people, JSON or YAML for machines.

A command describes its result once, as plain data, and says how a person would read it. Three forms of one interface:

    TextOutput    aligned columns with a bold head and colours on a terminal, the same without colours in a pipe
    JsonOutput    one document; lists are written as they come, so a million entries need no memory
    YamlOutput    the same as YAML

Data has text, numbers, None, lists and mappings only; times are RFC 3339 in UTC, sizes bytes, names that are not UTF-8
have a second field `..._base64`.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from fabric.cli import terminal

FORMATS = ("table", "json", "yaml")
YAML_WIDTH = 2**31 - 1
"""Lines are never folded."""
ROWS_AT_ONCE = 1_000
"""Rows that are aligned together: a table of any length is written as it comes."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        title: its head.
        text: a row's cell, as a person reads it.
        right: numbers are aligned to the right.
        style: of all its cells, or for each row.
    """

    title: str
    text: Callable[[Row], str]
    right: bool = False
    style: str | Callable[[Row], str | None] | None = None

    def style_of(self, row: Row) -> str | None:
        """Return the style of this column's cell in `row`."""
        return self.style(row) if callable(self.style) else self.style


class Output(Protocol):
    """Where results go. `is_text` says whether a person reads them, so that commands may skip what only one form needs."""

    is_text: bool

    def one(self, data: Row, text: Callable[[], str]) -> None:
        """Write one result; `text` says it in lines."""
        ...

    def done(self, data: Row, text: str) -> None:
        """Write what was done; as text it is left out by --quiet."""
        ...

    def table(self, rows: Iterable[Row], columns: Sequence[Column], *, nothing: str = "") -> None:
        """Write a list as a table; `nothing` is said to a person if it is empty."""
        ...

    def lines(self, rows: Iterable[Row], line: Callable[[Row], str], *, nothing: str = "") -> None:
        """Write a list with one text (of one or more lines) for each."""
        ...


class TextOutput:
    """For people."""

    is_text = True

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet

    def one(self, data: Row, text: Callable[[], str]) -> None:  # noqa: ARG002 - the interface of machines
        """Write the text."""
        terminal.write(text() + "\n")

    def done(self, data: Row, text: str) -> None:  # noqa: ARG002
        """Write the text, unless --quiet."""
        if not self._quiet:
            terminal.write(text + "\n")

    def table(self, rows: Iterable[Row], columns: Sequence[Column], *, nothing: str = "") -> None:
        """Write aligned columns."""
        walk = iter(rows)
        head: Sequence[str] | None = [column.title for column in columns]
        widths = [0] * len(columns)
        while part := list(islice(walk, ROWS_AT_ONCE)):
            cells = [[terminal.safe(column.text(row)) for column in columns] for row in part]
            shown = [*([head] if head else []), *cells]
            widths = [max(width, *(cell_width(line[at]) for line in shown)) for at, width in enumerate(widths)]
            text = _aligned(head, columns, widths, ["head"] * len(columns)) if head else ""
            for row, line in zip(part, cells, strict=True):
                text += _aligned(line, columns, widths, [column.style_of(row) for column in columns])
            terminal.write(text)
            head = None
        if head is not None:
            self._say(nothing)

    def lines(self, rows: Iterable[Row], line: Callable[[Row], str], *, nothing: str = "") -> None:
        """Write a line, or some, for each row."""
        walk = iter(rows)
        is_empty = True
        # The first ones alone: who waits for a slow store sees that something comes.
        size = 1
        while part := list(islice(walk, size)):
            terminal.write("".join(line(row) + "\n" for row in part))
            is_empty, size = False, min(size * 2, ROWS_AT_ONCE)
        if is_empty:
            self._say(nothing)

    def _say(self, nothing: str) -> None:
        # To stderr: a script that counts lines counts none.
        if nothing and not self._quiet:
            terminal.error_line(nothing)


def cell_width(text: str) -> int:
    """Return how many columns of a terminal `text` takes, wide letters counted twice."""
    if text.isascii():
        return len(text)
    import unicodedata  # noqa: PLC0415 - only for such names

    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text
    )


def _aligned(line: Sequence[str], columns: Sequence[Column], widths: Sequence[int], styles: Sequence[str | None]) -> str:
    parts = []
    last = len(columns) - 1
    for at, (cell, column, width, style) in enumerate(zip(line, columns, widths, styles, strict=True)):
        space = " " * (width - cell_width(cell))
        shown = terminal.styled(cell, style) if cell else ""
        parts.append(space + shown if column.right else shown if at == last else shown + space)
    return "  ".join(parts).rstrip(" ") + "\n"


class JsonOutput:
    """One JSON document."""

    is_text = False

    def one(self, data: Row, text: Callable[[], str]) -> None:  # noqa: ARG002 - the interface of people
        """Write an object."""
        terminal.write(json.dumps(data, ensure_ascii=False, indent=2) + "\n")

    def done(self, data: Row, text: str) -> None:  # noqa: ARG002
        """Write an object."""
        terminal.write(json.dumps(data, ensure_ascii=False, indent=2) + "\n")

    def table(self, rows: Iterable[Row], columns: Sequence[Column], *, nothing: str = "") -> None:  # noqa: ARG002
        """Write a list of objects, one a line."""
        walk = iter(rows)
        before = "["
        while part := list(islice(walk, ROWS_AT_ONCE)):
            for row in part:
                terminal.write(before + "\n  " + json.dumps(row, ensure_ascii=False))
                before = ","
        terminal.write("[]\n" if before == "[" else "\n]\n")

    def lines(self, rows: Iterable[Row], line: Callable[[Row], str], *, nothing: str = "") -> None:  # noqa: ARG002
        """Write a list of objects, one a line."""
        self.table(rows, ())


class YamlOutput:
    """One YAML document."""

    is_text = False

    def one(self, data: Row, text: Callable[[], str]) -> None:  # noqa: ARG002
        """Write a mapping."""
        terminal.write(_yaml(dict(data)))

    def done(self, data: Row, text: str) -> None:  # noqa: ARG002
        """Write a mapping."""
        terminal.write(_yaml(dict(data)))

    def table(self, rows: Iterable[Row], columns: Sequence[Column], *, nothing: str = "") -> None:  # noqa: ARG002
        """Write a list of mappings."""
        walk = iter(rows)
        is_empty = True
        while part := list(islice(walk, ROWS_AT_ONCE)):
            terminal.write(_yaml([dict(row) for row in part]))
            is_empty = False
        if is_empty:
            terminal.write("[]\n")

    def lines(self, rows: Iterable[Row], line: Callable[[Row], str], *, nothing: str = "") -> None:  # noqa: ARG002
        """Write a list of mappings."""
        self.table(rows, ())


def _yaml(data: object) -> str:
    import yaml  # noqa: PLC0415 - only where it is asked for

    # Through JSON: rows may be mappings of their own kinds, which YAML does not know.
    plain = json.loads(json.dumps(data))
    dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(plain, Dumper=dumper, sort_keys=False, allow_unicode=True, width=YAML_WIDTH)
    return text


def make(form: str, *, quiet: bool) -> Output:
    """Return the output of this form (one of FORMATS)."""
    if form == "json":
        return JsonOutput()
    return YamlOutput() if form == "yaml" else TextOutput(quiet=quiet)
