"""What all wrappers share: they stand where a store stands, and show what they stand before."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from fabric.objects.port import Buffer, FileBacked, ObjectInfo, ObjectStore, Signer


class Wrapper:
    """Passes every verb on unchanged; a wrapper overrides what it is about.

    Attributes:
        inner: the store that is wrapped, itself perhaps a wrapper.
    """

    may_be_passed_by: ClassVar[bool] = False
    """Whether one who reads an object's file directly, past this wrapper, loses nothing (`file_backed`)."""

    def __init__(self, inner: ObjectStore) -> None:
        self.inner = inner

    def put(self, key: str, data: Buffer) -> None:
        """See ObjectStore.put."""
        self.inner.put(key, data)

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes | memoryview:
        """See ObjectStore.get."""
        return self.inner.get(key, start, length)

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes | memoryview]:
        """See ObjectStore.get_ranges."""
        return self.inner.get_ranges(key, ranges)

    def head(self, key: str) -> ObjectInfo:
        """See ObjectStore.head."""
        return self.inner.head(key)

    def list(self, prefix: str, after: str = "") -> Iterator[ObjectInfo]:
        """See ObjectStore.list."""
        return self.inner.list(prefix, after)

    def delete(self, keys: Sequence[str]) -> None:
        """See ObjectStore.delete."""
        self.inner.delete(keys)

    def close(self) -> None:
        """See ObjectStore.close."""
        self.inner.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.inner!r})"


def innermost(store: ObjectStore) -> ObjectStore:
    """Return the adapter behind any number of wrappers."""
    while isinstance(store, Wrapper):
        store = store.inner
    return store


def signer(store: ObjectStore) -> Signer | None:
    """Return the adapter if it can sign URLs, else None. Signing asks no server, so no wrapper needs to see it."""
    adapter = innermost(store)
    return adapter if isinstance(adapter, Signer) else None


def file_backed(store: ObjectStore) -> FileBacked | None:
    """Return the adapter if its objects are files and every wrapper before it may be passed by, else None."""
    while isinstance(store, Wrapper):
        if not store.may_be_passed_by:
            return None
        store = store.inner
    return store if isinstance(store, FileBacked) else None
