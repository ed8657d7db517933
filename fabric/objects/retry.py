"""Tries again what may succeed when tried again, within one total deadline."""

import functools
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from fabric.errors import DeadlineError, FabricError, NoSpaceError, UnavailableError
from fabric.objects.port import Buffer, ObjectInfo, ObjectStore
from fabric.objects.wrapper import Wrapper

if TYPE_CHECKING:
    import tenacity

DEADLINE_S = 60.0
WAIT_FIRST_S = 0.05
WAIT_S_MAX = 5.0

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class Retry(Wrapper):
    """Repeats a call that failed with UnavailableError, with growing, jittered pauses, until `deadline_s` is used up.

    All verbs of the port are retry-safe, so a lost answer is no special case. What cannot get better by waiting is raised
    at once: other errors, a full disk (NoSpaceError), a deadline that a layer below has already spent (DeadlineError).

    The deadline bounds the start of the last attempt, not that attempt itself: adapters bound those by timeouts of their
    own. A listing goes on after the last row that it gave; its deadline begins anew with every row.

    Args:
        inner: the store to call.
        deadline_s: how long one call may take in all before no new attempt is made.
        wait_first_s: the longest first pause; it doubles each time, up to `wait_s_max`.
        clock: monotonic seconds, for tests.
        sleep: pauses, for tests.
    """

    may_be_passed_by = True

    def __init__(
        self,
        inner: ObjectStore,
        deadline_s: float = DEADLINE_S,
        *,
        wait_first_s: float = WAIT_FIRST_S,
        wait_s_max: float = WAIT_S_MAX,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(inner)
        self.deadline_s = deadline_s
        self._wait_first_s = wait_first_s
        self._wait_s_max = wait_s_max
        self._clock = clock
        self._sleep = sleep

    def put(self, key: str, data: Buffer) -> None:
        """See ObjectStore.put."""
        self._call("put", key, lambda: self.inner.put(key, data))

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes | memoryview:
        """See ObjectStore.get."""
        return self._call("get", key, lambda: self.inner.get(key, start, length))

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes | memoryview]:
        """See ObjectStore.get_ranges."""
        return self._call("get", key, lambda: self.inner.get_ranges(key, ranges))

    def head(self, key: str) -> ObjectInfo:
        """See ObjectStore.head."""
        return self._call("head", key, lambda: self.inner.head(key))

    def list(self, prefix: str, after: str = "") -> Iterator[ObjectInfo]:
        """See ObjectStore.list."""
        first = self._call("list", prefix, lambda: self.inner.list(prefix, after))
        return self._resuming(first, prefix, after)

    def _resuming(self, rows: Iterator[ObjectInfo], prefix: str, after: str) -> Iterator[ObjectInfo]:
        state = [rows]

        def step() -> ObjectInfo | None:
            try:
                return next(state[0], None)
            except UnavailableError:
                # A generator that raised is spent: the next attempt needs a new one, from where this one stopped.
                state[0] = self._lazy(prefix, after)
                raise

        while (row := self._call("list", prefix, step)) is not None:
            after = row.key
            yield row

    def _lazy(self, prefix: str, after: str) -> Iterator[ObjectInfo]:
        yield from self.inner.list(prefix, after)

    def delete(self, keys: Sequence[str]) -> None:
        """See ObjectStore.delete."""
        self._call("delete", keys[0] if keys else "", lambda: self.inner.delete(keys))

    def _call(self, verb: str, subject: str, call: Callable[[], _T]) -> _T:
        begin = self._clock()
        try:
            return call()  # nearly all calls end here: no machinery for them
        except UnavailableError as error:
            if not _may_help(error):
                raise
            first = error
        return self._repeat(verb, subject, call, begin, first)

    def _repeat(self, verb: str, subject: str, call: Callable[[], _T], begin: float, first: UnavailableError) -> _T:
        # Here, since it brings asyncio along (20 ms), and most processes never see a failure.
        import tenacity  # noqa: PLC0415

        left: list[UnavailableError] = [first]

        def attempt() -> _T:
            # The attempt that has failed already is the first one that tenacity sees, so that it waits before the next.
            if left:
                raise left.pop()
            return call()

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_may_help),
            wait=tenacity.wait_random_exponential(multiplier=self._wait_first_s, max=self._wait_s_max),
            stop=lambda state: self._clock() - begin + state.upcoming_sleep > self.deadline_s,
            sleep=self._sleep,
            before_sleep=functools.partial(_note, verb, subject),
            reraise=False,
        )
        try:
            return retrying(attempt)
        except tenacity.RetryError as error:
            last = error.last_attempt.exception()
            assert isinstance(last, FabricError)
            raise DeadlineError(
                f"gave up on {verb} after {self._clock() - begin:.0f} s and {error.last_attempt.attempt_number} attempts: "
                f"{last.message}",
                subject=last.subject or subject,
                hint=last.hint,
            ) from last


def _may_help(error: BaseException) -> bool:
    return isinstance(error, UnavailableError) and not isinstance(error, (DeadlineError, NoSpaceError))


def _note(verb: str, subject: str, state: "tenacity.RetryCallState") -> None:
    error = state.outcome.exception() if state.outcome else None
    _log.debug("%s %s failed (%s), next attempt in %.2f s", verb, subject, error, state.upcoming_sleep)
