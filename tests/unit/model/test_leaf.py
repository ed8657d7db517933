"""Leaves: what goes in comes out, one form for one set of rows, and nothing comes out that may not be in a tree."""

from dataclasses import replace

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.errors import DataError, InvalidInputError, UnsupportedFormatError
from fabric.model import frames, node, paths, rows
from fabric.model.checks import ACL_BYTES_MAX
from fabric.model.digest import BLOCK_BYTES, NO_DIGEST, DigestKind, block_digest
from fabric.model.entry import Entry, Kind, implicit_directory
from fabric.model.extent import Extent, ExtentKind
from fabric.testing import plain_format as plain
from fabric.testing.trees import EntryMaker

trees = st.builds(lambda seed, count: EntryMaker(seed).tree(count), st.integers(0, 2**32), st.integers(1, 40))
OBJECT = b"0" * 26 + b"/" + b"1" * 26


def placed(path, size=10, **changes):
    """One small file with its extent."""
    entry = Entry(path, Kind.FILE, 0o644, size=size, digest_kind=DigestKind.WHOLE, digest=block_digest(path))
    return replace(entry, **changes), [Extent(ExtentKind.OBJECT, OBJECT, 24, size, size)]


def in_order(entries):
    return sorted(entries, key=lambda pair: paths.path_key(pair[0].path))


def plain_leaf(entries):
    entries = in_order(entries)
    return plain.leaf_object([plain.row_of(entry) for entry, _ in entries], [extents for _, extents in entries])


@given(trees)
def test_what_goes_in_comes_out(entries):
    table = rows.from_entries(entries)
    node_id, data = node.encode_leaf(table)
    leaf = node.decode_leaf(data, node_id)
    assert leaf.table.equals(table)
    assert node.encode_leaf(leaf.table) == (node_id, data)
    assert leaf.first_key == paths.path_key(in_order(entries)[0][0].path)
    assert leaf.size == sum(entry.size for entry, _ in entries if entry.kind == Kind.FILE)
    assert list(rows.iter_entries(leaf.logical)) == [entry for entry, _ in in_order(entries)]
    assert [rows.extents_at(leaf.table, number) for number in range(table.num_rows)] == [e for _, e in in_order(entries)]


@given(trees)
def test_an_encoder_written_from_the_specification_agrees(entries):
    table = rows.from_entries(entries)
    node_id, _ = node.encode_leaf(table)
    leaf = node.decode_leaf(plain_leaf(entries))
    assert leaf.id == node_id
    assert leaf.table.equals(table)


@given(trees, st.data())
def test_slices_and_chunks_encode_as_copies_do(entries, data):
    table = rows.from_entries(entries)
    start = data.draw(st.integers(0, table.num_rows - 1))
    part = table.slice(start, data.draw(st.integers(1, table.num_rows - start)))
    middle = data.draw(st.integers(0, part.num_rows))
    chunked = pa.concat_tables([part.slice(0, middle), part.slice(middle)])
    fresh = rows.SCHEMA.empty_table().from_pylist(part.to_pylist(), schema=rows.SCHEMA)
    assert node.encode_leaf(part) == node.encode_leaf(chunked) == node.encode_leaf(fresh)


def test_where_bytes_lie_is_no_part_of_the_id():
    entry, extents = placed(b"a")
    elsewhere = [replace(extents[0], object=OBJECT[::-1].replace(b"0", b"2"), offset=99)]
    first, second = (node.encode_leaf(rows.from_entries([(entry, e)])) for e in (extents, elsewhere))
    assert first[0] == second[0]
    assert first[1] != second[1]


def test_another_compression_is_the_same_leaf():
    entries = [placed(b"file%d" % number) for number in range(100)]
    table = rows.from_entries(entries)
    ordered = in_order(entries)
    parts = [plain.leaf_frame([plain.row_of(e) for e, _ in ordered]), plain.extents_frame([e for _, e in ordered])]
    ids = {node.decode_leaf(plain.tree_object(plain.LEAF, parts, level)).id for level in (-5, 1, 9, 19)}
    assert ids == {node.encode_leaf(table)[0]}


def test_rows_that_are_all_alike_can_be_read_back():
    # 8,000 directories have 32 KB of zeros for placement, which zstd makes 1,300 times smaller: more than a reader believes.
    table = rows.from_entries([(implicit_directory(b"d%04d" % number), []) for number in range(8_000)])
    node_id, data = node.encode_leaf(table)
    assert node.decode_leaf(data, node_id).table.equals(table)


def test_another_leaf_than_asked_for():
    _, data = node.encode_leaf(rows.from_entries([placed(b"a")]))
    with pytest.raises(DataError, match="was asked for"):
        node.decode_leaf(data, node.NodeId(bytes(32)))


def test_arrays_own_aligned_memory():
    table = rows.from_entries(EntryMaker(7).tree(50))
    leaf = node.decode_leaf(node.encode_leaf(table)[1])
    for column in [*leaf.logical.columns, *leaf.extents.flatten().flatten()]:
        width = 1 if pa.types.is_fixed_size_binary(column.type) else 8
        assert all(buffer is None or buffer.address % width == 0 for buffer in column.buffers()[1:2])


FILE = placed(b"dir/b")[0]
SMALL = FILE.size
LARGE = 2 * BLOCK_BYTES + 5
GOOD_LARGE = [
    Extent(ExtentKind.OBJECT, OBJECT, 24, length, length, digest=bytes([length % 251]) * 32)
    for length in (BLOCK_BYTES, BLOCK_BYTES, 5)
]

BAD_ROWS = {
    "empty name": {"name": b""},
    "name .": {"name": b"."},
    "name ..": {"name": b".."},
    "slash in a name": {"name": b"b/c"},
    "NUL in a name": {"name": b"b\x00"},
    "absolute parent": {"parent": b"/dir"},
    "parent ends in a slash": {"parent": b"dir/"},
    "parent with an empty segment": {"parent": b"dir//e"},
    "parent with .": {"parent": b"dir/."},
    "parent that begins with ..": {"parent": b"../dir"},
    "parent with ..": {"parent": b"dir/../e"},
    "parent ..": {"parent": b".."},
    "parent /": {"parent": b"/"},
    "NUL in a parent": {"parent": b"di\x00r"},
    "long parent segment": {"parent": b"d" * 256},
    "path of 4097 bytes": {"parent": b"/".join([b"d" * 255] * 15 + [b"d" * 254]), "name": b"bb"},
    "kind 0": {"kind": 0},
    "kind 4": {"kind": 4},
    "mode": {"mode": 0o10000},
    "negative size": {"size": -1},
    "huge size": {"size": 2**53 + 1},
    "digest kind": {"digest_kind": 4},
    "file without a digest": {"digest_kind": DigestKind.NONE},
    "one digest for a large file": {"size": LARGE},
    "blocks of a small file": {"digest_kind": DigestKind.BLOCKS},
    "deferred digest of nothing": {"digest_kind": DigestKind.DEFERRED, "size": 0},
    "empty file with another digest": {"size": 0},
    "directory with a size": {"kind": Kind.DIRECTORY, "digest_kind": 0, "digest": NO_DIGEST},
    "directory with a digest kind": {"kind": Kind.DIRECTORY, "size": 0, "digest": NO_DIGEST},
    "directory with a digest": {"kind": Kind.DIRECTORY, "size": 0, "digest_kind": 0},
    "symlink without a target": {"kind": Kind.SYMLINK, "digest_kind": 0, "digest": NO_DIGEST},
    "symlink to nothing": {"kind": Kind.SYMLINK, "digest_kind": 0, "digest": NO_DIGEST, "size": 0},
    "symlink of another length": {"kind": Kind.SYMLINK, "digest_kind": 0, "digest": NO_DIGEST, "target": b"x"},
    "NUL in a target": {"kind": Kind.SYMLINK, "digest_kind": 0, "digest": NO_DIGEST, "target": b"x\x00y", "size": 3},
    "long target": {"kind": Kind.SYMLINK, "digest_kind": 0, "digest": NO_DIGEST, "target": b"x" * 4096, "size": 4096},
    "target of a file": {"target": b"x"},
    "ACL that is none": {"acl_access": b"x" * 12},
    "ACL of half an entry": {"acl_access": b"\x02\x00\x00\x00xxxx"},
    "long ACL": {"acl_access": b"\x02\x00\x00\x00" + b"x" * ACL_BYTES_MAX},
    "default ACL of a file": {"acl_default": b"\x02\x00\x00\x00"},
    "attributes that do not decode": {"xattrs": b"x"},
    "attributes of the kernel's overlay": {"xattrs": b"\x01\0\0\0\x11\0\0\0\x01\0\0\0user.overlay.opay"},
    "attributes of another name space": {"xattrs": b"\x01\0\0\0\x09\0\0\0\x01\0\0\0trusted.ay"},
    "attributes over the limit": {"xattrs": b"x" * 257},
    "digest of attributes": {"xattrs_digest": b"x" * 31},
    "link group of a directory": {
        "kind": Kind.DIRECTORY,
        "size": 0,
        "digest_kind": 0,
        "digest": NO_DIGEST,
        "link_group": 1,
    },
}


@pytest.mark.parametrize("changes", BAD_ROWS.values(), ids=BAD_ROWS)
def test_refused_both_ways(changes):
    """A row that no tree may hold does not go in, and does not come out of an object that somebody else made."""
    base = [plain.row_of(entry) for entry, _ in (placed(b"dir/a"), placed(b"dir/b"), placed(b"dir/c"))]
    bad = [base[0], {**base[1], **changes}, base[2]]
    bad.sort(key=lambda row: (row["parent"].replace(b"/", b"\0"), row["name"]))
    extents = [placed(b"x")[1] if row["kind"] == Kind.FILE and row["size"] else [] for row in bad]
    with pytest.raises(DataError):
        node.decode_leaf(plain.leaf_object(bad, extents))
    values = [{**row, "extents": [rows.extent_dict(e) for e in some]} for row, some in zip(bad, extents, strict=True)]
    with pytest.raises(DataError):
        node.encode_leaf(pa.Table.from_pylist(values, schema=rows.SCHEMA))


def _extent(**changes):
    return replace(placed(b"x")[1][0], **changes)


LIST = Extent(ExtentKind.LIST, OBJECT, 0, 100, LARGE)
BAD_EXTENTS = {
    "none": (SMALL, []),
    "too short": (SMALL, [_extent(length=9, stored=9)]),
    "two of one block": (SMALL, [_extent(length=5, stored=5)] * 2),
    "empty one": (SMALL, [_extent(), _extent(length=0, stored=0)]),
    "negative": (SMALL, [_extent(offset=-1)]),
    "far": (SMALL, [_extent(offset=2**53 + 1)]),
    "stored differs": (SMALL, [_extent(stored=9)]),
    "stored nothing": (SMALL, [_extent(stored=0, codec=1)]),
    "its own digest": (SMALL, [_extent(digest=bytes(32))]),
    "short digest": (SMALL, [_extent(digest=bytes(31))]),
    "object without a name": (SMALL, [_extent(object=b"")]),
    "object of an odd name": (SMALL, [_extent(object=OBJECT[:-1])]),
    "object that leads out": (SMALL, [_extent(object=b"../" + OBJECT)]),
    "object that is a location": (SMALL, [_extent(object=b"loc\0\0key")]),
    "long object": (SMALL, [_extent(kind=ExtentKind.EXTERNAL, object=b"loc\0\0" + b"k" * 4096)]),
    "external that is an object": (SMALL, [_extent(kind=ExtentKind.EXTERNAL)]),
    "external that is no location": (SMALL, [_extent(kind=ExtentKind.EXTERNAL, object=b"s3://bucket\0\0key")]),
    "external that leads out": (SMALL, [_extent(kind=ExtentKind.EXTERNAL, object=b"loc\0\0../key")]),
    "external that is absolute": (SMALL, [_extent(kind=ExtentKind.EXTERNAL, object=b"loc\0\0/key")]),
    "external of four parts": (SMALL, [_extent(kind=ExtentKind.EXTERNAL, object=b"loc\0\0k\0y")]),
    "hole of an object": (SMALL, [_extent(kind=ExtentKind.HOLE)]),
    "hole that stores": (SMALL, [_extent(kind=ExtentKind.HOLE, object=b"", offset=0)]),
    "erased with an offset": (SMALL, [_extent(kind=ExtentKind.ERASED, object=b"", stored=0)]),
    "hole with a key": (SMALL, [_extent(kind=ExtentKind.HOLE, object=b"", offset=0, stored=0, key=1)]),
    "kind 0": (SMALL, [_extent(kind=0)]),
    "list of one block": (SMALL, [replace(LIST, length=SMALL)]),
    "large in one": (LARGE, [_extent(length=LARGE, stored=LARGE, digest=bytes(32))]),
    "large without digests": (LARGE, [replace(extent, digest=b"") for extent in GOOD_LARGE]),
    "large not in blocks": (LARGE, [GOOD_LARGE[0], GOOD_LARGE[2], GOOD_LARGE[1]]),
    "large not covered": (LARGE, GOOD_LARGE[:2]),
    "large and more": (LARGE, [*GOOD_LARGE, GOOD_LARGE[2]]),
    "more than stand in a leaf": (17 * BLOCK_BYTES, [GOOD_LARGE[0]] * 17),
    "list and more": (LARGE, [LIST, GOOD_LARGE[0]]),
    "list of another length": (LARGE, [replace(LIST, length=LARGE + 1)]),
    "list with a digest": (LARGE, [replace(LIST, digest=bytes(32))]),
    "list with a codec": (LARGE, [replace(LIST, codec=1)]),
    "list of no bytes": (LARGE, [replace(LIST, stored=0)]),
    "list that is no object": (LARGE, [replace(LIST, object=b"")]),
    "sums that overflow": (LARGE, [replace(LIST, length=2**53)] * 16),
}


def file_of(size):
    kind = DigestKind.WHOLE if size <= BLOCK_BYTES else DigestKind.BLOCKS
    return replace(FILE, size=size, digest_kind=kind)


def refuse_extents(entry, extents):
    row = plain.row_of(entry)
    data = plain.leaf_object([row], [extents])
    leaf = node.decode_leaf(data)  # What an entry is can be told though nobody knows where it lies.
    assert rows.entry_at(leaf.logical, 0) == entry
    with pytest.raises(DataError) as refusal:
        _ = leaf.extents
    table = pa.Table.from_pylist([{**row, "extents": [rows.extent_dict(e) for e in extents]}], schema=rows.SCHEMA)
    with pytest.raises(DataError):
        node.encode_leaf(table)
    return refusal.value


@pytest.mark.parametrize(("size", "extents"), BAD_EXTENTS.values(), ids=BAD_EXTENTS)
def test_extents_refused_both_ways(size, extents):
    assert not isinstance(refuse_extents(file_of(size), extents), UnsupportedFormatError)


def test_extents_of_what_has_no_content():
    refuse_extents(replace(FILE, size=0, digest=block_digest(b"")), [_extent()])
    refuse_extents(implicit_directory(b"d"), [_extent()])


def test_an_extent_of_a_kind_to_come():
    assert isinstance(refuse_extents(FILE, [_extent(kind=6)]), UnsupportedFormatError)


def test_extents_of_large_attributes():
    entry = replace(FILE, xattrs_digest=bytes(32))
    good = [_extent(), _extent(length=300, stored=300)]
    data = plain.leaf_object([plain.row_of(entry)], [good])
    assert rows.extents_at(node.decode_leaf(data).table, 0) == good
    refuse_extents(entry, good[:1])
    refuse_extents(entry, [*good, good[1]])
    refuse_extents(entry, [good[0], _extent(length=256, stored=256)])
    refuse_extents(entry, [good[0], _extent(length=300, stored=300, digest=bytes(32))])
    refuse_extents(entry, [good[0], replace(LIST, length=300)])
    refuse_extents(replace(implicit_directory(b"d"), xattrs_digest=bytes(32)), [])


def test_extents_of_a_deferred_digest():
    entry = replace(FILE, size=LARGE, digest_kind=DigestKind.DEFERRED)
    external = Extent(ExtentKind.EXTERNAL, b"loc\0v1\0key", 0, LARGE, LARGE)
    for good in (
        [external],
        [LIST],
        GOOD_LARGE,
        [Extent(ExtentKind.ERASED, b"", 0, 0, LARGE)],
    ):
        leaf = node.decode_leaf(plain.leaf_object([plain.row_of(entry)], [good]))
        assert rows.extents_at(leaf.table, 0) == good
    refuse_extents(entry, [replace(external, length=LARGE - 1, stored=LARGE - 1)])
    refuse_extents(entry, [replace(external, digest=bytes(32))])
    refuse_extents(entry, [replace(extent, digest=b"") for extent in GOOD_LARGE])
    refuse_extents(entry, [Extent(ExtentKind.HOLE, b"", 0, 0, LARGE)])


def test_holes_need_no_digest():
    hole = Extent(ExtentKind.HOLE, b"", 0, 0, BLOCK_BYTES)
    extents = [GOOD_LARGE[0], hole, GOOD_LARGE[2]]
    leaf = node.decode_leaf(plain.leaf_object([plain.row_of(file_of(LARGE))], [extents]))
    assert rows.extents_at(leaf.table, 0) == extents


def test_codecs_and_keys_to_come_pass():
    extents = [_extent(stored=3, codec=255, key=2**32 - 1)]
    table = rows.from_entries([(FILE, extents)])
    assert rows.extents_at(node.decode_leaf(node.encode_leaf(table)[1]).table, 0) == extents


def _frames_of(entries):
    ordered = in_order(entries)
    return [plain.row_of(entry) for entry, _ in ordered], [extents for _, extents in ordered]


@pytest.mark.parametrize(
    "runs",
    [
        [],
        [(b"", 2)],
        [(b"", 4)],
        [(b"", 1), (b"", 2)],
        [(b"", 3), (b"a", 0)],
        [(b"", 0), (b"a", 3)],
        [(b"a", 2**32 - 1), (b"b", 4)],
        [(b"b", 1), (b"a", 2)],
        [(b"a/b", 1), (b"a", 2)],
        [(b"a b", 1), (b"a/b", 2)],
    ],
)
def test_runs_that_do_not_add_up(runs):
    entries, extents = _frames_of([placed(b"a"), placed(b"b"), placed(b"c")])
    data = plain.tree_object(plain.LEAF, [plain.leaf_frame(entries, runs), plain.extents_frame(extents)])
    with pytest.raises(DataError):
        node.decode_leaf(data)


@pytest.mark.parametrize("order", [(1, 0), (0, 0)])
def test_rows_out_of_order_or_twice(order):
    entries = [placed(b"a"), placed(b"b")]
    chosen = [entries[number] for number in order]
    data = plain.leaf_object([plain.row_of(entry) for entry, _ in chosen], [extents for _, extents in chosen])
    with pytest.raises(DataError, match="order"):
        node.decode_leaf(data)
    table = rows.from_entries(entries).take(list(order))
    with pytest.raises(DataError, match="order"):
        node.encode_leaf(table)


@pytest.mark.parametrize("name", ["leaf", "extents"])
def test_bytes_missing_or_left(name):
    entries, extents = _frames_of([placed(b"a"), placed(b"b")])
    for change in (lambda raw: raw[:-1], lambda raw: raw + b"\0", lambda raw: raw[1:], lambda raw: b""):
        parts = {"leaf": plain.leaf_frame(entries), "extents": plain.extents_frame(extents)}
        parts[name] = change(parts[name])
        data = plain.tree_object(plain.LEAF, list(parts.values()))
        with pytest.raises(DataError):
            _ = node.decode_leaf(data).extents


@pytest.mark.parametrize("objects", [[OBJECT, OBJECT], [b"", OBJECT], [OBJECT, b"z"], [b"z", OBJECT], [OBJECT, b""]])
def test_an_object_table_that_is_not_the_one(objects):
    entries, extents = _frames_of([placed(b"a"), placed(b"b")])
    data = plain.tree_object(plain.LEAF, [plain.leaf_frame(entries), plain.extents_frame(extents, objects)])
    with pytest.raises(DataError):
        _ = node.decode_leaf(data).extents


def test_more_or_fewer_extents_than_rows():
    entries, extents = _frames_of([placed(b"a"), placed(b"b")])
    for wrong in (extents[:1], [*extents, []], [*extents, extents[0]]):
        data = plain.tree_object(plain.LEAF, [plain.leaf_frame(entries), plain.extents_frame(wrong)])
        with pytest.raises(DataError):
            _ = node.decode_leaf(data).extents


def test_the_root_stands_first_and_is_a_directory():
    root = implicit_directory(b"")
    leaf = node.decode_leaf(node.encode_leaf(rows.from_entries([(root, []), placed(b"a")]))[1])
    assert rows.entry_at(leaf.logical, 0) == root
    with pytest.raises(DataError, match="root"):
        node.encode_leaf(rows.from_entries([placed(b"")]))


def test_no_rows_and_too_many():
    with pytest.raises(DataError, match="no rows"):
        node.encode_leaf(rows.empty())
    with pytest.raises(DataError):
        node.decode_leaf(plain.leaf_object([], []))
    many = rows.from_entries([(implicit_directory(b"%06d" % number), []) for number in range(node.LEAF_ROWS_MAX + 1)])
    with pytest.raises(DataError, match="too many"):
        node.encode_leaf(many)
    assert node.decode_leaf(node.encode_leaf(many.slice(1))[1]).logical.num_rows == node.LEAF_ROWS_MAX


def test_rows_of_other_columns_or_with_nulls():
    table = rows.from_entries([placed(b"a")])
    with pytest.raises(DataError, match="columns"):
        node.encode_leaf(table.set_column(1, "name", pa.array([b"a"], pa.large_binary())))
    with pytest.raises(DataError, match="columns"):
        node.encode_leaf(table.drop(["extents"]))
    columns = [pa.array([None], field.type) if field.name == "uid" else table[field.name] for field in rows.SCHEMA]
    with pytest.raises(DataError, match="nulls"):
        node.encode_leaf(pa.Table.from_arrays(columns, schema=rows.SCHEMA))


def test_rows_of_more_bytes_than_an_object_may_have(monkeypatch):
    monkeypatch.setattr(frames, "FRAME_BYTES_MAX", 1000)
    with pytest.raises(InvalidInputError, match="over the limit"):
        node.encode_leaf(rows.from_entries([placed(b"file%d" % number) for number in range(20)]))


def test_long_paths_pass():
    deep = b"/".join([b"d" * 255] * 15 + [b"d" * 253])
    entry, extents = placed(deep + b"/b")
    assert len(entry.path) == paths.PATH_BYTES_MAX - 1
    longest = placed(deep + b"/bb")
    table = rows.from_entries([(entry, extents), longest])
    assert node.decode_leaf(node.encode_leaf(table)[1]).table.equals(table)
