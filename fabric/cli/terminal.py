"""The terminal: what may be written to it, in which colours, and asking a person.

Names come from outside: on a terminal, control characters in them are shown as `\\xNN`, so that a file name cannot move the
cursor or set a title. Bytes that are not UTF-8 go out as the bytes that they are.
"""

import os
import re
import sys
from typing import TextIO

import click

from fabric.errors import InvalidInputError

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")
_CONTROL_BUT_LINES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_STYLES = {
    "error": {"fg": "red", "bold": True},
    "hint": {"fg": "cyan"},
    "head": {"bold": True},
    "commit": {"fg": "yellow"},
    "ref": {"fg": "cyan"},
    "directory": {"fg": "blue", "bold": True},
    "symlink": {"fg": "cyan"},
    "added": {"fg": "green"},
    "removed": {"fg": "red"},
    "modified": {"fg": "yellow"},
    "renamed": {"fg": "cyan"},
    "ok": {"fg": "green"},
    "warn": {"fg": "yellow"},
    "fail": {"fg": "red", "bold": True},
    "dim": {"dim": True},
}


def is_terminal(stream: TextIO) -> bool:
    """Whether a person looks at `stream`."""
    try:
        return stream.isatty()
    except ValueError:
        return False


def can_draw(stream: TextIO) -> bool:
    """Whether lines of `stream` can be written again: a terminal that moves its cursor."""
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def has_colour(stream: TextIO) -> bool:
    """Whether `stream` should get colours: a terminal that can show them, and nobody asked for none (NO_COLOR)."""
    return can_draw(stream) and not os.environ.get("NO_COLOR")


def styled(text: str, style: str | None, stream: TextIO | None = None) -> str:
    """Return `text` in a style of ours, if `stream` (stdout if None) has colours."""
    if style is None or not has_colour(stream or sys.stdout):
        return text
    return click.style(text, **_STYLES[style])  # type: ignore[arg-type]


def readable(text: str) -> str:
    """Return `text` without what is no text: bytes that are not UTF-8 become the replacement character."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def safe(text: str, stream: TextIO | None = None, *, lines: bool = False) -> str:
    """Return `text` fit for a terminal if `stream` (stdout if None) is one; unchanged otherwise.

    Args:
        text: a name or a message from outside.
        stream: where it will be written.
        lines: line feeds may stay, as in a commit's message.
    """
    if not is_terminal(stream or sys.stdout):
        return text
    return (_CONTROL_BUT_LINES if lines else _CONTROL).sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def write(text: str) -> None:
    """Write to stdout; surrogate escapes become their bytes."""
    write_bytes(encoded(text))


def write_bytes(data: bytes | memoryview) -> None:
    """Write bytes to stdout, unbuffered: nothing stays behind for the interpreter's end to complain about."""
    sys.stdout.flush()
    left = memoryview(data)
    while left:
        # With PYTHONUNBUFFERED there is no buffer in between, and a write may take a part only.
        left = left[sys.stdout.buffer.write(left) :]
    sys.stdout.buffer.flush()


def encoded(text: str) -> bytes:
    """Return the bytes of `text` as file names have them."""
    try:
        return os.fsencode(text)
    except UnicodeEncodeError:
        return text.encode(sys.getfilesystemencoding(), "backslashreplace")


def error_line(text: str, *, style: str | None = None) -> None:
    """Write a line to stderr; a word before a colon at its start gets the style."""
    shown = safe(text, sys.stderr, lines=True)
    word, colon, rest = shown.partition(":")
    if style is not None and colon:
        shown = styled(word + colon, style, sys.stderr) + rest
    try:
        sys.stdout.flush()
        sys.stderr.buffer.write(encoded(shown) + b"\n")
        sys.stderr.flush()
    except OSError:
        # Nobody is there to read what went wrong; the exit code says it.
        return


def confirm(question: str) -> bool:
    """Ask a person on the terminal.

    Raises:
        InvalidInputError: there is nobody to ask.
    """
    if not is_terminal(sys.stdin):
        raise InvalidInputError(
            f"nobody is here to answer: {question}", hint="say --yes, or --dry-run to see what would happen"
        )
    return click.confirm(safe(question, sys.stderr), default=False, err=True)


def completion_line() -> str:
    """Return the command line up to the cursor, as our bash script hands it over."""
    return os.environ.get("COMP_TYPED", "")


def wants_completion() -> bool:
    """Whether a shell asks for completions instead of a person for a command."""
    return bool(os.environ.get("_FABRIC_COMPLETE"))
