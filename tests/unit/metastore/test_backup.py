"""The bytes of exported changes: one encoding each, and nothing else gets through the decoder."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.errors import DataError, UnsupportedFormatError
from fabric.metastore import backup
from fabric.metastore.backup import DatasetChange, LocationChange, PinChange, RefChange, decode, encode
from fabric.metastore.records import (
    BackupRow,
    DatasetRecord,
    LocationRecord,
    PinRecord,
    RefKind,
    ReflogEntry,
    RefRecord,
)
from fabric.testing.metastore_kit import SettableClock, commit_id, commit_row, dataset_id

TIME = SettableClock.text(5)
DATASET = dataset_id(1)
ENTRY = ReflogEntry(DATASET, "main", 7, RefKind.BRANCH, commit_id(1), commit_id(2), 7, "me", TIME, "commit: x", "key")
REF = RefRecord(DATASET, "main", RefKind.BRANCH, commit_id(2), 7, SettableClock.text(1), TIME, "m", TIME, {"a": "b"})
CHANGES = [
    (DatasetChange(DatasetRecord(DATASET, "pets", TIME, "main", {"ö": "\u2028🐈"})), 1),
    (DatasetChange(DatasetRecord(DATASET, "pets", TIME, "main", {}, TIME)), 2),
    (RefChange(ENTRY, REF, (commit_row(2), commit_row(1))), 7),
    (RefChange(replace(ENTRY, new=None), None, ()), 7),
    (RefChange(replace(ENTRY, old=None, sequence=1, generation=1), replace(REF, generation=1, expires=None), ()), 1),
    (PinChange(DATASET, "p1", PinRecord("p1", DATASET, commit_id(1), "csi", "volume", TIME, TIME)), 1),
    (PinChange(DATASET, "p1", None), 2),
    (LocationChange("lake", LocationRecord("lake", "s3://bucket/a/", TIME, "reader")), 3),
    (LocationChange("lake", None), 4),
]
ROWS = [encode(change, sequence) for change, sequence in CHANGES]
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


@pytest.mark.parametrize(("change", "sequence"), CHANGES)
def test_what_is_encoded_is_decoded(change, sequence):
    row = encode(change, sequence)
    assert decode(row) == change
    assert json.loads(row.body)["version"] == 1


def test_the_bytes_of_version_1_are_pinned():
    assert ROWS[7].body == (
        b'{"key":"lake","kind":"location","location":{"created":"2026-11-24T00:00:05.000000Z","credential":"reader",'
        b'"url":"s3://bucket/a/"},"scope":"fabric","sequence":3,"version":1}'
    )
    assert ROWS[2].body.startswith(b'{"commits":[{"id":"d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35",')


@given(texts, texts, st.dictionaries(texts.filter(bool), texts, max_size=5))
def test_any_text_survives(message, actor, metadata):
    entry = replace(ENTRY, actor=actor, reason=message)
    change = RefChange(entry, replace(REF, message=message, metadata=metadata), ())
    assert decode(encode(change, 7)) == change


@pytest.mark.parametrize("row", ROWS)
def test_a_row_in_a_wrong_place_is_refused(row):
    for other in (
        replace(row, scope=dataset_id(2)),
        replace(row, kind="pin" if row.kind != "pin" else "ref"),
        replace(row, kind="volume"),
        replace(row, key="other"),
        replace(row, sequence=row.sequence + 1),
        replace(row, scope="../..", key="..", sequence=-1),
    ):
        with pytest.raises(DataError):
            decode(other)


@pytest.mark.parametrize("row", ROWS)
def test_other_spellings_of_the_same_are_refused(row):
    said = json.loads(row.body)
    for body in (
        row.body + b"\n",
        json.dumps(said).encode(),
        json.dumps(said | {"extra": 1}, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(),
        row.body.replace(b'"version":1', b'"version":1.0'),
        row.body.replace(b'"version":1', b'"version":true'),
        row.body[:-1] + b',"version":1}',
        b"\xef\xbb\xbf" + row.body,
        row.body.decode().encode("utf-16"),
    ):
        with pytest.raises(DataError):
            decode(replace(row, body=body))


@pytest.mark.parametrize("row", ROWS)
def test_a_newer_version_says_so(row):
    body = row.body.replace(b'"version":1', b'"more":[],"version":2')
    with pytest.raises(UnsupportedFormatError, match="version 2"):
        decode(replace(row, body=body))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"nan",
        b'"' * 3,
        b"[" * 100_000,
        b"{" * 1000,
        b"9" * 10_000,
        b'{"version":' + b"9" * 5000 + b"}",
        b'{"version":NaN}',
        b'{"version":Infinity}',
        b'{"version":-1}',
        b'{"version":0}',
        b'{"version":1e400}',
        b'{"version":"1"}',
        b'{"version":1,"dataset":{"name":"\\ud800"}}',
        b"\xff\xfe",
        b"\x00",
    ],
)
def test_what_is_no_row_is_a_data_error(body):
    for row in ROWS:
        with pytest.raises(DataError):
            decode(replace(row, body=body))


def test_a_huge_body_is_not_looked_at(monkeypatch):
    monkeypatch.setattr(backup.json, "loads", lambda *_: pytest.fail("decoded"))
    with pytest.raises(DataError, match="more than"):
        decode(replace(ROWS[0], body=bytes(backup.BODY_BYTES_MAX + 1)))


@given(st.sampled_from(ROWS), st.data())
def test_altered_bytes_give_the_change_or_a_data_error(row, data):
    body = bytearray(row.body)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        action = data.draw(st.sampled_from(["flip", "cut", "insert", "truncate"]))
        if action == "flip":
            body[at] ^= 1 << data.draw(st.integers(0, 7))
        elif action == "cut":
            del body[at : at + data.draw(st.integers(1, 20))]
        elif action == "insert":
            body[at:at] = data.draw(st.sampled_from([b"{", b'"', b"\\u0000", b"1", b"\xc3", b"null", b","]))
        else:
            del body[at:]
        if not body:
            body = bytearray(b"{")
    check(replace(row, body=bytes(body)))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(ROWS), st.data())
def test_altered_values_give_the_change_or_a_data_error(row, data):
    said = json.loads(row.body)
    part = data.draw(st.sampled_from([said, *(value for value in said.values() if isinstance(value, dict))]))
    name = data.draw(st.sampled_from([*part, "new"]))
    if data.draw(st.booleans()):
        part.pop(name, None)
    else:
        part[name] = data.draw(json_values)
    body = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    check(replace(row, body=body.encode(errors="surrogatepass")))


def check(row: BackupRow) -> None:
    """Decoding gives a change whose encoding is these very bytes, or DataError; nothing else."""
    try:
        change = decode(row)
    except DataError:
        return
    assert encode(change, row.sequence) == row
