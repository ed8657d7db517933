"""Packs explain themselves, and do not lie about where things stand."""

import struct

import numpy as np
import pytest

from fabric.errors import DataError, InvalidInputError
from fabric.model import pack
from fabric.model.digest import block_digest
from fabric.model.pack import CONTENT_START, PackRecord

CONTENTS = [b"first", b"second one", b"x"]


def records():
    result, at = [], CONTENT_START
    for content in CONTENTS:
        result.append((block_digest(content), at, len(content)))
        at += len(content)
    return result


def whole(some=None):
    return pack.header() + b"".join(CONTENTS) + pack.footer(records() if some is None else some)


def test_records_are_read_back():
    data = whole()
    expected = [PackRecord(digest, at, length, length) for digest, at, length in records()]
    assert pack.decode(data) == expected
    assert pack.decode(memoryview(data)) == expected
    assert [block_digest(data[one.offset : one.offset + one.stored]) for one in expected] == [one.digest for one in expected]


def test_from_its_end_alone():
    data = whole()
    for start in range(CONTENT_START, len(data) - pack.FOOTER_TRAILER_BYTES - len(CONTENTS) * pack.RECORD.itemsize + 1):
        assert pack.decode_footer(data[start:], start) == pack.decode(data)


def test_of_nothing():
    assert pack.decode(pack.header() + pack.footer([])) == []


def test_gaps_between_contents_are_no_damage():
    some = [records()[0], records()[2]]
    assert [one.offset for one in pack.decode(whole(some))] == [some[0][1], some[1][1]]


BAD = {
    "before the contents": [(0, 0, 5, 5, 0, 0)],
    "into the records": [(0, CONTENT_START, 17, 17, 0, 0)],
    "overlap": [(0, CONTENT_START, 5, 5, 0, 0), (0, CONTENT_START + 4, 1, 1, 0, 0)],
    "out of order": [(0, CONTENT_START + 4, 1, 1, 0, 0), (0, CONTENT_START, 1, 1, 0, 0)],
    "overflow": [(0, 2**64 - 4, 5, 5, 0, 0)],
    "overflow of the second": [(0, CONTENT_START, 2**64 - CONTENT_START, 1, 1, 0), (0, CONTENT_START, 1, 1, 0, 0)],
    "empty": [(0, CONTENT_START, 0, 0, 0, 0)],
    "nothing stored": [(0, CONTENT_START, 0, 5, 1, 0)],
    "lengths differ": [(0, CONTENT_START, 5, 6, 0, 0)],
    "padding": [(0, CONTENT_START, 5, 5, 0, 1)],
}


def footer_of(rows):
    table = np.zeros(len(rows), pack.RECORD)
    for number, (_, offset, stored, length, codec, pad) in enumerate(rows):
        table[number]["offset"], table[number]["stored"], table[number]["length"] = offset, stored, length
        table[number]["codec"], table[number]["pad"][0] = codec, pad
    raw = table.tobytes()
    return raw + struct.pack("<Q32s8s", len(rows), block_digest(raw), b"FABPACK1")


@pytest.mark.parametrize("rows", BAD.values(), ids=BAD)
def test_records_that_cannot_be(rows):
    with pytest.raises(DataError):
        pack.decode(pack.header() + b"".join(CONTENTS) + footer_of(rows))


def test_a_codec_to_come():
    data = pack.header() + b"".join(CONTENTS) + footer_of([(0, CONTENT_START, 5, 500, 9, 0)])
    assert pack.decode(data) == [PackRecord(bytes(32), CONTENT_START, 5, 500, 9)]


def test_cut_or_changed():
    data = whole()
    for length in range(len(data)):
        with pytest.raises(DataError):
            pack.decode(data[:length])
    start = CONTENT_START + sum(map(len, CONTENTS))
    for at in range(start, len(data)):
        changed = bytearray(data)
        changed[at] ^= 1
        with pytest.raises(DataError):
            pack.decode(bytes(changed))


def test_too_many(monkeypatch):
    monkeypatch.setattr(pack, "RECORDS_MAX", 2)
    with pytest.raises(InvalidInputError):
        pack.footer(records())
    with pytest.raises(DataError):
        pack.decode(pack.header() + b"".join(CONTENTS) + footer_of([(0, CONTENT_START + n, 1, 1, 0, 0) for n in range(3)]))
