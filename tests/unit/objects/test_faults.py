"""The plan of faults: each strikes when it should, as often as it should, and is counted."""

import os
import signal
import subprocess
import sys

import pytest

from fabric.errors import DataError, UnavailableError
from fabric.objects.local import LocalStore
from fabric.objects.memory import MemoryStore
from fabric.testing.faults import EXIT_STATUS, Effect, Fault, FaultyStore


def make(*plan):
    store = FaultyStore(MemoryStore(), plan)
    store.inner.put("a/x", b"0123456789")
    store.inner.put("b/y", b"")
    return store


def test_no_plan_changes_nothing():
    store = make()
    store.put("c", b"x")
    assert store.get("a/x", 2, 3) == b"234"
    assert store.get_ranges("a/x", [(0, 1)]) == [b"0"]
    assert store.head("c").size == 1
    assert [row.key for row in store.list("")] == ["a/x", "b/y", "c"]
    store.delete(["c"])
    assert store.calls == {"put": 1, "get": 2, "head": 1, "list": 1, "delete": 1}
    assert not store.injected


def test_by_number():
    store = make(Fault("put", Effect.FAIL, at=2))
    store.put("k1", b"x")
    with pytest.raises(UnavailableError):
        store.put("k2", b"x")
    store.put("k3", b"x")
    assert [row.key for row in store.inner.list("")] == ["a/x", "b/y", "k1", "k3"]
    assert store.injected == {("put", Effect.FAIL): 1}


def test_by_key_and_times():
    store = make(Fault("get", Effect.FAIL, when=lambda key: key.startswith("a/"), times=2))
    for _ in range(2):
        store.get("b/y")
        with pytest.raises(UnavailableError):
            store.get("a/x")
    assert store.get("a/x") == b"0123456789"


def test_any_verb_counts_all_calls():
    store = make(Fault("", Effect.FAIL, at=3))
    store.head("a/x")
    store.get("a/x")
    with pytest.raises(UnavailableError):
        store.put("k", b"x")


def test_a_lost_answer_is_done():
    store = make(Fault("put", Effect.LOST_ANSWER), Fault("delete", Effect.LOST_ANSWER))
    with pytest.raises(UnavailableError):
        store.put("k", b"x")
    assert store.inner.get("k") == b"x"
    with pytest.raises(UnavailableError):
        store.delete(["k"])
    assert [row.key for row in store.inner.list("k/")] == []


def test_delay():
    slept = []
    store = FaultyStore(MemoryStore(), [Fault("put", Effect.DELAY, seconds=7)], sleep=slept.append)
    store.put("k", b"x")
    assert slept == [7]
    assert store.inner.get("k") == b"x"


@pytest.mark.parametrize("effect", [Effect.TRUNCATE, Effect.ALTER])
def test_damaged_bodies(effect):
    store = make(Fault("get", effect, times=3))
    whole, part = store.get("a/x"), store.get("a/x", 2, 4)
    pieces = store.get_ranges("a/x", [(0, 3), (5, 4), (0, 0)])
    expected = [b"0123456789", b"2345", b"5678"]
    for got, good in zip([whole, part, pieces[1]], expected, strict=True):
        assert got != good
        assert len(got) == len(good) - (effect is Effect.TRUNCATE)
    assert (pieces[0], pieces[2]) == (b"012", b"")
    assert store.get("a/x") == b"0123456789"


def test_damaging_nothing():
    store = make(Fault("get", Effect.TRUNCATE), Fault("get", Effect.ALTER))
    assert store.get("b/y") == b""
    assert store.get("b/y") == b""


def test_other_errors_and_plans_that_change():
    store = make(Fault("get", Effect.FAIL, error=lambda key: DataError("rotten", subject=key)))
    with pytest.raises(DataError, match="rotten"):
        store.get("a/x")
    store.add(Fault("get", Effect.FAIL, times=99))
    with pytest.raises(UnavailableError):
        store.get("a/x")
    store.clear()
    assert store.get("a/x") == b"0123456789"


def test_a_listing_that_breaks_off():
    store = make(Fault("list", Effect.LOST_ANSWER))
    rows = store.list("")
    assert next(rows).key == "a/x"
    with pytest.raises(UnavailableError):
        next(rows)


@pytest.mark.crash
@pytest.mark.parametrize(
    ("effect", "status", "left"),
    [
        (Effect.EXIT, EXIT_STATUS, ["k1"]),
        (Effect.KILL, -signal.SIGKILL, ["k1"]),
        (Effect.KILL_AFTER, -signal.SIGKILL, ["k1", "k2"]),
    ],
)
def test_the_process_dies_at_the_second_put(tmp_path, effect, status, left):
    code = (
        "import sys; from fabric.objects.local import LocalStore; from fabric.testing.faults import *;"
        f"s = FaultyStore(LocalStore(sys.argv[1], create=True), [Fault('put', Effect.{effect.name}, at=2)]);"
        "[s.put(f'k{i}', b'x') for i in (1, 2, 3)]"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, env=os.environ, timeout=60)
    assert ended.returncode == status
    assert [row.key for row in LocalStore(tmp_path).list("")] == left
