"""Times of the facts, and forks."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from fabric.errors import InvalidInputError
from fabric.metastore.clock import format_time, later, parse_time, utc_now


def test_the_order_of_texts_is_the_order_of_times():
    moments = [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(2026, 11, 24, 3, tzinfo=UTC),
        datetime(2026, 11, 24, 3, 0, 0, 1, tzinfo=UTC),
        datetime(9999, 12, 31, tzinfo=UTC),
    ]
    texts = [format_time(moment) for moment in moments]
    assert texts == sorted(texts)
    assert [parse_time(text) for text in texts] == texts
    assert {len(text) for text in texts} == {27}


def test_times_are_utc():
    assert format_time(datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2)))) == "2025-12-31T22:00:00.000000Z"
    assert parse_time(utc_now()).startswith("2")


def test_later_never_goes_back():
    early, late = "2026-01-01T00:00:00.000000Z", "2026-01-01T00:00:00.000001Z"
    assert later(early, late) == later(late, early) == late


@pytest.mark.parametrize(
    "text", ["", None, "2026-01-01", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000000", "2026-00-01T00:00:00.000000Z",
             "2026-01-01T00:00:61.000000Z", "\uff12026-01-01T00:00:00.000000Z", "2026-01-01T00:00:00.000000Z\n"]
)  # fmt: skip
def test_other_spellings_are_refused(text):
    with pytest.raises(InvalidInputError):
        parse_time(text)
