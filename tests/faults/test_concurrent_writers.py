"""Many processes commit to one branch at once: every acknowledged commit is in the history, exactly once."""

import multiprocessing
import os
from collections import Counter

import pytest

import fabric
from fabric.config import Settings
from fabric.repo.fsck import fsck

WRITERS = 32
DEADLINE_S = 800
COMMITS = int(os.environ.get("FABRIC_TEST_COMMITS", "50"))


def write(home, number, results):
    settings = Settings(state_dir=home.parent / "state", author=f"writer-{number}")
    acknowledged = []
    with fabric.connect(home, settings=settings) as fab:
        dataset = fab.dataset("d")
        for count in range(COMMITS):
            with dataset.transaction(message=f"{number}/{count}") as tx:
                tx.put(f"{number % 4}/{number}/{count}", b"%d" % count)
            acknowledged.append((tx.result.id, f"{number}/{count}"))
    results.put((number, acknowledged))


@pytest.mark.timeout(DEADLINE_S + 60)
def test_every_acknowledged_commit_is_there_once(tmp_path):
    home = tmp_path / "fabric"
    settings = Settings(state_dir=tmp_path / "state")
    with fabric.init(home, settings=settings) as fab:
        fab.create("d")
    # A fork server: 32 interpreters that import everything anew would be half of the work here.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["fabric.repo.fabric"])
    results = context.Queue()
    writers = [context.Process(target=write, args=(home, number, results)) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    acknowledged = dict(results.get(timeout=DEADLINE_S) for _ in writers)
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    with fabric.connect(home, settings=settings) as fab:
        dataset = fab.dataset("d")
        history = [(info.id, info.commit.message) for info in dataset.log()]
        wanted = [pair for pairs in acknowledged.values() for pair in pairs]
        assert len(wanted) == WRITERS * COMMITS
        assert Counter(history[:-1]) == Counter(wanted)
        files = {entry.path for entry in dataset.view().find() if entry.size}
        assert len(files) == WRITERS * COMMITS
        assert [entry.new for entry in dataset.reflog("main", limit=10_000)] == [commit for commit, _ in history]
        assert fsck([dataset]).is_clean
