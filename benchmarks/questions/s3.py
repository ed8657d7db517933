"""How fast do files of 100 KB go to a real S3 server and come back, beside obstore moving whole 64 MiB objects, and s3fs?"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import obstore
import s3fs
from obstore.store import S3Store

from benchmarks.kit import Bench, Result, fabric_cli, in_turns, medians, ratio, scratch, timed
from fabric.testing.servers import MinioServer, S3Server

FILES, BYTES = 20_000, 100_000
WHOLE_BYTES = 64 * 2**20
S3FS_FILES = 2_000
BAR_OBSTORE, BAR_S3FS = 0.8, 5.0
THREADS = 8


def _obstore(server: S3Server, bucket: str):
    return S3Store(
        bucket,
        config={
            "aws_access_key_id": server.access_key,
            "aws_secret_access_key": server.secret_key,
            "aws_endpoint": server.endpoint,
            "aws_region": "us-east-1",
            "aws_allow_http": "true",
        },
    )


def _s3fs(server: S3Server):
    return s3fs.S3FileSystem(
        key=server.access_key,
        secret=server.secret_key,
        client_kwargs={"endpoint_url": server.endpoint},
        skip_instance_cache=True,
    )


def measure(bench: Bench) -> Iterator[Result]:
    """Client and server share this machine. Files lie on tmpfs; s3fs moves a tenth of them, by files a second."""
    count = bench.count(FILES)
    few = min(count, S3FS_FILES)
    source = bench.files(count, BYTES, where=bench.memory)
    part = bench.files(few, BYTES, where=bench.memory)
    total = count * BYTES
    data = os.urandom(WHOLE_BYTES)
    whole = [f"whole/{number}" for number in range(-(-total // WHOLE_BYTES))]
    with MinioServer() as server, scratch(bench.memory) as work:
        address = server.address
        environment = address.environment
        store = _obstore(address, address.make_bucket())
        plain = address.make_bucket()
        made: list[Path] = []

        def put() -> float:
            home = work / f"home-{len(made)}"
            home.mkdir()
            fabric_cli("init", home / "fabric", "--store", address.url(address.make_bucket()), home=home, env=environment)
            fabric_cli("create", "files", home=home, env=environment)
            made.append(home)
            return timed(lambda: fabric_cli("put", source, "files", home=home, env=environment))

        def get() -> float:
            with scratch(bench.memory) as out:
                return timed(lambda: fabric_cli("get", "files", out / "x", home=made[-1], env=environment))

        def s3fs_put() -> float:
            return timed(lambda: _s3fs(address).put(f"{part}/", f"{plain}/files/", recursive=True)) * count / few

        def s3fs_get() -> float:
            with scratch(bench.memory) as out:
                return timed(lambda: _s3fs(address).get(f"{plain}/files/", f"{out}/", recursive=True)) * count / few

        def each(action: Callable[[str], object]) -> float:
            with ThreadPoolExecutor(THREADS) as pool:
                return timed(lambda: [None for _ in pool.map(action, whole)])

        def obstore_get(key: str) -> None:
            len(obstore.get(store, key).bytes())

        puts = in_turns(
            min(bench.rounds, 3),
            {"fabric": put, "obstore": lambda: each(lambda key: obstore.put(store, key, data)), "s3fs": s3fs_put},
        )
        gets = in_turns(min(bench.rounds, 3), {"fabric": get, "obstore": lambda: each(obstore_get), "s3fs": s3fs_get})
    for name, samples in (("put", puts), ("get", gets)):
        rates = {key: count / seconds for key, seconds in medians(samples).items()}
        reached = ratio(samples, "obstore", "fabric")
        text = f"{name} {count:,} files of 100 KB, S3 server on loopback"
        note = f"{count * BYTES / medians(samples)['fabric'] / 1e6:.0f} MB/s; s3fs measured with {few:,} files"
        yield Result(
            text, "files/s", rates["fabric"], {"obstore, 64 MiB objects": rates["obstore"]},
            f"{BAR_OBSTORE} of obstore alone", reached >= BAR_OBSTORE, reached, samples, note,
        )  # fmt: skip
        times = ratio(samples, "s3fs", "fabric")
        yield Result(
            text, "files/s", rates["fabric"], {"s3fs": rates["s3fs"]}, f"{BAR_S3FS:g} x s3fs", times >= BAR_S3FS, times
        )
