"""Entries as columns, and single looks at them."""

from dataclasses import replace

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.errors import DataError, InvalidInputError
from fabric.model import node, paths, rows
from fabric.model.entry import Entry, Kind, implicit_directory
from fabric.model.extent import ExtentKind
from fabric.testing.trees import EntryMaker

trees = st.builds(lambda seed, count: EntryMaker(seed).tree(count), st.integers(0, 2**32), st.integers(1, 40))


@given(trees, st.data())
def test_entries_and_columns(entries, data):
    table = rows.from_entries(entries)
    expected = sorted((entry for entry, _ in entries), key=lambda entry: paths.path_key(entry.path))
    start = data.draw(st.integers(0, table.num_rows - 1))
    part = table.slice(start)
    expected = expected[start:]
    assert list(rows.iter_entries(part)) == expected
    assert [rows.entry_at(part, number) for number in range(len(expected))] == expected
    keys = rows.sort_keys(part)
    assert keys.to_pylist() == [paths.path_key(entry.path) for entry in expected]
    assert rows.full_paths(part).to_pylist() == [entry.path for entry in expected]
    assert rows.is_strictly_sorted(keys)
    assert rows.sort(part) is part
    backwards = part.take(list(reversed(range(len(expected)))))
    assert rows.sort(backwards).equals(part)
    for number, key in enumerate(keys.to_pylist()):
        assert rows.find(keys, key) == number
        assert rows.find(keys, key + b"\0") == number + 1


@given(trees)
def test_single_looks(entries):
    leaf = node.decode_leaf(node.encode_leaf(rows.from_entries(entries))[1])
    for entry, _ in entries:
        number = leaf.lookup.find(paths.path_key(entry.path))
        assert leaf.lookup.entry(number) == entry
        assert leaf.lookup.path(number) == entry.path
    assert leaf.lookup.find(b"\xff" * 300) is None
    assert leaf.lookup.first_from(b"") == 0
    assert leaf.lookup.first_from(b"\xff" * 300) == len(entries)


@given(st.lists(st.binary(max_size=9), max_size=30), st.data())
def test_raw_columns_of_slices(values, data):
    column = pa.array(values, pa.binary())
    start = data.draw(st.integers(0, len(values)))
    part = column.slice(start, data.draw(st.integers(0, len(values) - start)))
    assert rows.raw_bytes(part) == b"".join(part.to_pylist())
    assert rows.fold(part).to_pylist() == [value.replace(b"/", b"\0") for value in part.to_pylist()]
    starts = rows.parent_starts(part).tolist()
    assert starts == [n for n, value in enumerate(part.to_pylist()) if n == 0 or value != part[n - 1].as_py()]


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": 2**16},
        {"uid": -1},
        {"gid": 2**32},
        {"size": 2**63},
        {"digest": b"short"},
        {"link_group": -1},
        {"mtime_ns": 2**63},
    ],
)
def test_values_that_fit_no_column(changes):
    entry = replace(Entry(b"a", Kind.FILE, 0o644), **changes)
    with pytest.raises(InvalidInputError):
        rows.from_entries([(entry, [])])


def test_extents_as_values():
    (extent,) = EntryMaker(1).small()[3]
    assert rows.extent_of(rows.extent_dict(extent)) == extent
    with pytest.raises(DataError):
        rows.extent_of({**rows.extent_dict(extent), "kind": max(ExtentKind) + 1})


def test_nothing():
    assert rows.empty().num_rows == 0
    assert rows.empty().schema == rows.SCHEMA
    assert len(rows.sort_keys(rows.empty())) == 0
    assert rows.is_strictly_sorted(rows.sort_keys(rows.empty()))
    assert rows.single_chunk(pa.chunked_array([], pa.int64())).equals(pa.array([], pa.int64()))


def test_entry_properties():
    entry = implicit_directory(b"a/b")
    assert (entry.parent, entry.name, entry.mode) == (b"a", b"b", 0o755)
    assert (implicit_directory(b"").parent, implicit_directory(b"").name) == (b"", b"")
