# ruff: noqa: D102  (a test's name says what it tests)
"""Part of the conformance suite of the metastore port: refs, their log, commits, and races for them."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise

import pytest

from fabric.errors import InvalidInputError, LeaseLostError, NotFoundError, RefConflictError
from fabric.metastore.port import Metastore
from fabric.metastore.records import LeaseState, RefKind, ReflogEntry
from fabric.model.ids import CommitId, NodeId, ObjectRef
from fabric.testing.metastore_facts import BAD_NAMES, Suite
from fabric.testing.metastore_kit import Facts, SettableClock, commit_id, commit_row, dataset_id, lease_id

SNAPSHOT = RefKind.SNAPSHOT


class RefTests(Suite):
    """refs.get, list and update."""

    def test_first_commit(self, metastore: Metastore, facts: Facts) -> None:
        dataset = facts.dataset()
        entry = facts.commit(dataset, "one", key="k1")
        assert entry == ReflogEntry(
            dataset, "main", 1, RefKind.BRANCH, None, commit_id("one"), 1, "tests", entry.time, "commit: one", "k1"
        )
        ref = metastore.refs.get(dataset, "main")
        assert (ref.commit, ref.generation, ref.kind) == (commit_id("one"), 1, RefKind.BRANCH)
        assert ref.created == ref.updated == entry.time
        assert metastore.commits.get(dataset, commit_id("one")).tree == commit_row("one").tree

    def test_attributes_are_those_of_the_last_update(self, metastore: Metastore, facts: Facts) -> None:
        dataset = facts.dataset()
        facts.commit(dataset, "one")
        said = replace(
            facts.update(dataset, "v1", "one", kind=SNAPSHOT),
            message="Version 1\nwith ünïcode",
            expires=SettableClock.text(100),
            metadata={"a": "1", "b": ""},
        )
        metastore.refs.update(said)
        ref = metastore.refs.get(dataset, "v1")
        assert (ref.message, ref.expires, ref.metadata) == (said.message, said.expires, {"a": "1", "b": ""})

    def test_compare_and_set(self, metastore: Metastore, facts: Facts) -> None:
        dataset = facts.dataset()
        for word in ("one", "two"):
            facts.commit(dataset, word)
        one, two = commit_id("one"), commit_id("two")
        for expected in (None, (one, 1), (one, 2), (two, 1), (two, 3)):
            with pytest.raises(RefConflictError):
                metastore.refs.update(facts.update(dataset, "main", "one", expected=expected))
        assert facts.at(dataset, "main") == (two, 2)
        assert metastore.refs.update(facts.update(dataset, "main", "one", expected=(two, 2))).generation == 3
        assert len(metastore.refs.reflog(dataset, "main")) == 3

    def test_delete_and_create_again(self, metastore: Metastore, facts: Facts) -> None:
        dataset = facts.dataset()
        facts.commit(dataset, "one")
        gone = metastore.refs.update(facts.update(dataset, "main", None, expected=(commit_id("one"), 1)))
        assert (gone.old, gone.new, gone.generation) == (commit_id("one"), None, 2)
        with pytest.raises(NotFoundError):
            metastore.refs.get(dataset, "main")
        assert metastore.refs.list(dataset) == []
        with pytest.raises(RefConflictError):
            metastore.refs.update(facts.update(dataset, "main", "one", expected=(commit_id("one"), 1)))
        again = metastore.refs.update(facts.update(dataset, "main", "one", kind=SNAPSHOT))
        assert (again.old, again.generation, again.sequence) == (None, 3, 3)
        ref = metastore.refs.get(dataset, "main")
        assert (ref.generation, ref.kind, ref.created) == (3, SNAPSHOT, again.time)
        with pytest.raises(RefConflictError):
            metastore.refs.update(facts.update(dataset, "never", None, expected=(commit_id("one"), 1)))

    def test_replay_gets_the_first_answer(self, metastore: Metastore, facts: Facts) -> None:
        dataset = facts.dataset()
        facts.commit(dataset, "one")
        facts.commit(dataset, "two")
        update = facts.update(dataset, "main", "one", expected=(commit_id("two"), 2), key="again")
        first = metastore.refs.update(update)
        assert metastore.refs.update(update) == first
        facts.commit(dataset, "three")
        assert metastore.refs.update(update) == first
        metastore.refs.update(facts.update(dataset, "main", None, expected=facts.at(dataset, "main")))
        assert metastore.refs.update(update) == first
        assert metastore.refs.reflog(dataset, "main")[0].generation == 5

    def test_replay_of_a_commit_whose_lease_has_ended(self, metastore: Metastore, facts: Facts) -> None:
        dataset = facts.dataset()
        lease = facts.lease(dataset)
        update = replace(
            facts.update(dataset, "main", "one"),
            new_commits=(commit_row("one", lease.id),),
            lease=(lease.id, 1),
            finish_lease=True,
        )
        first = metastore.refs.update(update)
        assert metastore.leases.get(lease.id).state is LeaseState.FINISHED
        assert metastore.refs.update(update) == first
        metastore.datasets.delete(dataset)
        assert metastore.refs.update(update) == first

    def test_a_key_is_for_one_ref(self, metastore: Metastore, facts: Facts) -> None:
        dataset, other = facts.dataset(), facts.dataset()
        facts.commit(dataset, "one", key="k")
        facts.commit(other, "one")
        for update in (
            facts.update(dataset, "side", "one", key="k"),
            facts.update(other, "main", "one", expected=(commit_id("one"), 1), key="k"),
        ):
            with pytest.raises(InvalidInputError):
                metastore.refs.update(update)
        assert facts.at(dataset, "side") is None

    def test_a_failed_update_leaves_its_key_free(self, metastore: Metastore, facts: Facts) -> None:
        dataset = facts.dataset()
        facts.commit(dataset, "one")
        update = facts.update(dataset, "main", "one", expected=(commit_id("one"), 7), key="k")
        with pytest.raises(RefConflictError):
            metastore.refs.update(update)
        assert metastore.refs.update(replace(update, expected=(commit_id("one"), 1))).generation == 2

    def test_a_snapshot_does_not_move(self, metastore: Metastore, facts: Facts) -> None:
        dataset = facts.dataset()
        facts.commit(dataset, "one")
        facts.commit(dataset, "two")
        metastore.refs.update(facts.update(dataset, "v1", "one", kind=SNAPSHOT))
        at = (commit_id("one"), 1)
        with pytest.raises(InvalidInputError):
            metastore.refs.update(facts.update(dataset, "v1", "two", kind=SNAPSHOT, expected=at))
        with pytest.raises(RefConflictError):
            metastore.refs.update(facts.update(dataset, "v1", "two", kind=SNAPSHOT))
        with pytest.raises(RefConflictError):
            metastore.refs.update(facts.update(dataset, "v1", "two", kind=RefKind.BRANCH, expected=at))
        assert facts.at(dataset, "v1") == at
        same = replace(facts.update(dataset, "v1", "one", kind=SNAPSHOT, expected=at), expires=SettableClock.text(9))
        assert metastore.refs.update(same).generation == 2
        metastore.refs.update(facts.update(dataset, "v1", None, kind=SNAPSHOT, expected=(commit_id("one"), 2)))
        assert facts.at(dataset, "v1") is None

    def test_the_kind_of_a_ref_stays(self, metastore: Metastore, facts: Facts) -> None:
        dataset = facts.dataset()
        facts.commit(dataset, "one")
        for word in ("one", None):
            with pytest.raises(RefConflictError):
                metastore.refs.update(facts.update(dataset, "main", word, kind=SNAPSHOT, expected=(commit_id("one"), 1)))

    def test_the_target_is_known(self, metastore: Metastore, facts: Facts) -> None:
        dataset, other = facts.dataset(), facts.dataset()
        facts.commit(other, "elsewhere")
        for word in ("nowhere", "elsewhere"):
            with pytest.raises(NotFoundError):
                metastore.refs.update(facts.update(dataset, "main", word))
        assert metastore.refs.list(dataset) == []

    def test_the_dataset_is_live(self, metastore: Metastore, facts: Facts) -> None:
        dataset = facts.dataset()
        facts.commit(dataset, "one")
        metastore.datasets.delete(dataset)
        with pytest.raises(NotFoundError):
            metastore.refs.update(facts.update(dataset, "side", "one"))
        with pytest.raises(NotFoundError):
            metastore.refs.update(facts.update(dataset_id(999), "main", "one"))

    def test_the_lease_is_live(self, metastore: Metastore, facts: Facts) -> None:
        dataset, other = facts.dataset(), facts.dataset()
        finished, lapsed, live, foreign = (facts.lease(d) for d in (dataset, dataset, dataset, other))
        metastore.leases.finish(finished.id, 1)
        metastore.leases.lapse(lapsed.id, 1, 0)
        update = replace(facts.update(dataset, "main", "one"), new_commits=(commit_row("one"),))
        for lease in ((finished.id, 1), (lapsed.id, 1), (live.id, 2), (lease_id(404), 1)):
            with pytest.raises(LeaseLostError):
                metastore.refs.update(replace(update, lease=lease))
        for wrong in (None, (foreign.id, 1)):
            with pytest.raises(InvalidInputError):
                metastore.refs.update(replace(update, lease=wrong))
        assert metastore.commits.list(dataset) == []
        metastore.refs.update(replace(update, lease=(live.id, 1)))
        assert metastore.leases.get(live.id).state is LeaseState.LIVE

    def test_a_conflict_leaves_the_lease_live_and_adds_nothing(self, metastore: Metastore, facts: Facts) -> None:
        dataset = facts.dataset()
        facts.commit(dataset, "one")
        lease = facts.lease(dataset)
        update = replace(
            facts.update(dataset, "main", "two", expected=(commit_id("one"), 9)),
            new_commits=(commit_row("two", lease.id),),
            lease=(lease.id, 1),
            finish_lease=True,
        )
        with pytest.raises(RefConflictError):
            metastore.refs.update(update)
        assert metastore.leases.get(lease.id) == lease
        with pytest.raises(NotFoundError):
            metastore.commits.get(dataset, commit_id("two"))
        metastore.refs.update(replace(update, expected=(commit_id("one"), 1)))

    def test_new_commits_come_together_and_known_ones_stay(self, metastore: Metastore, facts: Facts) -> None:
        dataset = facts.dataset()
        facts.commit(dataset, "one")
        before = metastore.commits.get(dataset, commit_id("one"))
        lease = facts.lease(dataset)
        moved = replace(commit_row("one", lease.id), object=ObjectRef(f"{lease.id}/{lease.id}"))
        rows = (moved, commit_row("two", lease.id), commit_row("three", lease.id), commit_row("two"))
        update = facts.update(dataset, "main", "three", expected=(commit_id("one"), 1))
        metastore.refs.update(replace(update, new_commits=rows, lease=(lease.id, 1)))
        assert metastore.commits.get(dataset, commit_id("one")) == before
        assert metastore.commits.get(dataset, commit_id("two")) == commit_row("two", lease.id)
        assert metastore.commits.get(dataset, commit_id("three")) == commit_row("three", lease.id)

    def test_list_in_pages_by_kind(self, metastore: Metastore, facts: Facts) -> None:
        dataset = facts.dataset()
        facts.commit(dataset, "one")
        for name in ("b", "a-1", "a.1", "a1", "a"):
            metastore.refs.update(facts.update(dataset, name, "one"))
        for name in ("v2", "v1", "v10", "gone"):
            metastore.refs.update(facts.update(dataset, name, "one", kind=SNAPSHOT))
        metastore.refs.update(facts.update(dataset, "gone", None, kind=SNAPSHOT, expected=(commit_id("one"), 1)))
        names = [ref.name for ref in metastore.refs.list(dataset)]
        assert names == ["a", "a-1", "a.1", "a1", "b", "main", "v1", "v10", "v2"]
        assert [ref.name for ref in metastore.refs.list(dataset, SNAPSHOT)] == ["v1", "v10", "v2"]
        assert [ref.name for ref in metastore.refs.list(dataset, RefKind.BRANCH, after="a.1", limit=2)] == ["a1", "b"]
        assert [ref.name for ref in metastore.refs.list(dataset, after="main")] == ["v1", "v10", "v2"]
        assert metastore.refs.list(dataset_id(999)) == []

    @pytest.mark.parametrize("name", BAD_NAMES)
    def test_hostile_ref_names(self, metastore: Metastore, facts: Facts, name: str) -> None:
        dataset = facts.dataset()
        facts.commit(dataset, "one")
        for call in (
            lambda: metastore.refs.update(facts.update(dataset, name, "one")),
            lambda: metastore.refs.get(dataset, name),
            lambda: metastore.refs.reflog(dataset, name),
            lambda: metastore.refs.at(dataset, name, SettableClock.text(1)),
        ):
            with pytest.raises(InvalidInputError):
                call()

    def test_hostile_updates(self, metastore: Metastore, facts: Facts) -> None:
        dataset = facts.dataset()
        facts.commit(dataset, "one")
        good = facts.update(dataset, "side", "one")
        lease = (lease_id(1), 1)
        row = commit_row("two")
        for bad in (
            replace(good, key=""),
            replace(good, key="k" * 129),
            replace(good, key="\ud800"),
            replace(good, actor="a\x00b"),
            replace(good, reason="x" * 5000),
            replace(good, message="\udfff"),
            replace(good, expires="tomorrow"),
            replace(good, commit=CommitId("short")),
            replace(good, commit=CommitId("A" * 64)),
            replace(good, commit=None),
            replace(good, expected=(CommitId("x" * 64), 1)),
            replace(good, expected=(commit_id("one"), -1)),
            replace(good, expected=(commit_id("one"), 2**70)),
            replace(good, finish_lease=True),
            replace(good, new_commits=(row,)),
            replace(good, new_commits=(replace(row, tree=NodeId(b"short")),), lease=lease),
            replace(good, new_commits=(replace(row, object=ObjectRef("../x")),), lease=lease),
            replace(good, new_commits=(replace(row, root=ObjectRef("")),), lease=lease),
        ):
            with pytest.raises(InvalidInputError):
                metastore.refs.update(bad)
        metastore.refs.update(good)


class LogTests(Suite):
    """refs.reflog and at."""

    def test_newest_first_in_pages(self, metastore: Metastore, facts: Facts) -> None:
        dataset = facts.dataset()
        entries = [facts.commit(dataset, word) for word in range(7)]
        assert metastore.refs.reflog(dataset, "main") == entries[::-1]
        assert metastore.refs.reflog(dataset, "main", limit=2) == [entries[6], entries[5]]
        assert metastore.refs.reflog(dataset, "main", before=6, limit=2) == [entries[4], entries[3]]
        assert metastore.refs.reflog(dataset, "main", before=1) == []
        assert metastore.refs.reflog(dataset, "main", before=100, limit=1) == [entries[6]]
        assert metastore.refs.reflog(dataset, "other") == []

    def test_at(self, metastore: Metastore, facts: Facts, clock: SettableClock) -> None:
        dataset = facts.dataset()
        entries = []
        for second in (100, 200, 300):
            clock.seconds = second
            entries.append(facts.commit(dataset, second))
        times = [entry.time for entry in entries]
        assert times == sorted(times)
        assert [metastore.refs.at(dataset, "main", time) for time in times] == entries
        assert metastore.refs.at(dataset, "main", SettableClock.text(199)) == entries[0]
        assert metastore.refs.at(dataset, "main", SettableClock.text(9999)) == entries[2]
        with pytest.raises(NotFoundError):
            metastore.refs.at(dataset, "main", SettableClock.text(99))
        for bad in ("", "yesterday", "2026-11-24T03:00:00Z", "2026-02-30T03:00:00.000000Z"):
            with pytest.raises(InvalidInputError):
                metastore.refs.at(dataset, "main", bad)

    def test_the_log_never_runs_back(self, metastore: Metastore, facts: Facts, clock: SettableClock) -> None:
        dataset = facts.dataset()
        clock.seconds = 500
        first = facts.commit(dataset, "one")
        clock.seconds = 100
        second = facts.commit(dataset, "two")
        assert second.time == first.time
        assert metastore.refs.at(dataset, "main", first.time) == second
        with pytest.raises(NotFoundError):
            metastore.refs.at(dataset, "main", SettableClock.text(300))

    def test_a_deleted_ref_keeps_its_log(self, metastore: Metastore, facts: Facts) -> None:
        dataset = facts.dataset()
        first = facts.commit(dataset, "one")
        gone = metastore.refs.update(facts.update(dataset, "main", None, expected=(commit_id("one"), 1)))
        assert metastore.refs.reflog(dataset, "main") == [gone, first]
        assert metastore.refs.at(dataset, "main", gone.time) == gone


class CommitTests(Suite):
    """Where commits lie."""

    def test_get_list_and_prefix(self, metastore: Metastore, facts: Facts) -> None:
        dataset, other = facts.dataset(), facts.dataset()
        for number in range(20):
            facts.commit(dataset, number)
        facts.commit(other, "other")
        ids = sorted(commit_id(number) for number in range(20))
        assert [row.id for row in metastore.commits.list(dataset)] == ids
        assert [row.id for row in metastore.commits.list(dataset, after=ids[4], limit=3)] == ids[5:8]
        for length in (8, 63, 64):
            assert [row.id for row in metastore.commits.by_prefix(dataset, ids[7][:length])] == [ids[7]]
        assert metastore.commits.by_prefix(dataset, commit_id("other")[:8]) == []
        with pytest.raises(NotFoundError):
            metastore.commits.get(dataset, commit_id("other"))

    def test_an_ambiguous_prefix_gives_several(self, metastore: Metastore, facts: Facts) -> None:
        dataset = facts.dataset()
        lease = facts.lease(dataset)
        ids = [CommitId("abcdef01" + digit * 56) for digit in "9f0"]
        rows = tuple(replace(commit_row("x", lease.id), id=commit) for commit in ids)
        update = replace(facts.update(dataset, "main", "x"), commit=ids[0], new_commits=rows, lease=(lease.id, 1))
        metastore.refs.update(update)
        assert [row.id for row in metastore.commits.by_prefix(dataset, "abcdef01")] == sorted(ids)[:2]
        assert [row.id for row in metastore.commits.by_prefix(dataset, "abcdef01", limit=9)] == sorted(ids)
        assert [row.id for row in metastore.commits.by_prefix(dataset, "abcdef01f")] == [ids[1]]

    @pytest.mark.parametrize("prefix", ["", "abcdef0", "ABCDEF01", "abcdefg1", "%", "abcdef0_", "a" * 65])
    def test_bad_prefixes(self, metastore: Metastore, facts: Facts, prefix: str) -> None:
        with pytest.raises(InvalidInputError):
            metastore.commits.by_prefix(facts.dataset(), prefix)


class RaceTests(Suite):
    """Threads that want the same."""

    def test_one_winner_per_generation(self, metastore: Metastore, facts: Facts) -> None:
        dataset = facts.dataset()
        words = [f"{thread}-{turn}" for thread in range(6) for turn in range(5)]
        lease = facts.lease(dataset)
        first = facts.update(dataset, "main", words[0])
        rows = tuple(commit_row(word, lease.id) for word in words)
        metastore.refs.update(replace(first, new_commits=rows, lease=(lease.id, 1)))
        barrier = threading.Barrier(6)

        def writer(thread: int) -> list[ReflogEntry]:
            won = []
            barrier.wait()
            for turn in range(5):
                for attempt in range(1_000):
                    update = facts.update(dataset, "main", f"{thread}-{turn}", expected=facts.at(dataset, "main"))
                    try:
                        won.append(metastore.refs.update(replace(update, key=f"{thread}-{turn}-{attempt}")))
                    except RefConflictError:
                        continue
                    break
            return won

        with ThreadPoolExecutor(6) as pool:
            won = [entry for entries in pool.map(writer, range(6)) for entry in entries]
        log = metastore.refs.reflog(dataset, "main")
        assert len(won) == 30
        assert sorted(won, key=lambda entry: entry.sequence) == list(log[:-1])[::-1]
        assert [entry.sequence for entry in log] == list(range(31, 0, -1))
        assert all(later.old == earlier.new for later, earlier in pairwise(log))

    def test_one_name_one_dataset(self, metastore: Metastore) -> None:
        barrier = threading.Barrier(6)

        def creator(number: int) -> bool:
            barrier.wait()
            try:
                metastore.datasets.create(dataset_id(number), "pets")
            except FileExistsError:
                return False
            return True

        with ThreadPoolExecutor(6) as pool:
            assert sum(pool.map(creator, range(6))) == 1
        assert len(metastore.datasets.list()) == 1

    def test_the_same_call_at_once_is_one_change(self, metastore: Metastore, facts: Facts) -> None:
        dataset = facts.dataset()
        facts.commit(dataset, "one")
        update = facts.update(dataset, "side", "one")
        barrier = threading.Barrier(6)

        def caller(_: int) -> ReflogEntry:
            barrier.wait()
            return metastore.refs.update(update)

        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(caller, range(6)))
        assert answers == [answers[0]] * 6
        assert metastore.refs.reflog(dataset, "side") == [answers[0]]
