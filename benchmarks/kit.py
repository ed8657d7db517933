"""What every question needs: rounds that take turns, results with their bar, files, peers, and machine facts."""

import contextlib
import os
import platform
import random
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FABRIC = Path(sys.executable).with_name("fabric")
PEERS = Path(os.environ.get("DATAFABRIC_TOOLS") or Path.home() / ".cache" / "datafabric-tools") / "peers" / "bin"
FILES_PER_DIRECTORY = 1_000


@dataclass
class Result:
    """One row of the table: what was measured, ours and the others' medians, and the bar.

    Attributes:
        work: what was done.
        unit: of all numbers in `ours` and `others`.
        ours: our median.
        others: medians of what ran beside it.
        bar: the bar, in words.
        met: whether it was met; None where there is none.
        ratio: ours against the bar's measure, as the bar says it.
        samples: all that was measured, in seconds unless `unit` says otherwise.
        note: what else there is to know.
    """

    work: str
    unit: str
    ours: float
    others: Mapping[str, float]
    bar: str
    met: bool | None
    ratio: float | None = None
    samples: Mapping[str, list[float]] = field(default_factory=dict)
    note: str = ""


@dataclass
class Bench:
    """What a question is given.

    Attributes:
        disk: a directory on a real disk, shared by the questions of one run.
        memory: a directory on tmpfs (or on the disk, where there is none).
        rounds: how often to measure what is quick.
        scale: 1 is the size that the bar names; 0.1 is a tenth of the files and bytes.
    """

    disk: Path
    memory: Path
    rounds: int
    scale: float

    def count(self, full: int, least: int = 10) -> int:
        """Return a size of the bar, scaled."""
        return max(int(full * self.scale), least)

    def files(self, count: int, size: int, *, where: Path | None = None) -> Path:
        """Return a directory of `count` files of `size` random bytes, which the questions of one run share."""
        folder = (where or self.disk) / f"files-{count}-{size}"
        if not folder.exists():
            make_files(folder, count, size)
        return folder


def make_files(folder: Path, count: int, size: int) -> None:
    """Write `count` files of `size` bytes that do not compress and are all different, a thousand to a directory."""
    noise = random.Random(1).randbytes(size + 65_536)
    fresh = folder.with_name(folder.name + ".part")
    shutil.rmtree(fresh, ignore_errors=True)
    for number in range(count):
        directory = fresh / f"d{number // FILES_PER_DIRECTORY:04d}"
        if number % FILES_PER_DIRECTORY == 0:
            directory.mkdir(parents=True)
        start = number * 7919 % 65_536
        data = number.to_bytes(8) + noise[start : start + max(size - 8, 0)]
        with open(directory / f"f{number:07d}.bin", "wb", buffering=0) as file:
            file.write(data[:size])
    fresh.rename(folder)


@contextlib.contextmanager
def scratch(where: Path) -> Iterator[Path]:
    """Give an empty directory that is gone afterwards."""
    folder = where / f"scratch-{random.randbytes(6).hex()}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        # What the disk still has to do for this one is not to be paid by the next.
        os.sync()


def timed(action: Callable[[], object]) -> float:
    """Return how many seconds `action` takes."""
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def in_turns(rounds: int, actions: Mapping[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Run each action once a round, so that what else the machine does hits all alike; each returns its own seconds.

    The order is turned round in every second round: who writes first does not always find the disk idle.
    """
    samples: dict[str, list[float]] = {name: [] for name in actions}
    for number in range(rounds):
        names = [*actions] if number % 2 == 0 else [*reversed(actions)]
        for name in names:
            samples[name].append(actions[name]())
            print(f"    {name:<32} {samples[name][-1]:10.3f}", file=sys.stderr, flush=True)
    return samples


def medians(samples: Mapping[str, list[float]]) -> dict[str, float]:
    """Return the median of each."""
    return {name: statistics.median(values) for name, values in samples.items()}


def ratio(samples: Mapping[str, list[float]], first: str, second: str) -> float:
    """Return the median over the rounds of first / second: both ran in the same minute."""
    return statistics.median(a / b for a, b in zip(samples[first], samples[second], strict=True))


def run(*words: object, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> None:
    """Run a program; raises RuntimeError with the end of what it said if it fails."""
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{words[0]} failed ({done.returncode}): {(done.stderr or done.stdout)[-2000:]}")


def peer(name: str) -> Path | None:
    """Return a peer's program (benchmarks/peers.sh gets them), or None."""
    found = shutil.which(name, path=f"{PEERS}{os.pathsep}{os.environ.get('PATH', '')}")
    return Path(found) if found else None


def fabric_cli(*words: object, home: Path, env: Mapping[str, str] | None = None) -> None:
    """Run the fabric's command line with its home and its state below `home`."""
    run(FABRIC, "-q", "--endpoint", home / "fabric", "--state-dir", home / "state", *words, env=env)


def peak_rss_of(*words: object, env: Mapping[str, str] | None = None) -> tuple[float, int]:
    """Run a program; returns seconds and the most bytes that it or one of its children had resident."""
    begin = time.perf_counter()
    process = subprocess.Popen(
        [str(word) for word in words], env={**os.environ, **(env or {})}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - begin
    if process.returncode:
        raise RuntimeError(f"{words[0]} failed: {said.decode(errors='replace')[-2000:]}")
    return seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def machine(disk: Path, memory: Path) -> dict[str, object]:
    """Return what numbers depend on."""
    processor = platform.processor()
    if sys.platform == "linux":
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), processor)
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in ("pyarrow", "numpy", "blake3", "obstore")},
        "disk": _file_system(disk),
        "memory": _file_system(memory),
        "commit": _said("git", "-C", ROOT, "describe", "--always", "--dirty"),
        "peers": {
            "tar": _said("tar", "--version"),
            "git": _said("git", "--version"),
            "restic": _said(peer("restic"), "version"),
            "dvc": _said(peer("dvc"), "--version"),
        },
        "open_files_max": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
    }


def _said(program: object, *words: object) -> str:
    if program is None:
        return "not there"
    done = subprocess.run([str(program), *map(str, words)], check=False, capture_output=True, text=True)
    return done.stdout.strip().partition("\n")[0]


def _file_system(folder: Path) -> str:
    lines = (
        _said("df", "-PT", folder),
        subprocess.run(["df", "-PT", folder], check=False, capture_output=True, text=True).stdout,
    )
    words = lines[1].splitlines()[-1].split() if lines[1] else []
    return words[1] if len(words) > 1 else "unknown"
