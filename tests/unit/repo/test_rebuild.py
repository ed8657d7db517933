"""A lost metastore comes back from the store: all that was acknowledged, in homes of every name, whatever lies beside it."""

import os
import random

import pytest

import fabric
from fabric.config import Settings
from fabric.errors import AlreadyExistsError, InvalidInputError, NotFoundError
from fabric.repo.fsck import fsck
from fabric.repo.rebuild import recover

NAMES = ["plain", "with space", "100%25", "a?b#c", "[x]*", "é", "\udcff"]


@pytest.fixture
def before(home, settings):
    """What a fabric with one commit says."""
    with fabric.connect(home, settings=settings) as fab:
        with fab.create("d").transaction() as transaction:
            transaction.put("a", b"1")
        return state_of(fab)


def state_of(fab):
    """Return all that a fabric says: refs with their generations, and the log of each branch."""
    result = {}
    for record in fab.datasets():
        dataset = fab.dataset(record.name)
        for ref in (*dataset.branches(), *dataset.snapshots()):
            result[record.name, ref.name] = (ref, [info.id for info in dataset.log(ref.name)], dataset.reflog(ref.name))
    return result


@pytest.mark.parametrize("name", NAMES)
def test_the_home_may_have_any_name(tmp_path, settings, name):
    home = tmp_path / name
    with fabric.init(home, settings=settings) as fab, fab.create("d").transaction(message="one") as transaction:
        transaction.put("a", b"1")
    with fabric.connect(home, settings=settings) as fab:
        before = state_of(fab)
    (home / "metastore.sqlite").unlink()
    report = recover(home, settings=settings)
    assert report.keys["dataset"] == 1
    with fabric.connect(home, settings=settings) as fab:
        assert state_of(fab) == before
        assert fsck([fab.dataset("d")], read_data=True).is_clean


def test_a_metastore_that_is_there_is_moved_aside_by_force_only(home, settings, before):
    with pytest.raises(AlreadyExistsError, match="there is a metastore"):
        recover(home, settings=settings)
    recover(home, force=True, settings=settings)
    assert [path.name for path in home.iterdir() if path.name.startswith("lost-") and path.name.endswith(".sqlite")]
    with fabric.connect(home, settings=settings) as again:
        assert state_of(again) == before


def test_a_journal_that_was_left_is_not_played_into_the_new_one(home, settings, before):
    (home / "metastore.sqlite").unlink()
    stale = home / "metastore.sqlite-journal"
    stale.write_bytes(os.urandom(4096))
    recover(home, settings=settings)
    assert not stale.exists() or stale.stat().st_size == 0
    with fabric.connect(home, settings=settings) as again:
        assert state_of(again) == before


def test_a_home_that_is_gone_needs_the_store(tmp_path, settings):
    store = tmp_path / "objects elsewhere"
    store.mkdir()
    with fabric.init(tmp_path / "one", store=str(store), settings=settings) as fab:
        with fab.create("d").transaction() as transaction:
            transaction.put("a", b"1")
        before = state_of(fab)
    with pytest.raises(NotFoundError):
        recover(tmp_path / "two", settings=settings)
    recover(tmp_path / "two", store=str(store), settings=settings)
    with fabric.connect(tmp_path / "two", settings=settings) as fab:
        assert state_of(fab) == before
    with pytest.raises(InvalidInputError):
        recover(tmp_path / "two", store="/elsewhere", force=True, settings=settings)


def test_deleted_at_random_moments_nothing_acknowledged_is_lost(home, settings):
    rng = random.Random(3)
    with fabric.connect(home, settings=settings) as fab:
        fab.create("d")
    for round_ in range(6):
        with fabric.connect(home, settings=settings) as fab:
            dataset = fab.dataset("d")
            for number in range(rng.randint(0, 4)):
                branch = rng.choice([ref.name for ref in dataset.branches()])
                action = rng.random()
                if action < 0.6:
                    # Two at once on one branch: the later one is merged.
                    first, second = dataset.transaction(branch, "first"), dataset.transaction(branch, "second")
                    first.put(f"a{round_}{number}", b"1")
                    second.put(f"b{round_}{number}", b"2")
                    first.commit()
                    second.commit()
                elif action < 0.8:
                    dataset.create_branch(f"b{round_}{number}", branch)
                else:
                    dataset.create_snapshot(f"s{round_}{number}", branch, expires="2099-01-01T00:00:00.000000Z")
            before = state_of(fab)
        (home / "metastore.sqlite").unlink()
        recover(home, settings=settings)
        with fabric.connect(home, settings=settings) as fab:
            assert state_of(fab) == before
            assert fsck([fab.dataset("d")], read_data=True).is_clean


def test_a_put_that_was_interrupted_before_the_loss_begins_anew(home, tmp_path, settings):
    """The journal names a lease that the new metastore never saw: what lies under it may be collected, so it is not used."""
    source = tmp_path / "source"
    source.mkdir()
    for number in range(20):
        (source / f"f{number}").write_bytes(os.urandom(1000))
    with fabric.connect(home, settings=settings) as fab:
        transaction = fab.create("d").transaction()
        transaction.put_tree(source)
        transaction.view()
        transaction.abort()
    (home / "metastore.sqlite").unlink()
    recover(home, settings=Settings(state_dir=settings.state_dir, author="tester"))
    with fabric.connect(home, settings=settings) as fab:
        dataset = fab.dataset("d")
        with dataset.transaction() as transaction:
            transaction.put_tree(source)
        assert transaction.bytes_sent == 20_000
        assert fsck([dataset], read_data=True).is_clean
