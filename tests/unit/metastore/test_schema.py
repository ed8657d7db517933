"""The schema: migrations arrive at the tables, and every query of the port is a look-up in an index."""

import contextlib
import importlib
import pkgutil
import re
import sqlite3

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

import fabric.metastore.sql
from fabric.metastore.open import open_sqlite
from fabric.metastore.sql import migrate, schema
from fabric.metastore.sql.sqlite import SqliteDatabase, revision
from fabric.metastore.sql.tables import metadata


@pytest.fixture
def path(tmp_path):
    path = str(tmp_path / "metastore.db")
    open_sqlite(path, create=True).close()
    return path


def test_the_known_revisions_are_the_migrations():
    config = Config()
    config.set_main_option("script_location", migrate.SCRIPTS)
    scripts = list(ScriptDirectory.from_config(config).walk_revisions())
    assert tuple(script.revision for script in reversed(scripts)) == schema.REVISIONS


def described(connection):
    """What SQLite made of the DDL, apart from its spelling."""
    rows = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'alembic%' ORDER BY name"
    )
    return {name: re.sub(r"\s+", " ", sql) for name, sql in rows}


def test_migrations_arrive_at_the_tables(path, tmp_path):
    engine = sqlalchemy.create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()
    # Alembic does not compare everything (WITHOUT ROWID, partial indexes): the statements must be the same too.
    other = str(tmp_path / "tables.db")
    engine = sqlalchemy.create_engine(f"sqlite:///{other}")
    metadata.create_all(engine)
    engine.dispose()
    with contextlib.closing(sqlite3.connect(path)) as migrated, contextlib.closing(sqlite3.connect(other)) as made:
        assert described(migrated) == described(made)


def test_an_older_database_is_migrated_when_it_is_opened(path):
    with contextlib.closing(SqliteDatabase(path)) as database:
        assert database.read(lambda session: revision(session, path)) == schema.HEAD
    migrate.migrate_sqlite(path)  # up to date already


def test_a_migration_that_fails_leaves_the_database_as_it_was(tmp_path, monkeypatch):
    path = str(tmp_path / "metastore.db")

    def fail(connection, target):
        connection.exec_driver_sql("CREATE TABLE half (a)")
        raise RuntimeError("in the middle")

    with monkeypatch.context() as patch:
        patch.setattr(migrate, "upgrade", fail)
        with pytest.raises(RuntimeError):
            open_sqlite(path, create=True)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert described(connection) == {}
    open_sqlite(path, create=True).close()


def statements():
    for info in pkgutil.iter_modules(fabric.metastore.sql.__path__):
        if info.ispkg or info.name in ("migrate", "tables"):
            continue
        module = importlib.import_module(f"fabric.metastore.sql.{info.name}")
        for name, value in vars(module).items():
            if isinstance(value, str) and re.match(r"\s*(SELECT|UPDATE|DELETE|INSERT)\b", value):
                yield pytest.param(value, id=f"{info.name}.{name}")


# Run once at a recovery or over the outbox, which is short.
SCANS = ("outbox._ALL", "outbox._SOME", "outbox._FILLED", "outbox._DANGLING")


@pytest.mark.parametrize("statement", list(statements()))
def test_every_statement_is_a_look_up_in_an_index(path, statement, request):
    if any(f"[{name}]" in request.node.name for name in SCANS):
        return
    names = dict.fromkeys(re.findall(r":(\w+)", statement), 1)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", names)]
    assert not [step for step in plan if "SCAN" in step or "TEMP B-TREE" in step]


@pytest.mark.parametrize("statement", list(statements()))
def test_statements_keep_to_what_all_databases_read(statement):
    assert not re.search(
        r"PRAGMA|OR REPLACE|OR IGNORE|ROWID|GLOB|IFNULL|AUTOINCREMENT|json_|\"|`|::", statement, re.IGNORECASE
    )


def test_the_tables_can_be_made_in_postgresql():
    dialect = postgresql.dialect()
    for table in metadata.sorted_tables:
        made = str(CreateTable(table).compile(dialect=dialect))
        assert 'COLLATE "C"' in made
        for index in table.indexes:
            assert "INDEX" in str(CreateIndex(index).compile(dialect=dialect))
