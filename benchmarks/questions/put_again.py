"""How long does it take to put a tree again that has not changed, beside `git status` of the same files?"""

from collections.abc import Iterator

from benchmarks.kit import Bench, Result, fabric_cli, in_turns, medians, ratio, run, scratch, timed
from benchmarks.questions.put_small import BYTES, FILES, QUIET

BAR = 1.5


def measure(bench: Bench) -> Iterator[Result]:
    """Process against process, with what each remembers of the files."""
    count = bench.count(FILES)
    source = bench.files(count, BYTES)
    with scratch(bench.disk) as work:
        fabric_cli("init", work / "fabric", home=work)
        put = ("put", source, "files", "--create")
        fabric_cli(*put, home=work)
        where = ["--git-dir", work / "repository", "--work-tree", source]
        run("git", *where, "init", "-q", env=QUIET)
        run("git", *where, "add", "-A", cwd=source, env=QUIET)
        status = [*where, "status", "--porcelain"]
        # The first look of each may still refresh what it remembers.
        fabric_cli(*put, home=work)
        run("git", *status, cwd=source, env=QUIET)
        samples = in_turns(
            bench.rounds * 2,
            {
                "fabric put": lambda: timed(lambda: fabric_cli(*put, home=work)),
                "git status": lambda: timed(lambda: run("git", *status, cwd=source, env=QUIET)),
            },
        )
    ms = {name: seconds * 1000 for name, seconds in medians(samples).items()}
    reached = ratio(samples, "fabric put", "git status")
    work_text = f"put {count:,} unchanged files again"
    others = {"git status": ms["git status"]}
    yield Result(work_text, "ms", ms["fabric put"], others, f"{BAR} x git status", reached <= BAR, reached, samples)
