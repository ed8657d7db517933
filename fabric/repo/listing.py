"""Listings as Arrow tables, for DuckDB, pandas, polars and whoever else reads columns."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from fabric.model import paths, rows
from fabric.model.entry import Kind
from fabric.model.node import Leaf
from fabric.repo.tree import Tree

_KIND_NAMES = pa.array([kind.name.lower() for kind in Kind], pa.string())

LISTING = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("kind", pa.dictionary(pa.int8(), pa.string()), nullable=False),
        pa.field("mode", pa.uint16(), nullable=False),
        pa.field("uid", pa.uint32(), nullable=False),
        pa.field("gid", pa.uint32(), nullable=False),
        pa.field("mtime", pa.timestamp("ns", "UTC"), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("digest", pa.binary(32), nullable=False),
        pa.field("target", pa.binary(), nullable=False),
    ]
)
"""One row an entry, without the root. `digest` is zeros for directories and symlinks."""

RAW_LISTING = LISTING.set(0, pa.field("path", pa.binary(), nullable=False))


def batches(tree: Tree, path: bytes, *, raw_paths: bool) -> Iterator[Any]:
    """Yield the listing of everything below `path` (or of the one file that it is), in tree order.

    Paths are text unless `raw_paths`. Bytes that are not UTF-8 are escaped in text, so that two paths may look alike.
    """
    found = tree.locate(path) if path else None
    if found is not None and found[0].lookup.entry(found[1]).kind != Kind.DIRECTORY:
        leaf, index = found
        yield _batch(leaf, index, index + 1, raw_paths=raw_paths)
        return
    for leaf, start, stop in tree.spans(*paths.subtree_range(path)):
        yield _batch(leaf, start, stop, raw_paths=raw_paths)


def _batch(leaf: Leaf, start: int, stop: int, *, raw_paths: bool) -> Any:
    part = leaf.logical.slice(start, stop - start)
    full = rows.full_paths(part)
    indices = pc.subtract(part.column("kind"), pa.scalar(1, pa.uint8())).cast(pa.int8())
    kind = pa.DictionaryArray.from_arrays(indices, _KIND_NAMES)
    columns = [full if raw_paths else _text(full), kind]
    columns += [part.column(name) for name in ("mode", "uid", "gid")]
    columns.append(part.column("mtime_ns").cast(pa.timestamp("ns", "UTC")))
    columns += [part.column(name) for name in ("size", "digest", "target")]
    return pa.RecordBatch.from_arrays(columns, schema=RAW_LISTING if raw_paths else LISTING)


def _text(column: Any) -> Any:
    try:
        return column.cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array([value.decode("utf-8", "backslashreplace") for value in column.to_pylist()], pa.string())
