"""Extents as columns and bytes: the placement of a leaf, and extent-list objects (docs/format.md, "Extents")."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fabric.errors import DataError, UnsupportedFormatError
from fabric.model import envelope, frames
from fabric.model.digest import BLOCK_BYTES, DIGEST_BYTES
from fabric.model.extent import Extent, ExtentKind
from fabric.model.layout import LayoutReader, LayoutWriter
from fabric.model.rows import EXTENT, EXTENTS, extent_dict, extent_of, offsets, single_chunk

_TAG = b"fabric.extents.1"
ROWS_MAX = 64 * 1024
EXTENTS_MAX = 4 * 1024 * 1024
OBJECT_BYTES_MAX = 4096
LENGTH_MAX = 2**53


def encode_columns(column: Any) -> bytes:
    """Return the layout of a column of EXTENTS: counts a row, a table of objects, then one column a field."""
    lists = single_chunk(column)
    values = lists.flatten()
    encoded = pc.dictionary_encode(values.field("object"))
    order = pc.sort_indices(encoded.dictionary)
    rank = np.empty(len(order), np.uint32)
    rank[order.to_numpy(zero_copy_only=False)] = np.arange(len(order), dtype=np.uint32)
    indices = encoded.indices.to_numpy(zero_copy_only=False)
    out = LayoutWriter(_TAG)
    out.number(len(lists))
    out.number(len(values))
    out.number(len(order))
    out.fixed("u32", np.diff(offsets(lists)))
    out.binary(encoded.dictionary.take(order))
    out.fixed("u8", values.field("kind"))
    out.fixed("u32", rank[indices] if len(indices) else np.empty(0, np.uint32))
    for name in ("offset", "stored", "length"):
        out.fixed("i64", values.field(name))
    out.fixed("u8", values.field("codec"))
    out.fixed("u32", values.field("key"))
    out.binary(values.field("digest"))
    return out.joined()


def decode_columns(raw: Any) -> Any:
    """Return the column of EXTENTS that `raw` encodes.

    Raises:
        DataError: it does not decode, or a row says something that no writer writes.
        UnsupportedFormatError: a kind, codec or key that this release does not know is left to the reader of the bytes;
            an unknown extent kind is refused here.
    """
    source = LayoutReader(raw, _TAG)
    rows, count, objects = source.number(ROWS_MAX), source.number(EXTENTS_MAX), source.number(EXTENTS_MAX)
    ends = source.lengths(rows, EXTENTS_MAX)
    if int(ends[-1]) != count or objects > count:
        raise DataError("extent counts do not add up")
    table = source.binary(objects, OBJECT_BYTES_MAX)
    kind = source.fixed("u8", count)
    index = source.numpy("u32", count)
    offset, stored, length = (source.fixed("i64", count) for _ in range(3))
    codec, key = source.fixed("u8", count), source.fixed("u32", count)
    digest = source.binary(count, DIGEST_BYTES)
    source.finish()
    if count:
        _check(kind.to_numpy(), index, objects, [offset.to_numpy(), stored.to_numpy(), length.to_numpy()], offsets(digest))
        if objects > 1 and not pc.all(pc.less(table.slice(0, objects - 1), table.slice(1))).as_py():
            raise DataError("the object table of extents is not sorted")
    values = pa.StructArray.from_arrays(
        [kind, table.take(pa.array(index)), offset, stored, length, codec, key, digest], fields=list(EXTENT)
    )
    return pa.ListArray.from_arrays(pa.array(ends), values, type=EXTENTS)


def _check(kind: Any, index: Any, objects: int, numbers: list[Any], digest_ends: Any) -> None:
    if int(kind.max()) > max(ExtentKind):
        raise UnsupportedFormatError(f"unknown kind of extent {int(kind.max())}", hint="upgrade datafabric")
    if int(kind.min()) < min(ExtentKind) or int(index.max()) >= objects:
        raise DataError("an extent has no kind or no object")
    for values in numbers:
        if int(values.min()) < 0 or int(values.max()) > LENGTH_MAX:
            raise DataError("an extent's offset or length is out of range")
    length = numbers[2]
    if int(length.min()) < 1 or bool(
        np.any((length > BLOCK_BYTES) & (kind != ExtentKind.LIST) & (kind != ExtentKind.EXTERNAL))
    ):
        raise DataError("an extent is empty or longer than a block")
    widths = np.diff(digest_ends)
    if bool(np.any((widths != 0) & (widths != DIGEST_BYTES))):
        raise DataError("an extent's digest is neither absent nor 32 bytes long")


def encode(extents: Sequence[Extent]) -> bytes:
    """Return an extent-list object that holds these extents of one content."""
    column = pa.array([[extent_dict(extent) for extent in extents]], EXTENTS)
    return envelope.encode_header(envelope.ObjectKind.EXTENTS) + frames.encode([encode_columns(column)])


def decode(data: bytes | memoryview) -> list[Extent]:
    """Return the extents that an extent-list object holds.

    Raises:
        DataError: it does not decode, holds none, or holds lists in turn.
        UnsupportedFormatError: it was written by a newer release.
    """
    payload = envelope.decode_header(data, envelope.ObjectKind.EXTENTS)
    column = decode_columns(frames.Frames(payload, 1)[0])
    if len(column) != 1 or len(column[0]) == 0:
        raise DataError("an extent list does not hold the extents of one content")
    result = [extent_of(value) for value in column[0].as_py()]
    if any(extent.kind == ExtentKind.LIST for extent in result):
        raise DataError("an extent list holds another list")
    return result
