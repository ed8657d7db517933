"""Did you mean ...?"""

import difflib
from collections.abc import Iterable


def closest(wrong: str, known: Iterable[str]) -> str:
    """Return a hint with the most similar names, or "" if none is similar."""
    found = difflib.get_close_matches(wrong, list(known), n=3)
    return f"did you mean {' or '.join(repr(name) for name in found)}?" if found else ""
