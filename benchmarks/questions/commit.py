"""What does a commit that changes one file among a million cost, in time and in what it writes?"""

import os
import random
import sqlite3
import statistics
from collections.abc import Iterator
from pathlib import Path

from benchmarks.kit import Bench, Result, in_turns, medians, scratch, timed
from benchmarks.million import ENTRIES, dataset, files

BYTES = 10_000
SECONDS_MAX = 0.030
OBJECTS_MAX, WRITTEN_BYTES_MAX = 5, 1_000_000


def measure(bench: Bench) -> Iterator[Result]:
    """Commit in a process that has the fabric open, beside the least that is durable: five files and an SQLite commit."""
    entries = bench.count(ENTRIES, 2_000)
    dice = random.Random(1)
    with scratch(bench.disk) as work, dataset(work, entries) as (_, found, meter):
        paths = files(found)
        database = _database(work / "floor.sqlite")
        counts, written = [], []

        def commit() -> float:
            path, data = dice.choice(paths), dice.randbytes(BYTES)
            before = meter.snapshot()

            def once() -> None:
                with found.transaction(message="one file") as transaction:
                    transaction.put(path, data)

            seconds = timed(once)
            puts = (meter.snapshot() - before)["put"]
            counts.append(puts.requests)
            written.append(puts.bytes)
            return seconds

        def floor() -> float:
            return timed(lambda: _floor(work / "floor", database, dice))

        (work / "floor").mkdir()
        commit()
        samples = in_turns(bench.rounds * 10, {"fabric": commit, "five files, SQLite": floor})
        database.close()
    ms = {name: seconds * 1000 for name, seconds in medians(samples).items()}
    text = f"commit that changes one file in {entries:,}"
    fastest = {name: min(values) * 1000 for name, values in samples.items()}
    best = f"the best round: {fastest['fabric']:.1f} ms; five files: {fastest['five files, SQLite']:.1f}"
    others = {"five durable files of the same size, one SQLite commit": ms["five files, SQLite"]}
    yield Result(text, "ms", ms["fabric"], others, "under 30 ms", ms["fabric"] < SECONDS_MAX * 1000, None, samples, best)
    size = statistics.median(written)
    yield Result(text, "bytes written", size, {}, "at most 1 MB", max(written) <= WRITTEN_BYTES_MAX, None,
                 note=f"at most {max(written):,} bytes in {len(written)} commits")  # fmt: skip
    number = statistics.median(counts)
    yield Result(text, "objects written", number, {}, "at most 5", max(counts) <= OBJECTS_MAX, None,
                 note=f"with the export of the ref update; at most {max(counts)}")  # fmt: skip


def _database(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE t (a)")
    return database


def _floor(folder: Path, database: sqlite3.Connection, dice: random.Random) -> None:
    """Write pack, leaf, index, commit, then the row, then its export: nothing of it can wait but the first four."""
    for size in (BYTES, 600_000, 20_000, 500):
        _durable(folder / dice.randbytes(8).hex(), size)
    database.execute("INSERT INTO t VALUES (1)")
    _durable(folder / dice.randbytes(8).hex(), 500)


def _durable(path: Path, size: int) -> None:
    with open(path, "xb", buffering=0) as file:
        file.write(os.urandom(16) * (size // 16 + 1))
        os.fsync(file.fileno())
    descriptor = os.open(path.parent, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
