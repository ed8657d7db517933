"""SQLite behind the seam: one file, many processes, one connection in each.

Rollback journal, kept and overwritten, synced in full: docs/decisions/0006-sqlite-journal.md says why not WAL. A writer
takes the database's write lock first (BEGIN IMMEDIATE), so a transaction never fails half-way for another writer. Who meets
a lock pauses for a random moment and tries again until the deadline: SQLite's own waiting sleeps in fixed, growing steps,
which lets a busy process starve the others.
"""

import os
import random
import sqlite3
import time
from collections.abc import Callable
from urllib.parse import quote

from fabric.errors import DataError, DeadlineError, FabricError, NotFoundError, UnavailableError, UnsupportedFormatError
from fabric.metastore.forks import ForkSafeLock
from fabric.metastore.sql.database import Row, T
from fabric.metastore.sql.schema import HEAD, REVISIONS
from fabric.metastore.sql.sqlite_errors import RECOVER_HINT, is_busy, translate

DEADLINE_S = 60.0
PAUSE_S_MIN = 0.0001
PAUSE_S_MAX = 0.005
COMMIT_WAIT_S_MAX = 1.0
"""How long a finished transaction waits for readers of other processes before it starts anew."""

APPLICATION_ID = 0x46414252
"""Marks the file as ours ("FABR"), for `file` and for the refusal of other databases."""

_SETTINGS = (
    "PRAGMA journal_mode = PERSIST",
    "PRAGMA journal_size_limit = 1048576",
    "PRAGMA synchronous = FULL",
    "PRAGMA fullfsync = 1",  # macOS: fsync alone stops at the disk's cache
    "PRAGMA trusted_schema = OFF",
    "PRAGMA mmap_size = 0",
    "PRAGMA temp_store = MEMORY",
)
_abandoned: list[sqlite3.Connection] = []
"""Connections that a fork copied into this child. To close one would act on files that the parent works on."""


class SqliteSession:
    """One transaction on a connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def execute(self, statement: str, **values: object) -> int:
        """See Session.execute."""
        return self.connection.execute(statement, values).rowcount

    def one(self, statement: str, **values: object) -> Row | None:
        """See Session.one."""
        row: Row | None = self.connection.execute(statement, values).fetchone()
        return row

    def all(self, statement: str, **values: object) -> list[Row]:
        """See Session.all."""
        return self.connection.execute(statement, values).fetchall()


class SqliteDatabase:
    """Runs transactions on one SQLite file. Threads take turns; a transaction takes about a millisecond.

    Args:
        path: the file.
        create: make the file if it is missing, until `serve` is called.
        deadline_s: how long a call may wait for others in all.
        jitter: gives the random part of a pause, in [0, 1).
        sleep: pauses.
        monotonic: the clock of the deadline.
        factory: makes connections; tests let them fail.
    """

    def __init__(
        self,
        path: str,
        *,
        create: bool = False,
        deadline_s: float = DEADLINE_S,
        jitter: Callable[[], float] = random.random,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        factory: type[sqlite3.Connection] = sqlite3.Connection,
    ) -> None:
        self.path = os.path.abspath(path)
        self._create = create
        self._serving = False
        self._deadline_s = deadline_s
        self._jitter = jitter
        self._sleep = sleep
        self._monotonic = monotonic
        self._factory = factory
        self._lock = ForkSafeLock()
        self._connection: sqlite3.Connection | None = None
        self._pid = os.getpid()
        self._file = (0, 0)
        self._schema_version = 0
        self._closed = False

    def serve(self) -> None:
        """From now on each new connection must find the file there, with the schema of this release.

        Until then the database can be looked at and migrated, whatever its schema.
        """
        self._create, self._serving = False, True

    def read(self, work: Callable[[SqliteSession], T]) -> T:
        """See Database.read."""
        return self._run("BEGIN", work)

    def write(self, work: Callable[[SqliteSession], T]) -> T:
        """See Database.write."""
        return self._run("BEGIN IMMEDIATE", work)

    def write_once(self, work: Callable[[SqliteSession], T]) -> T:
        """See Database.write_once."""
        started: list[bool] = []

        def once(session: SqliteSession) -> T:
            if started:
                raise UnavailableError("others were in the way", subject=self.path, hint="call again")
            started.append(True)
            return work(session)

        return self.write(once)

    def close(self) -> None:
        """See Database.close."""
        with self._lock:
            self._closed = True
            self._drop()

    def _run(self, begin: str, work: Callable[[SqliteSession], T]) -> T:
        deadline = self._monotonic() + self._deadline_s
        pause = PAUSE_S_MIN
        while True:
            try:
                return self._attempt(begin, work, deadline)
            except sqlite3.Error as error:
                if not is_busy(error):
                    ours = translate(error, self.path)
                    raise ours or error from error
            if self._monotonic() >= deadline:
                raise self._too_busy()
            self._sleep(pause * (0.5 + self._jitter()))
            pause = min(pause * 2, PAUSE_S_MAX)

    def _attempt(self, begin: str, work: Callable[[SqliteSession], T], deadline: float) -> T:
        if not self._lock.acquire(max(0.0, deadline - self._monotonic())):
            raise self._too_busy()
        try:
            connection = self._connected()
            try:
                connection.execute(begin)
                if begin != "BEGIN":
                    self._check_still_same(connection)
                result = work(SqliteSession(connection))
                self._commit(connection)
            except BaseException as error:
                self._rollback(connection, error)
                raise
            return result
        finally:
            self._lock.release()

    def _commit(self, connection: sqlite3.Connection) -> None:
        # A commit meets the read locks of other processes. It keeps its claim, so that no new ones come, and asks again.
        give_up = self._monotonic() + COMMIT_WAIT_S_MAX
        while True:
            try:
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                if not is_busy(error) or self._monotonic() >= give_up:
                    raise
                self._sleep(PAUSE_S_MIN)
            else:
                return

    def _rollback(self, connection: sqlite3.Connection, error: BaseException) -> None:
        # After a failed write or sync nothing that this connection believes can be trusted: the next call opens a new one,
        # which rolls back from the journal on the disk.
        if self._connection is not connection:
            return  # dropped, and with it the transaction
        broken = isinstance(error, sqlite3.Error) and not is_busy(error)
        if not broken and connection.in_transaction:
            try:
                connection.execute("ROLLBACK")
            except sqlite3.Error:
                broken = True
        if broken:
            self._drop()

    def _drop(self) -> None:
        if self._connection is not None:
            if self._pid == os.getpid():
                self._connection.close()
            else:
                _abandoned.append(self._connection)
            self._connection = None

    def _connected(self) -> sqlite3.Connection:
        if self._closed:
            raise UnavailableError("the metastore is closed", subject=self.path)
        if self._pid != os.getpid() or not self._is_same_file():
            self._drop()
            self._pid = os.getpid()
        if self._connection is None:
            self._connection = self._open()
        return self._connection

    def _open(self) -> sqlite3.Connection:
        if not os.path.exists(self.path) and not self._create:
            if self._serving:
                raise UnavailableError("the metastore's database is gone", subject=self.path, hint=RECOVER_HINT)
            raise no_metastore(self.path)
        connection = sqlite3.connect(
            f"file:{quote(os.fsencode(self.path))}?mode={'rwc' if self._create else 'rw'}",
            uri=True,
            timeout=0,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=200,
            factory=self._factory,
        )
        try:
            for setting in _SETTINGS:
                connection.execute(setting)
            self._file = _identity(self.path)
            self._schema_version = _schema_version(connection)
            self._check_revision(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _check_revision(self, connection: sqlite3.Connection) -> None:
        if not self._serving:
            return
        found = revision(SqliteSession(connection), self.path)
        if found == HEAD:
            return
        if found is None:
            raise no_metastore(self.path)
        raise DataError(
            f"the metastore has schema {found}, not {HEAD}",
            subject=self.path,
            hint="open it anew: opening brings it up to date",
        )

    def _is_same_file(self) -> bool:
        # What is written into a deleted file is lost, and what is read from it is of the past.
        try:
            return _identity(self.path) == self._file
        except FileNotFoundError:
            return False

    def _check_still_same(self, connection: sqlite3.Connection) -> None:
        """See, now that the write lock is held, that this is the file and the schema that were checked."""
        if self._is_same_file() and _schema_version(connection) == self._schema_version:
            return
        self._drop()
        error = sqlite3.OperationalError("the database was replaced or migrated")
        error.sqlite_errorcode = sqlite3.SQLITE_BUSY  # tried again, on a new connection
        raise error

    def _too_busy(self) -> FabricError:
        return DeadlineError(
            f"others kept the metastore locked for {self._deadline_s:.0f} seconds",
            subject=self.path,
            hint="see which process holds it (a database shell, a backup, a stopped writer), then try again",
        )


def no_metastore(path: str) -> NotFoundError:
    """Return the error for a path without a metastore."""
    return NotFoundError(
        "there is no metastore here", subject=path, hint=f"'fabric init' makes a new fabric; {RECOVER_HINT}"
    )


def revision(session: SqliteSession, path: str) -> str | None:
    """Return the schema's revision, one of REVISIONS, or None if the database holds nothing yet.

    Raises:
        UnsupportedFormatError: a newer release made it.
        DataError: it is another program's database.
    """
    tables = [row[0] for row in session.all("SELECT name FROM sqlite_master WHERE type = 'table' LIMIT 100")]
    if not tables:
        return None
    mark = session.one("PRAGMA application_id")
    if mark != (APPLICATION_ID,) or "alembic_version" not in tables:
        raise DataError("this is another program's database", subject=path, hint="name the metastore's own file")
    row = session.one("SELECT version_num FROM alembic_version")
    if row is None or row[0] not in REVISIONS:
        raise UnsupportedFormatError(
            f"the metastore has schema {row[0] if row else 'unknown'}, newer than {HEAD}, which this release knows",
            subject=path,
            hint="upgrade datafabric: a newer release has migrated this metastore",
        )
    return str(row[0])


def _identity(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino


def _schema_version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA schema_version").fetchone()[0])
