# ruff: noqa: D102  (a test's name says what it tests)
"""The conformance suite of `fabric.metastore.port.Outbox`, for adapters that own the database."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from fabric.errors import DataError, RefConflictError, UnsupportedFormatError
from fabric.metastore.open import LocalMetastore
from fabric.metastore.port import Metastore
from fabric.metastore.records import BackupRow, RefKind
from fabric.testing.metastore_facts import Suite
from fabric.testing.metastore_kit import Facts, SettableClock, commit_id


def everything(metastore: Metastore) -> list[object]:
    """Return all facts of a metastore but its leases, to compare two of them."""
    said: list[object] = [*metastore.datasets.list(), *metastore.locations.list()]
    for dataset in metastore.datasets.list():
        said += [*metastore.commits.list(dataset.id), *metastore.pins.list(dataset.id)]
        for ref in metastore.refs.list(dataset.id):
            said += [ref, *metastore.refs.reflog(dataset.id, ref.name)]
    return said


class OutboxConformance(Suite):
    """What the docstring of Outbox promises, as tests. A subclass gives `metastore` and `another`."""

    @pytest.fixture
    def metastore(self, clock: SettableClock) -> LocalMetastore:
        """The metastore under test."""
        raise NotImplementedError("a subclass gives the metastore")

    @pytest.fixture
    def another(self) -> Callable[[], LocalMetastore]:
        """Makes an empty metastore of the same kind."""
        raise NotImplementedError("a subclass gives it")

    @pytest.fixture
    def history(self, metastore: LocalMetastore, facts: Facts) -> list[BackupRow]:
        """All rows of some facts of every kind."""
        dataset, other, gone = facts.dataset("pets"), facts.dataset("cars"), facts.dataset("gone")
        for word in range(4):
            facts.commit(dataset, word)
        facts.commit(other, "x")
        metastore.refs.update(facts.update(dataset, "v1", 2, kind=RefKind.SNAPSHOT))
        metastore.refs.update(facts.update(dataset, "side", 1))
        metastore.refs.update(facts.update(dataset, "side", None, expected=(commit_id(1), 1)))
        metastore.refs.update(facts.update(dataset, "side", 3))
        for _ in range(2):
            metastore.pins.create("p1", dataset, commit_id(0), owner="a", reason="b")
            metastore.pins.release("p1")
        metastore.pins.create("p2", dataset, commit_id(0), owner="ä", reason="b")
        metastore.locations.create("lake", "s3://bucket/")
        metastore.locations.delete("lake")
        metastore.locations.create("lake", "s3://other/")
        metastore.datasets.delete(gone)
        metastore.datasets.create(facts.dataset("then-gone"), "then-gone")
        return list(metastore.pending())

    def test_each_change_leaves_one_row_in_order(self, history: list[BackupRow]) -> None:
        reached: dict[tuple[str, str, str], int] = {}
        for row in history:
            key = (row.scope, row.kind, row.key)
            assert row.sequence == reached.get(key, 0) + 1
            reached[key] = row.sequence
        by_kind = {kind: sorted(n for (_, k, _), n in reached.items() if k == kind) for kind in ("ref", "pin", "location")}
        assert by_kind == {"ref": [1, 1, 3, 4], "pin": [1, 4], "location": [3]}

    def test_what_fails_or_is_replayed_leaves_no_row(self, metastore: LocalMetastore, facts: Facts) -> None:
        dataset = facts.dataset()
        facts.commit(dataset, "one")
        update = facts.update(dataset, "side", "one")
        metastore.refs.update(update)
        count = len(metastore.pending())
        metastore.refs.update(update)
        metastore.datasets.create(dataset, metastore.datasets.by_id(dataset).name)
        with pytest.raises(RefConflictError):
            metastore.refs.update(facts.update(dataset, "side", "one"))
        metastore.leases.beat(facts.lease(dataset).id, 1)
        assert len(metastore.pending()) == count

    def test_pending_by_scope_kind_and_key(self, metastore: LocalMetastore, history: list[BackupRow]) -> None:
        dataset = metastore.datasets.get("pets").id
        assert metastore.pending(dataset) == [row for row in history if row.scope == dataset]
        assert metastore.pending(kind="dataset") == [row for row in history if row.kind == "dataset"]
        assert [row.sequence for row in metastore.pending(dataset, "ref", "main")] == [1, 2, 3, 4]
        assert metastore.pending(limit=3) == history[:3]

    def test_done_rows_are_gone_and_sequences_go_on(
        self, metastore: LocalMetastore, facts: Facts, history: list[BackupRow]
    ) -> None:
        metastore.done(history[2:])
        assert metastore.pending() == history[:2]
        metastore.done(history)
        metastore.done(history)
        assert metastore.pending() == []
        facts.commit(metastore.datasets.get("pets").id, "next")
        metastore.pins.release("p2")
        metastore.locations.delete("lake")
        assert [row.sequence for row in metastore.pending()] == [5, 2, 4]

    def test_loaded_is_the_same(
        self, metastore: LocalMetastore, another: Callable[[], LocalMetastore], history: list[BackupRow]
    ) -> None:
        target = another()
        target.load(iter(history))
        assert everything(target) == everything(metastore)
        assert target.pending() == []
        gone = [row.key for row in history if row.kind == "dataset" and row.sequence == 2]
        assert target.datasets.by_id(metastore.datasets.by_id(gone[0]).id).deleted is not None  # type: ignore[arg-type]

    def test_a_loaded_metastore_goes_on(
        self, metastore: LocalMetastore, another: Callable[[], LocalMetastore], history: list[BackupRow]
    ) -> None:
        target = another()
        target.load(history)
        facts = Facts(target)
        next(facts.numbers)
        dataset = target.datasets.get("pets").id
        last = metastore.refs.reflog(dataset, "main")[0]
        replay = replace(facts.update(dataset, "main", 3, key=last.key), expected=None)
        assert target.refs.update(replay) == last
        lease = target.leases.begin(metastore.leases.list()[0].id, dataset, "tests")
        assert lease.beat == 0
        target.refs.update(facts.update(dataset, "main", 0, expected=(commit_id(3), 4), key="fresh"))
        target.refs.update(facts.update(dataset, "fresh", 0, key="fresh-2"))
        assert [(row.key, row.sequence) for row in target.pending()] == [("main", 5), ("fresh", 1)]

    def test_keys_in_any_order(
        self, metastore: LocalMetastore, another: Callable[[], LocalMetastore], history: list[BackupRow]
    ) -> None:
        target = another()
        target.load(sorted(history, key=lambda row: (row.scope, row.kind, row.key), reverse=True))
        assert everything(target) == everything(metastore)

    def test_damage_loads_nothing(self, another: Callable[[], LocalMetastore], history: list[BackupRow]) -> None:
        refs = [index for index, row in enumerate(history) if row.kind == "ref" and row.key == "main"]
        cut = list(history)
        cut[refs[1]] = replace(cut[refs[1]], body=cut[refs[1]].body[:-1])
        newer = list(history)
        newer[refs[1]] = replace(newer[refs[1]], body=newer[refs[1]].body.replace(b'"version":1', b'"version":2'))
        no_commits = [row for row in history if (row.kind, row.key) != ("ref", "main")]
        no_dataset = [row for row in history if row.kind != "dataset"]
        target = another()
        for broken in (
            history[: refs[1]] + history[refs[1] + 1 :],
            [*history, history[0]],
            history[1:],
            cut,
            no_commits,
            no_dataset,
        ):
            with pytest.raises(DataError):
                target.load(broken)
        with pytest.raises(UnsupportedFormatError):
            target.load(newer)
        assert everything(target) == []
        target.load(history)

    def test_only_an_empty_metastore_is_filled(self, metastore: LocalMetastore, history: list[BackupRow]) -> None:
        before = everything(metastore)
        with pytest.raises(DataError):
            metastore.load(history)
        assert everything(metastore) == before
