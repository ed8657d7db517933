"""Damaged stores, full disks, killed processes: a clear error, and never a wrong byte under a right name."""

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from fabric.checkout import workers
from fabric.checkout.placing import TEMPORARY_PREFIX
from fabric.checkout.workers import WorkerPool
from fabric.errors import AccessDeniedError, DataError, NoSpaceError, ObjectNotFoundError, SourceError, UnavailableError
from fabric.model import rows
from fabric.model.digest import BLOCK_BYTES
from fabric.objects.local import LocalStore
from fabric.objects.memory import MemoryStore
from fabric.objects.wrapper import Wrapper

NOISE = random.Random(4).randbytes(3 * BLOCK_BYTES)
ROOT = os.geteuid() == 0
jobs = pytest.mark.parametrize("jobs", [0, 2])


def many(tree, count=300, size=3_000):
    chooser = random.Random(1)
    for number in range(count):
        if number % 100 == 0:
            tree.dir(b"d%d" % (number // 100))
        start = chooser.randrange(100_000)
        tree.file(b"d%d/f%d" % (number // 100, number), NOISE[start : start + size])
    return tree


def only_right_bytes(tree, dest, look):
    """Every file under its own name is whole and right; nothing else is there. Returns how many."""
    there = {path: what for path, (*_, what) in look(dest).items() if isinstance(what, bytes)}
    for path, what in there.items():
        assert what == tree.data[path], path
    return len(there)


def damaged(tree, path, how):
    """Return a copy of the tree's store in which the object that holds `path` is damaged, and its key."""
    tree.table()
    extent = next(extents for entry, extents in tree.pairs if entry.path == path)[-1]
    key, copy = tree.maker.key(extent), MemoryStore()
    for info in tree.maker.store.list(""):
        data = bytearray(tree.maker.store.get(info.key))
        if info.key == key:
            if how == "missing":
                continue
            if how == "altered":
                data[extent.offset + extent.length // 2] ^= 1
            else:
                del data[extent.offset + extent.length - 1 :]
        copy.put(info.key, bytes(data))
    return copy, key


@jobs
@pytest.mark.parametrize("how", ["altered", "missing", "truncated"])
@pytest.mark.parametrize("victim", [b"d1/f150", b"d2/large", b"lone"])
@pytest.mark.parametrize("size", [3_000, 40_000])
def test_damage_is_an_error_and_not_a_file(tree, tmp_path, look, jobs, how, victim, size):
    many(tree, size=size)
    tree.maker.close_pack()
    tree.file(b"d2/large", NOISE).file(b"lone", b"lone bytes")
    store, key = damaged(tree, victim, how)
    kind = ObjectNotFoundError if how == "missing" else DataError
    with pytest.raises(kind) as caught:
        tree.get(tmp_path / "out", store=store, jobs=jobs)
    assert caught.value.subject == key
    if how == "altered":
        assert os.fsdecode(victim) in str(caught.value)
        assert "fsck" in caught.value.hint
    assert victim not in look(tmp_path / "out")
    only_right_bytes(tree, tmp_path / "out", look)
    # What was complete is kept, and a healthy store completes the rest.
    result = tree.get(tmp_path / "out", jobs=jobs)
    assert result.files + result.kept == len(tree.data)
    assert only_right_bytes(tree, tmp_path / "out", look) == len(tree.data)


@jobs
@pytest.mark.parametrize("how", ["altered", "missing", "truncated"])
def test_damage_in_a_local_store(new_tree, tmp_path, look, jobs, how):
    tree = many(new_tree(LocalStore(tmp_path / "store", create=True)))
    tree.table()
    extent = tree.pairs[150][1][0]
    path = tmp_path / "store" / tree.maker.key(extent)
    data = bytearray(path.read_bytes())
    path.chmod(0o600)
    if how == "missing":
        path.unlink()
    elif how == "altered":
        data[extent.offset] ^= 1
        path.write_bytes(data)
    else:
        path.write_bytes(data[: extent.offset + 1])
    with pytest.raises(ObjectNotFoundError if how == "missing" else DataError) as caught:
        tree.get(tmp_path / "out", jobs=jobs)
    assert caught.value.subject == tree.maker.key(extent)
    only_right_bytes(tree, tmp_path / "out", look)


class Failing(Wrapper):
    """Fails, or lies, from the given get on."""

    def __init__(self, inner, good, error=None):
        super().__init__(inner)
        self.left, self.error = good, error
        self._lock = threading.Lock()

    def get(self, key, start=0, length=None):
        data = super().get(key, start, length)
        with self._lock:
            self.left -= 1
            if self.left >= 0:
                return data
        if self.error:
            raise self.error
        return bytes([data[0] ^ 1]) + bytes(data[1:])


@jobs
@pytest.mark.parametrize("size", [3_000, 40_000])
def test_a_lie_of_the_network_is_asked_again(tree, tmp_path, look, jobs, size):
    many(tree, size=size).file(b"large", NOISE)
    tree.table()

    class Once(Failing):
        def get(self, key, start=0, length=None):
            data = super().get(key, start, length)
            self.left = 10**9
            return data

    tree.get(tmp_path / "out", store=Once(tree.maker.store, 0), jobs=jobs)
    assert only_right_bytes(tree, tmp_path / "out", look) == len(tree.data)


@jobs
@pytest.mark.parametrize("error", [UnavailableError("gone"), AccessDeniedError("no")])
def test_a_store_that_goes_away(tree, tmp_path, look, jobs, error):
    many(tree).file(b"d0/large", NOISE)
    tree.table()
    for good in range(2):
        with pytest.raises(type(error)):
            tree.get(tmp_path / "out", store=Failing(tree.maker.store, good, error), jobs=jobs)
        only_right_bytes(tree, tmp_path / "out", look)


@jobs
def test_an_interrupt_leaves_nothing_half(tree, tmp_path, look, jobs):
    many(tree)
    table = tree.table()

    def batches():
        yield table.slice(0, 200)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tree.get(tmp_path / "out", rows_=batches(), jobs=jobs)
    only_right_bytes(tree, tmp_path / "out", look)


# The destination fails


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MiB."""
    if not ROOT or sys.platform != "linux":
        pytest.skip("needs root to mount a tmpfs")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"cannot mount a tmpfs: {mounted.stderr.decode()}")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


@jobs
@pytest.mark.parametrize("shape", ["small", "medium", "large"])
def test_a_full_disk(tree, small_disk, look, jobs, shape):
    if shape != "large":
        many(tree, *((2_000, 3_000) if shape == "small" else (300, 40_000)))
    else:
        tree.file(b"first", b"fits").file(b"second", NOISE)
    with pytest.raises(NoSpaceError) as caught:
        tree.get(small_disk / "out", jobs=jobs)
    assert "free some space" in caught.value.hint
    assert only_right_bytes(tree, small_disk / "out", look) < len(tree.data)
    assert not any(name.startswith(os.fsdecode(TEMPORARY_PREFIX)) for _, _, names in os.walk(small_disk) for name in names)


def test_a_read_only_destination(tree, tmp_path, small_disk):
    tree.file(b"f", b"1")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(SourceError, match="only") as caught:
        tree.get(small_disk)
    assert "choose another" in caught.value.hint


def test_a_destination_without_rights(tree, tmp_path):
    tree.file(b"f", b"1")
    tmp_path.chmod(0o500)
    if os.access(tmp_path, os.W_OK):
        pytest.skip("root may write anywhere")
    try:
        with pytest.raises(SourceError, match="denied"):
            tree.get(tmp_path / "out")
    finally:
        tmp_path.chmod(0o700)


# Killed

_GET = """
import os, pickle, sys
from pathlib import Path
import pyarrow as pa
from fabric.cache.contents import ContentReader
from fabric.checkout.checkout import checkout
from fabric.checkout.options import CheckoutOptions
from fabric.objects.local import LocalStore
store, dataset, table, dest, jobs = sys.argv[1:]
rows = pa.ipc.open_file(table).read_all()
print("ready", flush=True)
checkout(rows.to_batches(max_chunksize=100), b"", Path(dest), ContentReader(LocalStore(store), dataset),
         options=CheckoutOptions(jobs=int(jobs)))
"""


@pytest.mark.crash
@jobs
def test_kill_9_leaves_no_wrong_byte_under_a_right_name(new_tree, tmp_path, look, jobs):
    tree = many(new_tree(LocalStore(tmp_path / "store", create=True)), 1_500, 20_000)
    tree.file(b"d1/large", NOISE)
    table = tree.table()
    with rows.pa.ipc.new_file(tmp_path / "table", table.schema) as sink:
        sink.write_table(table)
    seen = []
    dest = tmp_path / "out"
    for goal in (1, 200, 800):
        shutil.rmtree(dest, ignore_errors=True)
        arguments = [tmp_path / "store", tree.maker.dataset, tmp_path / "table", dest, str(jobs)]
        process = subprocess.Popen([sys.executable, "-c", _GET, *arguments], stdout=subprocess.PIPE, start_new_session=True)
        process.stdout.readline()
        while process.poll() is None and _count(dest) < goal:
            time.sleep(0.001)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        stale = _remove_temporary(dest)
        assert stale <= 20
        seen.append(only_right_bytes(tree, dest, look))
    assert any(0 < count < len(tree.data) for count in seen), f"no kill came in the middle: {seen}"
    result = tree.get(dest, jobs=jobs)
    assert result.kept >= 1
    assert only_right_bytes(tree, dest, look) == len(tree.data)


def _count(dest):
    return sum(len(files) for _, _, files in os.walk(dest))


def _remove_temporary(dest):
    count = 0
    for where, _, files in os.walk(os.fsencode(dest)):
        for name in files:
            if name.startswith(TEMPORARY_PREFIX):
                os.unlink(os.path.join(where, name))
                count += 1
    return count


def test_a_worker_that_dies_is_stood_in_for(tree, tmp_path, look, monkeypatch):
    """All workers but one are killed, then that one too: the files are there all the same."""
    many(tree, 3_000, 5_000)
    table = tree.table()
    pools = []

    class Watched(WorkerPool):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            pools.append(self)

    monkeypatch.setattr("fabric.checkout.transfer.WorkerPool", Watched)

    def batches():
        for number, batch in enumerate(table.to_batches(max_chunksize=500)):
            if number in {2, 4}:
                victim = pools[0]._workers[0]._process
                victim.kill()
                victim.wait()
            yield batch

    result = tree.get(tmp_path / "out", rows_=batches(), jobs=2)
    assert (result.files, only_right_bytes(tree, tmp_path / "out", look)) == (3_000, 3_000)
    assert not any(name.startswith(os.fsdecode(TEMPORARY_PREFIX)) for _, _, names in os.walk(tmp_path) for name in names)


def test_without_workers_it_works_all_the_same(tree, tmp_path, look, monkeypatch):
    many(tree, 300)
    monkeypatch.setattr(workers.sys, "executable", str(Path("/nonexistent/python")))
    assert tree.get(tmp_path / "out", jobs=2).files == 300
    monkeypatch.setattr(workers.sys, "executable", shutil.which("true"))
    assert tree.get(tmp_path / "again", jobs=2).files == 300
