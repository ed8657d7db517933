"""Retry: what is repeated, what is not, and the one deadline over all attempts."""

import pytest

from fabric.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    DataError,
    DeadlineError,
    NoSpaceError,
    ObjectNotFoundError,
    UnavailableError,
)
from fabric.objects.memory import MemoryStore
from fabric.objects.retry import Retry
from fabric.testing.faults import Effect, Fault, FaultyStore


class Clock:
    """Time that passes only where somebody sleeps or a call takes it."""

    def __init__(self):
        self.now = 1000.0
        self.slept = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


def make(clock, plan, deadline_s=60.0):
    faulty = FaultyStore(MemoryStore(), plan)
    return Retry(faulty, deadline_s, clock=clock, sleep=clock.sleep), faulty


VERBS = {
    "put": lambda s: s.put("a", b"data"),
    "get": lambda s: s.get("a"),
    "head": lambda s: s.head("a"),
    "list": lambda s: [row.key for row in s.list("")],
    "delete": lambda s: s.delete(["a"]),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("effect", [Effect.FAIL, Effect.LOST_ANSWER])
def test_every_verb_is_repeated(clock, verb, effect):
    store, faulty = make(clock, [Fault(verb, effect, times=3)])
    if verb != "put":
        faulty.inner.put("a", b"data")
    result = VERBS[verb](store)
    assert faulty.injected[verb, effect] == 3
    assert faulty.calls[verb] == 4
    assert len(clock.slept) == 3
    if verb == "list":
        assert result == ["a"]
    if verb == "get":
        assert result == b"data"


def test_get_ranges_is_repeated(clock):
    store, faulty = make(clock, [Fault("get", Effect.FAIL, times=2)])
    store.put("a", b"data")
    assert store.get_ranges("a", [(1, 2)]) == [b"at"]
    assert faulty.calls["get"] == 3


def test_no_fault_no_pause(clock):
    store, faulty = make(clock, [])
    store.put("a", b"data")
    assert store.get("a") == b"data"
    assert clock.slept == []
    assert faulty.calls.total() == 2


def test_pauses_grow_and_are_bounded(clock):
    store, _ = make(clock, [Fault("put", Effect.FAIL, times=12)])
    store.put("a", b"x")
    for number, pause in enumerate(clock.slept):
        assert 0 <= pause <= min(5.0, 0.05 * 2**number)


def test_the_deadline_bounds_all_attempts_together(clock):
    store, faulty = make(clock, [Fault("put", Effect.FAIL, times=10**6)], deadline_s=30)
    begin = clock.now
    with pytest.raises(DeadlineError) as caught:
        store.put("some/key", b"x")
    assert clock.now - begin <= 30
    assert clock.now - begin > 20  # it did not give up long before
    assert caught.value.subject == "some/key"
    assert "injected: put fail" in caught.value.message
    assert f"{faulty.calls['put']} attempts" in caught.value.message
    assert isinstance(caught.value.__cause__, UnavailableError)
    assert isinstance(caught.value, TimeoutError)


def test_slow_attempts_count(clock):
    def slow(seconds):
        clock.now += seconds

    faulty = FaultyStore(
        MemoryStore(),
        [Fault("put", Effect.DELAY, at=1, seconds=40), Fault("put", Effect.FAIL, times=10**6)],
        sleep=slow,
    )
    store = Retry(Retry(faulty, 0.0, clock=clock, sleep=clock.sleep), 30, clock=clock, sleep=clock.sleep)
    store.put("a", b"x")  # the first is slow and succeeds: no deadline cuts a success
    begin = clock.now
    with pytest.raises(DeadlineError):
        store.put("b", b"x")
    assert clock.now == begin  # the inner one gave up at once; the outer takes its word for it


def test_no_time_at_all_means_one_attempt(clock):
    store, faulty = make(clock, [Fault("get", Effect.FAIL, times=9)], deadline_s=0)
    with pytest.raises(DeadlineError):
        store.get("a")
    assert faulty.calls["get"] == 1


@pytest.mark.parametrize(
    "kind", [NoSpaceError, DeadlineError, AccessDeniedError, DataError, ObjectNotFoundError, AlreadyExistsError]
)
def test_what_waiting_does_not_help_is_raised_at_once(clock, kind):
    store, faulty = make(clock, [Fault("put", Effect.FAIL, times=5, error=lambda key: kind("no", subject=key))])
    with pytest.raises(kind) as caught:
        store.put("a", b"x")
    assert caught.value.message == "no"
    assert faulty.calls["put"] == 1
    assert clock.slept == []


def test_another_error_on_a_later_attempt_is_raised(clock):
    denied = Fault("put", Effect.FAIL, at=3, error=lambda key: AccessDeniedError("no", subject=key))
    store, faulty = make(clock, [denied, Fault("put", Effect.FAIL, times=9)])
    with pytest.raises(AccessDeniedError):
        store.put("a", b"x")
    assert faulty.calls["put"] == 3


def test_a_lost_answer_is_no_conflict(clock):
    store, faulty = make(clock, [Fault("put", Effect.LOST_ANSWER)])
    store.put("a", b"x")
    assert faulty.inner.get("a") == b"x"
    with pytest.raises(AlreadyExistsError):
        store.put("a", b"y")


def test_a_listing_goes_on_where_it_broke_off(clock):
    store, faulty = make(clock, [Fault("list", Effect.LOST_ANSWER, times=4)])
    keys = [f"p/{i:02d}" for i in range(10)]
    for key in [*keys, "q"]:
        faulty.inner.put(key, b"x")
    assert [row.key for row in store.list("p/", "p/02")] == keys[3:]
    assert faulty.calls["list"] == 5


def test_a_listing_that_never_comes_ends(clock):
    store, _ = make(clock, [Fault("list", Effect.FAIL, times=10**6)], deadline_s=5)
    with pytest.raises(DeadlineError):
        list(store.list("p/"))


def test_inner(clock):
    store, faulty = make(clock, [])
    assert store.inner is faulty
    assert repr(store) == "Retry(FaultyStore(MemoryStore('')))"
