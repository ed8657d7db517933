"""Get of one large file from a local store, side by side with `cp` and with a BLAKE3 of the copy.

.venv/bin/python benchmarks/checkout_large.py [--size 1GiB] [--dir /dev/shm] [--rounds 3]
"""

import argparse
import os
import random
import subprocess
import tempfile
import time
from pathlib import Path

from blake3 import blake3

from fabric.cache.contents import ContentReader
from fabric.checkout.checkout import checkout
from fabric.model import rows
from fabric.model.content import Content
from fabric.model.digest import BLOCK_BYTES, block_digest, blocks_digest, kind_for
from fabric.model.entry import Entry, Kind
from fabric.objects.local import LocalStore
from fabric.testing.contents import ContentMaker
from fabric.units import parse_size

NOISE = random.Random(1).randbytes(BLOCK_BYTES + 65_536)


def block(number: int) -> bytes:
    """Blocks that differ."""
    return NOISE[number % 65_536 :][:BLOCK_BYTES]


def make(work: Path, size: int):
    """Return (rows, reader) of a dataset of one file, and write the same as a plain file."""
    maker = ContentMaker(LocalStore(work / "store", create=True))
    extents, digests = [], []
    with open(work / "plain", "wb") as plain:
        for number in range(size // BLOCK_BYTES):
            data = block(number)
            plain.write(data)
            digests.append(block_digest(data))
            extents.append(maker._stored(data, digests[-1]))
    maker.close_pack()
    content = Content(size, kind_for(size), blocks_digest(digests), [maker.add_list(extents)])
    entry = Entry(b"large.bin", Kind.FILE, 0o644, size=size, digest_kind=content.digest_kind, digest=content.digest)
    return rows.from_entries([(entry, content.extents)]), ContentReader(maker.store, maker.dataset)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=parse_size, default=parse_size("1GiB"))
    parser.add_argument("--dir", default="/dev/shm")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    best: dict[str, float] = {}
    with tempfile.TemporaryDirectory(dir=arguments.dir) as folder:
        work = Path(folder)
        table, reader = make(work, arguments.size)

        def cp() -> None:
            subprocess.run(["cp", work / "plain", work / "copy"], check=True)

        def hashed() -> None:
            assert blake3(max_threads=blake3.AUTO).update_mmap(work / "copy").digest()

        def get() -> None:
            checkout([table], b"", work / "out", reader)

        for _ in range(arguments.rounds):
            for name, action in (("cp", cp), ("b3sum (all cores)", hashed), ("checkout", get)):
                begin, cpu = time.perf_counter(), os.times()
                action()
                wall, now = time.perf_counter() - begin, os.times()
                best[name] = min(best.get(name, 1e9), wall)
                rate = arguments.size / wall / 2**20
                print(f"{name:20s} {wall:6.2f} s {rate:8,.0f} MiB/s  cpu {sum(now[:4]) - sum(cpu[:4]):.2f} s", flush=True)
            os.unlink(work / "copy")
            os.unlink(work / "out" / "large.bin")
        both = best["cp"] + best["b3sum (all cores)"]
        print(f"checkout reaches {both / best['checkout']:.2f} of cp plus hashing ({both:.2f} s)")


if __name__ == "__main__":
    main()
