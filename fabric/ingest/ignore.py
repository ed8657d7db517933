"""`.fabricignore`: what is left out, in the syntax and with the rules of gitignore."""

import os
import re
from collections.abc import Sequence
from stat import S_ISREG
from typing import Any

from fabric.errors import InvalidInputError, SourceError
from fabric.ingest.source import FILE_FLAGS, source_error
from fabric.model.paths import display

IGNORE_NAME = b".fabricignore"
IGNORE_BYTES_MAX = 1024 * 1024


class Ignore:
    """The rules that hold in one directory: its own, then those of the directories above, nearest first.

    The last rule of a file that matches decides; if none does, the file above is asked. A directory that is left out is not
    entered, so nothing below it can be brought back.
    """

    def __init__(self, base: bytes, lines: Sequence[str], above: "Ignore | None" = None) -> None:
        """Make rules from lines.

        Raises:
            InvalidInputError: a line is no pattern.
        """
        # Here, not at the top: 45 ms that most sources never need.
        from pathspec import GitIgnoreSpec  # noqa: PLC0415

        self._start = len(base) + 1 if base else 0
        self._above = above
        try:
            self._spec: Any = GitIgnoreSpec.from_lines(lines)
        except (ValueError, re.error) as error:
            name = display(base + b"/" + IGNORE_NAME if base else IGNORE_NAME)
            raise InvalidInputError(f"a line of {name!r} is no pattern: {error}", subject=name) from None

    def leaves_out(self, path: bytes, *, is_directory: bool) -> bool:
        """Whether `path`, relative to the source, is left out."""
        rules: Ignore | None = self
        while rules is not None:
            text = os.fsdecode(path[rules._start :]) + ("/" if is_directory else "")
            verdict = rules._spec.check_file(text).include
            if verdict is not None:
                return bool(verdict)
            rules = rules._above
        return False


def read_ignore(fd: int, directory: bytes, shown: bytes, above: Ignore | None) -> Ignore | None:
    """Return the rules that hold in a directory which has a `.fabricignore`; if that is no regular file, those above.

    Args:
        fd: the directory.
        directory: its path relative to the source.
        shown: the path of the ignore file for messages.
        above: what holds in the directory above.

    Raises:
        SourceError: it cannot be read, or is over 1 MiB.
        InvalidInputError: a line is no pattern.
    """
    try:
        if not S_ISREG(os.stat(IGNORE_NAME, dir_fd=fd, follow_symlinks=False).st_mode):
            return above
        with open(os.open(IGNORE_NAME, FILE_FLAGS, dir_fd=fd), "rb") as file:
            raw = file.read(IGNORE_BYTES_MAX + 1)
    except OSError as error:
        raise source_error(error, shown) from None
    if len(raw) > IGNORE_BYTES_MAX:
        raise SourceError(f"{display(shown)!r} is over 1 MiB", subject=display(shown), hint="write fewer patterns")
    return Ignore(directory, os.fsdecode(raw).splitlines(), above)
