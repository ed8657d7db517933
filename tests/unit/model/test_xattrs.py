"""Extended attributes: one form for one set, and only what may be stored."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.errors import DataError, InvalidInputError
from fabric.model import xattrs

names = (
    st.binary(min_size=1, max_size=20)
    .filter(lambda raw: b"\0" not in raw and not raw.startswith(b"overlay."))
    .map(lambda raw: b"user." + raw)
)
sets = st.dictionaries(names, st.binary(max_size=100), max_size=6)


@given(sets)
def test_what_goes_in_comes_out(some):
    raw = xattrs.encode(some)
    assert xattrs.decode(raw) == some
    assert xattrs.encode(dict(reversed(some.items()))) == raw
    assert (raw == b"") == (not some)


def test_layout():
    assert xattrs.encode({b"user.b": b"22", b"user.a": b""}) == struct.pack("<5I", 2, 6, 0, 6, 2) + b"user.auser.b22"


@pytest.mark.parametrize(
    "some",
    [
        {b"user.": b""},
        {b"security.capability": b""},
        {b"trusted.overlay.opaque": b"y"},
        {b"user.overlay.opaque": b"y"},
        {b"system.posix_acl_access": b""},
        {b"user.a\0b": b""},
        {b"user." + b"n" * 251: b""},
        {b"user.a": bytes(64 * 1024 + 1)},
        {b"user.%d" % number: bytes(64 * 1024) for number in range(16)},
    ],
)
def test_what_is_not_kept(some):
    with pytest.raises(InvalidInputError):
        xattrs.encode(some)


GOOD = xattrs.encode({b"user.a": b"1", b"user.b": b"2"})


@pytest.mark.parametrize(
    "raw",
    [
        b"\0",
        bytes(4),
        GOOD[:-1],
        GOOD + b"\0",
        b"\xff\xff\xff\xff" + GOOD[4:],
        struct.pack("<3I", 1, 2**32 - 1, 0) + b"user.a",
        struct.pack("<5I", 2, 6, 0, 6, 0) + b"user.auser.a",
        struct.pack("<5I", 2, 6, 0, 6, 0) + b"user.buser.a",
        struct.pack("<3I", 1, 6, 0) + b"trust.",
        struct.pack("<3I", 1, 19, 1) + b"user.overlay.opaquey",
        bytes(xattrs.XATTRS_BYTES_MAX + 1),
    ],
)
def test_what_does_not_decode(raw):
    with pytest.raises(DataError):
        xattrs.decode(raw)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_set_or_refused(raw):
    try:
        some = xattrs.decode(raw)
    except DataError:
        return
    assert xattrs.encode(some) == raw
