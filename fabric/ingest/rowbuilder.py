"""Rows as they are found, one after the other in tree order, into Arrow columns; a chunk at a time."""

import os
import stat
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fabric.ingest.attributes import Attributes
from fabric.ingest.places import NOWHERE, OFFSET_BITS, OFFSET_MASK, Place
from fabric.model import paths, rows
from fabric.model.digest import BLOCK_BYTES, DIGEST_BYTES, DigestKind
from fabric.model.entry import MODE_BITS, Kind
from fabric.model.extent import Extent, ExtentKind

CHUNK_ROWS = 20_000
FIELDS = 9
"""Numbers of a stat: mode, inode, device, links, uid, gid, size, mtime_ns, ctime_ns (the first seven as in `stat[:7]`)."""
MODE, INODE, DEVICE, LINKS, UID, GID, SIZE, MTIME, CTIME = range(FIELDS)
_LISTED = -(1 << 62)
_INT64_MASK = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Chunk:
    """What was found since the last chunk, for those who remember it (`statcache`, `journal`).

    Attributes:
        runs: (directory relative to the source, how many of its names follow); None is the source's own row.
        names: of all rows.
        stats: shape (rows, FIELDS).
        digests: 32 bytes a row.
        attributed: rows that have attributes or ACLs.
    """

    runs: list[tuple[bytes | None, int]]
    names: list[bytes]
    stats: npt.NDArray[np.int64]
    digests: npt.NDArray[np.uint8]
    attributed: list[int]


class RowBuilder:
    """Collects rows; `finish` returns them as one table of `rows.SCHEMA`.

    The hot path appends to a few flat arrays; everything else is done for a whole chunk by NumPy and Arrow.

    Args:
        prefix: path in the tree below which the source's entries stand.
        objects: the table that places refer to (it may grow meanwhile).
        base_extents: the extents column that base places refer to.
    """

    def __init__(self, prefix: bytes, objects: Sequence[bytes], base_extents: Any = None) -> None:
        self._prefix = prefix
        self._objects = objects
        self._base_extents = base_extents
        self._batches: list[pa.RecordBatch] = []
        self._links: dict[int, int] = {}
        self.rows_done = 0
        self._clear()

    def _clear(self) -> None:
        self._runs: list[tuple[bytes | None, int]] = []
        self._run_start = 0
        self._names: list[bytes] = []
        self._stats = array("q")
        self._digests: list[bytes] = []
        self._places = array("q")
        self._lists: list[Sequence[Extent]] = []
        self._special: dict[int, dict[str, bytes]] = {}
        self._attributed: list[int] = []

    def __len__(self) -> int:
        """Rows in the chunk that is open."""
        return len(self._names)

    def add(self, name: bytes, status: os.stat_result, digest: bytes, place: Place) -> None:
        """Add the next row of the current run."""
        try:
            self._stats.extend(status[:7])
        except OverflowError:
            # Inodes of 64 bits: all that the rows need is in the other numbers.
            del self._stats[len(self._names) * FIELDS :]
            self._stats.extend(value & _INT64_MASK for value in status[:7])
        self._stats.append(status.st_mtime_ns)
        self._stats.append(status.st_ctime_ns)
        self._names.append(name)
        self._digests.append(digest)
        self._add_place(place)

    def add_many(self, names: Sequence[bytes], stats: list[int], digests: list[bytes], places: list[Place]) -> None:
        """Add rows of ordinary files, column by column; `stats` has FIELDS numbers a row."""
        try:
            self._stats.extend(array("q", stats))
        except OverflowError:
            self._stats.extend(value if value < _INT64_MASK else value & _INT64_MASK for value in stats)
        self._names.extend(names)
        self._digests.extend(digests)
        try:
            self._places.extend(array("q", places))  # type: ignore[arg-type]
        except TypeError:
            for place in places:
                self._add_place(place)

    def _add_place(self, place: Place) -> None:
        if isinstance(place, int):
            self._places.append(place)
        else:
            self._places.append(_LISTED - len(self._lists))
            self._lists.append(place)

    def last_symlink(self, target: bytes) -> None:
        """Say where the symlink added last points to."""
        self._special.setdefault(len(self._names) - 1, {})["target"] = target

    def last_attributes(self, attributes: Attributes, set_digest: bytes) -> None:
        """Say what the row added last carries; a set with a digest is in the last extent of its place."""
        row = len(self._names) - 1
        self._attributed.append(row)
        values = self._special.setdefault(row, {})
        values["acl_access"], values["acl_default"] = attributes.acl_access, attributes.acl_default
        values["xattrs"], values["xattrs_digest"] = (b"" if set_digest else attributes.encoded), set_digest

    def link(self, row: int, group: int) -> None:
        """Say the link group of a row, counted from the first of all."""
        self._links[row] = group

    def end_run(self, directory: bytes | None) -> None:
        """All rows since the last call stand in `directory`, relative to the source; None: the row is the source's own."""
        count = len(self._names) - self._run_start
        if count:
            self._runs.append((directory, count))
            self._run_start = len(self._names)

    def since(self, row: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
        """Return copies of the numbers and digests of the open chunk's rows from `row` on."""
        stats = np.array(self._stats[row * FIELDS :], np.int64).reshape(-1, FIELDS)
        digests = np.frombuffer(b"".join(self._digests[row:]), np.uint8)
        return stats, digests.reshape(-1, DIGEST_BYTES)

    def cut(self) -> Chunk | None:
        """Close the open chunk (its last run has ended) and return it; None if it is empty."""
        count = len(self._names)
        if not count:
            return None
        stats = np.frombuffer(self._stats, np.int64).reshape(-1, FIELDS)
        digests = np.frombuffer(b"".join(self._digests), np.uint8)
        chunk = Chunk(self._runs, self._names, stats, digests.reshape(-1, DIGEST_BYTES), self._attributed)
        self._batches.append(self._batch(chunk))
        self.rows_done += count
        self._clear()
        return chunk

    def _batch(self, chunk: Chunk) -> pa.RecordBatch:
        stats, count = chunk.stats, len(chunk.names)
        parents: list[bytes] = []
        for directory, length in chunk.runs:
            if directory is None:
                parent, chunk.names[0] = paths.split(self._prefix)
            else:
                parent = paths.join(self._prefix, directory)
            parents.extend([parent] * length)
        format_bits = stats[:, MODE] & stat.S_IFMT(0xFFFF)
        is_file, is_link = format_bits == stat.S_IFREG, format_bits == stat.S_IFLNK
        kind = np.where(is_file, Kind.FILE, np.where(is_link, Kind.SYMLINK, Kind.DIRECTORY)).astype(np.uint8)
        size = np.where(is_file, stats[:, SIZE], 0)
        for row, values in self._special.items():
            if "target" in values:
                size[row] = len(values["target"])
        digest_kind = np.where(size <= BLOCK_BYTES, DigestKind.WHOLE, DigestKind.BLOCKS).astype(np.uint8)
        digest_kind[~is_file] = DigestKind.NONE
        columns = {
            "parent": pa.array(parents, pa.binary()),
            "name": pa.array(chunk.names, pa.binary()),
            "kind": pa.array(kind),
            "mode": pa.array((stats[:, MODE] & MODE_BITS).astype(np.uint16)),
            "uid": pa.array(stats[:, UID].astype(np.uint32)),
            "gid": pa.array(stats[:, GID].astype(np.uint32)),
            "mtime_ns": pa.array(np.ascontiguousarray(stats[:, MTIME])),
            "size": pa.array(size),
            "digest_kind": pa.array(digest_kind),
            "digest": pa.FixedSizeBinaryArray.from_buffers(
                pa.binary(DIGEST_BYTES), count, [None, pa.py_buffer(chunk.digests)]
            ),
            "link_group": pa.array(np.zeros(count, np.uint64)),
            "extents": self._extents(size),
        }
        for name in ("target", "acl_access", "acl_default", "xattrs", "xattrs_digest"):
            columns[name] = self._sparse(name, count)
        return pa.record_batch([columns[name] for name in rows.SCHEMA.names], schema=rows.SCHEMA)

    def _sparse(self, column: str, count: int) -> pa.Array:
        values = [b""] * count
        for row, found in self._special.items():
            values[row] = found.get(column, b"")
        return pa.array(values, pa.binary())

    def _extents(self, size: npt.NDArray[np.int64]) -> pa.Array:
        """Return the extents column of the chunk: own packs, then rows of the base, then lists; put in order."""
        places = np.frombuffer(self._places, np.int64)
        own = np.flatnonzero(places >= 0)
        values = self._own_extents(places[own], size[own])
        counts = np.zeros(len(places) + 1, np.int32)
        np.cumsum(places >= 0, out=counts[1:])
        result = pa.ListArray.from_arrays(pa.array(counts), values, type=rows.EXTENTS)
        based = np.flatnonzero((places < NOWHERE) & (places > _LISTED))
        listed = np.flatnonzero(places <= _LISTED)
        if not len(based) and not len(listed):
            return result
        parts, order = [result], np.arange(len(places))
        if len(based):
            order[based] = sum(map(len, parts)) + np.arange(len(based))
            parts.append(self._base_extents.take(pa.array(-2 - places[based])))
        if len(listed):
            order[listed] = sum(map(len, parts)) + np.arange(len(listed))
            listed_values = [[rows.extent_dict(extent) for extent in extents] for extents in self._lists]
            parts.append(pa.array(listed_values, rows.EXTENTS))
        return pa.concat_arrays(parts).take(pa.array(order))

    def _own_extents(self, places: npt.NDArray[np.int64], size: npt.NDArray[np.int64]) -> pa.Array:
        numbers, index = np.unique(places >> OFFSET_BITS, return_inverse=True)
        objects = pa.array([self._objects[number] for number in numbers.tolist()], pa.binary())
        count = len(places)
        lengths = pa.array(size)
        return pa.StructArray.from_arrays(
            [
                pa.array(np.full(count, ExtentKind.OBJECT, np.uint8)),
                objects.take(pa.array(index.reshape(-1))),
                pa.array(places & OFFSET_MASK),
                lengths,
                lengths,
                pa.array(np.zeros(count, np.uint8)),
                pa.array(np.zeros(count, np.uint32)),
                _empty_binaries(count),
            ],
            fields=list(rows.EXTENT),
        )

    def finish(self) -> pa.Table:
        """Return all rows."""
        table = pa.Table.from_batches(self._batches, rows.SCHEMA)
        self._batches = []
        if self._links:
            groups = np.zeros(table.num_rows, np.uint64)
            for row, group in self._links.items():
                groups[row] = group
            column = rows.SCHEMA.get_field_index("link_group")
            table = table.set_column(column, rows.SCHEMA.field(column), pa.chunked_array([pa.array(groups)]))
        return table


def _empty_binaries(count: int) -> pa.Array:
    return pa.Array.from_buffers(pa.binary(), count, [None, pa.py_buffer(bytes(4 * (count + 1))), pa.py_buffer(b"")])
