"""The port for bytes: immutable objects by key.

Everything that an adapter must promise stands here and is tested by `fabric.testing.objects`.

Keys are relative, `/`-separated, made by `fabric.objects.keys` alone: ASCII letters, digits, `.`, `_`, `-`, `/`; at most
512 bytes; no empty, `.` or `..` segment. An adapter checks them (`fabric.objects.keys.check_key`) before it touches
anything, and again on keys that a listing returns.

Rules for all verbs:
* Thread-safe. Blocking. Usable after fork() in the child (or a clear UnavailableError that says what to do).
* Errors are those of `fabric.errors`: ObjectNotFoundError, AccessDeniedError, NoSpaceError, UnavailableError (may be
  retried), DataError (must not be retried blindly). Messages name the key, never a secret or a signed URL.
* An adapter makes one attempt. Retry, limits, metering and faults are wrappers that fulfil this same Protocol.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

Buffer = bytes | bytearray | memoryview
"""What put accepts: contiguous bytes. The adapter does not keep a reference after it returns."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object as a listing or a head request shows it.

    Attributes:
        key: the object's key, relative to the store's root.
        size: length in bytes.
    """

    key: str
    size: int


class ObjectStore(Protocol):
    """A flat, write-once space of objects."""

    def put(self, key: str, data: Buffer) -> None:
        """Make `key` hold `data`.

        Atomic: a reader sees all of it or nothing, whatever dies. Durable when it returns (local: file and directory
        are synced). Retry-safe: to put the same bytes again succeeds, since an answer may have been lost. No object is
        ever overwritten by the engine: other bytes under an existing key raise AlreadyExistsError where the adapter can
        tell; correctness never rests on that.

        Raises:
            NoSpaceError, AccessDeniedError, UnavailableError, AlreadyExistsError.
        """
        ...

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes | memoryview:
        """Return exactly `length` bytes from `start` (to the end if None).

        A body shorter or longer than asked is an UnavailableError, never returned. A range that passes the end of the
        object is a DataError: the caller knew the length. `length` 0 returns b"" without a request.

        Raises:
            ObjectNotFoundError, DataError, AccessDeniedError, UnavailableError.
        """
        ...

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes | memoryview]:
        """Return the bytes of each (start, length), in the order asked; neighbouring ranges may travel together.

        Same errors and the same exactness as get. Bounded memory is the caller's duty.
        """
        ...

    def head(self, key: str) -> ObjectInfo:
        """Return the object's size.

        Raises:
            ObjectNotFoundError, AccessDeniedError, UnavailableError.
        """
        ...

    def list(self, prefix: str, after: str = "") -> Iterator[ObjectInfo]:
        """Yield the objects below `prefix` whose key sorts after `after`, in bytewise order of keys.

        `prefix` is "" or ends with "/": it names whole segments. Streams; any error is raised, never skipped. What has a
        name that no key can have was put there by somebody else and is left out.
        Only fsck, recover, doctor and collection list: no reader or writer depends on a listing.
        """
        ...

    def delete(self, keys: Sequence[str]) -> None:
        """Delete the objects; those that are already gone are no error (retry-safe).

        Raises:
            AccessDeniedError, UnavailableError: some may have been deleted; repeat the call.
        """
        ...

    def close(self) -> None:
        """Release connections and threads; later calls fail. May be called twice."""
        ...


@runtime_checkable
class Signer(Protocol):
    """What a store that can make presigned URLs offers in addition."""

    def sign(self, key: str, expires_s: int) -> str:
        """Return a URL that allows anyone to GET `key` for `expires_s` seconds (at most 7 days). A secret: do not log."""
        ...


@runtime_checkable
class FileBacked(Protocol):
    """What a store whose objects are files of this machine offers in addition: who reads much may read them directly."""

    def path(self, key: str) -> str:
        """Return the file that holds `key` and nothing else, if there is one. Never to be written to."""
        ...
