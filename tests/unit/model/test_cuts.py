"""Boundaries: fixed for ever, from keys alone, and the same whichever way the rows came together."""

import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.model import cuts, paths
from fabric.model.cuts import INDEX_RULE, LEAF_RULE, Rule, child_hash, cut_points, row_hash, row_hashes

SMALL = Rule(minimum=3, target=9, maximum=16, odds_before=20, odds_after=4)
names = st.binary(max_size=40) | st.sampled_from([b"", b"x" * 255, b"12345678", b"123456789", b"\xff" * 16])
pairs = st.lists(st.tuples(names, names), min_size=1, max_size=80)


def table_of(rows):
    parents, names = zip(*rows, strict=True)
    return pa.table({"parent": pa.array(parents, pa.binary()), "name": pa.array(names, pa.binary())})


@pytest.mark.parametrize(
    ("parent", "name", "expected"),
    [
        (b"", b"", 0x0000000000000000),
        (b"", b"a", 0x7E6A50FF30ADE272),
        (b"a", b"", 0x81402B8DBF14D9FA),
        (b"train/cats", b"0001.jpg", 0x9280B954D4ED5A95),
        (b"train", b"\xff" * 255, 0x2B0FDC4042142C81),
    ],
)
def test_row_hash_vectors(parent, name, expected):
    assert row_hash(parent, name) == expected


@pytest.mark.parametrize(
    ("level", "key", "expected"),
    [(1, b"\x00\x00", 0x15C25D114E2D8B75), (1, b"a\x00\x00b", 0x9F01273185893AFB), (2, b"a\x00\x00b", 0xC14F26A56E6863A2)],
)
def test_child_hash_vectors(level, key, expected):
    assert child_hash(level, key) == expected


@given(pairs, st.data())
def test_all_rows_at_once_are_as_one_by_one(rows, data):
    table = table_of(rows)
    assert row_hashes(table).tolist() == [row_hash(*row) for row in rows]
    start = data.draw(st.integers(0, len(rows)))
    stop = data.draw(st.integers(start, len(rows)))
    assert row_hashes(table.slice(start, stop - start)).tolist() == [row_hash(*row) for row in rows[start:stop]]


def test_more_rows_than_one_batch(monkeypatch):
    monkeypatch.setattr(cuts, "_BATCH", 7)
    rows = [(b"d%d" % (number // 10), b"f" * (number % 20)) for number in range(100)]
    assert row_hashes(table_of(rows)).tolist() == [row_hash(*row) for row in rows]


def test_the_longest_path():
    parent = b"/".join([b"d" * 255] * 15 + [b"d" * 255])[: paths.PATH_BYTES_MAX]
    assert row_hashes(table_of([(parent, b"n" * 255)])).tolist() == [row_hash(parent, b"n" * 255)]
    child_hash(1, bytes(paths.PATH_BYTES_MAX + 3))


def plainly(hashes, rule):
    """The rule, key by key."""
    ends, start = [], 0
    for number, value in enumerate(hashes):
        if value < rule.threshold(number + 1 - start):
            ends.append(number + 1)
            start = number + 1
    return ends


hash_lists = st.builds(
    lambda seed, count, top: [random.Random(seed + number).randrange(top) for number in range(count)],
    st.integers(0, 2**32),
    st.integers(0, 300),
    st.sampled_from([2**64, 2**62, 2**58, 1]),
)


@given(hash_lists, st.sampled_from([SMALL, Rule(1, 1, 2, 2, 2), Rule(4, 4, 4, 8, 8), Rule(1, 5, 9, 3, 2)]))
def test_cut_points_follow_the_rule(hashes, rule):
    assert cut_points(np.array(hashes, np.uint64), rule) == plainly(hashes, rule)


@pytest.mark.parametrize("value", [0, 2**64 - 1])
def test_names_made_against_the_hash_give_minimal_or_maximal_nodes(value):
    hashes = np.full(100_000, value, np.uint64)
    lengths = np.diff([0, *cut_points(hashes)])
    assert set(lengths.tolist()) == {LEAF_RULE.minimum if value == 0 else LEAF_RULE.maximum}


@given(st.integers(0, 2**32), st.sampled_from(["insert", "delete", "delete a boundary"]))
def test_a_local_cut_is_the_full_cut(seed, edit):
    """After an edit, cutting from the edited node to the next old cut that is met gives what cutting all would."""
    rng = random.Random(seed)
    before = [rng.randrange(2**64) for _ in range(400)]
    old_ends = cut_points(np.array(before, np.uint64), SMALL)
    after = list(before)
    at = rng.choice(old_ends) - 1 if edit == "delete a boundary" else rng.randrange(len(before))
    shift = 1 if edit == "insert" else -1
    if edit == "insert":
        after.insert(at, rng.randrange(2**64))
    else:
        del after[at]
    start = max([end for end in old_ends if end <= at], default=0)
    local = [end for end in old_ends if end <= start]
    position = start
    moved = {end + shift for end in old_ends if end > at}
    while position < len(after):
        ends = cut_points(np.array(after[position:], np.uint64), SMALL)
        if not ends:
            break
        position += ends[0]
        local.append(position)
        if position in moved:
            local.extend(end + shift for end in old_ends if end + shift > position)
            break
    assert local == cut_points(np.array(after, np.uint64), SMALL)


def test_leaves_of_real_names_are_near_the_target():
    rows = [(b"train/class%03d" % (number // 1000), b"img_%07d.jpg" % number) for number in range(300_000)]
    lengths = np.diff([0, *cut_points(row_hashes(table_of(rows)))])
    assert LEAF_RULE.minimum <= lengths.min()
    assert lengths.max() < LEAF_RULE.maximum
    assert 5_000 < lengths.mean() < 10_000


def test_rules_are_fixed():
    assert Rule(2_000, 8_000, 16_000, 16_000, 1_000) == LEAF_RULE
    assert Rule(256, 1_024, 2_048, 2_048, 128) == INDEX_RULE
    assert [LEAF_RULE.threshold(length) for length in (1, 1_999, 2_000, 7_999, 8_000, 15_999, 16_000)] == [
        0,
        0,
        2**64 // 16_000,
        2**64 // 16_000,
        2**64 // 1_000,
        2**64 // 1_000,
        2**64,
    ]
