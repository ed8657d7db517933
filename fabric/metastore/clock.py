"""The one time format of the mutable facts, and the clock that adapters take as an argument.

`2026-11-24T03:00:00.000000Z`: UTC, fixed width, so that the order of texts is the order of times.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime

from fabric.errors import InvalidInputError

Clock = Callable[[], str]
"""Returns the time now in the format above. It may stand still or step back: see `later`."""

_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z", re.ASCII)


def utc_now() -> str:
    """Return the machine's time."""
    return format_time(datetime.now(UTC))


def format_time(moment: datetime) -> str:
    """Return an aware datetime in the format of the facts."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def parse_time(text: str, what: str = "time") -> str:
    """Return `text` if it is a time in the format of the facts.

    Raises:
        InvalidInputError: it is not; `what` names it.
    """
    if isinstance(text, str) and _TIME.fullmatch(text):
        try:
            datetime.fromisoformat(text)
        except ValueError:
            pass
        else:
            return text
    raise InvalidInputError(
        f"{str(text)[:60]!r} is not a valid {what}",
        subject=str(text)[:60],
        hint="times are UTC and look like 2026-11-24T03:00:00.000000Z",
    )


def later(now: str, before: str) -> str:
    """Return `now`, or `before` if the clock went back: the log of a ref never runs backwards in time."""
    return max(now, before)
