"""Leases in memory."""

from collections.abc import Sequence

from fabric.errors import NotFoundError
from fabric.metastore import checks, rules
from fabric.metastore.memory.state import State, Tables
from fabric.metastore.port import LIST_LIMIT_MAX
from fabric.metastore.records import LeaseRecord, LeaseState
from fabric.model.ids import CommitId, DatasetId, LeaseId, parse_lease_id


class MemoryLeases:
    """Fulfils fabric.metastore.port.Leases."""

    def __init__(self, state: State) -> None:
        self._state = state

    def begin(self, id: LeaseId, dataset: DatasetId, holder: str, bases: Sequence[CommitId] = ()) -> LeaseRecord:
        """See Leases.begin."""
        pinned = checks.check_lease(id, dataset, holder, bases)
        with self._state.use() as tables:
            if id in tables.leases:
                return rules.same_lease(tables.leases[id], dataset)
            rules.require_live(tables.datasets.get(dataset), dataset)
            _require_commits(tables, dataset, pinned)
            return _write(tables, LeaseRecord(id, dataset, 1, 0, holder, LeaseState.LIVE, self._state.clock(), pinned))

    def get(self, id: LeaseId) -> LeaseRecord:
        """See Leases.get."""
        parse_lease_id(id)
        with self._state.use() as tables:
            if id not in tables.leases:
                raise NotFoundError("the lease does not exist", subject=id)
            return tables.leases[id]

    def beat(self, id: LeaseId, epoch: int, bases: Sequence[CommitId] | None = None) -> LeaseRecord:
        """See Leases.beat."""
        parse_lease_id(id)
        pinned = None if bases is None else checks.check_bases(bases)
        with self._state.use() as tables:
            lease = rules.beaten(tables.leases.get(id), id, epoch, pinned)
            _require_commits(tables, lease.dataset, pinned or ())
            return _write(tables, lease)

    def finish(self, id: LeaseId, epoch: int) -> LeaseRecord:
        """See Leases.finish."""
        parse_lease_id(id)
        with self._state.use() as tables:
            return _write(tables, rules.finished(tables.leases.get(id), id, epoch))

    def lapse(self, id: LeaseId, epoch: int, beat: int) -> LeaseRecord:
        """See Leases.lapse."""
        with self._state.use() as tables:
            return _write(tables, rules.lapsed(self.get(id), epoch, beat))

    def list(
        self,
        dataset: DatasetId | None = None,
        state: LeaseState | None = None,
        after: str = "",
        limit: int = LIST_LIMIT_MAX,
    ) -> Sequence[LeaseRecord]:
        """See Leases.list."""
        checks.check_page(after, limit)
        with self._state.use() as tables:
            leases = sorted(tables.leases.values(), key=lambda lease: lease.id)
        return [
            lease
            for lease in leases
            if lease.id > after and dataset in (None, lease.dataset) and state in (None, lease.state)
        ][:limit]


def _write(tables: Tables, lease: LeaseRecord) -> LeaseRecord:
    tables.leases[lease.id] = lease
    return lease


def _require_commits(tables: Tables, dataset: DatasetId, ids: Sequence[CommitId]) -> None:
    known = tables.commits.get(dataset, {})
    for commit in ids:
        rules.require_commit(known.get(commit), commit)
