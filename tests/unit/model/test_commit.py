"""Commits: one form for one commit, and nothing is written that cannot be read."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.errors import DataError, InvalidInputError, UnsupportedFormatError
from fabric.model import commit as commits
from fabric.model import envelope
from fabric.model.commit import COMMIT_BYTES_MAX, TEXT_LENGTH_MAX, Commit, now_text
from fabric.model.digest import block_digest
from fabric.model.ids import CommitId, NodeId

TIME = "2026-11-24T03:00:00.000000Z"
PARENT = CommitId("ab" * 32)
GOOD = Commit(NodeId(bytes(32)), (PARENT,), "ada", TIME, "why", {"run": "7"}, 3, 99)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
some_commits = st.builds(
    Commit,
    tree=st.binary(min_size=32, max_size=32).map(NodeId),
    parents=st.lists(st.binary(min_size=32, max_size=32).map(lambda raw: CommitId(raw.hex())), max_size=3).map(tuple),
    author=texts,
    time=st.datetimes(timezones=st.just(UTC)).map(now_text),
    message=texts,
    metadata=st.dictionaries(texts, texts, max_size=5),
    entries=st.integers(0, 10**18 - 1),
    size=st.integers(0, 10**18 - 1),
)


@given(some_commits)
def test_what_goes_in_comes_out(commit):
    commit_id, data = commits.encode(commit)
    assert commits.decode(data, commit_id) == (commit_id, commit)
    assert commits.encode(commits.decode(data)[1]) == (commit_id, data)


def test_its_bytes_are_canonical_json():
    commit_id, data = commits.encode(replace(GOOD, metadata={"b": "\u20ac", "a": 'q"'}))
    assert data[envelope.HEADER_BYTES :].decode() == (
        '{"author":"ada","entries":"3","message":"why","metadata":{"a":"q\\"","b":"\u20ac"},"parents":["' + PARENT + '"],'
        '"size":"99","time":"2026-11-24T03:00:00.000000Z","tree":"' + "00" * 32 + '","version":"1"}'
    )
    assert commit_id == block_digest(data[envelope.HEADER_BYTES :]).hex()


@pytest.mark.parametrize(
    "changes",
    [
        {"author": "\ud800"},
        {"metadata": {"\udfff": ""}},
        {"metadata": {"a": 1}},
        {"metadata": {1: "a"}},
        {"message": "x" * (TEXT_LENGTH_MAX + 1)},
        {"metadata": {str(number): "x" * TEXT_LENGTH_MAX for number in range(COMMIT_BYTES_MAX // TEXT_LENGTH_MAX + 1)}},
        {"time": "2026-11-24"},
        {"time": "2026-02-30T00:00:00.000000Z"},
        {"time": TIME.replace("2", "\u0662")},
        {"time": TIME + "\n"},
        {"tree": NodeId(bytes(31))},
        {"parents": ("ab",)},
        {"parents": (PARENT,) * 17},
        {"entries": -1},
        {"size": 10**18},
    ],
)
def test_what_cannot_be_written(changes):
    with pytest.raises(InvalidInputError):
        commits.encode(replace(GOOD, **changes))


def _object(raw):
    return envelope.encode_header(envelope.ObjectKind.COMMIT) + raw


def _changed(**changes):
    value = json.loads(commits.encode(GOOD)[1][envelope.HEADER_BYTES :])
    value.update(changes)
    return json.dumps({name: value[name] for name in sorted(value)}, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"{",
        b"\xff",
        b"9" * 10_000,
        b"NaN",
        _changed(version="2"),
        _changed(version=1),
        _changed(extra=""),
        _changed(parents=None),
        _changed(parents=["a"]),
        _changed(parents=[1]),
        _changed(parents=["ab" * 32] * 17),
        _changed(metadata=[]),
        _changed(metadata={"a": None}),
        _changed(author=None),
        _changed(author=["a"]),
        _changed(author="\ud800"),
        _changed(time="2026-11-24T03:00:00Z"),
        _changed(time="2026-99-24T03:00:00.000000Z"),
        _changed(time=TIME.replace("2", "\u0662")),
        _changed(tree="00" * 31),
        _changed(tree="AB" * 32),
        _changed(entries="01"),
        _changed(entries="-1"),
        _changed(entries=1),
        _changed(size="1" * 19),
        _changed(size="\u0661"),
        _changed(message="x" * (TEXT_LENGTH_MAX + 1)),
        _changed() + b" ",
        b" " + _changed(),
        _changed().replace(b'"author"', b'"author":"eve","author"'),
        _changed().replace(b'"ada"', b'"\\u0061da"'),
        _changed().decode().encode("utf-16"),
        b"x" * (COMMIT_BYTES_MAX + 1),
    ],
)
def test_what_is_no_commit(raw):
    with pytest.raises(DataError):
        commits.decode(_object(raw))


def test_the_changes_above_start_from_a_good_one():
    assert commits.decode(_object(_changed()))[1] == GOOD


def test_another_commit_than_asked_for():
    _, data = commits.encode(GOOD)
    with pytest.raises(DataError, match="was asked for"):
        commits.decode(data, PARENT)


def test_a_newer_release_wrote_it():
    data = bytearray(commits.encode(GOOD)[1])
    data[10] = 2
    with pytest.raises(UnsupportedFormatError):
        commits.decode(bytes(data))


def test_times():
    assert now_text(datetime(7, 1, 2, 3, 4, 5, 6, tzinfo=UTC)) == "0007-01-02T03:04:05.000006Z"
    assert now_text() > "2026"
