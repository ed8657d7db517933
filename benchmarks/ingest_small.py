"""Scan, read, digest and pack of many small files, without a tree and a commit, beside `tar cf` and `git status`.

.venv/bin/python benchmarks/ingest_small.py [--files 100000] [--size 10240] [--rounds 3] [--work DIRECTORY]

CPU seconds stand beside the wall clock: on a shared machine they say more.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

FILES_PER_DIRECTORY = 100

PUT = """
    import resource, sys, time
    import pyarrow as pa
    from fabric.ingest.packer import PackWriter
    from fabric.ingest.source import Source
    from fabric.ingest.statcache import StatCache
    from fabric.ingest.tree import ingest_tree
    from fabric.model.ids import new_ulid
    from fabric.objects.local import LocalStore
    from fabric.objects.writer import ObjectWriter

    work, where = sys.argv[1:]
    pa.array([1])  # Imports pandas, where there is one.

    class Nowhere:
        def put(self, key, data):
            pass

    store = LocalStore(work + "/store", create=True) if where == "disk" else Nowhere()
    writer = ObjectWriter(store, new_ulid(), new_ulid())
    packer = PackWriter(writer)
    cache = StatCache(work + "/state", "bench", Source.of(work + "/files"))
    start, cpu = time.perf_counter(), time.thread_time()
    result = ingest_tree(Source.of(work + "/files"), packer, stat_cache=cache)
    packer.finish()
    writer.flush()
    result.remember(b"token")
    print(time.perf_counter() - start, time.thread_time() - cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""

MATCH = """
    import sys
    from fabric.ingest.source import Source
    from fabric.ingest.statcache import StatCache
    work, forks = sys.argv[1:]
    sys.exit(not StatCache(work + "/state", "bench", Source.of(work + "/files")).matches(b"token", may_fork=forks == "1"))
"""


def make(work: Path, files: int, size: int) -> None:
    rng = random.Random(1)
    for number in range(files):
        directory = work / "files" / f"d{number // FILES_PER_DIRECTORY:05}"
        if number % FILES_PER_DIRECTORY == 0:
            directory.mkdir(parents=True)
        (directory / f"image_{number:07}.jpg").write_bytes(rng.randbytes(size))


def run(*command: str | os.PathLike, **options) -> tuple[float, float]:
    """Return wall clock and CPU seconds of a command."""
    start, before = time.perf_counter(), os.times()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **options)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - start, cpu


def script(code: str, *arguments: object) -> str:
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def show(work: str, seconds: float, cpu: float, note: str = "") -> None:
    print(f"  {work:44} {seconds:7.2f} s wall {cpu:7.2f} s CPU  {note}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--size", type=int, default=10_240)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, default=None)
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="ingest-", dir=options.work))
    try:
        make(work, options.files, options.size)
        git = {**os.environ, "GIT_DIR": str(work / "git"), "GIT_WORK_TREE": str(work / "files")}
        has_git = shutil.which("git") is not None
        if has_git:
            run("git", "init", "-q", env=git)
            run("git", "add", "-A", env=git)
        os.sync()
        for number in range(options.rounds):
            print(f"round {number + 1}")
            show("tar cf, sync", *run("sh", "-c", f"tar cf {work}/tar -C {work}/files . && sync"))
            (work / "tar").unlink()
            wall, cpu, resident = map(float, script(PUT, work, "disk").split())
            show("ingest, local store, durable", wall, cpu, f"main thread; {resident:.0f} MiB resident")
            shutil.rmtree(work / "store")
            wall, cpu, _ = map(float, script(PUT, work, "nowhere").split())
            show("ingest, to nowhere", wall, cpu, "main thread")
            if has_git:
                show("git status", *run("git", "status", "--short", env=git))
            for forks in (0, 1):
                command = [sys.executable, "-c", textwrap.dedent(MATCH), str(work), str(forks)]
                show(f"stat cache matches, {forks + 1} process(es)", *run(*command), "interpreter's start included")
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
