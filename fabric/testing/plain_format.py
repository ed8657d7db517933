"""The format of tree objects once more: in plain Python, from docs/format.md alone, and without any check.

Tests compare the real encoders with it, and make objects with it that no encoder would write.
"""

import struct
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import pyarrow as pa
from blake3 import blake3

from fabric.model import xattrs
from fabric.model.entry import Entry
from fabric.model.extent import Extent
from fabric.model.paths import split

LEAF, INDEX, EXTENTS = 2, 3, 4
_LEAF_COLUMNS = (
    ("kind", "B"),
    ("mode", "H"),
    ("uid", "I"),
    ("gid", "I"),
    ("mtime_ns", "q"),
    ("size", "q"),
    ("digest_kind", "B"),
)
_VARIABLE_COLUMNS = ("target", "acl_access", "acl_default", "xattrs", "xattrs_digest")

Row = Mapping[str, Any]


def row_of(entry: Entry) -> dict[str, Any]:
    """Return an entry as the values of its columns."""
    row = {name: getattr(entry, name) for name in Entry.__slots__ if name not in ("path", "xattrs")}
    row["parent"], row["name"] = split(entry.path)
    row["xattrs"] = xattrs.encode(entry.xattrs)
    return row


def _fixed(code: str, values: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(values)}{code}", *values)


def _variable(values: Sequence[bytes]) -> bytes:
    return _fixed("I", [len(value) for value in values]) + b"".join(values)


def leaf_frame(rows: Sequence[Row], runs: Sequence[tuple[bytes, int]] | None = None) -> bytes:
    """Return the logical frame of a leaf; `runs` are (parent, rows) in place of those that the rows say."""
    if runs is None:
        runs = [(parent, len(list(group))) for parent, group in groupby(row["parent"] for row in rows)]
    out = [b"fabric.leaf.1", struct.pack("<QQ", len(rows), len(runs))]
    out.append(_fixed("I", [count for _, count in runs]))
    out.append(_variable([parent for parent, _ in runs]))
    out.append(_variable([row["name"] for row in rows]))
    out.extend(_fixed(code, [row[name] for row in rows]) for name, code in _LEAF_COLUMNS)
    out.append(b"".join(row["digest"] for row in rows))
    out.extend(_variable([row[name] for row in rows]) for name in _VARIABLE_COLUMNS)
    out.append(_fixed("Q", [row["link_group"] for row in rows]))
    return b"".join(out)


def extents_frame(lists: Sequence[Sequence[Extent]], objects: Sequence[bytes] | None = None) -> bytes:
    """Return the placement frame of a leaf, or the frame of an extent list; `objects` replaces the sorted table."""
    flat = [extent for extents in lists for extent in extents]
    if objects is None:
        objects = sorted({extent.object for extent in flat})
    out = [b"fabric.extents.1", struct.pack("<QQQ", len(lists), len(flat), len(objects))]
    out.append(_fixed("I", [len(extents) for extents in lists]))
    out.append(_variable(objects))
    out.append(_fixed("B", [extent.kind for extent in flat]))
    out.append(_fixed("I", [objects.index(extent.object) for extent in flat]))
    for name, code in (("offset", "q"), ("stored", "q"), ("length", "q"), ("codec", "B"), ("key", "I")):
        out.append(_fixed(code, [getattr(extent, name) for extent in flat]))
    out.append(_variable([extent.digest for extent in flat]))
    return b"".join(out)


def index_frame(level: int, children: Sequence[tuple[bytes, bytes, int, int]]) -> bytes:
    """Return the logical frame of an index node over (key, id, rows, size)."""
    keys, ids, rows, sizes = zip(*children, strict=True) if children else ((), (), (), ())
    out = [b"fabric.index.1", struct.pack("<QQ", level, len(children)), _variable(keys), b"".join(ids)]
    return b"".join([*out, _fixed("Q", rows), _fixed("Q", sizes)])


def places_frame(objects: Sequence[bytes]) -> bytes:
    """Return the placement frame of an index node."""
    return b"fabric.places.1" + struct.pack("<Q", len(objects)) + _variable(objects)


def tree_object(kind: int, frames: Sequence[bytes], level: int = 3) -> bytes:
    """Return an object of the kind with these frames, each zstd of the level, with a true frame table."""
    stored = [pa.Codec("zstd", compression_level=level).compress(raw, asbytes=True) for raw in frames]
    table = [
        struct.pack("<QQ", len(raw), len(small)) + blake3(raw).digest() for raw, small in zip(frames, stored, strict=True)
    ]
    return b"\x93FABRIC\n" + struct.pack("<HHIQ", kind, 1, 0, 0) + b"".join([*table, *stored])


def leaf_object(rows: Sequence[Row], extents: Sequence[Sequence[Extent]]) -> bytes:
    """Return a leaf object."""
    return tree_object(LEAF, [leaf_frame(rows), extents_frame(extents)])
