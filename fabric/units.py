"""Sizes and durations as people write them: `100GiB`, `1.5MB`, `30d`, `1h30m`. Pure functions, exact arithmetic."""

import re
from fractions import Fraction

from fabric.errors import InvalidInputError

SIZE_BYTES_MAX = 2**63 - 1
"""What SQLite, Arrow and every file system can hold in a signed integer."""
DURATION_S_MAX = 100 * 365 * 86_400
"""A hundred years: more is a typing error, and would pass the year 9999 in some formats."""

_TEXT_LENGTH_MAX = 64
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)")
_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d|w)\s*")
_SIZE_UNITS = {
    "": 1,
    "b": 1,
    **{f"{letter}b": 1000**power for power, letter in enumerate("kmgtpe", start=1)},
    **{f"{letter}ib": 1024**power for power, letter in enumerate("kmgtpe", start=1)},
}
_DURATION_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_SIZE_HINT = "write a number and a unit, such as 512MiB, 100GiB (powers of 1024) or 100GB (powers of 1000)"
_DURATION_HINT = "write numbers with units ms, s, m, h, d or w, such as 90s, 12h, 30d or 1h30m"


def parse_size(text: str) -> int:
    """Return the bytes that `text` says; a bare number is bytes. Letters of either case; a fraction must give whole bytes.

    Raises:
        InvalidInputError: it is no size, or above SIZE_BYTES_MAX.
    """
    clean = text.strip()
    match = _SIZE.fullmatch(clean) if len(clean) <= _TEXT_LENGTH_MAX else None
    unit = _SIZE_UNITS.get(match[2].lower()) if match else None
    if match is None or unit is None:
        raise InvalidInputError(f"{clean[:_TEXT_LENGTH_MAX]!r} is not a size", subject=clean[:80], hint=_SIZE_HINT)
    size = Fraction(match[1]) * unit
    if size.denominator != 1:
        raise InvalidInputError(f"{clean!r} is not a whole number of bytes", subject=clean, hint=_SIZE_HINT)
    if size > SIZE_BYTES_MAX:
        raise InvalidInputError(f"{clean!r} is more than 8 EiB", subject=clean, hint=_SIZE_HINT)
    return int(size)


def parse_duration_s(text: str) -> float:
    """Return the seconds that `text` says; whole seconds are exact. A bare number is refused, since its unit is a guess.

    Raises:
        InvalidInputError: it is no duration, or above DURATION_S_MAX.
    """
    clean = text.strip()
    total_ms, at = Fraction(0), 0
    while at < len(clean) <= _TEXT_LENGTH_MAX and (part := _DURATION_PART.match(clean, at)):
        total_ms += Fraction(part[1]) * _DURATION_UNITS_MS[part[2]]
        at = part.end()
    if not clean or at != len(clean):
        raise InvalidInputError(f"{clean[:_TEXT_LENGTH_MAX]!r} is not a duration", subject=clean[:80], hint=_DURATION_HINT)
    seconds = total_ms / 1000
    if seconds > DURATION_S_MAX:
        raise InvalidInputError(f"{clean!r} is more than a hundred years", subject=clean, hint=_DURATION_HINT)
    return float(seconds)


def format_size(size_bytes: int) -> str:
    """Return `size_bytes` for people, with powers of 1024 and three digits: `0 B`, `1023 B`, `1.50 MiB`, `100 GiB`."""
    value = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB", "PiB"):
        # 999.5 would be shown as "1000" of this unit: the next one says it shorter.
        if value < 999.5 or (unit == "B" and value < 1024):
            digits = 0 if unit == "B" or value >= 99.95 else 1 if value >= 9.995 else 2
            return f"{value:.{digits}f} {unit}"
        value /= 1024
    return f"{value:.2f} EiB"


def format_duration(seconds: float) -> str:
    """Return `seconds` for people, at most two units: `0.4 s`, `12 s`, `3 m 05 s`, `2 h 10 m`, `30 d 4 h`."""
    if seconds < 10:
        return f"{seconds:.2g} s" if seconds >= 0.001 else "0 s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02d} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} m"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"
