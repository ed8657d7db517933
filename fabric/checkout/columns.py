"""Rows as Python lists, a few thousand at a time: the cheapest way from Arrow to one system call after the other."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fabric.checkout.attributes import Extra
from fabric.errors import DataError, InvalidInputError
from fabric.model import rows, xattrs
from fabric.model.content import Content
from fabric.model.digest import BLOCK_BYTES, DigestKind
from fabric.model.entry import Kind
from fabric.model.extent import Codec, Extent, ExtentKind

WINDOW_ROWS_MAX = 8_192
_LISTED = ("parent", "name", "kind", "mode", "uid", "gid", "mtime_ns", "size", "digest", "link_group")
_RARE = ("acl_access", "acl_default", "xattrs", "xattrs_digest")


@dataclass(slots=True)
class Columns:
    """A stretch of rows.

    Attributes:
        rows: for each row (parent, name, kind, mode, uid, gid, mtime_ns, size, digest, link_group, rare, object, offset).
            `rare` says that it has ACLs or attributes. `object` is not empty for a file whose bytes are one plain extent of
            a data object: it names the object, and `offset` is where they stand in it.
        count: how many rows.
    """

    rows: Iterable[tuple[Any, ...]]
    count: int
    _batch: Any

    def content(self, index: int) -> Content:
        """Return the content of one row, the slow way; raises DataError."""
        extents = self._extents(index)
        if self._value("xattrs_digest", index):
            extents = extents[:-1]
        try:
            kind = DigestKind(self._value("digest_kind", index))
        except ValueError:
            raise DataError("a row has an unknown kind of digest") from None
        return Content(self._value("size", index), kind, self._value("digest", index), extents)

    def target(self, index: int) -> bytes:
        """Return where a symlink points to."""
        return bytes(self._value("target", index))

    def acls_and_xattrs(self, index: int) -> Extra:
        """Return the ACLs and the small set of attributes of one row; raises DataError."""
        return (
            self._value("acl_access", index),
            self._value("acl_default", index),
            xattrs.decode(self._value("xattrs", index)),
        )

    def large_xattrs(self, index: int) -> Content | None:
        """Return the content that holds a large set of attributes, if the row has one; raises DataError."""
        digest = self._value("xattrs_digest", index)
        if not digest:
            return None
        extents = self._extents(index)
        if not extents or extents[-1].length > xattrs.XATTRS_BYTES_MAX:
            raise DataError("a row has no extent for its extended attributes, or too large a one")
        return Content(extents[-1].length, DigestKind.WHOLE, digest, extents[-1:])

    def _value(self, name: str, index: int) -> Any:
        return self._batch.column(name)[index].as_py()

    def _extents(self, index: int) -> list[Extent]:
        return rows.extents_at(self._batch, index)


def windows(batches: Iterable[Any]) -> Iterator[Columns]:
    """Cut batches or tables of rows.SCHEMA into stretches.

    Raises:
        DataError: the rows are not in tree order, or a path comes twice.
        InvalidInputError: they are no rows.
    """
    last = b""
    for batch in batches:
        if not set(rows.SCHEMA.names) <= set(batch.schema.names):
            raise InvalidInputError("a checkout needs rows with all columns, extents included")
        if batch.num_rows == 0:
            continue
        keys = rows.sort_keys(batch)
        first = keys[0].as_py()
        if not rows.is_strictly_sorted(keys) or (last and first <= last):
            raise DataError("rows are not in tree order, or a path comes twice")
        last = keys[len(keys) - 1].as_py()
        for piece in _pieces(batch):
            yield _columns(piece)


def _pieces(batch: Any) -> Iterator[Any]:
    table = batch if isinstance(batch, pa.Table) else pa.Table.from_batches([batch])
    for piece in table.to_batches(max_chunksize=WINDOW_ROWS_MAX):
        if piece.num_rows:
            yield piece


def _columns(batch: Any) -> Columns:
    count = batch.num_rows
    rare = np.zeros(count, bool)
    for name in _RARE:
        rare |= np.diff(rows.offsets(batch.column(name))) > 0
    objects, offsets = _plain(batch)
    lists = [batch.column(name).to_pylist() for name in _LISTED]
    return Columns(zip(*lists, rare.tolist(), objects, offsets, strict=True), count, batch)


def _plain(batch: Any) -> tuple[list[bytes], list[int]]:
    """For each row: the object and offset, if its bytes are one plain extent; b"" and 0 otherwise."""
    count = batch.num_rows
    column = batch.column("extents")
    ends = rows.offsets(column)
    extents = column.flatten()
    fields = {field.name: values for field, values in zip(extents.type, extents.flatten(), strict=True)}
    first = ends[:-1] - ends[0]
    has_one = np.diff(ends) == 1
    if not has_one.any():
        return [b""] * count, [0] * count
    at = first[has_one]

    def number(name: str) -> Any:
        return fields[name].to_numpy(zero_copy_only=False)[at]

    sizes = batch.column("size").to_numpy()[has_one]
    plain = (
        (batch.column("kind").to_numpy()[has_one] == Kind.FILE)
        & (batch.column("digest_kind").to_numpy()[has_one] == DigestKind.WHOLE)
        & (np.diff(rows.offsets(batch.column("xattrs_digest")))[has_one] == 0)
        & (number("kind") == ExtentKind.OBJECT)
        & (number("codec") == Codec.NONE)
        & (number("key") == 0)
        & (number("offset") >= 0)
        & (number("stored") == sizes)
        & (number("length") == sizes)
        & (sizes > 0)
        & (sizes <= BLOCK_BYTES)
        & (np.diff(rows.offsets(fields["digest"]))[at] == 0)
    )
    chosen = np.zeros(count, bool)
    chosen[has_one] = plain
    where = np.zeros(count, np.int64)
    where[chosen] = first[chosen]
    mask = pa.array(chosen)
    objects = pc.if_else(mask, fields["object"].take(pa.array(where)), pa.scalar(b"", pa.binary())).to_pylist()
    offsets = np.where(chosen, fields["offset"].to_numpy(zero_copy_only=False)[where], 0).tolist()
    return objects, offsets
