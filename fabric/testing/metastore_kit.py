"""What the tests of a metastore share: a clock that is set by hand, and facts that are quick to make."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

from fabric.errors import NotFoundError
from fabric.metastore.port import Metastore
from fabric.metastore.records import CommitRecord, LeaseRecord, RefKind, ReflogEntry, RefUpdate
from fabric.model.ids import CommitId, DatasetId, LeaseId, NodeId, ObjectRef, parse_dataset_id, parse_lease_id


class SettableClock:
    """A clock of the metastore that goes one second ahead with each reading, and can be set."""

    def __init__(self) -> None:
        self.seconds = 0

    def __call__(self) -> str:
        """Return the next second."""
        self.seconds += 1
        return self.text(self.seconds)

    @staticmethod
    def text(seconds: int) -> str:
        """Return the time `seconds` after the start of all tests."""
        minutes, rest = divmod(seconds, 60)
        hours, minutes = divmod(minutes, 60)
        return f"2026-11-24T{hours:02d}:{minutes:02d}:{rest:02d}.000000Z"


def ulid(number: int, letter: str = "a") -> str:
    """Return the same id for the same number and letter."""
    return f"0{letter}{number:024d}"


def dataset_id(number: int) -> DatasetId:
    """Return a dataset id that is the same for the same number."""
    return parse_dataset_id(ulid(number, "d"))


def lease_id(number: int) -> LeaseId:
    """Return a lease id that is the same for the same number."""
    return parse_lease_id(ulid(number, "e"))


def commit_id(word: object) -> CommitId:
    """Return a commit id that is the same for the same word."""
    return CommitId(hashlib.sha256(str(word).encode()).hexdigest())


def commit_row(word: object, lease: LeaseId | None = None) -> CommitRecord:
    """Return a commit row that is the same for the same word and lease."""
    tree = hashlib.sha256(b"tree " + str(word).encode()).digest()
    where = lease or lease_id(0)
    return CommitRecord(
        commit_id(word), NodeId(tree), ObjectRef(f"{where}/{ulid(1, 'f')}"), ObjectRef(f"{where}/{ulid(2, 'f')}")
    )


@dataclass
class Facts:
    """Makes datasets, leases and ref updates on a metastore, with fresh ids and keys.

    Attributes:
        metastore: where they are made.
        numbers: where fresh ids and keys come from.
    """

    metastore: Metastore
    numbers: "count[int]" = field(default_factory=lambda: count(1))

    def dataset(self, name: str = "") -> DatasetId:
        """Create a dataset."""
        number = next(self.numbers)
        return self.metastore.datasets.create(dataset_id(number), name or f"dataset-{number}").id

    def lease(self, dataset: DatasetId, bases: Sequence[CommitId] = ()) -> LeaseRecord:
        """Begin a lease."""
        return self.metastore.leases.begin(lease_id(next(self.numbers)), dataset, "tests", bases)

    def at(self, dataset: DatasetId, name: str) -> tuple[CommitId, int] | None:
        """Return where a ref is, as `expected` of an update."""
        try:
            ref = self.metastore.refs.get(dataset, name)
        except NotFoundError:
            return None
        return ref.commit, ref.generation

    def update(
        self,
        dataset: DatasetId,
        name: str,
        word: object | None,
        *,
        kind: RefKind = RefKind.BRANCH,
        expected: tuple[CommitId, int] | None = None,
        key: str = "",
    ) -> RefUpdate:
        """Return an update to a commit that is known already (None: a deletion)."""
        return RefUpdate(
            dataset=dataset,
            name=name,
            kind=kind,
            expected=expected,
            commit=None if word is None else commit_id(word),
            key=key or f"key-{next(self.numbers)}",
            actor="tests",
            reason=f"to {word}",
        )

    def commit(self, dataset: DatasetId, word: object, name: str = "main", *, key: str = "") -> ReflogEntry:
        """Add a new commit and move a branch to it from wherever it is, under a lease that ends with it."""
        lease = self.lease(dataset)
        update = RefUpdate(
            dataset=dataset,
            name=name,
            kind=RefKind.BRANCH,
            expected=self.at(dataset, name),
            commit=commit_id(word),
            key=key or f"key-{next(self.numbers)}",
            actor="tests",
            reason=f"commit: {word}",
            new_commits=(commit_row(word, lease.id),),
            lease=(lease.id, lease.epoch),
            finish_lease=True,
        )
        return self.metastore.refs.update(update)
