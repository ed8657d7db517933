"""Whatever bytes lie in a store: a decoder says what they mean, or raises the one error that says that they mean nothing.

Good objects are altered in many ways, below the checksums and above them, and pure noise is tried as well. If anything is
accepted, it is in the one form that our encoders write, so encoding it again gives the same id and the same frames.

FABRIC_TEST_FUZZ_RUNS (default 60) is how often each object is altered in each way.
"""

import os
import random
import struct

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from fabric.errors import DataError
from fabric.model import commit, envelope, extents, frames, node, pack, rows
from fabric.model.digest import block_digest
from fabric.model.envelope import ObjectKind
from fabric.model.ids import CommitId, NodeId
from fabric.testing import plain_format as plain
from fabric.testing.trees import EntryMaker

RUNS = int(os.environ.get("FABRIC_TEST_FUZZ_RUNS", "60"))
_ENTRY = struct.Struct("<QQ32s")
INTERESTING = [0, 1, 0x7F, 0x80, 0xFF]


# --- decode, and compare with what an encoder makes of the result ---


def leaf(data):
    decoded = node.decode_leaf(data)
    again_id, again = node.encode_leaf(decoded.table)
    assert again_id == decoded.id
    assert _raw(again, 2) == _raw(data, 2)


def index(data):
    decoded = node.decode_index(data)
    again_id, again = node.encode_index(decoded.level, decoded.children)
    assert again_id == decoded.id
    assert _raw(again, 2) == _raw(data, 2)


def extent_list(data):
    assert _raw(extents.encode(extents.decode(data)), 1) == _raw(data, 1)


def commits(data):
    assert commit.encode(commit.decode(data)[1])[1] == bytes(data)


def packs(data):
    found = pack.decode(data)
    if not any(record.codec for record in found):
        footer = pack.footer([(record.digest, record.offset, record.length) for record in found])
        assert bytes(data[len(data) - len(footer) :]) == footer


def _raw(data, count):
    stored = frames.Frames(memoryview(data)[envelope.HEADER_BYTES :], count)
    return [bytes(stored[number]) for number in range(count)]


# --- good objects ---


def _leaf(seed):
    return node.encode_leaf(rows.from_entries(EntryMaker(seed).tree(20)))[1]


def _index(seed):
    rng = random.Random(seed)
    keys = sorted({key.as_py() for key in rows.sort_keys(rows.from_entries(EntryMaker(seed).tree(12)))})
    reference = "0" * 26 + "/" + "1" * 26
    return node.encode_index(1, [node.Child(key, NodeId(rng.randbytes(32)), reference, 1, 2) for key in keys])[1]


def _extents(seed):
    return extents.encode(EntryMaker(seed).blocks(9)[1])


def _commit(seed):
    parents = (CommitId(f"{seed:064x}"),)
    return commit.encode(commit.Commit(NodeId(bytes(32)), parents, "a", commit.now_text(), "why\u20ac", {"k": "v"}))[1]


def _pack(seed):
    contents = [random.Random(seed + number).randbytes(10 + number) for number in range(4)]
    records, at = [], pack.CONTENT_START
    for content in contents:
        records.append((block_digest(content), at, len(content)))
        at += len(content)
    return pack.header() + b"".join(contents) + pack.footer(records)


FRAMED = {"leaf": (_leaf, leaf, 2), "index": (_index, index, 2), "extents": (_extents, extent_list, 1)}
ALL = {
    **{name: (make, check) for name, (make, check, _) in FRAMED.items()},
    "commit": (_commit, commits),
    "pack": (_pack, packs),
}


# --- ways to alter ---


def flip(rng, data):
    at = rng.randrange(len(data))
    data[at] ^= 1 << rng.randrange(8)


def overwrite(rng, data):
    data[rng.randrange(len(data))] = rng.choice(INTERESTING)


def number(rng, data):
    """A number somewhere becomes one of those at which counting goes wrong."""
    width = rng.choice((2, 4, 8))
    if len(data) >= width:
        at = rng.randrange(len(data) - width + 1)
        value = rng.choice((0, 1, 2 ** (8 * width) - 1, 2 ** (8 * width - 1), 2 ** (8 * width - 1) - 1, 2**16, 2**16 + 1))
        data[at : at + width] = (value % 2 ** (8 * width)).to_bytes(width, "little")


def cut(rng, data):
    del data[rng.randrange(len(data)) :]


def remove(rng, data):
    at = rng.randrange(len(data))
    del data[at : at + rng.choice((1, 2, 4, 8, 32))]


def insert(rng, data):
    at = rng.randrange(len(data) + 1)
    data[at:at] = rng.randbytes(rng.choice((1, 2, 4, 8, 32)))


def splice(rng, data):
    """A piece of it stands a second time, elsewhere."""
    start, length, at = rng.randrange(len(data)), rng.randrange(1, 40), rng.randrange(len(data))
    data[at : at + length] = data[start : start + length]


def swap(rng, data):
    width = rng.choice((1, 2, 4, 8, 32))
    one, other = sorted((rng.randrange(len(data)), rng.randrange(len(data))))
    if one + width <= other and other + width <= len(data):
        data[one : one + width], data[other : other + width] = data[other : other + width], data[one : one + width]


WAYS = [flip, overwrite, number, cut, remove, insert, splice, swap]


def altered(rng, data, way):
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        if changed:
            way(rng, changed)
    return bytes(changed)


def try_one(check, data):
    """Return whether `data` was accepted; any error but DataError, and any other form, fails the test."""
    try:
        check(data)
    except DataError:
        return False
    return True


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("way", WAYS)
def test_altered_objects(name, way):
    """Bits that rot in a store: nothing of it gets through, whatever it hits."""
    make, check = ALL[name]
    rng = random.Random(f"{name} {way.__name__}")
    good = [make(seed) for seed in range(4)]
    assert all(try_one(check, data) for data in good)
    for run in range(RUNS):
        data = good[run % 4]
        changed = altered(rng, data, way)
        # An altered pack is good if its records are; of other objects no bit is without a meaning or a checksum, but for
        # how zstd writes it, and but for commits, whose id is not in them.
        if try_one(check, changed) and changed != data and name not in ("pack", "commit"):
            assert _raw(changed, FRAMED[name][2]) == _raw(data, FRAMED[name][2])


@pytest.mark.parametrize("name", FRAMED)
@pytest.mark.parametrize("way", WAYS)
def test_altered_below_the_checksums(name, way):
    """Somebody who can write objects makes true checksums for false rows: the checks of the rows hold."""
    make, check, count = FRAMED[name]
    rng = random.Random(f"{name} {way.__name__} below")
    kind = ObjectKind[name.upper()]
    good = [make(seed) for seed in range(4)]
    for run in range(RUNS):
        parts = _raw(good[run % 4], count)
        which = rng.randrange(count)
        parts[which] = altered(rng, parts[which], way)
        try_one(check, plain.tree_object(kind, parts, 1))


@pytest.mark.parametrize("way", WAYS)
def test_altered_records_of_packs(way):
    rng = random.Random(way.__name__)
    trailer = struct.Struct("<Q32s8s")
    for run in range(RUNS):
        data = _pack(run % 5)
        start = len(data) - trailer.size - 4 * pack.RECORD.itemsize
        table = altered(rng, data[start : len(data) - trailer.size], way)
        count = rng.choice((4, len(table) // pack.RECORD.itemsize))
        try_one(packs, data[:start] + table + trailer.pack(count, blake3(table).digest(), b"FABPACK1"))


@pytest.mark.parametrize("name", ALL)
@given(st.binary(max_size=400), st.booleans())
def test_noise(name, noise, with_envelope):
    header = envelope.encode_header(ObjectKind[name.upper()]) if with_envelope else b""
    try_one(ALL[name][1], header + noise)


@pytest.mark.parametrize("name", FRAMED)
@given(st.lists(st.binary(max_size=300), min_size=2, max_size=2), st.booleans())
def test_noise_in_frames(name, noise, with_tag):
    tags = {"leaf": (b"fabric.leaf.1", b"fabric.extents.1"), "index": (b"fabric.index.1", b"fabric.places.1")}
    tag = tags.get(name, (b"fabric.extents.1",) * 2) if with_tag else (b"", b"")
    parts = [one + raw for one, raw in zip(tag, noise, strict=True)][: FRAMED[name][2]]
    try_one(FRAMED[name][1], plain.tree_object(ObjectKind[name.upper()], parts, 1))


@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 70_000), min_size=2, max_size=12), st.binary(max_size=200))
def test_counts_of_any_size(numbers, rest):
    """Counts come before what they count: none of them makes a decoder allocate what is not there."""
    raw = struct.pack(f"<{len(numbers)}Q", *numbers) + rest
    for kind, tags, check in (
        (plain.LEAF, (b"fabric.leaf.1", b"fabric.extents.1"), leaf),
        (plain.INDEX, (b"fabric.index.1", b"fabric.places.1"), index),
        (plain.EXTENTS, (b"fabric.extents.1",), extent_list),
    ):
        try_one(check, plain.tree_object(kind, [tag + raw for tag in tags], 1))
