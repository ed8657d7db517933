"""SQLite behind the seam: opening, refusing, waiting, failing, forking."""

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from itertools import count

import pytest

from fabric.errors import (
    AccessDeniedError,
    DataError,
    DeadlineError,
    NoSpaceError,
    NotFoundError,
    UnavailableError,
    UnsupportedFormatError,
)
from fabric.metastore.open import open_sqlite
from fabric.metastore.sql.sqlite import SqliteDatabase
from fabric.metastore.sql.store import SqlMetastore
from fabric.testing.metastore_kit import Facts, SettableClock, commit_id, commit_row
from tests.unit.metastore.processes import Child


@pytest.fixture
def path(tmp_path):
    """A metastore with one dataset and one commit on main."""
    path = str(tmp_path / "metastore.db")
    with contextlib.closing(open_sqlite(path, create=True)) as metastore:
        facts = Facts(metastore)
        facts.commit(facts.dataset("pets"), "one")
    return path


def pets(metastore):
    return metastore.datasets.get("pets").id


# opening


def test_nothing_is_made_unless_asked(tmp_path):
    path = str(tmp_path / "metastore.db")
    with pytest.raises(NotFoundError) as caught:
        open_sqlite(path)
    assert "recover" in caught.value.hint
    assert os.listdir(tmp_path) == []
    with pytest.raises(NotFoundError, match="directory"):
        open_sqlite(str(tmp_path / "missing" / "metastore.db"), create=True)


def test_an_empty_file_is_no_metastore(tmp_path):
    path = tmp_path / "metastore.db"
    path.touch()
    with pytest.raises(NotFoundError):
        open_sqlite(str(path))
    open_sqlite(str(path), create=True).close()


def test_other_files_are_refused(tmp_path, path):
    text = tmp_path / "text"
    text.write_text("no database at all, " * 100)
    with pytest.raises(DataError, match="damaged"):
        open_sqlite(str(text), create=True)
    other = str(tmp_path / "other.db")
    with contextlib.closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE mine (a)")
    with pytest.raises(DataError, match="another program"):
        open_sqlite(other, create=True)


def test_a_newer_schema_says_what_to_do(path):
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(UnsupportedFormatError, match="9999") as caught:
        open_sqlite(path)
    assert "upgrade" in caught.value.hint


def test_a_migration_by_a_newer_release_stops_a_process_that_is_open(path):
    with contextlib.closing(open_sqlite(path)) as metastore, contextlib.closing(sqlite3.connect(path)) as other:
        facts = Facts(metastore)
        dataset = pets(metastore)
        with other:
            other.execute("CREATE TABLE new_things (a)")
            other.execute("UPDATE alembic_version SET version_num = '0002'")
        with pytest.raises(UnsupportedFormatError):
            metastore.refs.update(facts.update(dataset, "side", "one"))


def test_creating_at_once_from_many_processes(tmp_path):
    path = str(tmp_path / "metastore.db")

    def create(say):
        with contextlib.closing(open_sqlite(path, create=True)) as metastore:
            say(len(metastore.datasets.list()))

    assert [child.lines() for child in [Child(create) for _ in range(4)]] == [["0"]] * 4


def test_settings_that_durability_rests_on(path):
    database = SqliteDatabase(path)
    with contextlib.closing(database):
        pragmas = database.read(
            lambda s: {
                name: s.one(f"PRAGMA {name}")[0] for name in ("journal_mode", "synchronous", "mmap_size", "fullfsync")
            }
        )
    assert pragmas == {"journal_mode": "persist", "synchronous": 2, "mmap_size": 0, "fullfsync": 1}


def test_names_that_a_uri_would_take_for_something_else(tmp_path):
    path = str(tmp_path / "100%?mode=memory#a b\udcff.db")
    open_sqlite(path, create=True).close()
    assert os.path.getsize(path) > 0
    open_sqlite(path).close()


def test_importing_and_using_imports_no_heavy_library(path):
    code = """
import json, sys
import fabric.metastore.port
after_port = sorted(set(sys.modules) & {"sqlalchemy", "alembic", "sqlite3", "rfc8785"})
from fabric.metastore.open import open_metastore
metastore = open_metastore("sqlite://" + sys.argv[1])
dataset = metastore.datasets.get("pets").id
metastore.leases.begin("01hzx3v9k2m4n6p8q0r2s4t6v8", dataset, "me")
metastore.close()
print(json.dumps([after_port, sorted(set(sys.modules) & {"sqlalchemy", "alembic", "asyncio", "numpy", "pyarrow"})]))
"""
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [[], []]


# the file goes away under a process that has it open


def test_a_deleted_database_is_noticed_before_anything_is_written(path):
    with contextlib.closing(open_sqlite(path)) as metastore:
        dataset = pets(metastore)
        os.unlink(path)
        with pytest.raises(UnavailableError, match="gone"):
            Facts(metastore).lease(dataset)
        with pytest.raises(UnavailableError, match="gone") as caught:
            metastore.datasets.list()
        assert "recover" in caught.value.hint
        assert not os.path.exists(path)


def test_a_replaced_database_is_opened_anew(path, tmp_path):
    with contextlib.closing(open_sqlite(path)) as metastore:
        old = pets(metastore)
        fresh = str(tmp_path / "fresh.db")
        with contextlib.closing(open_sqlite(fresh, create=True)) as other:
            Facts(other, count(50)).dataset("cars")
        os.replace(fresh, path)
        assert [row.name for row in metastore.datasets.list()] == ["cars"]
        with pytest.raises(NotFoundError):
            Facts(metastore).lease(old)


# waiting for others


def test_a_held_lock_ends_at_the_deadline(path):
    times = iter(range(1000))
    database = SqliteDatabase(path, deadline_s=5, sleep=lambda _: None, monotonic=lambda: float(next(times)))
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as holder, contextlib.closing(database):
        holder.execute("BEGIN EXCLUSIVE")
        for call in (database.read, database.write):
            with pytest.raises(DeadlineError, match="5 seconds"):
                call(lambda session: session.one("SELECT 1 FROM refs"))
        holder.execute("ROLLBACK")
        assert database.write(lambda session: session.one("SELECT 1 FROM refs")) == (1,)


def test_a_commit_waits_for_a_reader_and_keeps_its_claim(path):
    reader = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 3:
            reader.execute("COMMIT")

    database = SqliteDatabase(path, sleep=sleep)
    database.serve()
    with contextlib.closing(reader), contextlib.closing(database):
        metastore = SqlMetastore(database)
        dataset = pets(metastore)
        reader.execute("BEGIN")
        reader.execute("SELECT 1 FROM refs").fetchone()
        assert metastore.leases.begin("01hzx3v9k2m4n6p8q0r2s4t6v8", dataset, "me").beat == 0
        assert len(slept) == 3


# statements that fail


class Faulty(sqlite3.Connection):
    """Fails at one statement, counted over all connections: before it, or after it was done."""

    countdown = 0
    code = sqlite3.SQLITE_BUSY
    after = False

    def execute(self, statement, *values):
        Faulty.countdown -= 1
        if Faulty.countdown == 0:
            if Faulty.after:
                super().execute(statement, *values)
            error = sqlite3.OperationalError(f"injected at {statement.split()[0]}")
            error.sqlite_errorcode = Faulty.code
            raise error
        return super().execute(statement, *values)


def faulty_update(path, countdown, code, *, after=False):
    """Run a whole commit with a fault at one statement; return what it answered, the error, and a check of the state."""
    database = SqliteDatabase(path, sleep=lambda _: None, factory=Faulty)
    database.serve()
    metastore = SqlMetastore(database, SettableClock())
    facts = Facts(metastore)
    with contextlib.closing(metastore):
        dataset = pets(metastore)
        before = facts.at(dataset, "main")
        word = f"{code}-{countdown}-{after}"
        lease = metastore.leases.begin(f"0{(countdown + 100 * after + 10000 * code):025d}", dataset, "me")
        update = replace(
            facts.update(dataset, "main", word, expected=before, key=word),
            new_commits=(commit_row(word, lease.id),),
            lease=(lease.id, 1),
            finish_lease=True,
        )
        Faulty.countdown, Faulty.code, Faulty.after = countdown, code, after
        error = entry = None
        try:
            entry = metastore.refs.update(update)
        except UnavailableError as caught:
            error = caught
        struck = Faulty.countdown <= 0
        Faulty.countdown = 0
        # Old or new, nothing between; and the repeated call completes it, once.
        assert facts.at(dataset, "main") in (before, (commit_id(word), before[1] + 1))
        assert entry in (None, metastore.refs.update(update))
        metastore.refs.update(update)
        assert facts.at(dataset, "main") == (commit_id(word), before[1] + 1)
        assert [row.sequence for row in metastore.pending(dataset, "ref", "main")] == list(range(1, before[1] + 2))
        return struck, error


def test_busy_at_each_statement_is_tried_again_from_the_start(path):
    countdown, struck = 0, True
    while struck:
        countdown += 1
        struck, error = faulty_update(path, countdown, sqlite3.SQLITE_BUSY)
        assert error is None
    assert countdown > 10


@pytest.mark.parametrize("after", [False, True])
def test_a_failing_disk_at_each_statement_is_an_error_and_a_replay_completes(path, after):
    countdown, errors, struck = 0, 0, True
    while struck:
        countdown += 1
        struck, error = faulty_update(path, countdown, sqlite3.SQLITE_IOERR, after=after)
        errors += error is not None
    assert errors == countdown - 1 > 10


def test_damage_is_named(path):
    with open(path, "r+b") as file:
        file.seek(4096)
        file.write(os.urandom(os.path.getsize(path) - 4096))
    with pytest.raises(DataError) as caught, contextlib.closing(open_sqlite(path)) as metastore:
        metastore.datasets.list()
    assert "recover" in caught.value.hint


class Full(sqlite3.Connection):
    """A database that may not grow."""

    def execute(self, statement, *values):
        if statement.startswith("BEGIN"):
            super().execute("PRAGMA max_page_count = 1")
        return super().execute(statement, *values)


def test_a_full_database_loses_nothing(path):
    database = SqliteDatabase(path, factory=Full)
    database.serve()
    with contextlib.closing(SqlMetastore(database)) as metastore, pytest.raises(NoSpaceError) as caught:
        fill_with_fresh_ids(metastore)
    assert "free" in caught.value.hint
    whole(path)


def fill_with_fresh_ids(metastore):
    facts, dataset = Facts(metastore, count(100)), pets(metastore)
    for number in range(10_000):
        facts.commit(dataset, number)


def whole(path):
    """The database is sound, and its log and refs agree."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    with contextlib.closing(open_sqlite(path)) as metastore:
        log = metastore.refs.reflog(pets(metastore), "main")
        assert [entry.sequence for entry in log] == list(range(len(log), 0, -1))
        ref = metastore.refs.get(pets(metastore), "main")
        assert (ref.commit, ref.generation) == (log[0].new, log[0].sequence)


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="mounts a small file system: needs root on Linux")
def test_a_full_disk_loses_nothing(tmp_path):
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(tmp_path)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("may not mount here")
    path = str(tmp_path / "metastore.db")
    try:
        with contextlib.closing(open_sqlite(path, create=True)) as metastore:
            Facts(metastore).dataset("pets")
            with pytest.raises(NoSpaceError):
                fill_with_fresh_ids(metastore)
        with contextlib.closing(open_sqlite(path)) as metastore:
            assert metastore.refs.get(pets(metastore), "main").generation > 10
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user: needs root")
def test_a_reader_without_rights_reads_and_is_told_when_it_writes():
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        path = os.path.join(directory, "metastore.db")
        with contextlib.closing(open_sqlite(path, create=True)) as metastore:
            Facts(metastore).dataset("pets")

        def read_and_write(say):
            with contextlib.closing(open_sqlite(path)) as metastore:
                say(metastore.datasets.get("pets").name)
                try:
                    Facts(metastore).lease(pets(metastore))
                except AccessDeniedError as error:
                    say(f"denied: {error.hint}")
            try:
                open_sqlite(os.path.join(directory, "new.db"), create=True)
            except AccessDeniedError:
                say("denied")

        said = Child(read_and_write, user=65534).lines()
        assert said[0] == "pets"
        assert said[1].startswith("denied: check the rights")
        assert said[2] == "denied"


# forked children and threads


# Python warns of forks beside threads; that this one is safe is what is tested.
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_works_on_while_threads_of_the_parent_do(path):
    with contextlib.closing(open_sqlite(path)) as metastore:
        dataset = pets(metastore)
        stop = threading.Event()

        def writer():
            facts = Facts(metastore)
            while not stop.is_set():
                facts.at(dataset, "main")
                metastore.pins.release("not-there")  # takes the write lock

        def child_work(say):
            say(metastore.refs.get(dataset, "main").generation)
            metastore.leases.begin(f"0{os.getpid():025d}", dataset, "child")

        threads = [threading.Thread(target=writer) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            children = [Child(child_work) for _ in range(10)]
            assert [child.lines() for child in children] == [["1"]] * 10
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert len(metastore.leases.list(dataset)) == 11
    whole(path)


def test_a_child_that_closes_does_not_close_for_the_parent(path):
    with contextlib.closing(open_sqlite(path)) as metastore:
        dataset = pets(metastore)

        def child_work(say):
            metastore.close()
            say("closed")

        assert Child(child_work).lines() == ["closed"]
        assert metastore.refs.get(dataset, "main").generation == 1
        Facts(metastore, count(50)).commit(dataset, "two")
