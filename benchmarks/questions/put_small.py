"""How fast do many small files become a commit, beside tar and tools that version files? All durable at the end."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.kit import Bench, Result, fabric_cli, in_turns, medians, peer, ratio, run, scratch, timed

FILES, BYTES = 100_000, 10_000
BAR = 0.7
QUIET = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_AUTHOR_NAME": "b", "GIT_AUTHOR_EMAIL": "b@b", "GIT_COMMITTER_NAME": "b"}
QUIET |= {"GIT_COMMITTER_EMAIL": "b@b", "DVC_NO_ANALYTICS": "1", "RESTIC_PASSWORD": "benchmark"}


def measure(bench: Bench) -> Iterator[Result]:
    """Put one directory with each; peers that take long, once."""
    source = bench.files(bench.count(FILES), BYTES)
    count = bench.count(FILES)
    _warm(source)

    def ours() -> float:
        with scratch(bench.disk) as work:
            return timed(lambda: fabric_cli("put", source, "files", "--create", home=_home(work)))

    def tar() -> float:
        with scratch(bench.disk) as work:
            return timed(lambda: (run("tar", "cf", work / "x.tar", "-C", source, "."), run("sync", work / "x.tar")))

    samples = in_turns(min(bench.rounds, 5), {"fabric put": ours, "tar cf; sync": tar})
    reached = ratio(samples, "tar cf; sync", "fabric put")
    rates = {name: count / seconds for name, seconds in medians(samples).items()}
    work = f"put {count:,} files of 10 KB"
    note = "sync is of the tar file alone, not of the whole machine"
    yield Result(
        work, "files/s", rates["fabric put"], {"tar cf; sync": rates["tar cf; sync"]}, f"{BAR} of tar", reached >= BAR,
        reached, samples, note,
    )  # fmt: skip
    others = {name: action for name, action in _versioners(bench, source).items() if action is not None}
    slow = in_turns(1, others)
    rivals = {name: count / seconds for name, seconds in medians(slow).items()}
    missing = {"git", "restic", "dvc"} - {name.split()[0] for name in others}
    note = f"one round of each{'; not there: ' + ', '.join(sorted(missing)) if missing else ''}"
    first = max(rivals.values())
    yield Result(
        work, "files/s", rates["fabric put"], rivals, "ahead of all", rates["fabric put"] > first,
        rates["fabric put"] / first, slow, note,
    )  # fmt: skip


def _home(work: Path) -> Path:
    """Make a fabric; that is no part of the put."""
    fabric_cli("init", work / "fabric", home=work)
    return work


def _warm(source: Path) -> None:
    for folder, _, names in os.walk(source):
        for name in names:
            Path(folder, name).read_bytes()


def _versioners(bench: Bench, source: Path) -> dict[str, Callable[[], float] | None]:
    restic, dvc = peer("restic"), peer("dvc")

    def git() -> float:
        with scratch(bench.disk) as work:
            where = ["--git-dir", work / "repository", "--work-tree", source]
            run("git", *where, "init", "-q", env=QUIET)
            return timed(
                lambda: (
                    run("git", *where, "add", "-A", cwd=source, env=QUIET),
                    run("git", *where, "commit", "-q", "-m", "x", cwd=source, env=QUIET),
                )
            )

    def restic_backup() -> float:
        with scratch(bench.disk) as work:
            where = ["--repo", work / "repository", "--cache-dir", work / "cache"]
            run(restic, *where, "init", env=QUIET)
            return timed(lambda: run(restic, *where, "backup", "-q", ".", cwd=source, env=QUIET))

    def dvc_add() -> float:
        with scratch(bench.disk) as work:
            # dvc wants the files inside of its repository: links cost it nothing, and it copies into its cache.
            run("cp", "-al", source, work / "files")
            run(dvc, "init", "-q", "--no-scm", cwd=work, env=QUIET)
            run(dvc, "config", "cache.type", "copy", cwd=work, env=QUIET)
            return timed(lambda: run(dvc, "add", "-q", "files", cwd=work, env=QUIET))

    return {
        "git add, commit": git,
        "restic backup": restic_backup if restic else None,
        "dvc add": dvc_add if dvc else None,
    }
