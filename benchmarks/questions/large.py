"""How fast does one large file go in and come back, beside copying and hashing it?"""

import random
from collections.abc import Iterator
from pathlib import Path

from blake3 import blake3

from benchmarks.kit import Bench, Result, fabric_cli, in_turns, medians, run, scratch, timed

BYTES = 4 * 2**30
BLOCK = 4 * 2**20
BAR = 0.7


def _make(path: Path, size: int) -> None:
    noise = random.Random(4).randbytes(BLOCK + 65_536)
    with open(path, "wb", buffering=0) as file:
        file.writelines(memoryview(noise)[number % 65_536 :][:BLOCK] for number in range(size // BLOCK))


def measure(bench: Bench) -> Iterator[Result]:
    """On the disk, durable: `cp`, `sync` of the copy, BLAKE3 of it with all cores."""
    size = max(bench.count(BYTES) // BLOCK, 4) * BLOCK
    with scratch(bench.disk) as work:
        _make(work / "source", size)
        run("sync", work / "source")

        def copy_and_hash(durable: bool) -> float:
            with scratch(bench.disk) as out:

                def both() -> None:
                    run("cp", work / "source", out / "copy")
                    if durable:
                        run("sync", out / "copy")
                    blake3(max_threads=blake3.AUTO).update_mmap(out / "copy").digest()

                return timed(both)

        def put() -> float:
            with scratch(bench.disk) as home:
                fabric_cli("init", home / "fabric", home=home)
                fabric_cli("create", "large", home=home)
                return timed(lambda: fabric_cli("put", work / "source", "large/file", home=home))

        durable = in_turns(min(bench.rounds, 3), {"fabric put": put, "cp, sync, hash": lambda: copy_and_hash(True)})
        with scratch(bench.disk) as home:
            fabric_cli("init", home / "fabric", home=home)
            fabric_cli("put", work / "source", "large/file", "--create", home=home)

            def get() -> float:
                with scratch(bench.disk) as out:
                    return timed(lambda: fabric_cli("get", "large/file", out / "copy", home=home))

            plain = in_turns(min(bench.rounds, 3), {"fabric get": get, "cp, hash": lambda: copy_and_hash(False)})
    for name, other, samples in (("put", "cp, sync, hash", durable), ("get", "cp, hash", plain)):
        rates = {key: size / seconds / 2**20 for key, seconds in medians(samples).items()}
        reached = rates[f"fabric {name}"] / rates[other]
        text = f"{name} one file of {size / 2**30:.3g} GiB"
        others = {other: rates[other]}
        yield Result(
            text, "MiB/s", rates[f"fabric {name}"], others, f"{BAR} of cp and hash", reached >= BAR, reached, samples
        )
