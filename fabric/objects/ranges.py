"""Ranges of one object that lie close together travel in one request.

obstore can join ranges itself, but with an object that is shorter than a joined range it panics instead of raising; and
the other client cannot join at all. So both use this.
"""

import bisect
from collections.abc import Sequence

GAP_BYTES_MAX = 256 * 1024
"""Reading so much in vain is cheaper than another request."""


def join_ranges(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the (start, length) to fetch for `ranges`: ascending, disjoint, none empty."""
    spans: list[tuple[int, int]] = []
    for start, length in sorted(set(ranges)):
        if not length:
            continue
        if spans and start - sum(spans[-1]) <= GAP_BYTES_MAX:
            begin, known = spans[-1]
            spans[-1] = (begin, max(known, start + length - begin))
        else:
            spans.append((start, length))
    return spans


def cut_ranges(
    ranges: Sequence[tuple[int, int]], spans: Sequence[tuple[int, int]], bodies: Sequence[memoryview]
) -> list[bytes | memoryview]:
    """Return the bytes of each of `ranges` from the bodies of the spans that `join_ranges` gave; no copies."""
    begins = [begin for begin, _ in spans]
    pieces: list[bytes | memoryview] = []
    for start, length in ranges:
        if not length:
            pieces.append(b"")
            continue
        index = bisect.bisect_right(begins, start) - 1
        offset = start - begins[index]
        pieces.append(bodies[index][offset : offset + length])
    return pieces
