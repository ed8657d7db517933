"""How long does the command take to say its version, and what does `import fabric` cost?"""

import subprocess
import sys
from collections.abc import Iterator

from benchmarks.kit import FABRIC, Bench, Result, in_turns, medians, timed

VERSION_S_MAX = 0.080
IMPORT_S_MAX = 0.030


def _run(*words: object) -> float:
    return timed(lambda: subprocess.run([str(word) for word in words], check=True, stdout=subprocess.DEVNULL))


def measure(bench: Bench) -> Iterator[Result]:
    """Measure both beside a bare Python."""
    samples = in_turns(
        bench.rounds * 8,
        {
            "python -c pass": lambda: _run(sys.executable, "-c", "pass"),
            "import fabric": lambda: _run(sys.executable, "-c", "import fabric"),
            "fabric --version": lambda: _run(FABRIC, "--version"),
        },
    )
    ms = {name: value * 1000 for name, value in medians(samples).items()}
    best = {name: min(values) * 1000 for name, values in samples.items()}
    note = "the best of the rounds: " + ", ".join(f"{name} {value:.0f} ms" for name, value in best.items())
    bare = {"python -c pass": ms["python -c pass"]}
    version = ms["fabric --version"]
    yield Result(
        "`fabric --version`", "ms", version, bare, "under 80 ms", version < VERSION_S_MAX * 1000, None, samples, note
    )
    over = ms["import fabric"] - ms["python -c pass"]
    yield Result("`import fabric`", "ms over bare Python", over, bare, "under 30 ms", over < IMPORT_S_MAX * 1000)
