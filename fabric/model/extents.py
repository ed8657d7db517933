"""Extents as columns and bytes: the placement of a leaf, and extent-list objects (docs/format.md, "Extents")."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fabric.errors import DataError, InvalidInputError
from fabric.model import envelope, frames
from fabric.model.digest import DIGEST_BYTES
from fabric.model.extent import EXTENTS_INLINE_MAX, Extent, ExtentKind
from fabric.model.extent_checks import OBJECT_BYTES_MAX, check_each, check_list
from fabric.model.layout import LayoutReader, LayoutWriter
from fabric.model.rows import EXTENT, EXTENTS, is_strictly_sorted, offsets, single_chunk

_TAG = b"fabric.extents.1"
ROWS_MAX = 64 * 1024
LIST_EXTENTS_MAX = 1024 * 1024
"""In an extent list: a file has at most 4 TiB."""
EXTENTS_MAX = ROWS_MAX * (EXTENTS_INLINE_MAX + 1)
OBJECTS_BYTES_MAX = 256 * 1024 * 1024
"""Of the objects of all extents together, written out."""
_KINDS = {int(kind): kind for kind in ExtentKind}


def encode_columns(column: Any) -> bytes:
    """Return the layout of a column of EXTENTS: counts a row, a table of objects, then one column a field.

    Raises:
        DataError: an extent that a reader would refuse.
    """
    lists = single_chunk(column)
    values = lists.flatten()
    if lists.null_count or values.null_count or any(values.field(part).null_count for part in EXTENT.names):
        raise DataError("a column of extents has nulls")
    encoded = pc.dictionary_encode(values.field("object"))
    order = pc.sort_indices(encoded.dictionary)
    rank = np.empty(len(order), np.uint32)
    rank[order.to_numpy(zero_copy_only=False)] = np.arange(len(order), dtype=np.uint32)
    index = rank[encoded.indices.to_numpy(zero_copy_only=False)] if len(values) else np.empty(0, np.uint32)
    objects = encoded.dictionary.take(order)
    _check_count(len(lists), len(values), objects, index)
    check_each(values, objects.to_pylist(), index)
    out = LayoutWriter(_TAG)
    out.number(len(lists))
    out.number(len(values))
    out.number(len(order))
    out.fixed("u32", np.diff(offsets(lists)))
    out.binary(objects)
    out.fixed("u8", values.field("kind"))
    out.fixed("u32", index)
    for name in ("offset", "stored", "length"):
        out.fixed("i64", values.field(name))
    out.fixed("u8", values.field("codec"))
    out.fixed("u32", values.field("key"))
    out.binary(values.field("digest"))
    return out.joined()


def decode_columns(raw: Any) -> Any:
    """Return the column of EXTENTS that `raw` encodes, each extent checked by itself.

    Raises:
        DataError: it does not decode, or an extent says something that no writer writes.
        UnsupportedFormatError: an extent of a kind that this release does not know. (An unknown codec or key is left to the
            reader of the bytes: the other rows of the leaf stay readable.)
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
    if count and int(index.max()) >= objects:
        raise DataError("an extent names no object")
    if not is_strictly_sorted(table):
        raise DataError("the object table of extents is not sorted")
    named = np.zeros(objects, bool)
    named[index] = True
    if not named.all():
        raise DataError("the object table of extents names an object that no extent names")
    _check_count(rows, count, table, index)
    values = pa.StructArray.from_arrays(
        [kind, table.take(pa.array(index)), offset, stored, length, codec, key, digest], fields=list(EXTENT)
    )
    check_each(values, table.to_pylist(), index)
    return pa.ListArray.from_arrays(pa.array(ends), values, type=EXTENTS)


def _check_count(rows: int, count: int, objects: Any, index: Any) -> None:
    """Bound what the columns take in memory; raises DataError."""
    if rows > ROWS_MAX or count > EXTENTS_MAX:
        raise DataError(f"{count} extents of {rows} rows are more than a tree object holds")
    if count:
        widths = np.diff(offsets(objects))
        if int(widths.max()) > OBJECT_BYTES_MAX or int(widths[index].sum(dtype=np.int64)) > OBJECTS_BYTES_MAX:
            raise DataError("the names of the objects of extents are too long")


def encode(extents: Sequence[Extent]) -> bytes:
    """Return an extent-list object that holds these extents of one large content.

    Raises:
        InvalidInputError: there are more than LIST_EXTENTS_MAX: the file is too large.
        DataError: an extent that a reader would refuse, or extents that are not blocks with a digest each.
    """
    if len(extents) > LIST_EXTENTS_MAX:
        raise InvalidInputError(f"a file of {len(extents)} blocks is over the limit of {LIST_EXTENTS_MAX}")
    try:
        columns = [pa.array([getattr(extent, part.name) for extent in extents], part.type) for part in EXTENT]
    except (pa.ArrowException, OverflowError, TypeError) as error:
        raise DataError(f"an extent has a value that its column cannot hold: {error}") from None
    values = pa.StructArray.from_arrays(columns, fields=list(EXTENT))
    column = pa.ListArray.from_arrays(pa.array([0, len(values)], pa.int32()), values, type=EXTENTS)
    raw = encode_columns(column)
    check_list(column)
    return envelope.encode_header(envelope.ObjectKind.EXTENTS) + frames.encode([raw])


def decode(data: bytes | memoryview) -> list[Extent]:
    """Return the extents that an extent-list object holds: two or more blocks, each with its digest (or a hole).

    That they make up a certain content is for the caller to check, who knows its size and digest.

    Raises:
        DataError: it does not decode, or holds what a list may not.
        UnsupportedFormatError: it was written by a newer release.
    """
    payload = envelope.decode_header(data, envelope.ObjectKind.EXTENTS)
    column = decode_columns(frames.Frames(payload, 1)[0])
    check_list(column)
    values = column.flatten()
    if len(values) > LIST_EXTENTS_MAX:
        raise DataError(f"an extent list of {len(values)} extents is over the limit of {LIST_EXTENTS_MAX}")
    # By columns: a dictionary for each extent first would take three times the memory.
    columns = [values.field(name).to_pylist() for name in Extent.__slots__[1:]]
    kinds = values.field("kind").to_pylist()
    return [Extent(_KINDS[kind], *rest) for kind, *rest in zip(kinds, *columns, strict=True)]
