"""Index nodes: what goes in comes out, and nothing comes out that could lead a reader astray."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.errors import DataError
from fabric.model import node, paths
from fabric.model.ids import NodeId, new_ulid
from fabric.model.node import Child
from fabric.testing import plain_format as plain
from fabric.testing.trees import EntryMaker

REFERENCE = f"{new_ulid()}/{new_ulid()}"
NODE = NodeId(bytes(range(32)))


def child(path, rows=1, size=0, **changes):
    return replace(Child(paths.path_key(path), NODE, REFERENCE, rows, size), **changes)


@st.composite
def children(draw):
    seed = draw(st.integers(0, 2**32))
    rng = random.Random(seed)
    keys = sorted({paths.path_key(entry.path) for entry, _ in EntryMaker(seed).tree(draw(st.integers(1, 50)))})
    return [
        Child(key, NodeId(rng.randbytes(32)), f"{new_ulid()}/{new_ulid()}", rng.randint(1, 2**40), rng.randint(0, 2**50))
        for key in keys
    ]


@given(st.integers(1, node.LEVEL_MAX), children())
def test_what_goes_in_comes_out(level, below):
    node_id, data = node.encode_index(level, below)
    index = node.decode_index(data, node_id)
    assert (index.level, list(index.children)) == (level, below)
    assert all(one.level == level - 1 for one in index.children)
    assert node.encode_index(index.level, index.children) == (node_id, data)
    frame = plain.index_frame(level, [(one.key, one.id, one.rows, one.size) for one in below])
    places = plain.places_frame([one.object.encode() for one in below])
    assert node.decode_index(plain.tree_object(plain.INDEX, [frame, places]), node_id) == index


def test_where_children_lie_is_no_part_of_the_id():
    elsewhere = child(b"a", object=f"{new_ulid()}/{new_ulid()}")
    assert node.encode_index(1, [child(b"a")])[0] == node.encode_index(1, [elsewhere])[0]


BAD = {
    "no children": (1, []),
    "level 0": (0, [child(b"a")]),
    "level over the limit": (node.LEVEL_MAX + 1, [child(b"a")]),
    "twice": (1, [child(b"a"), child(b"a")]),
    "out of order": (1, [child(b"b"), child(b"a")]),
    "no rows": (1, [child(b"a", rows=0)]),
    "more rows than there are": (1, [child(b"a", rows=2**53), child(b"b", rows=1)]),
    "more bytes than there are": (1, [child(b"a", size=2**63 - 1), child(b"b", size=1)]),
    "empty key": (1, [child(b"a", key=b"")]),
    "key without a separator": (1, [child(b"a", key=b"a")]),
    "key with an empty name": (1, [child(b"a", key=b"a\0\0")]),
    "root in the middle": (1, [child(b"a", key=b"\0\0"), child(b"b", key=b"\0\0\0")]),
    "NUL in a name": (1, [child(b"a", key=b"\0\0a\0")]),
    "three NULs": (1, [child(b"a", key=b"a\0\0\0b")]),
    "slash": (1, [child(b"a", key=b"a/b\0\0c")]),
    "name ..": (1, [child(b"a", key=b"a\0\0..")]),
    "parent ..": (1, [child(b"a", key=b"..\0\0a")]),
    "parent with an empty segment": (1, [child(b"a", key=b"\0a\0\0b")]),
    "long name": (1, [child(b"a", key=b"\0\0" + b"n" * 256)]),
    "long path": (1, [child(b"a", key=b"\0".join([b"d" * 255] * 16) + b"\0\0a")]),
    "object": (1, [child(b"a", object=REFERENCE[:-1])]),
    "object that leads out": (1, [child(b"a", object="../" + REFERENCE[3:])]),
    "object in capitals": (1, [child(b"a", object=REFERENCE[:-1] + "Z")]),
    "object with another separator": (1, [child(b"a", object=REFERENCE.replace("/", "."))]),
    "object of a time to come": (1, [child(b"a", object="8" + REFERENCE[1:])]),
    "object that is no ASCII": (1, [child(b"a", object=REFERENCE[:-1] + "\u0661")]),
}


@pytest.mark.parametrize(("level", "below"), BAD.values(), ids=BAD)
def test_refused_both_ways(level, below):
    with pytest.raises(DataError):
        node.encode_index(level, below)
    frame = plain.index_frame(level, [(one.key, one.id, one.rows, one.size) for one in below])
    places = plain.places_frame([one.object.encode() for one in below])
    with pytest.raises(DataError):
        node.decode_index(plain.tree_object(plain.INDEX, [frame, places]))


def test_counts_that_fit_no_column():
    for wrong in (child(b"a", rows=2**64), child(b"a", size=2**64), child(b"a", size=-1), child(b"a", id=b"short")):
        with pytest.raises(DataError):
            node.encode_index(1, [wrong])


def test_a_child_of_another_level():
    _, data = node.encode_index(2, [child(b"a")])
    (below,) = node.decode_index(data).children
    assert below.level == 1
    assert node.encode_index(2, [below])[1] == data
    with pytest.raises(DataError, match="level"):
        node.encode_index(1, [below])


def test_more_or_fewer_places():
    frame = plain.index_frame(1, [(paths.path_key(b"a"), NODE, 1, 0)])
    for count in (0, 2):
        places = plain.places_frame([REFERENCE.encode()] * count)
        with pytest.raises(DataError):
            node.decode_index(plain.tree_object(plain.INDEX, [frame, places]))


def test_another_node_than_asked_for():
    _, data = node.encode_index(1, [child(b"a")])
    with pytest.raises(DataError, match="was asked for"):
        node.decode_index(data, NODE)
    with pytest.raises(DataError, match="kind"):
        node.decode_leaf(data)
