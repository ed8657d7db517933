"""A writer's lease as the engine uses it: begun with its first upload, kept alive, ended with the ref update."""

import os
import socket
import threading
from collections.abc import Sequence

from fabric.errors import FabricError, LeaseLostError, NotFoundError
from fabric.metastore.port import Metastore
from fabric.metastore.records import LeaseRecord
from fabric.model.ids import CommitId, DatasetId, LeaseId, new_ulid

BEAT_INTERVAL_S = 15.0
STOP_S_MAX = 5.0
LEASE_TERM_S = 120.0
"""An observer that has seen a beat stand still for this long, on its own monotonic clock, may mark the lease as lapsed."""


def holder_name() -> str:
    """Return who holds a lease, for people: host and process."""
    return f"{socket.gethostname()}:{os.getpid()}"


class WriterLease:
    """Holds one lease and beats for it from a thread of its own until it ends.

    A beat that fails is tried again at the next interval: whether the lease still lives is decided by the metastore at the
    ref update, never here.
    """

    def __init__(
        self,
        metastore: Metastore,
        dataset: DatasetId,
        bases: Sequence[CommitId],
        *,
        resumed: tuple[LeaseId, int] | None = None,
    ) -> None:
        self._metastore = metastore
        self._record = self._resume(resumed, dataset, bases) if resumed else self._begin(dataset, bases)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="fabric-lease", daemon=True)
        self._thread.start()

    def _begin(self, dataset: DatasetId, bases: Sequence[CommitId]) -> LeaseRecord:
        return self._metastore.leases.begin(LeaseId(new_ulid()), dataset, holder_name(), tuple(bases))

    def _resume(self, key: tuple[LeaseId, int], dataset: DatasetId, bases: Sequence[CommitId]) -> LeaseRecord:
        """Go on with the lease of an interrupted run, under which its objects are still kept; else begin another."""
        try:
            record = self._metastore.leases.beat(*key, bases=tuple(bases))
        except (LeaseLostError, NotFoundError):
            return self._begin(dataset, bases)
        return record if record.dataset == dataset else self._begin(dataset, bases)

    @property
    def record(self) -> LeaseRecord:
        """The lease as it was begun."""
        return self._record

    @property
    def key(self) -> tuple[LeaseId, int]:
        """What a ref update names: the lease and its epoch."""
        return self._record.id, self._record.epoch

    def rebase(self, bases: Sequence[CommitId]) -> None:
        """Pin other commits from now on; raises LeaseLostError if the lease is gone."""
        self._metastore.leases.beat(*self.key, bases=tuple(bases))

    def _beat(self) -> None:
        while not self._stopped.wait(BEAT_INTERVAL_S):
            try:
                self._metastore.leases.beat(*self.key)
            except FabricError:
                continue

    def stop(self) -> None:
        """End the beats; the lease itself was ended by a ref update. May be called twice."""
        self._stopped.set()
        # No beat after this, so that the metastore may be closed; one that hangs is not waited for.
        self._thread.join(STOP_S_MAX)

    def finish(self) -> None:
        """End the beats and the lease. What it wrote and nothing reaches is garbage from now on."""
        self.stop()
        self._metastore.leases.finish(*self.key)
