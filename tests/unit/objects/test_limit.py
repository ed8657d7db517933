"""Limit: never more calls at a time than allowed, and no deadlock with oneself."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from fabric.errors import InvalidInputError, UnavailableError
from fabric.objects.limit import Limit
from fabric.objects.memory import MemoryStore
from fabric.objects.wrapper import Wrapper
from fabric.testing.faults import Effect, Fault, FaultyStore


class Crowd(Wrapper):
    """Counts who is inside, and keeps each call there until `size` calls are, or nobody else can come."""

    def __init__(self, inner, size):
        super().__init__(inner)
        self.barrier = threading.Barrier(size)
        self.lock = threading.Lock()
        self.inside = self.most = 0

    def get(self, key, start=0, length=None):
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.barrier.wait(timeout=30)
        with self.lock:
            self.inside -= 1
        return super().get(key, start, length)


def test_the_limit_is_reached_and_kept():
    crowd = Crowd(MemoryStore(), 3)
    crowd.inner.put("a", b"x")
    store = Limit(crowd, 3)
    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(lambda _: store.get("a"), range(30))) == [b"x"] * 30
    assert crowd.most == 3


def test_a_failed_call_leaves_its_place():
    store = Limit(FaultyStore(MemoryStore(), [Fault("", Effect.FAIL, times=6)]), 1)
    for call in (
        lambda: store.put("a", b"x"),
        lambda: store.get("a"),
        lambda: store.get_ranges("a", [(0, 1)]),
        lambda: store.head("a"),
        lambda: store.delete(["a"]),
        lambda: list(store.list("")),
    ):
        with pytest.raises(UnavailableError):
            call()
    store.put("a", b"x")


def test_reading_inside_of_a_listing():
    store = Limit(MemoryStore(), 1)
    for key in ("a", "b", "c"):
        store.put(key, key.encode())
    assert [bytes(store.get(row.key)) for row in store.list("")] == [b"a", b"b", b"c"]


def test_none_at_a_time_is_refused():
    with pytest.raises(InvalidInputError):
        Limit(MemoryStore(), 0)
