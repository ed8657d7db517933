"""Runs the questions, one process each, and writes results/DATE.json and docs/benchmarks.md.

make bench                                   all of them at full size (an hour; 20 GiB of disk, 10 GiB of memory)
make bench ARGS="startup commit --scale 0.1" some of them, smaller: nothing is written to docs then
"""

import argparse
import importlib
import json
import os
import pkgutil
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import kit, questions, report

RESULTS = kit.ROOT / "benchmarks" / "results"
DOCUMENT = kit.ROOT / "docs" / "benchmarks.md"


def names() -> list[str]:
    """Return all questions in the order of the table."""
    found = [module.name for module in pkgutil.iter_modules(questions.__path__)]
    return sorted(found, key=lambda name: (report.ORDER.index(name) if name in report.ORDER else 99, name))


def main() -> int:
    """Run the chosen questions; returns the exit status: 1 if one of them could not be run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(names())}; default: all")
    parser.add_argument("--scale", type=float, default=1.0, help="size of the work against what the bars name")
    parser.add_argument("--rounds", type=int, default=5, help="how often to measure what is quick")
    parser.add_argument("--disk", type=Path, default=Path(tempfile.gettempdir()), help="a directory on a real disk")
    parser.add_argument("--memory", type=Path, default=Path("/dev/shm"), help="a directory on tmpfs")
    parser.add_argument("--output", type=Path, help="write the results here and nowhere else")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        return _child(chosen)
    unknown = set(chosen.names) - set(names())
    if unknown:
        parser.error(f"no such question: {', '.join(sorted(unknown))}; there are {', '.join(names())}")
    memory = chosen.memory if chosen.memory.is_dir() else chosen.disk
    with (
        tempfile.TemporaryDirectory(prefix="fabric-bench-", dir=chosen.disk) as disk,
        tempfile.TemporaryDirectory(prefix="fabric-bench-", dir=memory) as fast,
    ):
        return _run(chosen, Path(disk), Path(fast))


def _run(chosen: argparse.Namespace, disk: Path, memory: Path) -> int:
    begin = datetime.now(UTC)
    facts = kit.machine(disk, memory)
    output = chosen.output or RESULTS / f"{begin:%Y-%m-%d}.json"
    done: dict[str, object] = {}
    if output.exists():
        # A part that is measured again replaces what stood there; the rest of the day's results stay.
        done = json.loads(output.read_text())["questions"]
    failed = 0
    for name in chosen.names or names():
        print(f"{name} ...", file=sys.stderr, flush=True)
        answer = disk / f"{name}.json"
        words = ["--child", name, "--scale", chosen.scale, "--rounds", chosen.rounds, "--disk", disk, "--memory", memory]
        before, start = os.getloadavg()[0], time.monotonic()
        command = [sys.executable, "-m", "benchmarks", *map(str, words), "--output", str(answer)]
        status = subprocess.run(command, cwd=kit.ROOT, check=False).returncode
        failed += status != 0
        if answer.exists():
            done[name] = {
                "results": json.loads(answer.read_text()),
                "machine": facts,
                "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "seconds": round(time.monotonic() - start, 1),
                "load": [round(before, 1), round(os.getloadavg()[0], 1)],
                "scale": chosen.scale,
            }
        # After each question: a run that is cut off keeps what it has.
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps({"date": f"{begin:%Y-%m-%d}", "questions": done}, indent=1) + "\n")
    text = report.document(json.loads(output.read_text()))
    if chosen.output is None and chosen.scale == 1:
        DOCUMENT.write_text(text)
    print(report.table(json.loads(output.read_text())))
    return 1 if failed else 0


def _child(chosen: argparse.Namespace) -> int:
    module = importlib.import_module(f"benchmarks.questions.{chosen.child}")
    bench = kit.Bench(chosen.disk, chosen.memory, chosen.rounds, chosen.scale)
    results, status = [], 0
    try:
        for result in module.measure(bench):
            results.append(asdict(result))
            print(f"  {report.line(asdict(result))}", file=sys.stderr, flush=True)
    except Exception:
        traceback.print_exc()
        status = 1
    chosen.output.write_text(json.dumps(results))
    for left in (*chosen.disk.glob("scratch-*"), *chosen.memory.glob("scratch-*")):
        shutil.rmtree(left, ignore_errors=True)
    return status
