"""Checks a server's listing: what is no key of ours is left out, and what is out of order is an error."""

from collections.abc import Iterator

from fabric.errors import DataError, InvalidInputError
from fabric.objects.keys import check_key
from fabric.objects.port import ObjectInfo


def is_key(text: str) -> bool:
    """Whether `text` may name an object: the rest in a bucket or a directory was put there by somebody else."""
    try:
        check_key(text)
    except InvalidInputError:
        return False
    return True


def checked_rows(rows: Iterator[ObjectInfo], prefix: str, after: str) -> Iterator[ObjectInfo]:
    """Yield the rows that name objects below `prefix` and after `after`.

    Raises:
        DataError: the rows are not in strictly ascending order, so nobody could know that none is missing.
    """
    last = ""
    for row in rows:
        if not is_key(row.key) or not row.key.startswith(prefix):
            continue
        if row.key <= last:
            raise DataError(
                "the store's listing is not sorted by key",
                subject=prefix + "*",
                hint="directory buckets and some gateways do this: use a general-purpose bucket",
            )
        last = row.key
        if row.key > after:
            yield row
