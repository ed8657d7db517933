"""At most so many calls at a time: protects the store, the sockets and the memory of this process."""

import threading
from collections.abc import Iterator, Sequence

from fabric.errors import InvalidInputError
from fabric.objects.port import Buffer, ObjectInfo, ObjectStore
from fabric.objects.wrapper import Wrapper

_END = object()


class Limit(Wrapper):
    """Lets at most `calls_max` calls into the store; the others wait, in no order that is promised.

    A listing counts only while it fetches, not while its reader thinks: who reads objects inside of a listing's loop must
    not wait for itself.
    """

    may_be_passed_by = True

    def __init__(self, inner: ObjectStore, calls_max: int) -> None:
        if calls_max < 1:
            raise InvalidInputError(f"at least one call at a time must be allowed, not {calls_max}")
        super().__init__(inner)
        self._slots = threading.BoundedSemaphore(calls_max)

    def put(self, key: str, data: Buffer) -> None:
        """See ObjectStore.put."""
        with self._slots:
            self.inner.put(key, data)

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes | memoryview:
        """See ObjectStore.get."""
        with self._slots:
            return self.inner.get(key, start, length)

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes | memoryview]:
        """See ObjectStore.get_ranges."""
        with self._slots:
            return self.inner.get_ranges(key, ranges)

    def head(self, key: str) -> ObjectInfo:
        """See ObjectStore.head."""
        with self._slots:
            return self.inner.head(key)

    def list(self, prefix: str, after: str = "") -> Iterator[ObjectInfo]:
        """See ObjectStore.list."""
        with self._slots:
            rows = self.inner.list(prefix, after)
        return self._fetch(rows)

    def _fetch(self, rows: Iterator[ObjectInfo]) -> Iterator[ObjectInfo]:
        while True:
            with self._slots:
                row = next(rows, _END)
            if not isinstance(row, ObjectInfo):
                return
            yield row

    def delete(self, keys: Sequence[str]) -> None:
        """See ObjectStore.delete."""
        with self._slots:
            self.inner.delete(keys)
