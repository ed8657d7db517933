"""Brings a database to the newest schema. Imports SQLAlchemy and Alembic: only those who have to migrate import this."""

import os
import sqlite3
from typing import Any

import sqlalchemy
from alembic import command
from alembic.config import Config
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from fabric.metastore.sql.schema import HEAD
from fabric.metastore.sql.sqlite import APPLICATION_ID, SqliteDatabase, SqliteSession, revision

SCRIPTS = os.path.join(os.path.dirname(__file__), "migrations")


def migrate_sqlite(path: str) -> None:
    """Create or upgrade a SQLite metastore, in one transaction under its write lock. Up to date already is no error.

    Raises:
        UnsupportedFormatError: a newer release made it.
        DataError: it is another program's database.
        AccessDeniedError, NoSpaceError, UnavailableError: as the file system says; the database is as it was.
    """
    database = SqliteDatabase(path, create=True)
    try:
        database.write(lambda session: _upgrade(session, database.path))
    finally:
        database.close()


def _upgrade(session: SqliteSession, path: str) -> None:
    if revision(session, path) == HEAD:
        return  # somebody else was first
    engine = sqlalchemy.create_engine("sqlite://", creator=lambda: _Borrowed(session.connection), poolclass=StaticPool)
    try:
        with engine.connect() as connection:
            upgrade(connection, HEAD)
        session.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    except DBAPIError as error:
        # The caller of the transaction knows SQLite's errors, not SQLAlchemy's.
        raise error.orig if isinstance(error.orig, sqlite3.Error) else error from error


class _Borrowed:
    """A connection whose transaction belongs to somebody else: SQLAlchemy rolls back at every turn of its own."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def commit(self) -> None:
        """Leave the transaction open."""

    def rollback(self) -> None:
        """Leave the transaction open."""

    def close(self) -> None:
        """Leave the connection open."""


def upgrade(connection: sqlalchemy.Connection, target: str) -> None:
    """Run the migrations up to `target` on a connection, inside of the transaction that its owner has begun."""
    config = Config()
    config.set_main_option("script_location", SCRIPTS.replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, target)
