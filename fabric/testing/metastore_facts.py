# ruff: noqa: D102  (a test's name says what it tests)
"""Part of the conformance suite of the metastore port: datasets, leases, pins and locations."""

import pytest

from fabric.errors import AlreadyExistsError, InvalidInputError, LeaseLostError, NotFoundError, UnavailableError
from fabric.metastore.port import LIST_LIMIT_MAX, Metastore
from fabric.metastore.records import LeaseRecord, LeaseState, LocationRecord
from fabric.testing.metastore_kit import Facts, SettableClock, commit_id, dataset_id, lease_id

BAD_NAMES = ("", "A", "-a", ".a", "a/b", "..", "a b", "a\x00b", "ä", "a\ud800", "a'; DROP TABLE refs; --", "x" * 129, "a\n")
BAD_LIMITS = (0, -1, LIST_LIMIT_MAX + 1)


class Suite:
    """The fixtures of all parts."""

    @pytest.fixture
    def clock(self) -> SettableClock:
        """The metastore's clock."""
        return SettableClock()

    @pytest.fixture
    def metastore(self, clock: SettableClock) -> Metastore:
        """The metastore under test."""
        raise NotImplementedError("a subclass gives the metastore")

    @pytest.fixture
    def facts(self, metastore: Metastore) -> Facts:
        """Makes facts on the metastore under test."""
        return Facts(metastore)


class DatasetTests(Suite):
    """Datasets by name and id."""

    def test_created_is_found(self, metastore: Metastore) -> None:
        made = metastore.datasets.create(dataset_id(1), "pets", default_branch="trunk", metadata={"owner": "Zoë 🐈"})
        assert (made.id, made.name, made.default_branch) == (dataset_id(1), "pets", "trunk")
        assert made.metadata == {"owner": "Zoë 🐈"}
        assert made.deleted is None
        assert metastore.datasets.get("pets") == made
        assert metastore.datasets.by_id(made.id) == made

    def test_create_again_is_a_replay(self, metastore: Metastore) -> None:
        made = metastore.datasets.create(dataset_id(1), "pets")
        assert metastore.datasets.create(dataset_id(1), "pets") == made

    def test_a_name_is_taken_once(self, metastore: Metastore) -> None:
        metastore.datasets.create(dataset_id(1), "pets")
        with pytest.raises(AlreadyExistsError):
            metastore.datasets.create(dataset_id(2), "pets")
        with pytest.raises(AlreadyExistsError):
            metastore.datasets.create(dataset_id(1), "cars")
        with pytest.raises(NotFoundError):
            metastore.datasets.by_id(dataset_id(2))

    def test_deleted_frees_its_name_and_keeps_its_row(self, metastore: Metastore, facts: Facts) -> None:
        old = facts.dataset("pets")
        facts.commit(old, "one")
        gone = metastore.datasets.delete(old)
        assert gone.deleted is not None
        assert metastore.datasets.delete(old) == gone
        with pytest.raises(NotFoundError):
            metastore.datasets.get("pets")
        assert metastore.datasets.by_id(old) == gone
        assert metastore.datasets.list() == []
        new = metastore.datasets.create(dataset_id(99), "pets")
        assert metastore.datasets.get("pets") == new
        assert metastore.refs.get(old, "main").commit == commit_id("one")
        with pytest.raises(NotFoundError):
            metastore.refs.get(new.id, "main")

    def test_create_again_after_deletion_is_still_a_replay(self, metastore: Metastore, facts: Facts) -> None:
        old = facts.dataset("pets")
        gone = metastore.datasets.delete(old)
        assert metastore.datasets.create(old, "pets") == gone

    def test_list_in_pages(self, metastore: Metastore, facts: Facts) -> None:
        for name in ("b", "a-1", "a.1", "a_1", "a1", "a", "c"):
            facts.dataset(name)
        names = [row.name for row in metastore.datasets.list()]
        assert names == ["a", "a-1", "a.1", "a1", "a_1", "b", "c"]
        paged: list[str] = []
        while page := metastore.datasets.list(after=paged[-1] if paged else "", limit=3):
            paged += [row.name for row in page]
        assert paged == names

    @pytest.mark.parametrize("name", BAD_NAMES)
    def test_hostile_names(self, metastore: Metastore, name: str) -> None:
        with pytest.raises(InvalidInputError):
            metastore.datasets.create(dataset_id(1), name)
        with pytest.raises(InvalidInputError):
            metastore.datasets.create(dataset_id(1), "pets", default_branch=name)
        with pytest.raises(InvalidInputError):
            metastore.datasets.get(name)
        assert metastore.datasets.list() == []

    @pytest.mark.parametrize("limit", BAD_LIMITS)
    def test_bad_limits(self, metastore: Metastore, facts: Facts, limit: int) -> None:
        dataset = facts.dataset()
        for call in (
            lambda: metastore.datasets.list(limit=limit),
            lambda: metastore.refs.list(dataset, limit=limit),
            lambda: metastore.refs.reflog(dataset, "main", limit=limit),
            lambda: metastore.commits.list(dataset, limit=limit),
            lambda: metastore.commits.by_prefix(dataset, "0" * 8, limit=limit),
            lambda: metastore.leases.list(limit=limit),
            lambda: metastore.pins.list(dataset, limit=limit),
            lambda: metastore.locations.list(limit=limit),
        ):
            with pytest.raises(InvalidInputError):
                call()

    @pytest.mark.parametrize("metadata", [{"a": "\ud800"}, {"\x00": "a"}, {"": "a"}, {"a": "x" * 70_000}])
    def test_hostile_metadata(self, metastore: Metastore, metadata: dict[str, str]) -> None:
        with pytest.raises(InvalidInputError):
            metastore.datasets.create(dataset_id(1), "pets", metadata=metadata)

    def test_closed_says_so(self, metastore: Metastore) -> None:
        metastore.close()
        metastore.close()
        with pytest.raises(UnavailableError):
            metastore.datasets.list()


class LeaseTests(Suite):
    """Writers at work."""

    def test_begin(self, metastore: Metastore, facts: Facts) -> None:
        dataset = facts.dataset()
        facts.commit(dataset, "base")
        lease = metastore.leases.begin(lease_id(500), dataset, "me@host", [commit_id("base")])
        assert lease == LeaseRecord(
            lease_id(500), dataset, 1, 0, "me@host", LeaseState.LIVE, lease.created, (commit_id("base"),)
        )
        assert metastore.leases.get(lease.id) == lease
        assert metastore.leases.begin(lease.id, dataset, "again") == lease

    def test_begin_needs_a_live_dataset_and_known_bases(self, metastore: Metastore, facts: Facts) -> None:
        dataset, other = facts.dataset(), facts.dataset()
        facts.commit(other, "elsewhere")
        with pytest.raises(NotFoundError):
            facts.lease(dataset, [commit_id("elsewhere")])
        with pytest.raises(NotFoundError):
            facts.lease(dataset_id(777))
        lease = facts.lease(other)
        with pytest.raises(AlreadyExistsError):
            metastore.leases.begin(lease.id, dataset, "tests")
        metastore.datasets.delete(dataset)
        with pytest.raises(NotFoundError):
            facts.lease(dataset)

    def test_beat_counts_and_replaces_bases(self, metastore: Metastore, facts: Facts) -> None:
        dataset = facts.dataset()
        facts.commit(dataset, "one")
        facts.commit(dataset, "two")
        lease = facts.lease(dataset, [commit_id("one")])
        assert metastore.leases.beat(lease.id, 1).bases == (commit_id("one"),)
        beaten = metastore.leases.beat(lease.id, 1, [commit_id("two")])
        assert (beaten.beat, beaten.bases) == (2, (commit_id("two"),))
        with pytest.raises(NotFoundError):
            metastore.leases.beat(lease.id, 1, [commit_id("nowhere")])
        assert metastore.leases.get(lease.id) == beaten

    def test_beat_of_a_lost_lease(self, metastore: Metastore, facts: Facts) -> None:
        lease = facts.lease(facts.dataset())
        with pytest.raises(LeaseLostError):
            metastore.leases.beat(lease.id, 2)
        metastore.leases.finish(lease.id, 1)
        with pytest.raises(LeaseLostError):
            metastore.leases.beat(lease.id, 1)
        with pytest.raises(LeaseLostError):
            metastore.leases.beat(lease_id(404), 1)

    def test_finish(self, metastore: Metastore, facts: Facts) -> None:
        dataset = facts.dataset()
        lease = facts.lease(dataset)
        assert metastore.leases.finish(lease.id, 1).state is LeaseState.FINISHED
        assert metastore.leases.finish(lease.id, 1).state is LeaseState.FINISHED
        with pytest.raises(LeaseLostError):
            metastore.leases.finish(lease.id, 2)
        other = facts.lease(dataset)
        metastore.leases.lapse(other.id, 1, 0)
        with pytest.raises(LeaseLostError):
            metastore.leases.finish(other.id, 1)

    def test_lapse_is_a_compare_and_set_on_the_beat(self, metastore: Metastore, facts: Facts) -> None:
        lease = facts.lease(facts.dataset())
        metastore.leases.beat(lease.id, 1)
        assert metastore.leases.lapse(lease.id, 1, 0).state is LeaseState.LIVE
        assert metastore.leases.lapse(lease.id, 2, 1).state is LeaseState.LIVE
        assert metastore.leases.lapse(lease.id, 1, 1).state is LeaseState.LAPSED
        assert metastore.leases.lapse(lease.id, 1, 1).state is LeaseState.LAPSED
        with pytest.raises(LeaseLostError):
            metastore.leases.beat(lease.id, 1)
        with pytest.raises(NotFoundError):
            metastore.leases.lapse(lease_id(404), 1, 0)

    def test_list_by_dataset_and_state(self, metastore: Metastore, facts: Facts) -> None:
        one, two = facts.dataset(), facts.dataset()
        leases = [facts.lease(dataset) for dataset in (one, two) * 3]
        for lease in leases[:2]:
            metastore.leases.finish(lease.id, 1)
        metastore.leases.lapse(leases[2].id, 1, 0)
        ids = [lease.id for lease in leases]
        assert [lease.id for lease in metastore.leases.list()] == sorted(ids)
        assert [lease.id for lease in metastore.leases.list(one)] == sorted(ids[0::2])
        assert [lease.id for lease in metastore.leases.list(state=LeaseState.LIVE)] == sorted(ids[3:])
        assert [lease.id for lease in metastore.leases.list(one, LeaseState.LAPSED)] == [ids[2]]
        assert [lease.id for lease in metastore.leases.list(one, after=ids[0], limit=1)] == [ids[2]]
        with pytest.raises(NotFoundError):
            metastore.leases.get(lease_id(404))


class PinTests(Suite):
    """Commits that must stay."""

    def test_pins(self, metastore: Metastore, facts: Facts) -> None:
        dataset, other = facts.dataset(), facts.dataset()
        facts.commit(dataset, "one")
        expires = SettableClock.text(9)
        made = metastore.pins.create("p1", dataset, commit_id("one"), owner="csi", reason="volume", expires=expires)
        assert (made.id, made.commit, made.owner, made.reason, made.expires) == (
            "p1",
            commit_id("one"),
            "csi",
            "volume",
            expires,
        )
        assert metastore.pins.create("p1", dataset, commit_id("one"), owner="again", reason="") == made
        second = metastore.pins.create("p0", dataset, commit_id("one"), owner="csi", reason="")
        assert metastore.pins.list(dataset) == [second, made]
        assert metastore.pins.list(dataset, after="p0", limit=1) == [made]
        assert metastore.pins.list(other) == []

    def test_release_and_again(self, metastore: Metastore, facts: Facts) -> None:
        dataset, other = facts.dataset(), facts.dataset()
        facts.commit(dataset, "one")
        facts.commit(other, "two")
        metastore.pins.create("p1", dataset, commit_id("one"), owner="a", reason="")
        metastore.pins.release("p1")
        metastore.pins.release("p1")
        metastore.pins.release("never-there")
        assert metastore.pins.list(dataset) == []
        with pytest.raises(AlreadyExistsError):
            metastore.pins.create("p1", other, commit_id("two"), owner="a", reason="")
        again = metastore.pins.create("p1", dataset, commit_id("one"), owner="b", reason="")
        assert metastore.pins.list(dataset) == [again]

    def test_refused(self, metastore: Metastore, facts: Facts) -> None:
        dataset = facts.dataset()
        facts.commit(dataset, "one")
        facts.commit(dataset, "two")
        metastore.pins.create("p1", dataset, commit_id("one"), owner="a", reason="")
        with pytest.raises(AlreadyExistsError):
            metastore.pins.create("p1", dataset, commit_id("two"), owner="a", reason="")
        with pytest.raises(NotFoundError):
            metastore.pins.create("p2", dataset, commit_id("nowhere"), owner="a", reason="")
        for bad in BAD_NAMES:
            with pytest.raises(InvalidInputError):
                metastore.pins.create(bad, dataset, commit_id("one"), owner="a", reason="")
            with pytest.raises(InvalidInputError):
                metastore.pins.release(bad)
        for bad in ("tomorrow", "2026-11-24", "2026-13-24T03:00:00.000000Z", "2026-11-24T03:00:00.000000+00:00"):
            with pytest.raises(InvalidInputError):
                metastore.pins.create("p3", dataset, commit_id("one"), owner="a", reason="", expires=bad)


class LocationTests(Suite):
    """Registered places outside."""

    def test_locations(self, metastore: Metastore) -> None:
        made = metastore.locations.create("lake", "s3://bucket/some/prefix/", credential="lake-reader")
        assert made == LocationRecord("lake", "s3://bucket/some/prefix/", made.created, "lake-reader")
        assert metastore.locations.create("lake", "s3://bucket/some/prefix/", credential="lake-reader") == made
        disk = metastore.locations.create("disk", "file:///srv/data/")
        assert metastore.locations.get("lake") == made
        assert metastore.locations.list() == [disk, made]
        assert metastore.locations.list(after="disk", limit=5) == [made]
        with pytest.raises(AlreadyExistsError):
            metastore.locations.create("lake", "s3://bucket/other/", credential="lake-reader")
        with pytest.raises(AlreadyExistsError):
            metastore.locations.create("lake", "s3://bucket/some/prefix/")

    def test_delete_and_again(self, metastore: Metastore) -> None:
        metastore.locations.create("lake", "s3://bucket/")
        metastore.locations.delete("lake")
        metastore.locations.delete("lake")
        metastore.locations.delete("never-there")
        assert metastore.locations.list() == []
        with pytest.raises(NotFoundError):
            metastore.locations.get("lake")
        again = metastore.locations.create("lake", "gs://elsewhere/")
        assert metastore.locations.get("lake") == again

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "s3://bucket",
            "s3:///prefix/",
            "http://host/a/",
            "ftp://host/a/",
            "data:text/plain,a/",
            "s3://user:secret@bucket/a/",
            "https://host/a/?token=secret/",
            "https://host/a/#secret/",
            "https://host/a/?/",
            "file:///srv/../etc/",
            "file://host/srv/",
            "s3://bucket/a\n/",
            "s3://bucket/\x00/",
            "//bucket/a/",
            "https://[::1/",
            "s3://" + "b" * 5000 + "/",
        ],
    )
    def test_refused_and_not_repeated(self, metastore: Metastore, url: str) -> None:
        with pytest.raises(InvalidInputError) as caught:
            metastore.locations.create("lake", url)
        assert "secret" not in f"{caught.value} {caught.value.subject} {caught.value.hint}"
        assert metastore.locations.list() == []
