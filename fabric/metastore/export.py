"""No answer before the change lies in the object store too.

The metastore is one database on one disk; the object store is what a deployment trusts. So every change leaves a row in the
outbox, in its own transaction, and is acknowledged only when that row, and all that were made before it in its scope, are
objects. `fabric.metastore.recover` builds the metastore anew from them.
"""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from fabric.errors import AccessDeniedError, AlreadyExistsError, DataError, DeadlineError, FabricError, UnavailableError
from fabric.metastore.backup import FABRIC_SCOPE
from fabric.metastore.port import LIST_LIMIT_MAX, Commits, Datasets, Leases, Locations, Metastore, Outbox, Pins, Refs
from fabric.metastore.records import (
    BackupRow,
    DatasetRecord,
    LocationRecord,
    PinRecord,
    RefKind,
    ReflogEntry,
    RefRecord,
    RefUpdate,
)
from fabric.model.ids import CommitId, DatasetId
from fabric.objects.keys import backup_key
from fabric.objects.port import Buffer

PAGE_ROWS = 100
TURNS = 64
TURN_WAIT_S_MAX = 120.0
"""How long a thread waits for another that exports rows of the same dataset (whose store may be slow)."""


class Puts(Protocol):
    """What the exporter needs of an object store."""

    def put(self, key: str, data: Buffer) -> None:
        """See ObjectStore.put: atomic, durable, retry-safe."""
        ...


class Owner(Metastore, Outbox, Protocol):
    """A metastore that keeps an outbox."""


class Exporter:
    """Moves rows from the outbox into the store, in the order in which they were made.

    Rows of one key are put one after the other, each only when all before it are there; so the store holds a gap-free
    start of each key's history at every moment, whoever exports and whoever dies. Several exporters may put the same row:
    the bytes are the same. A row of a dataset may depend on any that was made before it in the dataset (a snapshot on the
    commit that a branch brought), so the order goes over all keys of the dataset, and the rows of the fabric go first.

    Args:
        outbox: where the rows wait.
        objects: where they go.
    """

    def __init__(self, outbox: Outbox, objects: Puts) -> None:
        self._outbox = outbox
        self._objects = objects
        self._new_turns()

    def _new_turns(self) -> None:
        self._pid = os.getpid()
        self._turns = tuple(threading.Lock() for _ in range(TURNS))

    def export(self, scope: str = "", kind: str = "") -> None:
        """Export what is pending (of one scope or kind if named) and made before the call.

        Raises:
            DataError: the store holds other bytes under a row's key: this metastore is not the one that wrote last.
            FabricError: what the store raises. Rows before the failing one are exported.
        """
        with self._turn(scope or kind):
            while True:
                rows = self._outbox.pending(scope, kind, limit=PAGE_ROWS)
                self._export_page(rows)
                if len(rows) < PAGE_ROWS:
                    return

    def _export_page(self, rows: Sequence[BackupRow]) -> None:
        exported: list[BackupRow] = []
        try:
            for row in rows:
                self._put(row)
                exported.append(row)
        finally:
            # Also after a failure: a store that fails now and then must not be given the same rows for ever.
            if exported:
                self._outbox.done(exported)

    def _put(self, row: BackupRow) -> None:
        try:
            self._objects.put(backup_key(row.scope, row.kind, row.key, row.sequence), row.body)
        except AlreadyExistsError as error:
            raise DataError(
                f"the store holds another change number {row.sequence} of this {row.kind}: two metastores write there",
                subject=row.key,
                hint="stop all writers; if this metastore is an old copy, put it aside and run 'fabric recover'",
            ) from error

    @contextlib.contextmanager
    def _turn(self, what: str) -> Iterator[None]:
        # Threads take turns on a scope: who waits finds its row exported by the one before, mostly, and puts nothing twice.
        if self._pid != os.getpid():
            self._new_turns()  # a turn that a thread of the parent held would never end in this child
        turn = self._turns[hash(what) % TURNS]
        if not turn.acquire(timeout=TURN_WAIT_S_MAX):
            raise DeadlineError("another thread has not come to an end with its export", subject=what)
        try:
            yield
        finally:
            turn.release()


class ExportingMetastore:
    """A metastore whose answers are in the object store before they are given. Reads and leases pass through.

    If the store fails, the change stands in the database, unacknowledged, and is exported with the next one of its scope
    or at the next start. A call that is repeated with its key or id exports it too and gets the first answer.

    Args:
        inner: the metastore; closed with this one.
        objects: where the rows go; not closed.
        drain: export now what a crash left. Where the store cannot be written now (a reader without rights, a network that
            is down) the rows wait on.
    """

    def __init__(self, inner: Owner, objects: Puts, *, drain: bool = True) -> None:
        self._inner = inner
        self._exporter = Exporter(inner, objects)
        self.datasets = _Datasets(inner.datasets, self._acknowledge)
        self.refs = _Refs(inner.refs, self._acknowledge)
        self.pins = _Pins(inner.pins, self._acknowledge)
        self.locations = _Locations(inner.locations, self._acknowledge)
        if drain:
            # Nothing was promised about these rows, and the next change of their scope carries them along.
            with contextlib.suppress(UnavailableError, AccessDeniedError):
                self.drain()

    @property
    def commits(self) -> Commits:
        """Where commits lie."""
        return self._inner.commits

    @property
    def leases(self) -> Leases:
        """Writers at work; not exported: a recovered metastore has forgotten them, and their writers begin anew."""
        return self._inner.leases

    def drain(self) -> None:
        """Export all that is pending. Raises what the store raises, and DataError as Exporter.export."""
        self._exporter.export()

    def close(self) -> None:
        """See Metastore.close."""
        self._inner.close()

    def _acknowledge(self, scope: str, kind: str, key: str) -> None:
        try:
            if kind == "dataset":
                # A name may have been freed a moment ago by a deletion in another dataset's scope.
                self._exporter.export(kind="dataset")
            elif scope != FABRIC_SCOPE:
                self._exporter.export(FABRIC_SCOPE)
            self._exporter.export(scope)
        except DataError:
            raise
        except FabricError as error:
            kept = type(error) if isinstance(error, UnavailableError) else UnavailableError
            raise kept(
                f"the change of {kind} {key} is made but not yet exported to the object store: {error}",
                subject=key,
                hint="make the store reachable and writable, then repeat the call with the same key: it completes this one",
            ) from error


_Acknowledge = Callable[[str, str, str], None]


class _Datasets:
    def __init__(self, inner: Datasets, acknowledge: _Acknowledge) -> None:
        self._inner = inner
        self._acknowledge = acknowledge

    def create(
        self, id: DatasetId, name: str, *, default_branch: str = "main", metadata: Mapping[str, str] | None = None
    ) -> DatasetRecord:
        record = self._inner.create(id, name, default_branch=default_branch, metadata=metadata)
        self._acknowledge(record.id, "dataset", record.name)
        return record

    def get(self, name: str) -> DatasetRecord:
        return self._inner.get(name)

    def by_id(self, id: DatasetId) -> DatasetRecord:
        return self._inner.by_id(id)

    def list(self, after: str = "", limit: int = LIST_LIMIT_MAX) -> Sequence[DatasetRecord]:
        return self._inner.list(after, limit)

    def delete(self, id: DatasetId) -> DatasetRecord:
        record = self._inner.delete(id)
        self._acknowledge(record.id, "dataset", record.name)
        return record


class _Refs:
    def __init__(self, inner: Refs, acknowledge: _Acknowledge) -> None:
        self._inner = inner
        self._acknowledge = acknowledge

    def get(self, dataset: DatasetId, name: str) -> RefRecord:
        return self._inner.get(dataset, name)

    def list(
        self, dataset: DatasetId, kind: RefKind | None = None, after: str = "", limit: int = LIST_LIMIT_MAX
    ) -> Sequence[RefRecord]:
        return self._inner.list(dataset, kind, after, limit)

    def update(self, update: RefUpdate) -> ReflogEntry:
        entry = self._inner.update(update)
        self._acknowledge(entry.dataset, "ref", entry.name)
        return entry

    def reflog(
        self, dataset: DatasetId, name: str, before: int | None = None, limit: int = LIST_LIMIT_MAX
    ) -> Sequence[ReflogEntry]:
        return self._inner.reflog(dataset, name, before, limit)

    def at(self, dataset: DatasetId, name: str, time: str) -> ReflogEntry:
        return self._inner.at(dataset, name, time)


class _Pins:
    def __init__(self, inner: Pins, acknowledge: _Acknowledge) -> None:
        self._inner = inner
        self._acknowledge = acknowledge

    def create(
        self, id: str, dataset: DatasetId, commit: CommitId, *, owner: str, reason: str, expires: str | None = None
    ) -> PinRecord:
        pin = self._inner.create(id, dataset, commit, owner=owner, reason=reason, expires=expires)
        self._acknowledge(dataset, "pin", id)
        return pin

    def release(self, id: str) -> None:
        self._inner.release(id)
        # Only the outbox knows the scope of a pin that is gone.
        self._acknowledge("", "pin", id)

    def list(self, dataset: DatasetId, after: str = "", limit: int = LIST_LIMIT_MAX) -> Sequence[PinRecord]:
        return self._inner.list(dataset, after, limit)


class _Locations:
    def __init__(self, inner: Locations, acknowledge: _Acknowledge) -> None:
        self._inner = inner
        self._acknowledge = acknowledge

    def create(self, id: str, url: str, *, credential: str = "") -> LocationRecord:
        location = self._inner.create(id, url, credential=credential)
        self._acknowledge(FABRIC_SCOPE, "location", id)
        return location

    def get(self, id: str) -> LocationRecord:
        return self._inner.get(id)

    def list(self, after: str = "", limit: int = LIST_LIMIT_MAX) -> Sequence[LocationRecord]:
        return self._inner.list(after, limit)

    def delete(self, id: str) -> None:
        self._inner.delete(id)
        self._acknowledge(FABRIC_SCOPE, "location", id)
