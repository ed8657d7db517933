"""Counts what a store is asked for: requests, errors, bytes and seconds by verb."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

from fabric.objects.port import Buffer, ObjectInfo, ObjectStore
from fabric.objects.wrapper import Wrapper

_T = TypeVar("_T")
VERBS = ("put", "get", "get_ranges", "head", "list", "delete")


@dataclass(frozen=True, slots=True)
class VerbCount:
    """What one verb did.

    Attributes:
        requests: calls that ended, well or not (a listing is one).
        errors: those of them that raised.
        bytes: bytes of objects moved by the calls that succeeded.
        seconds: time spent in the calls, summed over threads.
    """

    requests: int = 0
    errors: int = 0
    bytes: int = 0
    seconds: float = 0.0

    def __add__(self, other: "VerbCount") -> "VerbCount":
        return VerbCount(
            self.requests + other.requests,
            self.errors + other.errors,
            self.bytes + other.bytes,
            self.seconds + other.seconds,
        )

    def __sub__(self, other: "VerbCount") -> "VerbCount":
        return self + VerbCount(-other.requests, -other.errors, -other.bytes, -other.seconds)


@dataclass(frozen=True, slots=True)
class MeterSnapshot:
    """All counts at one moment; two of them can be subtracted.

    Attributes:
        verbs: the count of each of VERBS.
    """

    verbs: Mapping[str, VerbCount] = field(default_factory=lambda: MappingProxyType({verb: VerbCount() for verb in VERBS}))

    def __getitem__(self, verb: str) -> VerbCount:
        return self.verbs[verb]

    def __sub__(self, earlier: "MeterSnapshot") -> "MeterSnapshot":
        return MeterSnapshot(MappingProxyType({verb: self.verbs[verb] - earlier.verbs[verb] for verb in VERBS}))

    @property
    def total(self) -> VerbCount:
        """The sum over all verbs."""
        return sum(self.verbs.values(), VerbCount())


class Meter(Wrapper):
    """Counts every call. Outside of Retry it counts what the engine asked, inside what the store was asked."""

    def __init__(self, inner: ObjectStore, *, clock: Callable[[], float] = time.perf_counter) -> None:
        super().__init__(inner)
        self._clock = clock
        self._lock = threading.Lock()
        self._counts = {verb: VerbCount() for verb in VERBS}

    def snapshot(self) -> MeterSnapshot:
        """Return the counts of this moment; they do not change any more."""
        with self._lock:
            return MeterSnapshot(MappingProxyType(dict(self._counts)))

    def put(self, key: str, data: Buffer) -> None:
        """See ObjectStore.put."""
        self._measure("put", lambda: self.inner.put(key, data), lambda _: memoryview(data).nbytes)

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes | memoryview:
        """See ObjectStore.get."""
        return self._measure("get", lambda: self.inner.get(key, start, length), len)

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes | memoryview]:
        """See ObjectStore.get_ranges."""
        return self._measure("get_ranges", lambda: self.inner.get_ranges(key, ranges), lambda got: sum(map(len, got)))

    def head(self, key: str) -> ObjectInfo:
        """See ObjectStore.head."""
        return self._measure("head", lambda: self.inner.head(key), lambda _: 0)

    def list(self, prefix: str, after: str = "") -> Iterator[ObjectInfo]:
        """See ObjectStore.list. Counted when it ends, with the time that its reader took."""
        return self._count_listing(self.inner.list(prefix, after))

    def _count_listing(self, rows: Iterator[ObjectInfo]) -> Iterator[ObjectInfo]:
        begin, errors = self._clock(), 0
        try:
            yield from rows
        except Exception:
            errors = 1
            raise
        finally:
            self._add("list", VerbCount(1, errors, 0, self._clock() - begin))

    def delete(self, keys: Sequence[str]) -> None:
        """See ObjectStore.delete."""
        self._measure("delete", lambda: self.inner.delete(keys), lambda _: 0)

    def _measure(self, verb: str, call: Callable[[], _T], size: Callable[[_T], int]) -> _T:
        begin = self._clock()
        try:
            result = call()
        except Exception:
            self._add(verb, VerbCount(1, 1, 0, self._clock() - begin))
            raise
        self._add(verb, VerbCount(1, 0, size(result), self._clock() - begin))
        return result

    def _add(self, verb: str, count: VerbCount) -> None:
        with self._lock:
            self._counts[verb] += count
