"""Many processes on one SQLite metastore, and processes that are killed in the middle."""

import contextlib
import os
import random
import sqlite3
import time
from collections import Counter
from dataclasses import replace

import pytest

from fabric.errors import RefConflictError
from fabric.metastore.export import ExportingMetastore
from fabric.metastore.open import open_sqlite
from fabric.metastore.records import RefKind, RefUpdate
from fabric.objects.local import LocalStore
from fabric.testing.metastore_kit import Facts, commit_id, commit_row, lease_id
from tests.unit.metastore.processes import Child

DATASET_NAME = "pets"


@pytest.fixture
def path(tmp_path):
    path = str(tmp_path / "metastore.db")
    with contextlib.closing(open_sqlite(path, create=True)) as metastore:
        Facts(metastore).dataset(DATASET_NAME)
    return path


def increment(metastore, name, word, key):
    """Move a branch on by one new commit from wherever it is, as often as it takes; return how often that was."""
    dataset = metastore.datasets.get(DATASET_NAME).id
    lease = metastore.leases.begin(lease_id(int(commit_id(key)[:12], 16)), dataset, "tests")
    update = RefUpdate(dataset, name, RefKind.BRANCH, None, commit_id(word), key, "tests", word)
    update = replace(update, new_commits=(commit_row(word, lease.id),), lease=(lease.id, 1), finish_lease=True)
    for attempt in range(1, 10_000):
        try:
            metastore.refs.update(replace(update, expected=Facts(metastore).at(dataset, name)))
        except RefConflictError:
            continue
        return attempt
    raise AssertionError("starved")


def log_of(path, name):
    with contextlib.closing(open_sqlite(path)) as metastore:
        return metastore.refs.reflog(metastore.datasets.get(DATASET_NAME).id, name)


def check_log(log):
    """Gap-free, and each move starts where the one before ended."""
    assert [entry.sequence for entry in log] == list(range(len(log), 0, -1))
    assert [entry.old for entry in log] == [*(entry.new for entry in log[1:]), None]


def check_file(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.parametrize(("processes", "turns", "exporting"), [(16, 25, False), (8, 10, True)])
def test_every_acknowledged_change_is_in_the_log_once(path, tmp_path, processes, turns, exporting):
    def work(say):
        # Each process opens for itself, as separate programs do.
        metastore = open_sqlite(path)
        if exporting:
            metastore = ExportingMetastore(metastore, LocalStore(tmp_path / "objects", create=True))
        with contextlib.closing(metastore):
            for turn in range(turns):
                key = f"{os.getpid()}-{turn}"
                increment(metastore, "main", key, key)
                say(key)

    children = [Child(work) for _ in range(processes)]
    acknowledged = [line for child in children for line in child.lines()]
    assert len(acknowledged) == processes * turns
    log = log_of(path, "main")
    check_log(log)
    assert Counter(entry.key for entry in log) == Counter(acknowledged)
    check_file(path)
    if exporting:
        keys = [info.key for info in LocalStore(tmp_path / "objects").list("") if "/ref/main/" in info.key]
        assert [int(key.rsplit("/")[-1]) for key in keys] == list(range(1, len(log) + 1))


@pytest.mark.crash
@pytest.mark.parametrize("seed", range(2))
def test_a_killed_process_leaves_the_old_or_the_new(path, seed):
    dice = random.Random(seed)
    said, rounds = [], 10

    def work(say):
        with contextlib.closing(open_sqlite(path)) as metastore:
            for turn in range(100_000):
                key = f"{os.getpid()}-{turn}"
                say(f"try {key}")
                increment(metastore, f"branch-{turn % 2}", key, key)
                say(f"done {key}")

    for _ in range(rounds):
        children = [Child(work) for _ in range(2)]
        for child in children:
            for _ in range(dice.randrange(1, 25)):
                said.append(child.line())
            # A moment within the next update, which takes about 2 ms. The moment is the input of the test, not a wait.
            until = time.perf_counter() + dice.random() * 0.003
            while time.perf_counter() < until:
                pass
            child.kill()
        for child in children:
            said += child.lines()
            assert child.status == -9

    tried = {line.split()[1] for line in said if line.startswith("try ")}
    acknowledged = {line.split()[1] for line in said if line.startswith("done ")}
    check_file(path)
    logs = [log_of(path, f"branch-{number}") for number in range(2)]
    for log in logs:
        check_log(log)
    found = [entry.key for log in logs for entry in log]
    assert len(found) == len(set(found))
    assert acknowledged <= set(found) <= tried
    # Each killed process left one answer open at most.
    assert len(set(found) - acknowledged) <= 2 * rounds
    assert len(acknowledged) > rounds
    with contextlib.closing(open_sqlite(path)) as metastore:
        increment(metastore, "branch-0", "after", "after")
