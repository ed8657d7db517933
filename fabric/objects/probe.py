"""Finds out what a store really does, by doing it: for `fabric doctor`, and before a bucket is trusted with data.

Servers that speak S3 differ in what they honour. The fabric needs the first rows (put, get, ranges, list, delete) and
fails without them; of conditions it is glad, since they catch mistakes, but nothing rests on them, so their absence is a
warning.
"""

import contextlib
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, Protocol, runtime_checkable

from fabric.errors import AlreadyExistsError, DataError, FabricError, ObjectNotFoundError
from fabric.objects.keys import check_prefix
from fabric.objects.port import ObjectStore
from fabric.objects.wrapper import innermost

Status = Literal["ok", "warn", "fail"]
SMALL_BYTES = 10_000
LARGE_BYTES = 17 * 1024 * 1024 + 1
"""Above the size from which S3 uploads go in parts."""
RACERS = 8
RACE_ROUNDS = 5
SKEW_WARN_S = 60.0
FREE_WARN_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """One row of what was found.

    Attributes:
        name: what was tried, two words at most.
        status: `fail` if the fabric cannot work so, `warn` if it can but a person should know.
        detail: one line for people.
    """

    name: str
    status: Status
    detail: str


@runtime_checkable
class _ConditionalStore(Protocol):
    """What the S3 adapter can tell in addition."""

    def probe_stat(self, key: str) -> tuple[str, datetime]: ...

    def probe_if_match(self, key: str, etag: str) -> bool: ...


@runtime_checkable
class _DirectoryStore(Protocol):
    @property
    def root(self) -> str: ...


class _WrongError(Exception):
    """A check found what must not be."""


def probe(store: ObjectStore, prefix: str = "") -> list[ProbeResult]:
    """Try everything that the fabric asks of a store, below a random prefix, and remove what was written.

    Wrappers are left out: each call is one attempt, so an unreachable store is reported at once. It takes about a second,
    and about 17 MiB of traffic each way.

    Args:
        store: the store to try, wrapped or not.
        prefix: where to write, "" or ending in "/", for credentials that may write in one place only.

    Returns:
        The rows in the order they were tried. If putting or getting one small object fails, there are no others.
    """
    check_prefix(prefix)
    return list(_Probe(innermost(store), f"{prefix}probe-{secrets.token_hex(8)}/").run())


class _Probe:
    def __init__(self, store: ObjectStore, prefix: str) -> None:
        self._store = store
        self._prefix = prefix
        self._small = secrets.token_bytes(SMALL_BYTES)
        self._written: set[str] = set()

    def run(self) -> Iterator[ProbeResult]:
        try:
            for name, check in (("put", self._put), ("get", self._get)):
                row = _row(name, check)
                yield row
                if row.status == "fail":
                    return
            for name, check in self._more():
                yield _row(name, check)
        finally:
            self._clean_up()

    def _more(self) -> Iterator[tuple[str, Callable[[], tuple[Status, str]]]]:
        yield "ranges", self._ranges
        yield "absence", self._absence
        yield "list", self._list
        yield "repeated put", self._repeated
        yield "create only", self._create
        yield "create race", self._race
        yield "large object", self._large
        if isinstance(self._store, _ConditionalStore):
            yield "if-match", self._if_match
            yield "clock", self._clock
        if isinstance(self._store, _DirectoryStore):
            yield "free space", self._free_space
        yield "delete", self._delete

    def _key(self, name: str) -> str:
        key = self._prefix + name
        self._written.add(key)
        return key

    def _put(self) -> tuple[Status, str]:
        begin = time.perf_counter()
        self._store.put(self._key("small"), self._small)
        return "ok", f"{SMALL_BYTES:,} bytes in {_ms(begin)}"

    def _get(self) -> tuple[Status, str]:
        begin = time.perf_counter()
        body = self._store.get(self._key("small"))
        took = _ms(begin)
        _expect(body == self._small, "it returned other bytes than were put")
        return "ok", f"{SMALL_BYTES:,} bytes in {took}"

    def _ranges(self) -> tuple[Status, str]:
        key, size = self._key("small"), SMALL_BYTES
        for start, length in ((0, 1), (size - 1, 1), (100, 1_000), (0, size)):
            _expect(
                self._store.get(key, start, length) == self._small[start : start + length],
                f"{length} bytes from {start} are not the bytes that were put",
            )
        wanted = [(5_000, 10), (0, 10), (9_990, 10)]
        pieces = self._store.get_ranges(key, wanted)
        _expect([bytes(p) for p in pieces] == [self._small[s : s + n] for s, n in wanted], "several ranges came wrong")
        try:
            self._store.get(key, size - 1, 2)
        except DataError:
            return "ok", "exact, and past the end an error"
        raise _WrongError("a range past the end was answered as if it were there")

    def _absence(self) -> tuple[Status, str]:
        try:
            self._store.get(self._prefix + "absent")
        except ObjectNotFoundError:
            return "ok", "an absent object is reported as absent"
        raise _WrongError("an absent object was answered with a body")

    def _list(self) -> tuple[Status, str]:
        keys = [self._key(name) for name in ("list/a", "list/b/c", "list/d")]
        for key in keys:
            self._store.put(key, b"x")
        found = [row.key for row in self._store.list(self._prefix + "list/")]
        _expect(found == keys, f"{len(keys)} objects were put, {len(found)} listed")
        rest = [row.key for row in self._store.list(self._prefix + "list/", keys[0])]
        _expect(rest == keys[1:], "listing from a key on gives other rows")
        return "ok", "sorted, complete, at once"

    def _repeated(self) -> tuple[Status, str]:
        self._store.put(self._key("small"), self._small)
        return "ok", "the same bytes may be put again"

    def _create(self) -> tuple[Status, str]:
        key = self._key("create")
        self._store.put(key, b"first")
        try:
            self._store.put(key, b"other")
        except AlreadyExistsError:
            return "ok", "it refuses to overwrite"
        return "warn", "it overwrites; the fabric never asks it to, but a mistake of others would not be noticed"

    def _race(self) -> tuple[Status, str]:
        most = 0
        for number in range(RACE_ROUNDS):
            key = self._key(f"race/{number}")
            barrier = threading.Barrier(RACERS)

            def run(racer: int, key: str = key, barrier: threading.Barrier = barrier) -> bool:
                barrier.wait()
                try:
                    self._store.put(key, f"racer {racer}".encode())
                except AlreadyExistsError:
                    return False
                return True

            with ThreadPoolExecutor(RACERS) as pool:
                most = max(most, sum(pool.map(run, range(RACERS))))
        if most == 1:
            return "ok", f"one of {RACERS} writers wins, {RACE_ROUNDS} times of {RACE_ROUNDS}"
        return "warn", f"up to {most} of {RACERS} writers are told that they created the same object; nothing rests on it"

    def _large(self) -> tuple[Status, str]:
        key, data = self._key("large"), secrets.token_bytes(1 << 20) * 17 + b"!"
        begin = time.perf_counter()
        self._store.put(key, data)
        took = time.perf_counter() - begin
        _expect(self._store.head(key).size == LARGE_BYTES, "its size is wrong")
        middle = LARGE_BYTES // 2
        _expect(self._store.get(key, middle) == data[middle:], "it returned other bytes than were put")
        return "ok", f"17 MiB put in {took:.2f} s ({LARGE_BYTES / took / 1e6:,.0f} MB/s)"

    def _if_match(self) -> tuple[Status, str]:
        assert isinstance(self._store, _ConditionalStore)
        etag, _ = self._store.probe_stat(self._key("small"))
        if not etag:
            return "warn", "objects have no ETag"
        right = self._store.probe_if_match(self._key("small"), etag)
        wrong = self._store.probe_if_match(self._key("small"), '"0123456789abcdef0123456789abcdef"')
        if right and not wrong:
            return "ok", "honoured"
        return "warn", "ignored: a wrong ETag is answered" if right else "a right ETag is refused"

    def _clock(self) -> tuple[Status, str]:
        assert isinstance(self._store, _ConditionalStore)
        key = self._key("clock")
        self._store.put(key, secrets.token_bytes(8))
        now = datetime.now(UTC)
        _, written = self._store.probe_stat(key)
        skew = (now - written).total_seconds()
        if abs(skew) > SKEW_WARN_S:
            return "warn", f"this machine and the store differ by {skew:+,.0f} s; at 15 minutes requests are refused"
        return "ok", "this machine and the store agree to within a minute"

    def _free_space(self) -> tuple[Status, str]:
        assert isinstance(self._store, _DirectoryStore)
        free = shutil.disk_usage(self._store.root).free
        return "warn" if free < FREE_WARN_BYTES else "ok", f"{free / (1 << 30):,.1f} GiB"

    def _delete(self) -> tuple[Status, str]:
        keys = sorted(self._written)
        self._store.delete(keys)
        left = [row.key for row in self._store.list(self._prefix)]
        _expect(not left, f"{len(left)} of {len(keys)} objects are still listed")
        self._store.delete(keys[:1])
        return "ok", "gone at once, and an absent object is no error"

    def _clean_up(self) -> None:
        # Who may not delete was told so by the row "delete"; the objects are few and say what they are.
        with contextlib.suppress(FabricError):
            self._store.delete(sorted(self._written))


def _row(name: str, check: Callable[[], tuple[Status, str]]) -> ProbeResult:
    try:
        status, detail = check()
    except _WrongError as error:
        return ProbeResult(name, "fail", str(error))
    except FabricError as error:
        return ProbeResult(name, "fail", f"{error.message}; {error.hint}" if error.hint else error.message)
    return ProbeResult(name, status, detail)


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise _WrongError(otherwise)


def _ms(begin: float) -> str:
    return f"{(time.perf_counter() - begin) * 1000:.1f} ms"
