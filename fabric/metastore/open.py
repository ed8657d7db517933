"""From a URL to a metastore."""

import os
from typing import Protocol
from urllib.parse import unquote

from fabric.errors import InvalidInputError, NotFoundError
from fabric.metastore.clock import Clock, utc_now
from fabric.metastore.port import Metastore, Outbox
from fabric.metastore.sql.schema import HEAD
from fabric.metastore.sql.sqlite import DEADLINE_S, SqliteDatabase, no_metastore, revision
from fabric.metastore.sql.store import SqlMetastore
from fabric.model.ids import parse_name

HINT = "give sqlite:///absolute/path/to/metastore.db, or memory://name"


class LocalMetastore(Metastore, Outbox, Protocol):
    """A metastore that owns its database, to be wrapped by `fabric.metastore.export.ExportingMetastore`."""


def open_metastore(
    url: str, *, create: bool = False, clock: Clock = utc_now, deadline_s: float = DEADLINE_S
) -> LocalMetastore:
    """Open the metastore that `url` names: `sqlite:///absolute/path` or `memory://name`.

    A SQLite metastore of an older release is migrated, under its write lock. A missing one is made only if `create` is
    given: a lost metastore must be recovered, and an empty one in its place would write another history into the store.

    Args:
        url: percent-encoded where a path needs it.
        create: make a SQLite metastore where there is none. A memory metastore is always there.
        clock: tells the time of changes.
        deadline_s: how long a call may wait for other processes.

    Raises:
        InvalidInputError: not a URL of a metastore.
        NotFoundError: no metastore is there.
        UnsupportedFormatError: a newer release made it.
        DataError: the file is damaged, or another program's.
        AccessDeniedError, NoSpaceError, UnavailableError: it cannot be opened, made or migrated.
    """
    scheme, separator, rest = url.partition("://")
    if separator and scheme == "memory":
        # Only then: an embedded fabric never uses it.
        from fabric.metastore.memory.store import shared_memory_metastore  # noqa: PLC0415

        return shared_memory_metastore(parse_name(rest, "memory metastore name"))
    if separator and scheme == "sqlite":
        return open_sqlite(sqlite_path(url), create=create, clock=clock, deadline_s=deadline_s)
    if separator and scheme in ("postgresql", "postgres"):
        raise InvalidInputError(
            "PostgreSQL metastores come with the fabric service, which this release does not have yet",
            subject=scheme,
            hint=HINT,
        )
    # The rest of the URL is not repeated: it may hold a password.
    raise InvalidInputError("this is not the URL of a metastore", subject=scheme if separator else "", hint=HINT)


def sqlite_path(url: str) -> str:
    """Return the path that a `sqlite://` URL names; raises InvalidInputError."""
    rest = url.removeprefix("sqlite://")
    path = unquote(rest, errors="surrogateescape")
    if not path.startswith("/") or path.endswith("/") or "\0" in path or "?" in rest or "#" in rest:
        raise InvalidInputError("a SQLite metastore is named by an absolute path", subject=path[:200], hint=HINT)
    return path


def open_sqlite(path: str, *, create: bool = False, clock: Clock = utc_now, deadline_s: float = DEADLINE_S) -> SqlMetastore:
    """Open the SQLite metastore in the file `path`; see open_metastore."""
    path = os.path.abspath(path)
    if not os.path.isdir(os.path.dirname(path)):
        raise NotFoundError("the directory of the metastore does not exist", subject=path, hint="make the directory first")
    database = SqliteDatabase(path, create=create, deadline_s=deadline_s)
    try:
        found = database.read(lambda session: revision(session, path))
        if found is None and not create:
            raise no_metastore(path)
        if found != HEAD:
            # SQLAlchemy and Alembic take longer to import than most calls take in all: only when they have work to do.
            from fabric.metastore.sql.migrate import migrate_sqlite  # noqa: PLC0415

            migrate_sqlite(path)
        database.serve()
    except BaseException:
        database.close()
        raise
    return SqlMetastore(database, clock)
