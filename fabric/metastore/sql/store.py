"""The SQL metastore as a whole."""

from collections.abc import Iterable, Sequence

from fabric.metastore.clock import Clock, utc_now
from fabric.metastore.records import BackupRow
from fabric.metastore.sql.commits import SqlCommits
from fabric.metastore.sql.database import Database
from fabric.metastore.sql.datasets import SqlDatasets
from fabric.metastore.sql.leases import SqlLeases
from fabric.metastore.sql.outbox import SqlOutbox
from fabric.metastore.sql.pins import SqlLocations, SqlPins
from fabric.metastore.sql.refs import SqlRefs


class SqlMetastore:
    """Fulfils Metastore and Outbox over a database.

    Args:
        database: runs the transactions; closed with the metastore.
        clock: tells the time of changes.
    """

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._database = database
        self._outbox = SqlOutbox(database)
        self.datasets = SqlDatasets(database, clock)
        self.refs = SqlRefs(database, clock)
        self.commits = SqlCommits(database)
        self.leases = SqlLeases(database, clock)
        self.pins = SqlPins(database, clock)
        self.locations = SqlLocations(database, clock)

    def close(self) -> None:
        """See Metastore.close."""
        self._database.close()

    def pending(self, scope: str = "", kind: str = "", key: str = "", limit: int = 1_000) -> Sequence[BackupRow]:
        """See Outbox.pending."""
        return self._outbox.pending(scope, kind, key, limit)

    def done(self, rows: Sequence[BackupRow]) -> None:
        """See Outbox.done."""
        self._outbox.done(rows)

    def load(self, rows: Iterable[BackupRow]) -> None:
        """See Outbox.load."""
        self._outbox.load(rows)
