"""Leases in the database."""

from collections.abc import Sequence

from fabric.errors import NotFoundError
from fabric.metastore import checks, rules
from fabric.metastore.clock import Clock
from fabric.metastore.port import LIST_LIMIT_MAX
from fabric.metastore.records import LeaseRecord, LeaseState
from fabric.metastore.sql import rows
from fabric.metastore.sql.commits import require_commits
from fabric.metastore.sql.database import Database, Row, Session
from fabric.metastore.sql.datasets import find_dataset
from fabric.model.ids import CommitId, DatasetId, LeaseId, parse_dataset_id, parse_lease_id

_GET = "SELECT id, dataset, epoch, beat, holder, state, created, bases FROM leases WHERE id = :id"
_ADD = """
INSERT INTO leases (id, dataset, epoch, beat, holder, state, created, bases)
VALUES (:id, :dataset, :epoch, :beat, :holder, :state, :created, :bases)
"""
_SET = "UPDATE leases SET beat = :beat, state = :state, bases = :bases WHERE id = :id"
_FINISH = "UPDATE leases SET state = 'finished' WHERE id = :id"
_LIST = """
SELECT id, dataset, epoch, beat, holder, state, created, bases FROM leases
WHERE id > :after ORDER BY id LIMIT :limit
"""
_LIST_STATE = """
SELECT id, dataset, epoch, beat, holder, state, created, bases FROM leases
WHERE state = :state AND id > :after ORDER BY id LIMIT :limit
"""
_LIST_DATASET_STATE = """
SELECT id, dataset, epoch, beat, holder, state, created, bases FROM leases
WHERE dataset = :dataset AND state = :state AND id > :after ORDER BY id LIMIT :limit
"""


def find_lease(session: Session, id: LeaseId) -> LeaseRecord | None:
    """Return the lease's row, or None."""
    row = session.one(_GET, id=id)
    return rows.lease(row) if row else None


def write_finished(session: Session, id: LeaseId) -> None:
    """Mark a lease, which was found live in this transaction, as finished."""
    session.execute(_FINISH, id=id)


class SqlLeases:
    """Fulfils fabric.metastore.port.Leases."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def begin(self, id: LeaseId, dataset: DatasetId, holder: str, bases: Sequence[CommitId] = ()) -> LeaseRecord:
        """See Leases.begin."""
        pinned = checks.check_lease(id, dataset, holder, bases)

        def work(session: Session) -> LeaseRecord:
            known = find_lease(session, id)
            if known:
                return rules.same_lease(known, dataset)
            rules.require_live(find_dataset(session, dataset), dataset)
            require_commits(session, dataset, pinned)
            lease = LeaseRecord(id, dataset, 1, 0, holder, LeaseState.LIVE, self._clock(), pinned)
            session.execute(
                _ADD,
                id=lease.id,
                dataset=lease.dataset,
                epoch=lease.epoch,
                beat=lease.beat,
                holder=lease.holder,
                state=lease.state.value,
                created=lease.created,
                bases=rows.bases_text(lease.bases),
            )
            return lease

        return self._database.write(work)

    def get(self, id: LeaseId) -> LeaseRecord:
        """See Leases.get."""
        parse_lease_id(id)
        return self._database.read(lambda session: _require(session, id))

    def beat(self, id: LeaseId, epoch: int, bases: Sequence[CommitId] | None = None) -> LeaseRecord:
        """See Leases.beat."""
        parse_lease_id(id)
        pinned = None if bases is None else checks.check_bases(bases)

        def work(session: Session) -> LeaseRecord:
            lease = rules.beaten(find_lease(session, id), id, epoch, pinned)
            require_commits(session, lease.dataset, pinned or ())
            return _write(session, lease)

        return self._database.write(work)

    def finish(self, id: LeaseId, epoch: int) -> LeaseRecord:
        """See Leases.finish."""
        parse_lease_id(id)
        return self._database.write(lambda session: _write(session, rules.finished(find_lease(session, id), id, epoch)))

    def lapse(self, id: LeaseId, epoch: int, beat: int) -> LeaseRecord:
        """See Leases.lapse."""
        parse_lease_id(id)
        return self._database.write(lambda session: _write(session, rules.lapsed(_require(session, id), epoch, beat)))

    def list(
        self,
        dataset: DatasetId | None = None,
        state: LeaseState | None = None,
        after: str = "",
        limit: int = LIST_LIMIT_MAX,
    ) -> Sequence[LeaseRecord]:
        """See Leases.list."""
        checks.check_page(after, limit)
        if dataset is not None:
            parse_dataset_id(dataset)
        values = {"after": after, "limit": limit}

        def work(session: Session) -> Sequence[Row]:
            if dataset is None and state is None:
                return session.all(_LIST, **values)
            if dataset is None and state is not None:
                return session.all(_LIST_STATE, state=state.value, **values)
            # One range of the index for each state, so that ten million finished leases do not slow the live ones down.
            states = list(LeaseState) if state is None else [state]
            pages = [session.all(_LIST_DATASET_STATE, dataset=dataset, state=s.value, **values) for s in states]
            return sorted(row for page in pages for row in page)[:limit]

        return [rows.lease(row) for row in self._database.read(work)]


def _require(session: Session, id: LeaseId) -> LeaseRecord:
    lease = find_lease(session, id)
    if lease is None:
        raise NotFoundError("the lease does not exist", subject=id)
    return lease


def _write(session: Session, lease: LeaseRecord) -> LeaseRecord:
    session.execute(_SET, id=lease.id, beat=lease.beat, state=lease.state.value, bases=rows.bases_text(lease.bases))
    return lease
