"""Extents: lists of them as objects, names of external ones."""

from dataclasses import replace

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.errors import DataError, InvalidInputError, UnsupportedFormatError
from fabric.model import extents
from fabric.model.digest import BLOCK_BYTES, zero_digest
from fabric.model.extent import Extent, ExtentKind, external_object, parse_external
from fabric.model.rows import EXTENTS, extent_dict
from fabric.testing import plain_format as plain
from fabric.testing.trees import EntryMaker

OBJECT = b"0" * 26 + b"/" + b"1" * 26
lists = st.builds(lambda seed, count: EntryMaker(seed).blocks(count)[1], st.integers(0, 2**32), st.integers(2, 20))


def block(length=BLOCK_BYTES, **changes):
    values = {
        "kind": ExtentKind.OBJECT,
        "object": OBJECT,
        "offset": 24,
        "stored": length,
        "length": length,
        "digest": bytes(32),
    }
    return Extent(**{**values, **changes})


@given(lists)
def test_what_goes_in_comes_out(some):
    data = extents.encode(some)
    assert extents.decode(data) == some
    assert extents.encode(extents.decode(data)) == data
    assert extents.decode(plain.tree_object(plain.EXTENTS, [plain.extents_frame([some])])) == some


def test_columns_of_many_rows():
    rows = [EntryMaker(seed).blocks(seed + 1)[1] for seed in range(10)]
    rows.insert(3, [])
    column = pa.array([[extent_dict(extent) for extent in some] for some in rows], EXTENTS)
    raw = extents.encode_columns(column)
    assert raw == plain.extents_frame(rows)
    assert extents.decode_columns(raw).equals(column)
    assert extents.encode_columns(extents.decode_columns(raw)) == raw
    for start in range(len(rows)):
        part = column.slice(start, 4)
        assert extents.encode_columns(part) == plain.extents_frame(rows[start : start + 4])


BAD = {
    "none": [],
    "one": [block()],
    "a list": [block(), block(kind=ExtentKind.LIST)],
    "not whole blocks": [block(5), block(5)],
    "longer than a block": [block(), block(BLOCK_BYTES + 1)],
    "without digests": [block(), block(digest=b"")],
    "empty": [block(), block(0)],
    "no object": [block(), block(object=b"")],
    "nothing stored": [block(), block(5, stored=0)],
}


@pytest.mark.parametrize("some", BAD.values(), ids=BAD)
def test_refused_both_ways(some):
    with pytest.raises(DataError):
        extents.decode(plain.tree_object(plain.EXTENTS, [plain.extents_frame([some])]))
    with pytest.raises(DataError):
        extents.encode(some)


def test_lists_of_no_or_two_contents():
    some = [block(), block(5)]
    for rows in ([], [some, some], [some, []]):
        with pytest.raises(DataError):
            extents.decode(plain.tree_object(plain.EXTENTS, [plain.extents_frame(rows)]))


def test_kinds_to_come():
    with pytest.raises(UnsupportedFormatError):
        extents.decode(plain.tree_object(plain.EXTENTS, [plain.extents_frame([[block(), block(kind=6)]])]))


def test_numbers_that_fit_no_column():
    for changes in ({"offset": 2**63}, {"key": -1}, {"codec": 256}, {"length": None}):
        with pytest.raises(DataError):
            extents.encode([block(), replace(block(5), **changes)])


def test_a_file_that_is_too_large(monkeypatch):
    monkeypatch.setattr(extents, "LIST_EXTENTS_MAX", 2)
    some = [block(), block(), block(5)]
    with pytest.raises(InvalidInputError, match="limit"):
        extents.encode(some)
    with pytest.raises(DataError, match="limit"):
        extents.decode(plain.tree_object(plain.EXTENTS, [plain.extents_frame([some])]))


def test_long_names_many_times(monkeypatch):
    # Without a bound a few bytes would name one long object a million times, and take as many copies of it.
    monkeypatch.setattr(extents, "OBJECTS_BYTES_MAX", 1000)
    some = [
        block(kind=ExtentKind.EXTERNAL, object=b"loc\0\0" + b"k" * 600),
        block(kind=ExtentKind.EXTERNAL, object=b"loc\0\0" + b"k" * 600),
    ]
    with pytest.raises(DataError, match="too long"):
        extents.decode(plain.tree_object(plain.EXTENTS, [plain.extents_frame([some])]))


def test_a_sparse_file_of_terabytes():
    hole = Extent(ExtentKind.HOLE, b"", 0, 0, BLOCK_BYTES, digest=zero_digest(BLOCK_BYTES))
    data = extents.encode([hole] * 20_000)
    assert len(data) < 20_000
    assert extents.decode(data) == [hole] * 20_000


@given(st.text(min_size=1, max_size=20), st.text(max_size=20))
def test_external_names_are_read_back(key, version):
    try:
        raw = external_object("bucket-1", version, key)
    except InvalidInputError:
        assert {"", ".", ".."} & set(key.split("/")) or "\0" in key + version or not (key + version).isprintable()
        return
    assert parse_external(raw) == ("bucket-1", version, key)


@given(st.binary(max_size=40) | st.lists(st.binary(max_size=9), min_size=3, max_size=3).map(b"\0".join))
def test_any_bytes_name_something_external_or_are_refused(raw):
    try:
        location, version, key = parse_external(raw)
    except InvalidInputError:
        return
    assert external_object(location, version, key) == raw
    assert not {"", ".", ".."} & set(key.split("/"))
