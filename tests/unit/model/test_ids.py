"""Names and ids."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.errors import InvalidInputError
from fabric.model import ids

PARSERS = [
    ids.parse_name,
    ids.parse_dataset_id,
    ids.parse_lease_id,
    ids.parse_object_ref,
    ids.parse_commit_id,
]


def test_fresh_ids_are_ids():
    fresh = [ids.new_ulid() for _ in range(1000)]
    assert len(set(fresh)) == 1000
    assert [ids.parse_dataset_id(ids.parse_lease_id(one)) for one in fresh] == fresh
    reference = f"{fresh[0]}/{fresh[1]}"
    assert ids.parse_object_ref(reference) == reference
    assert ids.is_object_ref(reference.encode())


def test_ids_are_in_order_of_time(monkeypatch):
    times = iter(range(10**18, 10**18 + 10**10, 10**6))
    monkeypatch.setattr(ids.time, "time_ns", lambda: next(times))
    fresh = [ids.new_ulid() for _ in range(100)]
    assert fresh == sorted(fresh)


@pytest.mark.parametrize("name", ["a", "0", "a.b-c_d", "x" * 128, "v1.0", "a..b"])
def test_names(name):
    assert ids.parse_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "A", ".a", "-a", "_a", "a/b", "a b", "a\n", "\n", "x" * 129, "\u00e9", "\u0661", "a@b", "a~", None, 5, b"a"]
)
def test_what_is_no_name(name):
    with pytest.raises(InvalidInputError):
        ids.parse_name(name)


@pytest.mark.parametrize(
    "text", ["", "0" * 25, "0" * 27, "8" + "0" * 25, "0" * 25 + "i", "0" * 25 + "A", "0" * 25 + "\n", None]
)
def test_what_is_no_ulid(text):
    for parse in (ids.parse_dataset_id, ids.parse_lease_id):
        with pytest.raises(InvalidInputError):
            parse(text)


@given(st.text() | st.from_regex(r"[0-9a-z/]{20,70}") | st.none() | st.integers())
def test_anything_is_an_id_or_refused(value):
    for parse in PARSERS:
        try:
            assert parse(value) == value
        except InvalidInputError:
            continue


@given(st.binary() | st.from_regex(rb"[0-7][0-9a-z]{25}/[0-7][0-9a-z]{25}", fullmatch=True))
def test_both_ways_to_look_at_a_reference_agree(raw):
    try:
        ids.parse_object_ref(raw.decode("latin-1"))
    except InvalidInputError:
        assert not ids.is_object_ref(raw)
    else:
        assert ids.is_object_ref(raw)


def test_node_ids():
    assert ids.parse_node_id(memoryview(bytes(32))) == bytes(32)
    with pytest.raises(InvalidInputError):
        ids.parse_node_id(bytes(31))
