"""The port for mutable facts: who is called what, and which commit a name points to.

Small on purpose: it never holds entries or file bytes. Everything an adapter must promise stands here and is tested by
`fabric.testing.metastore`. Adapters: memory, SQL (SQLite; PostgreSQL by another URL), later the gRPC client.

Rules for all verbs:
* Each call is one atomic, durable, serializable transaction. When it has returned, every later call of anyone sees it.
* Thread-safe, usable from several processes at once, and in a forked child.
* What may be repeated after a lost answer: all reads; `refs.update` and every create (by its key or id: a replay gets the
  first answer); `beat`, `finish`, `lapse`, `release`, `delete` (idempotent by meaning).
* Raises only `fabric.errors`: NotFoundError, AlreadyExistsError, RefConflictError, LeaseLostError, InvalidInputError,
  UnavailableError (may be retried), NoSpaceError, DataError.
* Names and ids are checked by `fabric.model.ids` on the way in.
* Listings are ordered by name (bytewise) or sequence; they take `after` and `limit` (at most LIST_LIMIT_MAX).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from fabric.metastore.records import (
    BackupRow,
    CommitRecord,
    DatasetRecord,
    LeaseRecord,
    LeaseState,
    LocationRecord,
    PinRecord,
    RefKind,
    ReflogEntry,
    RefRecord,
    RefUpdate,
)
from fabric.model.ids import CommitId, DatasetId, LeaseId

LIST_LIMIT_MAX = 10_000


class Datasets(Protocol):
    """The datasets of a fabric by name and id."""

    def create(
        self,
        id: DatasetId,
        name: str,
        *,
        default_branch: str = "main",
        metadata: Mapping[str, str] | None = None,
    ) -> DatasetRecord:
        """Add a dataset. The same id and name again returns the row (a replay).

        Raises:
            AlreadyExistsError: a live dataset has this name.
        """
        ...

    def get(self, name: str) -> DatasetRecord:
        """Return the live dataset of this name; raises NotFoundError."""
        ...

    def by_id(self, id: DatasetId) -> DatasetRecord:
        """Return the dataset, deleted or not; raises NotFoundError."""
        ...

    def list(self, after: str = "", limit: int = LIST_LIMIT_MAX) -> Sequence[DatasetRecord]:
        """Return live datasets in order of names."""
        ...

    def delete(self, id: DatasetId) -> DatasetRecord:
        """Mark the dataset as deleted: its name is free again, its row, refs and objects stay until collected."""
        ...


class Refs(Protocol):
    """Branches and snapshots, and the log of every move."""

    def get(self, dataset: DatasetId, name: str) -> RefRecord:
        """Return the ref; raises NotFoundError."""
        ...

    def list(
        self, dataset: DatasetId, kind: RefKind | None = None, after: str = "", limit: int = LIST_LIMIT_MAX
    ) -> Sequence[RefRecord]:
        """Return live refs in order of names."""
        ...

    def update(self, update: RefUpdate) -> ReflogEntry:
        """Apply `update` or nothing, as one transaction:

        the key is known: return the first answer, change nothing (the same key with another dataset or name is
        InvalidInputError); the dataset is live; the lease is live and of this epoch; the ref is at `expected`; the kind of
        an existing ref stays; a snapshot is created and deleted but never moved; the target is a known or new commit; new
        commit rows are added; the ref is moved, generation + 1; a reflog row with the next sequence is written; the lease
        is finished if asked.

        Raises:
            RefConflictError: the ref is not at `expected` (or exists, or is of the other kind).
            LeaseLostError: the lease is not live or of another epoch.
            NotFoundError: dataset or target commit unknown.
            InvalidInputError: a snapshot would move; a new commit without a lease.
        """
        ...

    def reflog(
        self, dataset: DatasetId, name: str, before: int | None = None, limit: int = LIST_LIMIT_MAX
    ) -> Sequence[ReflogEntry]:
        """Return the newest entries first, those with a sequence below `before` if given. A deleted ref keeps its log."""
        ...

    def at(self, dataset: DatasetId, name: str, time: str) -> ReflogEntry:
        """Return the last entry at or before `time` (the answer of `name@{time}`); raises NotFoundError."""
        ...


class Commits(Protocol):
    """Where commits lie."""

    def get(self, dataset: DatasetId, id: CommitId) -> CommitRecord:
        """Return the row; raises NotFoundError."""
        ...

    def by_prefix(self, dataset: DatasetId, prefix: str, limit: int = 2) -> Sequence[CommitRecord]:
        """Return commits whose id starts with `prefix` (hex, 8 or more), in order of ids."""
        ...

    def list(self, dataset: DatasetId, after: str = "", limit: int = LIST_LIMIT_MAX) -> Sequence[CommitRecord]:
        """Return commits in order of ids."""
        ...


class Leases(Protocol):
    """Writers at work. Time is never compared between machines: see `lapse`."""

    def begin(self, id: LeaseId, dataset: DatasetId, holder: str, bases: Sequence[CommitId] = ()) -> LeaseRecord:
        """Add a live lease of epoch 1 and beat 0 that pins `bases`. The same id again returns the row."""
        ...

    def get(self, id: LeaseId) -> LeaseRecord:
        """Return the lease; raises NotFoundError."""
        ...

    def beat(self, id: LeaseId, epoch: int, bases: Sequence[CommitId] | None = None) -> LeaseRecord:
        """Count up the beat and, if given, replace the pinned bases; raises LeaseLostError if not live and of this epoch."""
        ...

    def finish(self, id: LeaseId, epoch: int) -> LeaseRecord:
        """End a lease. Finished already is no error; lapsed or of another epoch is LeaseLostError."""
        ...

    def lapse(self, id: LeaseId, epoch: int, beat: int) -> LeaseRecord:
        """Mark as lapsed by one who saw the beat stand still at `beat` for the full term on its own monotonic clock.

        Returns the row as it is then: still live if the beat has moved on.
        """
        ...

    def list(
        self,
        dataset: DatasetId | None = None,
        state: LeaseState | None = None,
        after: str = "",
        limit: int = LIST_LIMIT_MAX,
    ) -> Sequence[LeaseRecord]:
        """Return leases in order of ids."""
        ...


class Pins(Protocol):
    """Commits that must stay although no ref may reach them."""

    def create(
        self,
        id: str,
        dataset: DatasetId,
        commit: CommitId,
        *,
        owner: str,
        reason: str,
        expires: str | None = None,
    ) -> PinRecord:
        """Add a pin; the same id again returns the row. Raises NotFoundError for an unknown commit."""
        ...

    def release(self, id: str) -> None:
        """End a pin; an unknown one is no error."""
        ...

    def list(self, dataset: DatasetId, after: str = "", limit: int = LIST_LIMIT_MAX) -> Sequence[PinRecord]:
        """Return pins in order of ids, lapsed ones too."""
        ...


class Locations(Protocol):
    """Registered places outside of the fabric that external extents may point into."""

    def create(self, id: str, url: str, *, credential: str = "") -> LocationRecord:
        """Register a place; the same again returns the row, another url or credential is AlreadyExistsError.

        Raises:
            InvalidInputError: the scheme is not one of s3, gs, az, https, file; or the url holds a password.
        """
        ...

    def get(self, id: str) -> LocationRecord:
        """Return the location; raises NotFoundError."""
        ...

    def list(self, after: str = "", limit: int = LIST_LIMIT_MAX) -> Sequence[LocationRecord]:
        """Return locations in order of ids."""
        ...

    def delete(self, id: str) -> None:
        """Forget a location; an unknown one is no error."""
        ...


class Metastore(Protocol):
    """All mutable facts of one fabric."""

    @property
    def datasets(self) -> Datasets:
        """Datasets by name and id."""
        ...

    @property
    def refs(self) -> Refs:
        """Branches, snapshots and their log."""
        ...

    @property
    def commits(self) -> Commits:
        """Where commits lie."""
        ...

    @property
    def leases(self) -> Leases:
        """Writers at work."""
        ...

    @property
    def pins(self) -> Pins:
        """Commits that stay."""
        ...

    @property
    def locations(self) -> Locations:
        """Places outside."""
        ...

    def close(self) -> None:
        """Release connections; may be called twice."""
        ...


class Outbox(Protocol):
    """What an adapter that owns the database offers to the exporter (`fabric.metastore.export`): every change of a
    dataset, ref, pin or location leaves one row here in the same transaction, until it is in the object store.
    """

    def pending(self, scope: str = "", kind: str = "", key: str = "", limit: int = 1_000) -> Sequence[BackupRow]:
        """Return rows not yet exported (of one scope, kind or key if named), in the order in which they were made.

        What a change depends on, on its own key or another, was made before it, so it stands before it.
        """
        ...

    def done(self, rows: Sequence[BackupRow]) -> None:
        """Forget rows that are in the store; unknown ones are no error. Need not be durable: an export repeats safely."""
        ...

    def load(self, rows: Iterable[BackupRow]) -> None:
        """Fill an empty metastore from exported rows (`fabric recover`), given in order of sequence per key.

        All of them or nothing: it may be called again. The rows are recorded as exported, and each key's sequence goes on
        from there. Raises DataError for a gap, a row that does not decode, a ref or pin whose commit no row brought, or a
        non-empty metastore.
        """
        ...
