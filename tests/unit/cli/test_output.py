"""The three forms of results, and values as people read them."""

import io
import json
import sys

import pytest
import yaml

from fabric.cli import output, plan, terminal, text
from fabric.cli.output import Column

ROWS = [
    {"name": "a", "size": 5, "none": None, "sub": {"x": ["1", 2]}},
    {"name": "ü\u4e2d: - 'q' #", "size": 12345, "none": None, "sub": {}},
    {"name": "yes", "size": 0, "none": None, "sub": {"multi": "line\nline"}},
]
COLUMNS = [Column("NAME", lambda row: row["name"]), Column("SIZE", lambda row: str(row["size"]), right=True)]


@pytest.fixture
def written(monkeypatch, make_stream):
    """Call with what writes; returns what was written to stdout and stderr."""

    def call(work, *, is_terminal=False):
        out, err = make_stream(is_terminal=is_terminal), make_stream(is_terminal=is_terminal)
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            work()
        return out.buffer.getvalue().decode("utf-8", "surrogateescape"), err.buffer.getvalue().decode()

    return call


def test_tables_are_aligned(written):
    shown, _ = written(lambda: output.TextOutput().table(ROWS[:2], COLUMNS))
    assert shown.splitlines() == ["NAME           SIZE", "a                 5", "ü\u4e2d: - 'q' #  12345"]


def test_long_tables_come_in_parts(written, monkeypatch):
    monkeypatch.setattr(output, "ROWS_AT_ONCE", 2)
    taken = []

    def rows():
        for number in range(5):
            taken.append(number)
            yield {"name": "n" * number, "size": number}

    shown, _ = written(lambda: output.TextOutput().table(rows(), COLUMNS))
    assert [line.split()[-1] for line in shown.splitlines()] == ["SIZE", "0", "1", "2", "3", "4"]


def test_an_empty_table_says_so_on_the_side(written):
    assert written(lambda: output.TextOutput().table([], COLUMNS, nothing="none yet")) == ("", "none yet\n")
    assert written(lambda: output.TextOutput(quiet=True).table([], COLUMNS, nothing="none yet")) == ("", "")


@pytest.mark.parametrize(("form", "load"), [("json", json.loads), ("yaml", yaml.safe_load)])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_machines_read_back_what_was_meant(written, monkeypatch, form, load, count):
    monkeypatch.setattr(output, "ROWS_AT_ONCE", 2)
    out = output.make(form, quiet=False)
    assert load(written(lambda: out.table(iter(ROWS[:count]), COLUMNS))[0]) == ROWS[:count]
    assert load(written(lambda: out.lines(iter(ROWS[:count]), str))[0]) == ROWS[:count]
    assert load(written(lambda: out.one(ROWS[1], str))[0]) == ROWS[1]
    assert load(written(lambda: output.make(form, quiet=True).done(ROWS[2], "done"))[0]) == ROWS[2]


def test_yaml_and_json_say_the_same(photos):
    commands = (
        "ls photos|log photos|stat photos/a.txt|du photos|show photos|diff photos|fsck|reflog photos|branch list photos"
    )
    for arguments in map(str.split, commands.split("|")):
        assert yaml.safe_load(photos(*arguments, "-o", "yaml").out) == photos(*arguments, "-o", "json").data, arguments


def test_quiet_leaves_out_what_was_done_but_no_result(written):
    assert written(lambda: output.TextOutput(quiet=True).done({}, "created")) == ("", "")
    assert written(lambda: output.TextOutput(quiet=True).one({}, lambda: "result")) == ("result\n", "")


def test_names_are_made_safe_for_terminals_only(written):
    name = "a\x1b]0;title\x07\udcff\x9bz"
    row = {"name": name, "size": 1}
    shown, _ = written(lambda: output.TextOutput().table([row], COLUMNS), is_terminal=True)
    assert "a\\x1b]0;title\\x07\udcff\\x9bz" in shown
    shown, _ = written(lambda: output.TextOutput().table([row], COLUMNS))
    assert name in shown


def test_colours_need_a_terminal_that_wants_them(monkeypatch, make_stream):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert terminal.has_colour(make_stream(is_terminal=True))
    assert not terminal.has_colour(make_stream())
    closed = io.StringIO()
    closed.close()
    assert not terminal.has_colour(closed)
    monkeypatch.setenv("TERM", "dumb")
    assert not terminal.has_colour(make_stream(is_terminal=True))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not terminal.has_colour(make_stream(is_terminal=True))


def test_wide_letters_count_twice():
    assert [output.cell_width(name) for name in ("abc", "\u4e2d\u6587", "e\u0301", "ü")] == [3, 4, 1, 1]


def test_times_of_any_year():
    assert text.iso(0) == "1970-01-01T00:00:00.000000000Z"
    assert text.iso(-1) == "1969-12-31T23:59:59.999999999Z"
    assert text.iso_or_number(2**63 - 1) == "2262-04-11T23:47:16.854775807Z"
    assert text.iso_or_number(10**21) == 10**21
    assert text.mtime(10**21) == "1000000000000 s"


def test_names_lie_down_then_across():
    assert text.columns([1, 1, 1, 1, 1], 7) == [[0, 2, 4], [1, 3]]
    assert text.columns([5, 5], 4) == [[0], [1]]
    assert text.columns([], 80) == []
    assert text.columns([3], 80) == [[0]]


def test_small_words():
    assert (text.count(1, "entry", "entries"), text.count(12345, "file")) == ("1 entry", "12,345 files")
    assert text.mode("directory", 0o7755) == "drwsr-sr-t"
    assert text.mode("symlink", 0o777) == "lrwxrwxrwx"
    assert (text.rate(5 << 20, 2.5), text.rate(1 << 20, 0), text.rate(100, 0.1)) == (", 2.00 MiB/s", "", "")
    assert text.mtime(0) == "-"
    assert text.name_fields("path", b"\xff") == {"path": "\ufffd", "path_base64": "/w=="}


def test_a_plan_compares_both_sides(tmp_path):
    (tmp_path / "d" / "e").mkdir(parents=True)
    (tmp_path / "d" / "e" / "f").write_text("xx")
    (tmp_path / "link").symlink_to("d")
    facts = plan.in_directory(str(tmp_path), ignore=False)
    assert [*facts] == [b"d", b"d/e", b"d/e/f", b"link"]
    assert facts[b"d/e/f"][:2] == ("file", 2)
    other = {b"d": ("directory", 0, 0), b"link": ("file", 1, 0), b"more": ("file", 1, 0)}
    assert [*plan.compare(other, facts, delete=True).rows()] == [
        ("added", b"d/e"), ("added", b"d/e/f"), ("modified", b"link"), ("removed", b"more"),
    ]  # fmt: skip
    assert plan.compare(other, facts, delete=False).removed == []
    assert plan.topmost([b"a", b"a/b", b"c/d"]) == [b"a", b"c/d"]
    assert plan.in_directory(str(tmp_path / "none"), ignore=True) == {}
