"""Locks over forks."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fabric.metastore.forks import ForkSafeLock
from tests.unit.metastore.processes import Child

ROOT = Path(__file__).parents[3]

# Python warns of forks beside threads; that these are safe is what is tested.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")


def test_a_child_never_finds_a_lock_held_by_a_lost_thread():
    lock = ForkSafeLock()
    stop = threading.Event()

    def hold():
        while not stop.is_set():
            with lock:
                sum(range(1000))

    threads = [threading.Thread(target=hold) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        children = [Child(lambda say: say(lock.acquire(5))) for _ in range(20)]
        assert [child.lines() for child in children] == [["True"]] * 20
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_threads_that_fork_at_once():
    """In a process of its own: a library that other tests import (filelock) refuses forks beside each other."""
    code = "from tests.unit.metastore.test_forks import fork_in_threads; fork_in_threads()"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, cwd=ROOT, timeout=120)


def fork_in_threads():
    locks = [ForkSafeLock() for _ in range(5)]
    barrier = threading.Barrier(4)
    said = []

    def fork():
        barrier.wait()
        for _ in range(5):
            said.append(Child(lambda say: say(all(lock.acquire(5) for lock in locks))).lines())

    threads = [threading.Thread(target=fork) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == [["True"]] * 20


def test_a_fork_under_the_own_lock():
    lock = ForkSafeLock()
    with lock:
        assert Child(lambda say: say(lock.acquire(0))).lines() == ["True"]
    assert lock.acquire(0)
    lock.release()
