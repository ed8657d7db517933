"""Checks that every adapter makes on what it is given and on what it got, so that all of them refuse alike."""

from typing import Protocol

from fabric.errors import AlreadyExistsError, DataError, InvalidInputError, UnavailableError
from fabric.objects.keys import check_key
from fabric.objects.port import Buffer, ObjectInfo

COMPARE_BYTES = 4 * 1024 * 1024
SIGN_S_MAX = 7 * 24 * 3600


class Readable(Protocol):
    """The two verbs that comparing needs."""

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes | memoryview: ...  # noqa: D102

    def head(self, key: str) -> ObjectInfo: ...  # noqa: D102


def as_bytes_view(data: Buffer) -> memoryview:
    """Return `data` as a flat view of bytes, without a copy.

    Raises:
        InvalidInputError: it is not contiguous.
    """
    view = memoryview(data)
    if not view.c_contiguous:
        raise InvalidInputError("an object's data must be contiguous bytes")
    return view.cast("B") if view.format != "B" or view.ndim != 1 else view


def check_range(key: str, start: int, length: int | None) -> None:
    """Raise InvalidInputError for a range that no object can have, or a key that cannot be one."""
    check_key(key)
    if start < 0 or (length is not None and length < 0):
        raise InvalidInputError(f"a range of {length} bytes from {start} does not exist", subject=key)


def check_expiry(key: str, expires_s: int) -> None:
    """Raise InvalidInputError if a signed URL cannot live that long."""
    check_key(key)
    if not 1 <= expires_s <= SIGN_S_MAX:
        raise InvalidInputError(f"a signed URL lives from 1 second to 7 days, not {expires_s} s", subject=key)


def past_end(key: str, start: int, length: int | None, size: int) -> DataError:
    """The error for a range that passes the object's end: who asked knew the length, so the object is not what it was."""
    asked = f"{length} bytes from {start}" if length is not None else f"the bytes from {start}"
    return DataError(
        f"{asked} were asked of an object of {size} bytes",
        subject=key,
        hint="the object is shorter than what was written: 'fabric fsck' finds every one",
    )


def wrong_length(key: str, expected: int, got: int) -> UnavailableError:
    """The error for a body that ended early or did not end: the transfer failed, and may be repeated."""
    return UnavailableError(f"the store sent {got} bytes instead of {expected}", subject=key)


def settle_existing(store: Readable, key: str, data: memoryview) -> None:
    """Decide about a put that found its key taken: success if the bytes are the same (a lost answer), else an error.

    Raises:
        AlreadyExistsError: the object holds other bytes.
    """
    other = AlreadyExistsError("the object exists with other bytes", subject=key, hint="objects are never overwritten")
    if store.head(key).size != len(data):
        raise other
    for start in range(0, len(data), COMPARE_BYTES):
        piece = data[start : start + COMPARE_BYTES]
        if store.get(key, start, len(piece)) != piece:
            raise other


def closed_error(store: str) -> InvalidInputError:
    """The error of every verb after close."""
    return InvalidInputError("the object store is closed", subject=store, hint="open it again")
