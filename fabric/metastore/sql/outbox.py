"""What is not yet in the object store, and what comes back from there."""

from collections.abc import Iterable, Sequence

from fabric.metastore import checks
from fabric.metastore.records import BackupRow
from fabric.metastore.replay import no_target, not_empty, replay
from fabric.metastore.sql import changes
from fabric.metastore.sql.database import Database, Session

_ALL = "SELECT scope, kind, key, sequence, body FROM outbox ORDER BY position LIMIT :limit"
_SCOPE = "SELECT scope, kind, key, sequence, body FROM outbox WHERE scope = :scope ORDER BY position LIMIT :limit"
_SOME = """
SELECT scope, kind, key, sequence, body FROM outbox
WHERE (:scope = '' OR scope = :scope) AND (:kind = '' OR kind = :kind) AND (:key = '' OR key = :key)
ORDER BY position LIMIT :limit
"""
_ANY = """
SELECT 1 FROM outbox WHERE scope = :scope AND kind = :kind AND key = :key AND sequence = :sequence
"""
_DONE = """
DELETE FROM outbox WHERE scope = :scope AND kind = :kind AND key = :key AND sequence = :sequence
"""
_FILLED = "SELECT id FROM datasets UNION ALL SELECT id FROM locations LIMIT 1"
_DANGLING = """
SELECT t.dataset, t.commit_id
FROM (
    SELECT dataset, commit_id FROM refs WHERE live = 1 UNION ALL SELECT dataset, commit_id FROM pins WHERE live = 1
) t
LEFT JOIN commits c ON c.dataset = t.dataset AND c.id = t.commit_id
LEFT JOIN datasets d ON d.id = t.dataset
WHERE c.id IS NULL OR d.id IS NULL
LIMIT 1
"""


class SqlOutbox:
    """Fulfils fabric.metastore.port.Outbox."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def pending(self, scope: str = "", kind: str = "", key: str = "", limit: int = 1_000) -> Sequence[BackupRow]:
        """See Outbox.pending."""
        checks.check_limit(limit)

        def work(session: Session) -> list[BackupRow]:
            if kind or key:
                found = session.all(_SOME, scope=scope, kind=kind, key=key, limit=limit)
            elif scope:
                found = session.all(_SCOPE, scope=scope, limit=limit)
            else:
                found = session.all(_ALL, limit=limit)
            return [BackupRow(row[0], row[1], row[2], row[3], bytes(row[4])) for row in found]

        return self._database.read(work)

    def done(self, rows: Sequence[BackupRow]) -> None:
        """See Outbox.done. Writes nothing if another exporter of the same rows was here first."""
        wheres = [{"scope": r.scope, "kind": r.kind, "key": r.key, "sequence": r.sequence} for r in rows]
        there = self._database.read(lambda session: [where for where in wheres if session.one(_ANY, **where)])
        if there:
            self._database.write(lambda session: [session.execute(_DONE, **where) for where in there])

    def load(self, rows: Iterable[BackupRow]) -> None:
        """See Outbox.load."""

        def work(session: Session) -> None:
            if session.one(_FILLED):
                raise not_empty()
            for _, change in replay(rows):
                changes.apply(session, change)
            dangling = session.one(_DANGLING)
            if dangling:
                raise no_target(*dangling)

        # At most once: the rows may come from the network and cannot be read a second time.
        self._database.write_once(work)
