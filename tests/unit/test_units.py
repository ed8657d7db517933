"""Sizes and durations as people write them."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.errors import InvalidInputError
from fabric.units import DURATION_S_MAX, SIZE_BYTES_MAX, format_duration, format_size, parse_duration_s, parse_size


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("0", 0),
        ("17", 17),
        ("17B", 17),
        ("1KB", 1000),
        ("1kB", 1000),
        ("1KiB", 1024),
        ("1.5 MiB", 3 << 19),
        ("100GiB", 100 << 30),
        ("100gib", 100 << 30),
        (" 100 GB ", 100 * 10**9),
        ("7EiB", 7 << 60),
        ("0.1KB", 100),
        (f"{SIZE_BYTES_MAX}", SIZE_BYTES_MAX),
    ],
)
def test_size(text, size_bytes):
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "GiB",
        "-1",
        "+1",
        "1e3",
        "1,5GiB",
        "0x10",
        "1G",
        "1 XiB",
        "0.3B",
        "8EiB",
        "1GiB2",
        ".5KB",
        "٣",
        "9" * 80,
        "nan",
    ],
)
def test_what_is_no_size_is_refused_with_a_hint(text):
    with pytest.raises(InvalidInputError) as refused:
        parse_size(text)
    assert "GiB" in refused.value.hint


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0s", 0),
        ("250ms", 0.25),
        ("90s", 90),
        ("1.5h", 5400),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("12h", 43_200),
        ("30d", 2_592_000),
        ("2w", 1_209_600),
    ],
)
def test_duration(text, seconds):
    assert parse_duration_s(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "30", "d", "-1d", "1y", "30 d 4", "1h30", "1e3s", "101" + "0" * 10 + "d", "36525d", "s" * 100]
)
def test_what_is_no_duration_is_refused_with_a_hint(text):
    with pytest.raises(InvalidInputError) as refused:
        parse_duration_s(text)
    assert "30d" in refused.value.hint


@given(st.text(max_size=100))
def test_any_text_gives_a_value_in_bounds_or_the_one_error(text):
    with suppress(InvalidInputError):
        assert 0 <= parse_size(text) <= SIZE_BYTES_MAX
    with suppress(InvalidInputError):
        assert 0 <= parse_duration_s(text) <= DURATION_S_MAX


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.00 KiB"),
        (10_240, "10.0 KiB"),
        (1000 * 1024 - 1, "0.98 MiB"),
        (3 << 19, "1.50 MiB"),
        (100 << 30, "100 GiB"),
        (SIZE_BYTES_MAX, "8.00 EiB"),
    ],
)
def test_format_size(size_bytes, text):
    assert format_size(size_bytes) == text


@given(st.integers(0, SIZE_BYTES_MAX))
def test_a_formatted_size_reads_back_within_its_three_digits(size_bytes):
    number, unit = format_size(size_bytes).split()
    scale = parse_size(f"1{unit}")
    assert float(number) * scale == pytest.approx(size_bytes, rel=0.0051)
    assert len(number) <= 4


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.0421, "0.042 s"),
        (1.0, "1 s"),
        (59.4, "59 s"),
        (59.6, "1 m 00 s"),
        (185, "3 m 05 s"),
        (7800, "2 h 10 m"),
        (2_606_400, "30 d 4 h"),
    ],
)
def test_format_duration(seconds, text):
    assert format_duration(seconds) == text
