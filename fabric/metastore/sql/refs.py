"""Refs and their log in the database."""

from collections.abc import Sequence

from fabric.errors import NotFoundError
from fabric.metastore import checks, rules
from fabric.metastore.backup import RefChange
from fabric.metastore.clock import Clock, parse_time
from fabric.metastore.port import LIST_LIMIT_MAX
from fabric.metastore.records import RefKind, ReflogEntry, RefRecord, RefUpdate
from fabric.metastore.sql import changes, rows
from fabric.metastore.sql.commits import known_commits
from fabric.metastore.sql.database import Database, Session
from fabric.metastore.sql.datasets import find_dataset
from fabric.metastore.sql.leases import find_lease, write_finished
from fabric.model.ids import DatasetId, parse_dataset_id, parse_name

_GET = """
SELECT dataset, name, kind, commit_id, generation, created, updated, message, expires, metadata, live FROM refs
WHERE dataset = :dataset AND name = :name
"""
_LIST = """
SELECT dataset, name, kind, commit_id, generation, created, updated, message, expires, metadata FROM refs
WHERE live = 1 AND dataset = :dataset AND name > :after ORDER BY name LIMIT :limit
"""
_LIST_KIND = """
SELECT dataset, name, kind, commit_id, generation, created, updated, message, expires, metadata FROM refs
WHERE live = 1 AND dataset = :dataset AND kind = :kind AND name > :after ORDER BY name LIMIT :limit
"""
_BY_KEY = """
SELECT dataset, name, sequence, kind, old, new, actor, time, reason, key FROM reflog WHERE key = :key
"""
_LOG = """
SELECT dataset, name, sequence, kind, old, new, actor, time, reason, key FROM reflog
WHERE dataset = :dataset AND name = :name AND sequence < :before ORDER BY sequence DESC LIMIT :limit
"""
_AT = """
SELECT dataset, name, sequence, kind, old, new, actor, time, reason, key FROM reflog
WHERE dataset = :dataset AND name = :name AND time <= :time ORDER BY time DESC, sequence DESC LIMIT 1
"""


class SqlRefs:
    """Fulfils fabric.metastore.port.Refs."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def get(self, dataset: DatasetId, name: str) -> RefRecord:
        """See Refs.get."""
        parse_dataset_id(dataset)
        parse_name(name, "ref name")
        state = self._database.read(lambda session: _find(session, dataset, name))
        if state is None or state.record is None:
            raise NotFoundError("the ref does not exist", subject=name)
        return state.record

    def list(
        self, dataset: DatasetId, kind: RefKind | None = None, after: str = "", limit: int = LIST_LIMIT_MAX
    ) -> Sequence[RefRecord]:
        """See Refs.list."""
        parse_dataset_id(dataset)
        checks.check_page(after, limit)
        values = {"dataset": dataset, "after": after, "limit": limit}
        if kind is None:
            found = self._database.read(lambda session: session.all(_LIST, **values))
        else:
            found = self._database.read(lambda session: session.all(_LIST_KIND, kind=kind.value, **values))
        return [rows.ref(row) for row in found]

    def update(self, update: RefUpdate) -> ReflogEntry:
        """See Refs.update."""
        checks.check_update(update)
        return self._database.write(lambda session: _update(session, update, self._clock()))

    def reflog(
        self, dataset: DatasetId, name: str, before: int | None = None, limit: int = LIST_LIMIT_MAX
    ) -> Sequence[ReflogEntry]:
        """See Refs.reflog."""
        parse_dataset_id(dataset)
        parse_name(name, "ref name")
        checks.check_limit(limit)
        end = checks.SEQUENCE_MAX + 1 if before is None else checks.check_count(before, "sequence")
        values = {"dataset": dataset, "name": name, "before": end, "limit": limit}
        return [rows.reflog_entry(row) for row in self._database.read(lambda session: session.all(_LOG, **values))]

    def at(self, dataset: DatasetId, name: str, time: str) -> ReflogEntry:
        """See Refs.at."""
        parse_dataset_id(dataset)
        parse_name(name, "ref name")
        parse_time(time)
        row = self._database.read(lambda session: session.one(_AT, dataset=dataset, name=name, time=time))
        if row is None:
            raise NotFoundError(f"the ref did not exist at {time}", subject=name)
        return rows.reflog_entry(row)


def _find(session: Session, dataset: DatasetId, name: str) -> rules.RefState | None:
    row = session.one(_GET, dataset=dataset, name=name)
    if row is None:
        return None
    return rules.RefState(generation=row[4], updated=row[6], record=rows.ref(row) if row[10] else None)


def _update(session: Session, update: RefUpdate, now: str) -> ReflogEntry:
    """The one transaction that everything else leads up to. Eight statements, each one look-up or one row."""
    answered = session.one(_BY_KEY, key=update.key)
    if answered:
        return rules.first_answer(update, rows.reflog_entry(answered))
    rules.require_live(find_dataset(session, update.dataset), update.dataset)
    if update.lease:
        lease, epoch = update.lease
        rules.require_lease(find_lease(session, lease), lease, epoch, update.dataset)
    wanted = {commit.id for commit in update.new_commits}
    known = known_commits(session, update.dataset, wanted | {update.commit} if update.commit else wanted)
    added = rules.unknown_commits(update.new_commits, known)
    state, entry = rules.move_ref(
        update,
        _find(session, update.dataset, update.name),
        target_known=update.commit in known or any(commit.id == update.commit for commit in added),
        now=now,
    )
    changes.record(session, RefChange(entry, state.record, added))
    if update.lease and update.finish_lease:
        write_finished(session, update.lease[0])
    return entry
