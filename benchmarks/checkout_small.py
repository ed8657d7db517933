"""Get of many small files onto tmpfs, side by side with `tar xf` of the same files.

.venv/bin/python benchmarks/checkout_small.py [--files 100000] [--size 10000] [--rounds 3] [--jobs 0,1,2]
"""

import argparse
import os
import random
import shutil
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path

from fabric.cache.contents import ContentReader
from fabric.checkout.checkout import checkout
from fabric.checkout.options import CheckoutOptions
from fabric.model import rows
from fabric.model.entry import Entry, Kind
from fabric.objects.local import LocalStore
from fabric.testing.contents import ContentMaker

FILES_PER_DIRECTORY = 1_000


def make(work: Path, files: int, size: int):
    """Return (rows, reader) of a dataset and write the same files as a tar."""
    source = random.Random(1)
    noise = source.randbytes(size + 65_536)
    maker = ContentMaker(LocalStore(work / "store", create=True))
    pairs = [(Entry(b"", Kind.DIRECTORY, 0o755, mtime_ns=10**18), [])]
    (work / "plain").mkdir()
    for number in range(files):
        directory = b"d%04d" % (number // FILES_PER_DIRECTORY)
        if number % FILES_PER_DIRECTORY == 0:
            pairs.append((Entry(directory, Kind.DIRECTORY, 0o755, mtime_ns=10**18), []))
            (work / "plain" / os.fsdecode(directory)).mkdir()
        start = source.randrange(65_536)
        data = number.to_bytes(8) + noise[start : start + size - 8]
        content = maker.add(data)
        path = directory + b"/f%06d.bin" % number
        pairs.append((Entry(path, Kind.FILE, 0o644, mtime_ns=10**18 + number, size=size, digest_kind=content.digest_kind,
                            digest=content.digest), content.extents))  # fmt: skip
        (work / "plain" / os.fsdecode(path)).write_bytes(data)
    maker.close_pack()
    with tarfile.open(work / "all.tar", "w") as tar:
        tar.add(work / "plain", ".")
    shutil.rmtree(work / "plain")
    return rows.from_entries(pairs), ContentReader(maker.store, maker.dataset)


def timed(name: str, files: int, out: Path, action) -> float:
    """Run `action` into a fresh place and print its rate."""
    shutil.rmtree(out, ignore_errors=True)
    begin, cpu = time.perf_counter(), os.times()
    action()
    wall = time.perf_counter() - begin
    now = os.times()
    spent = sum(now[:4]) - sum(cpu[:4])
    print(f"{name:24s} {wall:6.2f} s  {files / wall:9,.0f} files/s  cpu {spent:.2f} s", flush=True)
    shutil.rmtree(out, ignore_errors=True)
    return wall


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--size", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", default="auto,0,2")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        work = Path(folder)
        table, reader = make(work, arguments.files, arguments.size)
        best: dict[str, float] = {}
        for _ in range(arguments.rounds):
            out = work / "out"
            tar = lambda out=out: (out.mkdir(), subprocess.run(["tar", "xf", work / "all.tar", "-C", out], check=True))  # noqa: E731
            runs = {"tar xf": tar}
            for jobs in arguments.jobs.split(","):
                options = CheckoutOptions(jobs=None if jobs == "auto" else int(jobs))
                runs[f"checkout jobs={jobs}"] = lambda options=options, out=out: checkout(
                    table.to_batches(max_chunksize=8_000), b"", out, reader, options=options
                )
            for name, action in runs.items():
                best[name] = min(best.get(name, 1e9), timed(name, arguments.files, out, action))
        for name, wall in best.items():
            print(f"{name:24s} best {wall:6.2f} s: {best['tar xf'] / wall:.2f} of tar xf")


if __name__ == "__main__":
    main()
