"""A writer dies at every step of a commit: afterwards the old state or the new one, and the next write works.

The steps are counted first: each request to the object store (packs, nodes, commit, the exported ref update), and each
statement of the metastore's ref update. Then the same commit is killed (SIGKILL to itself) before and after each.
"""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

import fabric
from fabric.config import Settings
from fabric.repo.fsck import fsck

pytestmark = pytest.mark.crash

WRITER = textwrap.dedent(
    """
    import sys
    from pathlib import Path

    import fabric
    import fabric.repo.fabric
    from fabric.config import Settings
    from fabric.objects.open import open_store
    from fabric.testing.faults import Effect, Fault, FaultyStore

    home, effect, at, state = sys.argv[1:]
    stores = []

    def faulty(url, **options):
        plan = [Fault("put", Effect[effect], at=int(at))] if effect != "NONE" else []
        stores.append(FaultyStore(open_store(url, **options), plan))
        return stores[-1]

    fabric.repo.fabric.open_store = faulty
    with fabric.connect(home, settings=Settings(state_dir=Path(state), author="writer")) as fab:
        dataset = fab.dataset("d")
        with dataset.transaction(message="second") as tx:
            tx.put("a/new", b"new" * 1000)
            tx.put("a/old", b"changed")
            tx.remove("gone")
    print(stores[0].calls["put"])
    """
)


def files(dataset):
    view = dataset.view()
    return {entry.path: bytes(view.read(entry.path)) for entry in view.find() if entry.size}


BEFORE = {b"a/old": b"old", b"gone": b"gone"}
AFTER = {b"a/old": b"changed", b"a/new": b"new" * 1000}


@pytest.fixture
def home(tmp_path):
    path = tmp_path / "fabric"
    settings = Settings(state_dir=tmp_path / "state")
    with fabric.init(path, settings=settings) as fab, fab.create("d").transaction(message="first") as tx:
        for name, data in BEFORE.items():
            tx.put(name, data)
    return path


def write(home, effect, at):
    command = [sys.executable, "-c", WRITER, str(home), effect, str(at), str(home.parent / "state")]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def check(home, expected):
    """The state is one of those expected, and the next commit goes through; returns whether it was the new one."""
    with fabric.connect(home, settings=Settings(state_dir=home.parent / "state")) as fab:
        dataset = fab.dataset("d")
        found = files(dataset)
        assert found in expected
        report = fsck([dataset], read_data=True)
        assert report.is_clean, report.problems
        with dataset.transaction(message="next") as tx:
            tx.put("next", b"next")
        assert files(dataset) == found | {b"next": b"next"}
        messages = [info.commit.message for info in dataset.log()]
        assert messages.count("second") == (found == AFTER)
    return found == AFTER


def test_killed_at_each_object(home, tmp_path):
    clean = tmp_path / "clean"
    subprocess.run(["cp", "-a", str(home), str(clean)], check=True)
    done = write(clean, "NONE", 0)
    assert done.returncode == 0, done.stderr
    puts = int(done.stdout)
    assert puts >= 4, "pack, leaf, commit and the exported ref update: the test no longer counts what it should"
    news = []
    for effect in ("KILL", "KILL_AFTER"):
        for at in range(1, puts + 1):
            copy = tmp_path / f"{effect}-{at}"
            subprocess.run(["cp", "-a", str(home), str(copy)], check=True)
            done = write(copy, effect, at)
            assert done.returncode == -signal.SIGKILL, (effect, at, done.stdout, done.stderr)
            news.append(check(copy, (BEFORE, AFTER)))
    assert news[-1], "killed after the export: the commit is in the metastore and in the store"
    assert not all(news), "killed before the first object: nothing may be seen"


def test_killed_at_random_moments(home):
    """kill -9 from outside, at moments that cover the whole run."""
    killed = 0
    for number in range(12):
        command = [sys.executable, "-c", WRITER, str(home), "DELAY", "1", str(home.parent / "state")]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(timeout=0.25 + 0.08 * number)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            killed += 1
        with fabric.connect(home, settings=Settings(state_dir=home.parent / "state")) as fab:
            dataset = fab.dataset("d")
            assert files(dataset) in (BEFORE, AFTER)
            assert fsck([dataset], read_data=True).is_clean
            dataset.reset("main", list(dataset.log())[-2].id)
    assert killed
