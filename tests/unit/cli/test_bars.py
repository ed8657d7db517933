"""Progress on a terminal."""

import sys
import threading
import time

import pytest

from fabric.cli import bars


@pytest.fixture
def terminal(monkeypatch, make_stream):
    """A function that makes stderr a terminal and returns it; in the test, since pytest sets stderr after the set-up."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")

    def make():
        stream = make_stream(is_terminal=True)
        monkeypatch.setattr(sys, "stderr", stream)
        return stream

    return make


def _shows(stream, text):
    """Wait until `text` was drawn."""
    deadline = time.monotonic() + 60
    while text.encode() not in stream.buffer.getvalue():
        assert time.monotonic() < deadline, stream.buffer.getvalue()[-2000:]
        threading.Event().wait(0.01)


def test_short_work_draws_nothing(terminal, monkeypatch):
    monkeypatch.setattr(bars, "DELAY_S", 3600)
    stream = terminal()
    bar = bars.Bars("put")
    bar.begin("put", files=3)
    bar.advance(files=3, size=10)
    bar.close()
    bar.close()
    assert stream.buffer.getvalue() == b""


def test_long_work_is_drawn_and_removed(terminal, monkeypatch):
    monkeypatch.setattr(bars, "DELAY_S", 0)
    stream = terminal()
    bar = bars.Bars("get")
    _shows(stream, "0 files")
    bar.begin("get", files=2_000, size=4 << 20)
    bar.advance(files=1_500, size=3 << 20)
    _shows(stream, "1,500/2,000 files")
    _shows(stream, "3.00 MiB")
    _shows(stream, " left")
    bar.begin("verify")
    _shows(stream, "verify")
    bar.close()
    shown = stream.buffer.getvalue()
    # The cursor comes back, and the line is cleared at the end.
    assert shown.count(b"\x1b[?25l") == shown.count(b"\x1b[?25h") == 1
    assert shown.rstrip().endswith(b"\x1b[2K")


def test_what_will_be_read_is_counted_aside(terminal, monkeypatch, tmp_path):
    monkeypatch.setattr(bars, "DELAY_S", 0)
    stream = terminal()
    (tmp_path / "sub").mkdir()
    for number in range(7):
        (tmp_path / "sub" / str(number)).write_bytes(bytes(1000))
    (tmp_path / "link").symlink_to("sub")
    assert bars.count([str(tmp_path), str(tmp_path / "none")], threading.Event()) == (7, 7000)
    bar = bars.Bars("put", [str(tmp_path)])
    bar.begin("put")
    bar.advance(files=2, size=2000)
    _shows(stream, "2/7 files")
    bar.close()


def test_counting_stops_when_the_work_has_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(bars, "COUNT_EVERY", 1)
    (tmp_path / "one").touch()
    ended = threading.Event()
    ended.set()
    assert bars.count([str(tmp_path)], ended) is None


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((0, None, 0, 0.0, None), "0 files  0 B"),
        ((1200, 5000, 3 << 30, 230686720.0, 12.4), "1,200/5,000 files  3.00 GiB  220 MiB/s  0:12 left"),
        ((1, 2, 1, 1.0, 3725), "1/2 files  1 B  1 B/s  1:02:05 left"),
    ],
)
def test_what_a_bar_says(values, expected):
    assert bars.describe(*values) == expected
