"""Get of many files from a real S3 server on loopback, beside obstore moving the same bytes as 64 MiB objects, and s3fs.

.venv/bin/python benchmarks/checkout_s3.py [--files 20000] [--size 100000] [--rounds 2] [--jobs auto,0] [--s3fs 1000]
"""

import argparse
import os
import random
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import s3fs

from fabric.cache.contents import ContentReader
from fabric.checkout.checkout import checkout
from fabric.checkout.options import CheckoutOptions
from fabric.model import rows
from fabric.model.entry import Entry, Kind
from fabric.objects.open import open_store
from fabric.testing.contents import ContentMaker
from fabric.testing.servers import MinioServer

FILES_PER_DIRECTORY = 1_000
WHOLE_BYTES = 64 * 1024 * 1024


def make(store, files: int, size: int):
    """Return (rows, reader) of a dataset in `store`."""
    noise = random.Random(1).randbytes(size + 65_536)
    maker = ContentMaker(store)
    pairs = []
    for number in range(files):
        data = number.to_bytes(8) + noise[number * 13 % 65_536 :][: size - 8]
        content = maker.add(data)
        path = b"d%04d/f%06d.bin" % (number // FILES_PER_DIRECTORY, number)
        entry = Entry(
            path, Kind.FILE, 0o644, mtime_ns=10**18, size=size, digest_kind=content.digest_kind, digest=content.digest
        )
        pairs.append((entry, content.extents))
    maker.close_pack()
    return rows.from_entries(pairs), ContentReader(store, maker.dataset)


def s3fs_get(server, bucket: str, count: int, size: int, out: Path) -> float:
    """Return how long s3fs takes for `count` objects of one file each."""
    fs = s3fs.S3FileSystem(
        key=server.access_key, secret=server.secret_key, client_kwargs={"endpoint_url": server.endpoint}, asynchronous=False
    )
    fs.pipe({f"{bucket}/s3fs/{number}.bin": os.urandom(size) for number in range(count)})
    begin = time.perf_counter()
    fs.get(f"{bucket}/s3fs/", str(out), recursive=True)
    return time.perf_counter() - begin


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--jobs", default="auto,0")
    parser.add_argument("--s3fs", type=int, default=1_000)
    arguments = parser.parse_args()
    total = arguments.files * arguments.size
    with MinioServer() as server, tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        bucket, out = server.address.make_bucket(), Path(folder) / "out"
        os.environ.update(server.address.environment)
        store = open_store(server.address.url(bucket))
        table, reader = make(store, arguments.files, arguments.size)
        whole = [f"whole/{number}" for number in range(-(-total // WHOLE_BYTES))]
        for key in whole:
            store.put(key, bytes(WHOLE_BYTES))
        best: dict[str, float] = {}

        def note(name: str, begin: float) -> None:
            wall = time.perf_counter() - begin
            best[name] = min(best.get(name, 1e9), wall)
            print(
                f"{name:28s} {wall:6.2f} s {total / wall / 1e6:8,.0f} MB/s {arguments.files / wall:9,.0f} files/s",
                flush=True,
            )

        for _ in range(arguments.rounds):
            begin = time.perf_counter()
            with ThreadPoolExecutor(8) as pool:
                for _data in pool.map(store.get, whole):
                    pass
            note("64 MiB objects, to memory", begin)
            out.mkdir()
            begin = time.perf_counter()
            with ThreadPoolExecutor(8) as pool:
                for _written in pool.map(lambda key: (out / key.replace("/", "-")).write_bytes(store.get(key)), whole):
                    pass
            note("64 MiB objects, to files", begin)
            shutil.rmtree(out)
            for jobs in arguments.jobs.split(","):
                options = CheckoutOptions(jobs=None if jobs == "auto" else int(jobs))
                begin = time.perf_counter()
                checkout(table.to_batches(max_chunksize=8_000), b"", out, reader, options=options)
                note(f"checkout jobs={jobs}", begin)
                shutil.rmtree(out)
        if arguments.s3fs:
            wall = s3fs_get(server.address, bucket, arguments.s3fs, arguments.size, out)
            print(f"s3fs                         {arguments.s3fs / wall:9,.0f} files/s ({arguments.s3fs} files)")
            for name, taken in best.items():
                print(f"{name}: {arguments.files / taken / (arguments.s3fs / wall):.1f} x s3fs")
        for name, wall in best.items():
            memory, files = best["64 MiB objects, to memory"] / wall, best["64 MiB objects, to files"] / wall
            print(f"{name:28s} {memory:.2f} of obstore alone to memory, {files:.2f} to files")


if __name__ == "__main__":
    main()
