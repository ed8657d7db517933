"""Meter: exact counts, frozen snapshots."""

import dataclasses
import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest

from fabric.errors import UnavailableError
from fabric.objects.memory import MemoryStore
from fabric.objects.meter import Meter, VerbCount
from fabric.testing.faults import Effect, Fault, FaultyStore


@pytest.fixture
def store():
    ticks = itertools.count()
    return Meter(FaultyStore(MemoryStore(), []), clock=lambda: float(next(ticks)))


def test_each_verb_is_counted(store):
    store.put("a", b"12345")
    store.put("b", memoryview(b"12345678").cast("Q"))
    store.get("a")
    store.get("a", 1, 2)
    store.get_ranges("a", [(0, 2), (3, 2)])
    store.head("a")
    list(store.list(""))
    store.delete(["a", "b"])
    found = store.snapshot()
    assert found["put"] == VerbCount(2, 0, 13, 2.0)
    assert found["get"] == VerbCount(2, 0, 7, 2.0)
    assert found["get_ranges"] == VerbCount(1, 0, 4, 1.0)
    assert found["head"] == VerbCount(1, 0, 0, 1.0)
    assert found["list"] == VerbCount(1, 0, 0, 1.0)
    assert found["delete"] == VerbCount(1, 0, 0, 1.0)
    assert found.total == VerbCount(8, 0, 24, 8.0)


def test_errors_are_counted_without_bytes(store):
    store.put("a", b"12345")
    store.inner.add(Fault("get", Effect.FAIL))
    store.inner.add(Fault("list", Effect.LOST_ANSWER))
    with pytest.raises(UnavailableError):
        store.get("a")
    with pytest.raises(UnavailableError):
        list(store.list(""))
    found = store.snapshot()
    assert found["get"] == VerbCount(1, 1, 0, 1.0)
    assert (found["list"].requests, found["list"].errors) == (1, 1)


def test_snapshots_are_frozen_and_subtract(store):
    store.put("a", b"12345")
    before = store.snapshot()
    store.put("b", b"123")
    assert before["put"].requests == 1
    assert (store.snapshot() - before)["put"] == VerbCount(1, 0, 3, 1.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        before.verbs = {}
    with pytest.raises(TypeError):
        before.verbs["put"] = VerbCount()


def test_threads(store):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: store.put(f"k{i}", b"12"), range(500)))
    assert (store.snapshot()["put"].requests, store.snapshot()["put"].bytes) == (500, 1000)


def test_an_unread_listing_is_counted_when_it_is_closed(store):
    store.put("a", b"x")
    rows = store.list("")
    assert next(rows).key == "a"
    rows.close()
    assert (store.snapshot()["list"].requests, store.snapshot()["list"].errors) == (1, 0)
