"""An object store in this process's memory: for tests and for trying things out."""

import bisect
import threading
from collections.abc import Iterator, Sequence

from fabric.errors import AlreadyExistsError, ObjectNotFoundError
from fabric.objects.check import as_bytes_view, check_range, closed_error, past_end
from fabric.objects.keys import check_key, check_prefix
from fabric.objects.port import Buffer, ObjectInfo

_shared: "dict[str, MemoryStore]" = {}
_shared_lock = threading.Lock()


class MemoryStore:
    """A dictionary of objects that keeps the port's rules. A forked child goes on with a copy of its own."""

    def __init__(self, name: str = "") -> None:
        self._name = name
        self._objects: dict[str, bytes] = {}
        self._lock = threading.Lock()
        self._closed = False

    def put(self, key: str, data: Buffer) -> None:
        """See ObjectStore.put."""
        check_key(key)
        value = bytes(as_bytes_view(data))
        self._check_open()
        with self._lock:
            if self._objects.setdefault(key, value) != value:
                raise AlreadyExistsError(
                    "the object exists with other bytes", subject=key, hint="objects are never overwritten"
                )

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes | memoryview:
        """See ObjectStore.get."""
        check_range(key, start, length)
        self._check_open()
        if length == 0:
            return b""
        value = self._value(key)
        end = len(value) if length is None else start + length
        if start > len(value) or end > len(value):
            raise past_end(key, start, length, len(value))
        return value if (start, end) == (0, len(value)) else value[start:end]

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes | memoryview]:
        """See ObjectStore.get_ranges."""
        return [self.get(key, start, length) for start, length in ranges]

    def head(self, key: str) -> ObjectInfo:
        """See ObjectStore.head."""
        check_key(key)
        self._check_open()
        return ObjectInfo(key, len(self._value(key)))

    def list(self, prefix: str, after: str = "") -> Iterator[ObjectInfo]:
        """See ObjectStore.list. Objects that come or go meanwhile may or may not be in it."""
        check_prefix(prefix)
        self._check_open()
        return self._pages(prefix, after)

    def _pages(self, prefix: str, after: str) -> Iterator[ObjectInfo]:
        with self._lock:
            keys = sorted(key for key in self._objects if key.startswith(prefix))
        for key in keys[bisect.bisect_right(keys, after) :]:
            value = self._objects.get(key)
            if value is not None:
                yield ObjectInfo(key, len(value))

    def delete(self, keys: Sequence[str]) -> None:
        """See ObjectStore.delete."""
        for key in keys:
            check_key(key)
        self._check_open()
        with self._lock:
            for key in keys:
                self._objects.pop(key, None)

    def close(self) -> None:
        """See ObjectStore.close. The objects of a named store stay for who opens the name again."""
        self._closed = True

    def __repr__(self) -> str:
        return f"MemoryStore({self._name!r})"

    def _value(self, key: str) -> bytes:
        value = self._objects.get(key)
        if value is None:
            raise ObjectNotFoundError("no such object", subject=key)
        return value

    def _check_open(self) -> None:
        if self._closed:
            raise closed_error(repr(self))


def shared_memory_store(name: str) -> MemoryStore:
    """Return a store over the objects that this process keeps under `name`: the same for all who name it."""
    with _shared_lock:
        first = _shared.setdefault(name, MemoryStore(name))
        store = MemoryStore(name)
        # Each opener has a handle of its own to close; objects and lock are one.
        store._objects, store._lock = first._objects, first._lock
        return store
