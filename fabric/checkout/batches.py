"""Small files that come from one read: planned for a window of rows, in the order in which they lie."""

from collections.abc import Iterator
from typing import NamedTuple

from fabric.cache.spans import GAP_BYTES_MAX
from fabric.checkout.attributes import Wanted
from fabric.checkout.placing import Group, Record
from fabric.objects.port import ObjectStore

Small = tuple[int, int, int, bytes, bytes, bytes, bool, Wanted]
"""place (a number for an object), offset, length, digest, directory, name, whether the directory is exact, wanted."""
Batch = tuple[int, int, int, list[Group]]
"""place, offset, length, the files in these bytes: their records count from `offset`."""


class Place(NamedTuple):
    """An object of a store."""

    store: ObjectStore | None
    key: str


NO_PLACE = Place(None, "")
NO_PLACE_NUMBER = -1
"""Where empty files lie."""


def batches(small: list[Small], bytes_max: int) -> Iterator[Batch]:
    """Yield reads of at most `bytes_max` bytes with the files in them. `small` is sorted in the process.

    The rule is that of `fabric.cache.spans`, for many files at a microsecond each.
    """
    small.sort()
    at, start, end, limit = NO_PLACE_NUMBER, 0, 0, 0
    groups: list[Group] = []
    records: list[Record] = []
    current: bytes | None = None
    for place, offset, length, digest, directory, name, exact, wanted in small:
        reach = offset + length
        if place != at or offset > end + GAP_BYTES_MAX or (reach > limit and reach > end):
            if groups:
                yield at, start, end - start, groups
            at, start, end, limit, groups, current = place, offset, offset, offset + bytes_max, [], None
        if directory != current:
            current, records = directory, []
            groups.append((directory, exact, records))
        records.append((name, offset - start, length, digest, wanted))
        end = max(end, reach)
    if groups:
        yield at, start, end - start, groups
