"""The probe tells good stores from bad ones, and leaves nothing behind."""

import pytest

from fabric.errors import AccessDeniedError, DataError, ObjectNotFoundError, UnavailableError
from fabric.objects.local import LocalStore
from fabric.objects.memory import MemoryStore
from fabric.objects.open import open_store
from fabric.objects.port import ObjectInfo
from fabric.objects.probe import probe
from fabric.testing.faults import Effect, Fault, FaultyStore


class Hostile(MemoryStore):
    """A gateway with habits that were met in the wild; each test switches one on."""

    overwrites = forgets_to_delete = ignores_end = unsorted = invents = wrong_range = False

    def put(self, key, data):
        if self.overwrites:
            self.delete([key])
        super().put(key, data)

    def get(self, key, start=0, length=None):
        try:
            if self.wrong_range and start:
                return super().get(key, start - 1, length)
            return super().get(key, start, length)
        except DataError:
            if self.ignores_end:
                return super().get(key, start, None)
            raise
        except ObjectNotFoundError:
            if self.invents:
                return b"<html>welcome</html>"
            raise

    def list(self, prefix, after=""):
        rows = list(super().list(prefix, after))
        return iter(rows[::-1] if self.unsorted else rows)

    def delete(self, keys):
        if not (self.forgets_to_delete and len(keys) > 1):
            super().delete(keys)


def statuses(store, **options):
    return {row.name: row.status for row in probe(store, **options)}


def test_a_good_store(tmp_path):
    store = LocalStore(tmp_path)
    rows = probe(store)
    assert {row.status for row in rows} == {"ok"}
    assert [row.name for row in rows] == [
        "put", "get", "ranges", "absence", "list", "repeated put", "create only", "create race", "large object",
        "free space", "delete",
    ]  # fmt: skip
    assert list(store.list("")) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("habit", "row", "status"),
    [
        ("overwrites", "create only", "warn"),
        ("overwrites", "create race", "warn"),
        ("forgets_to_delete", "delete", "fail"),
        ("ignores_end", "ranges", "fail"),
        ("wrong_range", "ranges", "fail"),
        ("unsorted", "list", "fail"),
        ("invents", "absence", "fail"),
    ],
)
def test_bad_habits(habit, row, status):
    store = Hostile()
    setattr(store, habit, True)
    found = statuses(store)
    assert found[row] == status
    assert found["put"] == found["get"] == "ok"


def test_who_cannot_put_is_told_so_once():
    store = FaultyStore(
        MemoryStore(),
        [Fault("put", Effect.FAIL, times=99, error=lambda key: AccessDeniedError("no", subject=key, hint="ask"))],
    )
    rows = probe(_Bare(store))
    assert [(row.name, row.status, row.detail) for row in rows] == [("put", "fail", "no; ask")]


def test_damage_is_found():
    store = FaultyStore(MemoryStore(), [Fault("get", Effect.ALTER)])
    assert statuses(_Bare(store)) == {"put": "ok", "get": "fail"}


def test_an_unreachable_store_is_reported_at_once():
    rows = probe(open_store("s3://bucket?endpoint=http://127.0.0.1:1", deadline_s=10**6, credentials=None))
    assert [(row.name, row.status) for row in rows] == [("put", "fail")]


def test_where_it_writes():
    store = MemoryStore()
    seen = []
    bare = _Bare(store, seen)
    assert set(statuses(bare, prefix="mine/only/").values()) == {"ok"}
    assert seen
    assert all(key.startswith("mine/only/probe-") for key in seen)


@pytest.mark.s3
def test_a_real_server(s3_url):
    rows = probe(open_store(s3_url))
    assert {row.status for row in rows} == {"ok"}
    assert {"if-match", "clock"} <= {row.name for row in rows}
    assert list(open_store(s3_url).list("")) == []


class _Bare:
    """A store that the probe takes for an adapter."""

    def __init__(self, store, seen=None):
        self._store, self._seen = store, [] if seen is None else seen

    def put(self, key, data):
        self._seen.append(key)
        self._store.put(key, data)

    def get(self, key, start=0, length=None):
        return self._store.get(key, start, length)

    def get_ranges(self, key, ranges):
        return self._store.get_ranges(key, ranges)

    def head(self, key) -> ObjectInfo:
        return self._store.head(key)

    def list(self, prefix, after=""):
        return self._store.list(prefix, after)

    def delete(self, keys):
        self._store.delete(keys)

    def close(self):
        raise UnavailableError("the probe closes nothing")
