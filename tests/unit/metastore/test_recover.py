"""A lost metastore comes back from the store alone, up to the last answer."""

import contextlib
import os
import random
from dataclasses import replace

import pytest

from fabric.errors import DataError, RefConflictError, UnavailableError, UnsupportedFormatError
from fabric.metastore.export import ExportingMetastore
from fabric.metastore.memory.store import MemoryMetastore
from fabric.metastore.open import open_sqlite
from fabric.metastore.records import RefKind, RefUpdate
from fabric.metastore.recover import recover
from fabric.objects.keys import backup_key, data_key, format_key
from fabric.objects.local import LocalStore
from fabric.objects.memory import MemoryStore
from fabric.testing.faults import Effect, Fault, FaultyStore
from fabric.testing.metastore_kit import Facts, commit_id, commit_row, dataset_id, lease_id, ulid
from fabric.testing.metastore_outbox import everything
from tests.unit.metastore.processes import Child


@pytest.fixture
def objects():
    return MemoryStore()


@pytest.fixture
def metastore(objects):
    """A metastore with a bit of everything, exported to `objects`, which holds other objects too."""
    metastore = ExportingMetastore(MemoryMetastore(), objects)
    facts = Facts(metastore)
    dataset, other = facts.dataset("pets"), facts.dataset("cars")
    for word in range(30):
        facts.commit(dataset, word)
    facts.commit(other, "x")
    metastore.refs.update(facts.update(dataset, "v1", 3, kind=RefKind.SNAPSHOT))
    metastore.pins.create("p1", dataset, commit_id(1), owner="a", reason="b")
    metastore.locations.create("lake", "s3://bucket/")
    for each in (dataset, other):
        objects.put(format_key(each), b"{}")
        for number in range(5):
            objects.put(data_key(each, ulid(number), ulid(number)), b"data")
    objects.put("probe/x", b"")
    objects.put("readme", b"")
    return metastore


def test_all_comes_back(metastore, objects):
    target = MemoryMetastore()
    report = recover(objects, target)
    assert everything(target) == everything(metastore)
    assert report.keys == {"dataset": 2, "ref": 3, "pin": 1, "location": 1}
    assert report.changes == {"dataset": 2, "ref": 32, "pin": 1, "location": 1}


def test_into_sqlite_and_on(metastore, objects, tmp_path):
    with contextlib.closing(open_sqlite(str(tmp_path / "metastore.db"), create=True)) as target:
        recover(objects, target)
        assert everything(target) == everything(metastore)
        exporting = ExportingMetastore(target, objects)
        facts = Facts(exporting)
        dataset = target.datasets.get("pets").id
        update = facts.update(dataset, "main", 5, expected=facts.at(dataset, "main"), key="fresh")
        assert exporting.refs.update(update).sequence == 31
    again = MemoryMetastore()
    recover(objects, again)
    assert again.refs.reflog(dataset, "main")[0].key == "fresh"


def test_an_empty_store_gives_an_empty_metastore(objects):
    target = MemoryMetastore()
    assert sum(recover(objects, target).changes.values()) == 0
    assert everything(target) == []


def test_data_is_not_listed(metastore, objects):
    listed = []

    class Watched(FaultyStore):
        def list(self, prefix, after=""):
            for info in super().list(prefix, after):
                listed.append(info.key)
                yield info

    recover(Watched(objects), MemoryMetastore())
    assert len([key for key in listed if "/data/" in key]) == 0


@pytest.mark.parametrize("sequence", [1, 7, 29])
def test_a_gap_is_damage(metastore, objects, sequence):
    dataset = metastore.datasets.get("pets").id
    objects.delete([backup_key(dataset, "ref", "main", sequence)])
    target = MemoryMetastore()
    with pytest.raises(DataError, match="jumps") as caught:
        recover(objects, target)
    assert "main" in caught.value.subject
    assert everything(target) == []


@pytest.mark.parametrize("sequence", [1, 7, 30])
@pytest.mark.parametrize("body", [b"", b"{}", b"\x00" * 300])
def test_a_row_that_does_not_decode_is_damage_also_as_the_last(metastore, objects, sequence, body):
    key = backup_key(metastore.datasets.get("pets").id, "ref", "main", sequence)
    objects.delete([key])
    objects.put(key, body)
    with pytest.raises(DataError):
        recover(objects, MemoryMetastore())


@pytest.mark.parametrize("effect", [Effect.ALTER, Effect.TRUNCATE])
def test_an_altered_body_is_noticed(metastore, objects, effect):
    altered = FaultyStore(objects, [Fault("get", effect, at=20)])
    with pytest.raises(DataError):
        recover(altered, MemoryMetastore())
    assert sum(altered.injected.values()) == 1


def test_a_lost_dataset_row_is_damage(metastore, objects):
    dataset = metastore.datasets.get("pets").id
    objects.delete([backup_key(dataset, "dataset", dataset, 1)])
    with pytest.raises(DataError, match="no exported row brought"):
        recover(objects, MemoryMetastore())


@pytest.mark.parametrize(
    "key",
    [
        "ref/main",
        "ref/main/1",
        "ref/main/0000000000000000001x",
        "ref/-/00000000000000000001",
        "ref/a/b/00000000000000000001",
    ],
)
def test_strangers_among_the_rows_are_damage(metastore, objects, key):
    objects.put(f"{dataset_id(1)}/backup/{key}", b"{}")
    with pytest.raises(DataError):
        recover(objects, MemoryMetastore())


def test_kinds_of_a_newer_release_are_refused(metastore, objects):
    objects.put(backup_key(dataset_id(1), "volume", "v", 1), b"{}")
    with pytest.raises(UnsupportedFormatError, match="volume"):
        recover(objects, MemoryMetastore())


def test_a_failing_store_loads_nothing_and_it_may_be_run_again(metastore, objects, tmp_path):
    failing = FaultyStore(objects, [Fault("get", Effect.FAIL, at=25), Fault("list", Effect.FAIL, at=11)])
    with contextlib.closing(open_sqlite(str(tmp_path / "metastore.db"), create=True)) as target:
        for _ in range(2):
            with pytest.raises(UnavailableError):
                recover(failing, target)
            assert everything(target) == []
        recover(failing, target)
        assert everything(target) == everything(metastore)
        with pytest.raises(DataError, match="not empty"):
            recover(failing, target)


@pytest.mark.crash
@pytest.mark.parametrize("seed", range(3))
def test_the_database_is_lost_in_the_middle_of_work(tmp_path, seed):
    """Processes write and are killed at a random moment; the database is deleted; all that they were told comes back."""
    dice = random.Random(seed)
    path, root = str(tmp_path / "metastore.db"), tmp_path / "objects"
    with contextlib.closing(open_sqlite(path, create=True)) as inner:
        dataset = Facts(ExportingMetastore(inner, LocalStore(root, create=True))).dataset("pets")
    told = []

    def work(say):
        with contextlib.closing(open_sqlite(path)) as inner:
            metastore = ExportingMetastore(inner, LocalStore(root))
            for turn in range(100_000):
                word = f"{os.getpid()}-{turn}"
                lease = metastore.leases.begin(lease_id(os.getpid() * 100_000 + turn), dataset, "tests")
                name = "main" if turn % 2 else f"own-{os.getpid()}"
                update = RefUpdate(dataset, name, RefKind.BRANCH, None, commit_id(word), word, "tests", word)
                update = replace(
                    update,
                    expected=Facts(metastore).at(dataset, name),
                    new_commits=(commit_row(word, lease.id),),
                    lease=(lease.id, 1),
                )
                with contextlib.suppress(RefConflictError):
                    entry = metastore.refs.update(update)
                    say(f"{entry.name} {entry.sequence} {word}")

    for _ in range(3):
        children = [Child(work) for _ in range(3)]
        for child in children:
            for _ in range(dice.randrange(1, 15)):
                told.append(child.line())
        for child in children:
            child.kill()
        for child in children:
            told += child.lines()
        os.unlink(path)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{path}-journal")
        with contextlib.closing(open_sqlite(path, create=True)) as target:
            recover(LocalStore(root), target)
            known = {
                f"{entry.name} {entry.sequence} {entry.key}"
                for ref in target.refs.list(dataset)
                for entry in target.refs.reflog(dataset, ref.name)
            }
            assert set(told) <= known
            assert all(target.commits.get(dataset, ref.commit) for ref in target.refs.list(dataset))
            # At most the change that each killed process was about to be told.
            assert len(known) <= len(told) + 9
