"""No answer before the change is an object; no gap in what is exported, whoever fails."""

import contextlib
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from fabric.errors import (
    AccessDeniedError,
    DataError,
    DeadlineError,
    NoSpaceError,
    ObjectNotFoundError,
    RefConflictError,
    UnavailableError,
)
from fabric.metastore.backup import RefChange, decode
from fabric.metastore.export import ExportingMetastore
from fabric.metastore.memory.store import MemoryMetastore
from fabric.metastore.open import open_sqlite
from fabric.metastore.records import BackupRow, RefKind
from fabric.metastore.recover import recover
from fabric.objects.keys import backup_key
from fabric.objects.memory import MemoryStore
from fabric.testing.faults import Effect, Fault, FaultyStore
from fabric.testing.metastore_kit import Facts, commit_id
from fabric.testing.metastore_outbox import everything


@pytest.fixture
def inner():
    return MemoryMetastore()


def keys(objects) -> list[str]:
    return [info.key for info in objects.list("")]


def test_a_change_is_an_object_when_it_is_answered(inner):
    objects = MemoryStore()
    metastore = ExportingMetastore(inner, objects)
    facts = Facts(metastore)
    dataset = facts.dataset()
    facts.commit(dataset, "one")
    metastore.pins.create("p", dataset, commit_id("one"), owner="", reason="")
    metastore.pins.release("p")
    metastore.locations.create("lake", "s3://bucket/")
    metastore.locations.delete("lake")
    metastore.datasets.delete(dataset)
    assert keys(objects) == sorted(
        [
            backup_key(dataset, "dataset", dataset, 1),
            backup_key(dataset, "dataset", dataset, 2),
            backup_key(dataset, "ref", "main", 1),
            backup_key(dataset, "pin", "p", 1),
            backup_key(dataset, "pin", "p", 2),
            backup_key("fabric", "location", "lake", 1),
            backup_key("fabric", "location", "lake", 2),
        ]
    )
    assert inner.pending() == []


def test_what_fails_exports_nothing(inner):
    objects = MemoryStore()
    metastore = ExportingMetastore(inner, objects)
    facts = Facts(metastore)
    dataset = facts.dataset()
    facts.commit(dataset, "one")
    before = keys(objects)
    with pytest.raises(RefConflictError):
        metastore.refs.update(facts.update(dataset, "main", "one"))
    assert keys(objects) == before


@pytest.mark.parametrize("effect", [Effect.FAIL, Effect.LOST_ANSWER])
def test_a_failing_store_is_said_and_a_replay_completes(inner, effect):
    objects = FaultyStore(MemoryStore(), [Fault("put", effect, at=3)])
    metastore = ExportingMetastore(inner, objects)
    facts = Facts(metastore)
    dataset = facts.dataset()
    facts.commit(dataset, "one")
    update = facts.update(dataset, "v1", "one", kind=RefKind.SNAPSHOT)
    with pytest.raises(UnavailableError, match="made but not yet exported") as caught:
        metastore.refs.update(update)
    assert "same key" in caught.value.hint
    entry = metastore.refs.update(update)
    assert entry.generation == 1
    assert backup_key(dataset, "ref", "v1", 1) in keys(objects)
    assert inner.pending() == []


@pytest.mark.parametrize(
    ("raised", "expected"),
    [(NoSpaceError, NoSpaceError), (DeadlineError, DeadlineError), (AccessDeniedError, UnavailableError)],
)
def test_the_class_says_what_a_handler_may_do(inner, raised, expected):
    fault = Fault("put", Effect.FAIL, at=1, error=lambda key: raised("no", subject=key))
    metastore = ExportingMetastore(inner, FaultyStore(MemoryStore(), [fault]))
    with pytest.raises(expected, match="not yet exported"):
        Facts(metastore).dataset()


def test_the_next_change_carries_what_it_depends_on(inner):
    """A snapshot must not be exported without the commit that a failed export of the branch holds."""
    broken = FaultyStore(MemoryStore(), [Fault("put", Effect.FAIL, when=lambda key: "/main/" in key, times=99)])
    metastore = ExportingMetastore(inner, broken)
    facts = Facts(metastore)
    dataset = facts.dataset()
    with pytest.raises(UnavailableError):
        facts.commit(dataset, "one")
    with pytest.raises(UnavailableError):
        metastore.refs.update(facts.update(dataset, "v1", "one"))
    assert not [key for key in keys(broken) if "/v1/" in key]


def test_a_freed_name_is_exported_before_it_is_taken_again(inner):
    healthy = MemoryStore()
    old = Facts(ExportingMetastore(inner, healthy)).dataset("pets")
    with pytest.raises(UnavailableError):
        ExportingMetastore(inner, FaultyStore(healthy, [Fault("put", Effect.FAIL)])).datasets.delete(old)
    Facts(ExportingMetastore(inner, healthy, drain=False), count(50)).dataset("pets")
    recovered = MemoryMetastore()
    recover(healthy, recovered)
    assert everything(recovered) == everything(inner)


def test_a_start_exports_what_a_crash_left(inner):
    facts = Facts(inner)
    dataset = facts.dataset()
    for word in range(250):
        facts.commit(dataset, word)
    objects = MemoryStore()
    ExportingMetastore(inner, objects)
    assert len(keys(objects)) == 251
    assert inner.pending() == []


def test_a_start_without_a_store_waits_and_drain_says_why(inner):
    facts = Facts(inner)
    facts.dataset("pets")
    down = FaultyStore(MemoryStore(), [Fault("put", Effect.FAIL, times=2)])
    metastore = ExportingMetastore(inner, down)
    assert metastore.datasets.get("pets").name == "pets"
    with pytest.raises(UnavailableError):
        metastore.drain()
    metastore.drain()
    assert inner.pending() == []


def test_an_old_copy_of_the_metastore_is_noticed():
    """Restored from a copy, a metastore would go on with sequences that the store has seen: it must stop."""
    objects = MemoryStore()
    first, copy = MemoryMetastore(), MemoryMetastore()
    rows = []
    facts = Facts(first)
    dataset = facts.dataset()
    facts.commit(dataset, "one")
    rows += first.pending()
    ExportingMetastore(first, objects)
    Facts(ExportingMetastore(first, objects), count(50)).commit(dataset, "two")
    copy.load(rows)
    with pytest.raises(DataError, match="two metastores") as caught:
        Facts(ExportingMetastore(copy, objects), count(90)).commit(dataset, "other")
    assert "recover" in caught.value.hint


class Checking(MemoryStore):
    """Checks with each put that what it needs is there already: the row before, and the commits that it names."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._dice = random.Random(seed)
        self._known: set[str] = set()
        self._checks = threading.Lock()

    def put(self, key, data):
        with self._checks:
            scope, _, kind, name, sequence = key.split("/")
            if int(sequence) > 1:
                self.head(backup_key(scope, kind, name, int(sequence) - 1))
            change = decode(BackupRow(scope, kind, name, int(sequence), bytes(data)))
            luck = self._dice.random()
            if luck < 0.1:
                raise UnavailableError("before", subject=key)
            if isinstance(change, RefChange):
                known = self._known | {commit.id for commit in change.commits}
                assert change.entry.new is None or change.entry.new in known
                self._known = known
            super().put(key, data)
            if luck > 0.9:
                raise UnavailableError("after", subject=key)


@contextlib.contextmanager
def metastores(kind: str, tmp_path) -> Iterator[list]:
    if kind == "memory":
        first = MemoryMetastore()
        yield [first, MemoryMetastore(like=first)]
        return
    path = str(tmp_path / "metastore.db")
    with contextlib.closing(open_sqlite(path, create=True)) as first, contextlib.closing(open_sqlite(path)) as second:
        yield [first, second]


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@pytest.mark.parametrize("seed", range(2))
def test_no_gap_with_several_exporters_and_a_failing_store(kind, seed, tmp_path):
    objects = Checking(seed)
    with metastores(kind, tmp_path) as inners:
        dataset = Facts(inners[0]).dataset("pets")
        exporting = [ExportingMetastore(inner, objects, drain=False) for inner in inners]
        acknowledged = []

        def writer(number):
            facts = Facts(exporting[number % 2], count(1000 * (number + 1)))
            for turn in range(15):
                word = f"{number}-{turn}"
                with contextlib.suppress(UnavailableError, RefConflictError):
                    acknowledged.append(facts.commit(dataset, word, f"branch-{number % 3}"))
                with contextlib.suppress(UnavailableError, RefConflictError):
                    target = facts.at(dataset, f"branch-{number % 3}")
                    if target:
                        snapshot = facts.update(dataset, f"v-{word}", None, expected=target)
                        snapshot = type(snapshot)(**{**fields(snapshot), "expected": None, "commit": target[0]})
                        acknowledged.append(exporting[number % 2].refs.update(snapshot))

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(writer, range(6)))
        recovered = MemoryMetastore()
        recover(objects, recovered)
        for entry in acknowledged:
            assert entry in recovered.refs.reflog(dataset, entry.name)
        while inners[0].pending():
            with contextlib.suppress(UnavailableError):
                exporting[0].drain()
        again = MemoryMetastore()
        recover(objects, again)
        assert everything(again) == everything(inners[0])


def fields(update):
    return {name: getattr(update, name) for name in type(update).__dataclass_fields__}


def test_the_checking_store_would_see_a_gap():
    objects = Checking(0)
    facts = Facts(MemoryMetastore())
    dataset = facts.dataset()
    facts.commit(dataset, "one")
    facts.commit(dataset, "two")
    row = facts.metastore.pending(dataset, "ref", "main")[1]
    with pytest.raises(ObjectNotFoundError):
        objects.put(backup_key(row.scope, row.kind, row.key, row.sequence), row.body)
