"""Envelopes and frames: what every object begins with, and nothing believed before it is bounded and compared."""

import struct

import pyarrow as pa
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from fabric.errors import DataError, UnsupportedFormatError
from fabric.model import envelope, frames
from fabric.model.envelope import ObjectKind

HEADER = envelope.encode_header(ObjectKind.LEAF)


def test_envelope():
    assert HEADER.hex(" ", 4) == "93464142 5249430a 02000100 00000000 00000000 00000000"
    assert bytes(envelope.decode_header(HEADER + b"rest", ObjectKind.LEAF)) == b"rest"
    assert {kind.name: int(kind) for kind in ObjectKind} == {"PACK": 1, "LEAF": 2, "INDEX": 3, "EXTENTS": 4, "COMMIT": 5}


@pytest.mark.parametrize(
    "data",
    [b"", HEADER[:-1], b"x" + HEADER[1:], HEADER[:8] + b"\x03" + HEADER[9:], HEADER[:10] + bytes(2) + HEADER[12:],
     HEADER[:12] + b"\x01" + HEADER[13:], HEADER[:8] + b"\xff\xff" + HEADER[10:]],
)  # fmt: skip
def test_what_is_no_envelope(data):
    with pytest.raises(DataError) as refusal:
        envelope.decode_header(data, ObjectKind.LEAF)
    assert not isinstance(refusal.value, UnsupportedFormatError)


@pytest.mark.parametrize(
    "data", [HEADER[:10] + b"\x02\x00" + HEADER[12:], HEADER[:16] + b"\x01" + HEADER[17:], HEADER[:23] + b"\x80"]
)
def test_what_a_newer_release_wrote(data):
    with pytest.raises(UnsupportedFormatError, match="version") as refusal:
        envelope.decode_header(data, ObjectKind.LEAF)
    assert "upgrade" in refusal.value.hint


@given(st.lists(st.binary(max_size=2000) | st.integers(0, 10**6).map(bytes), max_size=3))
def test_frames_are_read_back(some):
    data, digests = frames.encode_hashed(some)
    assert data == frames.encode(some)
    assert digests == [blake3(raw).digest() for raw in some]
    read = frames.Frames(memoryview(data), len(some))
    for number, raw in enumerate(some):
        assert read.digest(number) == digests[number]
        assert bytes(read[number]) == raw
        assert bytes(read.detached(number)[0]) == raw


def table(raw_length, stored_length, digest=bytes(32)):
    return struct.pack("<QQ32s", raw_length, stored_length, digest)


RAW = b"some bytes " * 10
STORED = pa.Codec("zstd").compress(RAW, asbytes=True)
DIGEST = blake3(RAW).digest()


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        table(0, 0)[:-1],
        table(len(RAW), len(STORED), DIGEST),
        table(len(RAW), len(STORED), DIGEST) + STORED[:-1],
        table(len(RAW), len(STORED), DIGEST) + STORED + b"\0",
        table(len(RAW), len(STORED)) + STORED,
        table(len(RAW) - 1, len(STORED), DIGEST) + STORED,
        table(len(RAW) + 1, len(STORED), DIGEST) + STORED,
        table(len(RAW), len(RAW), DIGEST) + RAW,
        table(2**64 - 1, len(STORED)) + STORED,
        table(frames.FRAME_BYTES_MAX, len(STORED)) + STORED,
        table(len(RAW), 2**64 - 1) + STORED,
        table(len(RAW), 2**64 - 48) + STORED,
    ],
)
def test_frames_that_lie(payload):
    with pytest.raises(DataError):
        frames.Frames(memoryview(payload), 1)[0]


def test_nothing_is_allocated_for_what_is_claimed():
    # 1 MB that claims 256 MB passes the ratio; 1 KB that claims it does not.
    with pytest.raises(DataError, match="limits"):
        frames.Frames(memoryview(table(frames.FRAME_BYTES_MAX, 1000) + bytes(1000)), 1)
    with pytest.raises(DataError, match="limits"):
        frames.Frames(memoryview(table(frames.FRAME_BYTES_MAX + 1, 10**6) + bytes(10**6)), 1)


@pytest.mark.parametrize("length", [1, 999, 1_000, 33_000, 10_000_000])
def test_what_shrinks_too_well_is_filled_up(length):
    data = frames.encode([bytes(length)])
    assert bytes(frames.Frames(memoryview(data), 1)[0]) == bytes(length)
    stored = len(data) - 48
    assert stored * frames.RATIO_MAX >= length
