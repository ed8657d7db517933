"""A store that fails by plan: what can go wrong between us and the bytes, at a chosen moment, the same each time.

    plan = [
        Fault("put", Effect.LOST_ANSWER, at=3),
        Fault("get", Effect.ALTER, when=lambda key: "/data/" in key, times=2),
    ]
    store = FaultyStore(MemoryStore(), plan)

A fault strikes a call of its verb, chosen by number (`at`: the first call of that verb is 1) or by key (`when`), at most
`times` times. Truncated and altered bodies pass the adapter's own checks, as a bad memory or a bad disk would: whoever
reads must notice. `FaultyStore.injected` counts what was done, so that a test can say that its fault really struck.
"""

import enum
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from fabric.errors import FabricError, UnavailableError
from fabric.objects.port import Buffer, ObjectInfo, ObjectStore
from fabric.objects.wrapper import Wrapper


class Effect(enum.Enum):
    """What a fault does to a call."""

    FAIL = "fail"
    """An error before anything is done."""
    LOST_ANSWER = "lost answer"
    """The call is done, then an error is raised as if the answer had been lost."""
    DELAY = "delay"
    """The call waits for `seconds` first."""
    TRUNCATE = "truncate"
    """A get returns one byte less than it should (of nothing, nothing)."""
    ALTER = "alter"
    """A get returns its bytes with one bit in the middle flipped."""
    EXIT = "exit"
    """The process ends at once, before the call, without any clean-up (os._exit)."""
    KILL = "kill"
    """The process kills itself with SIGKILL, before the call."""
    KILL_AFTER = "kill after"
    """The call is done, then the process kills itself with SIGKILL: nobody hears the answer."""


EXIT_STATUS = 77
"""With what status a process ends that EXIT struck."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One line of a plan.

    Attributes:
        verb: `put`, `get` (get_ranges counts as one), `head`, `list` or `delete`; "" for any.
        effect: what happens.
        at: the number of the call of this verb (of all calls if the verb is ""), from 1; 0 for any.
        when: says for which keys (for list: prefixes) it is; None for all.
        times: how often it strikes at most.
        seconds: for DELAY.
        error: makes the error of FAIL and LOST_ANSWER; UnavailableError by default.
    """

    verb: str
    effect: Effect
    at: int = 0
    when: Callable[[str], bool] | None = None
    times: int = 1
    seconds: float = 0.0
    error: Callable[[str], FabricError] | None = None

    def make_error(self, verb: str, key: str) -> FabricError:
        """Return the error that this fault raises."""
        if self.error is not None:
            return self.error(key)
        return UnavailableError(f"injected: {verb} {self.effect.value}", subject=key)


class FaultyStore(Wrapper):
    """Passes calls on, but for those that the plan strikes. Thread-safe; the numbers count calls in the order they come.

    Args:
        inner: the store.
        plan: its faults; the first that fits a call strikes it.
        sleep: pauses, for DELAY.
    """

    def __init__(
        self, inner: ObjectStore, plan: Sequence[Fault] = (), *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        super().__init__(inner)
        self._sleep = sleep
        self._lock = threading.Lock()
        self._left = [(fault, [fault.times]) for fault in plan]
        self.calls: Counter[str] = Counter()
        """How many calls of each verb came."""
        self.injected: Counter[tuple[str, Effect]] = Counter()
        """How often each (verb, effect) struck."""

    def add(self, fault: Fault) -> None:
        """Add a fault to the plan; its `at` counts from the store's first call, as all do."""
        with self._lock:
            self._left.append((fault, [fault.times]))

    def clear(self) -> None:
        """Strike no more; the counts stay."""
        with self._lock:
            self._left.clear()

    def put(self, key: str, data: Buffer) -> None:
        """See ObjectStore.put."""
        fault = self._begin("put", key)
        self.inner.put(key, data)
        self._end("put", key, fault)

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes | memoryview:
        """See ObjectStore.get."""
        fault = self._begin("get", key)
        body = self.inner.get(key, start, length)
        self._end("get", key, fault)
        return _damage(body, fault)

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes | memoryview]:
        """See ObjectStore.get_ranges. A damaged answer is damaged in its last piece that has bytes."""
        fault = self._begin("get", key)
        pieces = self.inner.get_ranges(key, ranges)
        self._end("get", key, fault)
        for index in reversed(range(len(pieces))):
            if len(pieces[index]):
                pieces[index] = _damage(pieces[index], fault)
                break
        return pieces

    def head(self, key: str) -> ObjectInfo:
        """See ObjectStore.head."""
        fault = self._begin("head", key)
        info = self.inner.head(key)
        self._end("head", key, fault)
        return info

    def list(self, prefix: str, after: str = "") -> Iterator[ObjectInfo]:
        """See ObjectStore.list. LOST_ANSWER raises after the first row, or at the end if there is none."""
        fault = self._begin("list", prefix)
        return self._break_off(prefix, self.inner.list(prefix, after), fault)

    def _break_off(self, prefix: str, rows: Iterator[ObjectInfo], fault: Fault | None) -> Iterator[ObjectInfo]:
        for row in rows:
            yield row
            self._end("list", prefix, fault)
        self._end("list", prefix, fault)

    def delete(self, keys: Sequence[str]) -> None:
        """See ObjectStore.delete."""
        key = keys[0] if keys else ""
        fault = self._begin("delete", key)
        self.inner.delete(keys)
        self._end("delete", key, fault)

    def _begin(self, verb: str, key: str) -> Fault | None:
        fault = self._strike(verb, key)
        if fault is None:
            return None
        if fault.effect is Effect.FAIL:
            raise fault.make_error(verb, key)
        if fault.effect is Effect.DELAY:
            self._sleep(fault.seconds)
        elif fault.effect is Effect.EXIT:
            os._exit(EXIT_STATUS)
        elif fault.effect is Effect.KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        return fault

    def _end(self, verb: str, key: str, fault: Fault | None) -> None:
        if fault is not None and fault.effect is Effect.LOST_ANSWER:
            raise fault.make_error(verb, key)
        if fault is not None and fault.effect is Effect.KILL_AFTER:
            os.kill(os.getpid(), signal.SIGKILL)

    def _strike(self, verb: str, key: str) -> Fault | None:
        with self._lock:
            self.calls[verb] += 1
            for fault, left in self._left:
                number = self.calls[verb] if fault.verb else self.calls.total()
                fits = fault.verb in ("", verb) and fault.at in (0, number) and (fault.when is None or fault.when(key))
                if fits and left[0] > 0:
                    left[0] -= 1
                    self.injected[verb, fault.effect] += 1
                    return fault
        return None


def _damage(body: bytes | memoryview, fault: Fault | None) -> bytes | memoryview:
    if fault is None or fault.effect not in (Effect.TRUNCATE, Effect.ALTER):
        return body
    if fault.effect is Effect.TRUNCATE:
        return body[:-1]
    damaged = bytearray(body)
    if damaged:
        damaged[len(damaged) // 2] ^= 0x10
    return bytes(damaged)
