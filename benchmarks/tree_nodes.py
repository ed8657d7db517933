"""Encode, decode, hash and cut the leaves of a tree: what each step costs for a leaf and for 10^6 rows.

.venv/bin/python benchmarks/tree_nodes.py [--rows 1000000] [--rounds 5]
"""

import argparse
import json
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa

from fabric.model import cuts, node, rows
from fabric.model.digest import BLOCK_BYTES
from fabric.model.entry import Kind
from fabric.model.extent import ExtentKind

FILES_PER_DIRECTORY = 1_000
FILES_PER_PACK = 6_400


def make(count: int) -> pa.Table:
    """Return `count` rows of small files in directories of a thousand, with random digests, times and sizes, in packs."""
    directories = max(count // (FILES_PER_DIRECTORY + 1), 1)
    files = count - directories - 1
    random = np.random.default_rng(1)
    names = [b"dir%04d" % number for number in range(directories)]
    parents = [b""] * (directories + 1) + [names[number * directories // files] for number in range(files)]
    leaves = [b"", *names, *(b"file%06d.jpg" % number for number in range(files))]
    is_file = np.arange(count) > directories
    size = np.where(is_file, random.integers(1, 200_000, count), 0)
    assert size.max() <= BLOCK_BYTES
    digests = bytes(32 * (directories + 1)) + random.bytes(32 * files)
    packs = pa.array([b"01" + b"%024d/01%024d" % (1, number) for number in range(files // FILES_PER_PACK + 1)])
    stored = pa.array(size[is_file])
    values = {
        "kind": pa.array(np.full(files, ExtentKind.OBJECT, np.uint8)),
        "object": packs.take(pa.array(np.arange(files) // FILES_PER_PACK)),
        "offset": pa.array(np.cumsum(size[is_file]) % 2**26),
        "stored": stored,
        "length": stored,
        "codec": pa.array(np.zeros(files, np.uint8)),
        "key": pa.array(np.zeros(files, np.uint32)),
        "digest": pa.array([b""] * files, pa.binary()),
    }
    ends = np.concatenate(([0], np.cumsum(is_file))).astype(np.int32)
    structs = pa.StructArray.from_arrays([values[field.name] for field in rows.EXTENT], fields=list(rows.EXTENT))
    columns = {
        "parent": pa.array(parents, pa.binary()),
        "name": pa.array(leaves, pa.binary()),
        "kind": pa.array(np.where(is_file, Kind.FILE, Kind.DIRECTORY).astype(np.uint8)),
        "mode": pa.array(np.full(count, 0o644, np.uint16)),
        "mtime_ns": pa.array(random.integers(0, 2**60, count)),
        "size": pa.array(size),
        "digest_kind": pa.array(is_file.astype(np.uint8)),
        "digest": pa.Array.from_buffers(pa.binary(32), count, [None, pa.py_buffer(digests)]),
        "extents": pa.ListArray.from_arrays(pa.array(ends), structs, type=rows.EXTENTS),
    }
    for field in rows.SCHEMA:
        if field.name not in columns:
            blank = [b""] * count if field.type == pa.binary() else np.zeros(count, field.type.to_pandas_dtype())
            columns[field.name] = pa.array(blank, field.type)
    return pa.table([columns[field.name] for field in rows.SCHEMA], schema=rows.SCHEMA)


def measure(rounds: int, action) -> tuple[float, float, float]:
    """Return best and median seconds, and the fewest seconds of processor time: what counts on a shared machine."""
    times, spent = [], []
    for _ in range(rounds):
        begin, cpu = time.perf_counter(), time.process_time()
        action()
        times.append(time.perf_counter() - begin)
        spent.append(time.process_time() - cpu)
    return min(times), float(np.median(times)), min(spent)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    options = parser.parse_args()
    table = make(options.rows)
    ends = [*cuts.cut_points(cuts.row_hashes(table)), table.num_rows]
    starts = [0, *ends[:-1]]
    parts = [table.slice(start, end - start) for start, end in zip(starts, ends, strict=True) if end > start]
    leaves = [node.encode_leaf(part) for part in parts]
    first = [rows.sort_keys(part.slice(0, 1))[0].as_py() for part in parts]
    reference = "01" + "0" * 24 + "/01" + "0" * 24
    children = [
        node.Child(key, leaf_id, reference, part.num_rows, node.content_bytes(part))
        for key, (leaf_id, _), part in zip(first, leaves, parts, strict=True)
    ]
    index = node.encode_index(1, children)[1]

    def decode_in(threads: int) -> None:
        with ThreadPoolExecutor(threads) as pool:
            kept = list(pool.map(lambda leaf: node.decode_leaf(leaf[1], leaf[0]).logical, leaves))
            pa.Table.from_batches(kept)

    def decode_extents() -> None:
        for leaf in decoded:
            leaf.__dict__.pop("extents", None)
            _ = leaf.extents

    decoded = [node.decode_leaf(data, leaf_id) for leaf_id, data in leaves]
    steps = {
        "boundary hashes of all rows": lambda: cuts.row_hashes(table),
        "cut points": lambda: cuts.cut_points(cuts.row_hashes(table)),
        "sort keys of all rows": lambda: rows.sort_keys(table),
        "encode all leaves": lambda: [node.encode_leaf(part) for part in parts],
        "decode all leaves, one thread": lambda: [node.decode_leaf(data, leaf_id) for leaf_id, data in leaves],
        "decode all leaves to one table, two threads": lambda: decode_in(2),
        "decode the extents of all leaves": decode_extents,
        f"decode an index node of {len(children)} children": lambda: node.decode_index(index),
    }
    results = {name: measure(options.rounds, action) for name, action in steps.items()}
    stored = sum(len(data) for _, data in leaves)
    if options.json:
        print(json.dumps({"rows": options.rows, "leaves": len(leaves), "bytes": stored, "seconds": results}))
        return
    print(f"{options.rows} rows, {len(leaves)} leaves, {stored / 1e6:.1f} MB; best / median of {options.rounds}; processor")
    for name, (best, median, cpu) in results.items():
        per_leaf = f"{cpu / len(leaves) * 1e3:8.2f} ms a leaf" if "index" not in name else ""
        print(f"{name:45} {best * 1e3:9.1f} / {median * 1e3:9.1f} ms; {cpu * 1e3:9.1f} ms {per_leaf}")


if __name__ == "__main__":
    main()
