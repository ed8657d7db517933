"""How people name states, and what they cannot mean."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.errors import InvalidInputError
from fabric.model.paths import check_path
from fabric.model.refs import STEPS_MAX, Address, Ref, format_address, parse_address, parse_ref, parse_time

TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
COMMIT = "0123456789abcdef" * 4
some_names = st.from_regex(r"\A[a-z0-9][a-z0-9._-]{0,20}\Z")
some_paths = st.lists(
    st.binary(min_size=1, max_size=8).filter(lambda name: not set(name) & {0, 47} and name not in (b".", b"..")), max_size=4
).map(b"/".join)
odd_text = (
    st.text()
    | st.text("a0.-_~@{}/: \n", max_size=30)
    | st.from_regex(r"[a-f0-9]{6,70}(@\{[^}]*\})?(~[0-9]*)*", fullmatch=True)
)


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("main", Ref("main")),
        ("v1.0-rc_2", Ref("v1.0-rc_2")),
        ("recovered.ws-1.2026", Ref("recovered.ws-1.2026")),
        ("main~", Ref("main", steps=1)),
        ("main~2", Ref("main", steps=2)),
        ("main~~3~0", Ref("main", steps=4)),
        ("main~0000000000001", Ref("main", steps=1)),
        ("main~1000000", Ref("main", steps=STEPS_MAX)),
        ("main@{2026-01-31}", Ref("main", "2026-01-31T23:59:59.999999Z")),
        ("main@{2026-01-31T12:00:00+02:00}~1", Ref("main", "2026-01-31T10:00:00.000000Z", 1)),
        (COMMIT, Ref(COMMIT)),
        ("01234567~1", Ref("01234567", steps=1)),
    ],
)
def test_refs(text, ref):
    assert parse_ref(text) == ref
    assert ref.is_plain == (text == ref.base)
    assert ref.maybe_commit == (set(ref.base) <= set("0123456789abcdef"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Main",
        "main ",
        "main\n",
        "-main",
        ".main",
        "a/b",
        "main^",
        "main~x",
        "main~-1",
        "main~1000001",
        "main~" + "9" * 400,
        "main~\u0661",
        "m\u00e4in",
        "~1",
        "@{2026-01-31}",
        "main@",
        "main@{}",
        "main@{yesterday}",
        "main@{2026-13-01}",
        "main~1@{2026-01-31}",
        "main@{2026-01-31}@{2026-01-31}",
        "x" * 129,
        "main" + "~" * 600,
        "main\0",
        "\ud800",
    ],
)
def test_what_is_no_ref(text):
    with pytest.raises(InvalidInputError):
        parse_ref(text)


@given(odd_text)
def test_any_text_is_a_ref_or_refused(text):
    try:
        ref = parse_ref(text)
    except InvalidInputError:
        return
    assert 0 <= ref.steps <= STEPS_MAX
    assert ref.time is None or TIME.fullmatch(ref.time)
    again = ref.base + (f"@{{{ref.time}}}" if ref.time else "") + (f"~{ref.steps}" if ref.steps else "")
    assert parse_ref(again) == ref


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-01-31", "2026-01-31T23:59:59.999999Z"),
        ("20260131", "2026-01-31T23:59:59.999999Z"),
        ("2026-W05-6", "2026-01-31T23:59:59.999999Z"),
        (" 2026-01-31 12:00 ", "2026-01-31T12:00:00.000000Z"),
        ("2026-01-31T12:00:00.25Z", "2026-01-31T12:00:00.250000Z"),
        ("2026-01-31T00:30:00+01:00", "2026-01-30T23:30:00.000000Z"),
        ("0001-01-01", "0001-01-01T23:59:59.999999Z"),
    ],
)
def test_times(text, time):
    assert parse_time(text) == time


@pytest.mark.parametrize(
    "text", ["", "now", "2026", "31.01.2026", "0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00", "1e9"]
)
def test_what_is_no_time(text):
    with pytest.raises(InvalidInputError):
        parse_time(text)


@given(st.text() | st.text("0123456789-:T+Z. W", max_size=30) | st.datetimes().map(str))
def test_any_text_is_a_time_or_refused(text):
    try:
        time = parse_time(text)
    except InvalidInputError:
        return
    assert TIME.fullmatch(time)
    assert parse_time(time) == time


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("imagenet", Address("imagenet", None, b"")),
        ("imagenet/", Address("imagenet", None, b"")),
        ("imagenet@v3", Address("imagenet", "v3", b"")),
        ("imagenet@v3/train/0001.jpg", Address("imagenet", "v3", b"train/0001.jpg")),
        ("fabric://imagenet@main~2/a", Address("imagenet", "main~2", b"a")),
        ("imagenet/user@home/x", Address("imagenet", None, b"user@home/x")),
        ("imagenet@main@{2026-01-31}/a@b", Address("imagenet", "main@{2026-01-31}", b"a@b")),
        ("imagenet//a//b/", Address("imagenet", None, b"a/b")),
        ("imagenet/\udcff", Address("imagenet", None, b"\xff")),
        ("imagenet/a::b", Address("imagenet", None, b"a::b")),
    ],
)
def test_addresses(text, address):
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        *("", "fabric://", "/a", "@v3", "imagenet@", "imagenet@/a", "Imagenet", "zip::imagenet", "s3://bucket/key"),
        *("imagenet/../x", "imagenet/\ud800", "fabric:///a", "a b", "imagenet@v 3"),
    ],
)
def test_what_is_no_address(text):
    with pytest.raises(InvalidInputError):
        parse_address(text)


@given(odd_text)
def test_any_text_is_an_address_or_refused(text):
    try:
        address = parse_address(text)
    except InvalidInputError:
        return
    check_path(address.path)
    if address.ref is not None:
        parse_ref(address.ref)
    assert parse_address(format_address(address.dataset, address.ref, address.path)) == address


@given(some_names, st.none() | some_names, some_paths)
def test_addresses_are_read_back(dataset, ref, path):
    address = Address(dataset, ref, path)
    text = format_address(dataset, ref, path)
    assert parse_address(text) == address
    assert parse_address("fabric://" + text) == address
