"""log, reflog, show, diff, merge, revert, reset, restore."""

import re

import pytest


@pytest.fixture
def history(photos, source):
    """Three commits: everything, one word changed, a file renamed and one added."""
    (source / "a.txt").write_text("changed\n")
    photos("put", source, "photos", "-m", "second\n\nwith a body")
    (source / "a.txt").rename(source / "c.txt")
    (source / "d.txt").write_text("d")
    photos("put", source, "photos", "-m", "third")
    return photos


def test_the_log_of_a_branch(history):
    history("snapshot", "create", "photos", "v1", "--ref", "main~1")
    text = history("log", "photos").out
    commits = text.split("commit ")[1:]
    assert len(commits) == 4
    assert re.match(
        r"[0-9a-f]{64} \(main\)\nAuthor: ada@example\.org\nDate:   20\d\d-.* \+0000\n"
        r"Tree:   7 entries, 2\.01 KiB\n\n    third\n",
        commits[0],
    )
    assert " (v1)\n" in commits[1]
    assert "    second\n    \n    with a body\n" in commits[1]
    lines = history("log", "photos@main~1", "--oneline", "-n", "2").lines
    assert [line.split(" ", 3)[3] for line in lines] == ["(v1) second", "first"]
    rows = history("log", "photos/d.txt", "-o", "json").data
    assert [row["message"] for row in rows] == ["third"]
    assert rows[0]["refs"] == ["main"]
    assert "no commit changed photos/none" in history("log", "photos/none").err


def test_the_log_of_a_merge_says_so(photos, source):
    photos("branch", "create", "photos", "wip")
    photos("rm", "photos@wip/a.txt")
    photos("rm", "photos/empty")
    photos("merge", "photos", "wip")
    assert re.search(r"\nMerge:  [0-9a-f]{12} [0-9a-f]{12}\n", photos("log", "photos", "-n", "1").out)


def test_a_ref_that_is_not_there(history, invoke):
    for arguments in (
        ("log", "photos@vv"),
        ("show", "photos@main~9"),
        ("diff", "photos@v1", "main"),
        ("ls", "photos@00000000"),
    ):
        assert invoke(*arguments).code == 3, arguments
    assert "did you mean 'main'?" in invoke("log", "photos@mian").err
    assert invoke("log", "photos@../x").code == 2


def test_the_reflog_keeps_what_a_reset_left(history, invoke):
    third = history("show", "photos", "-o", "json").data["commit"]
    assert history("reset", "photos", "main~1", "--dry-run").out.endswith("leaving 1 commit behind\n")
    assert history("show", "photos", "-o", "json").data["commit"] == third
    assert invoke("reset", "photos", "main~1").code == 2
    assert invoke("reset", "photos", "main~1", stdin=b"n\n", terminal=True).code == 1
    data = history("reset", "photos", "main~1", "--yes", "-o", "json").data
    assert (data["old"], data["moved"], data["left_behind"]) == (third, True, 1)
    assert "nothing changed" in history("reset", "photos", "main").out
    rows = history("reflog", "photos", "-o", "json").data
    assert rows[0]["old"] == third
    assert [row["sequence"] for row in rows] == [5, 4, 3, 2, 1]
    text = history("reflog", "photos@main", "-n", "2").lines
    assert text[0].split() == ["NUMBER", "TO", "FROM", "WHEN", "WHO", "WHY"]
    assert len(text) == 3
    history("reset", "photos", third[:12], "--yes")
    assert history("show", "photos", "-o", "json").data["commit"] == third
    assert invoke("reflog", "photos@never").code == 3


def test_show_tells_what_a_commit_changed(history):
    text = history("show", "photos").out
    assert "\n    third\n\n" in text
    assert "R  a.txt -> c.txt\n" in text
    assert "A  d.txt\n" in text
    assert re.search(r"\n1 added, 1 modified, 1 renamed; \+1 B\n$", text)
    assert "M  a.txt\n" in history("show", "photos@main~1").out
    data = history("show", "photos@main~3", "-o", "json").data
    assert (data["parents"], data["changes"], data["has_more_changes"]) == ([], [], False)


def test_show_stops_after_many_changes(photos, tmp_path):
    many = tmp_path / "many"
    many.mkdir()
    for number in range(60):
        (many / f"{number:03}").write_text("x")
    photos("put", many, "photos/many")
    assert "... and more: 'fabric show --all photos'" in photos("show", "photos").out
    assert len(photos("show", "photos", "--all", "-o", "json").data["changes"]) > 60
    assert photos("show", "photos", "-o", "json").data["has_more_changes"]


def test_diff_has_four_letters(history, invoke):
    assert history("diff", "photos").lines == history("diff", "photos@main~1", "main").lines
    lines = history("diff", "photos@main~2", "main").lines
    assert [line for line in lines if not line.startswith("M  /")] == ["D  a.txt", "A  c.txt", "A  d.txt"]
    lines = history("diff", "photos@main~1").lines
    assert [line for line in lines if not line.startswith("M  /")] == ["R  a.txt -> c.txt", "A  d.txt"]
    assert lines[0].startswith("M  /  (mtime)")
    assert "D  a.txt" in history("diff", "photos@main~1", "--no-renames").lines
    assert history("diff", "photos@main", "main").out == ""
    assert history("diff", "photos@main~1/sub").out == ""
    stat = history("diff", "photos@main~1", "--stat").lines
    assert "A  d.txt  +1 B" in stat
    assert stat[-1] == "1 added, 1 modified, 1 renamed; +1 B"
    assert history("diff", "photos@main~1", "--summary").out == stat[-1] + "\n"
    assert history("diff", "photos@main", "main", "--summary").out == "no differences\n"
    assert invoke("diff", "photos", "--exit-code").code == 1
    assert invoke("diff", "photos@main", "main", "--exit-code").code == 0


def test_diff_as_data(history):
    rows = {row["path"]: row for row in history("diff", "photos@main~1", "-o", "json").data}
    assert rows["c.txt"]["change"] == "renamed"
    assert rows["c.txt"]["old_path"] == "a.txt"
    assert rows["d.txt"]["before"] is None
    assert rows["d.txt"]["after"]["size"] == 1
    assert history("diff", "photos@main~1", "--summary", "-o", "json").data["added"] == 1


def test_merge_brings_changes_over(photos, invoke):
    photos("branch", "create", "photos", "wip")
    photos("mv", "photos@wip/a.txt", "photos@wip/b.txt")
    photos("rm", "photos/empty")
    assert re.fullmatch(r"merged wip into main: commit [0-9a-f]{12}\n", photos("merge", "photos", "wip").out)
    assert photos("ls", "photos").lines == ["b.txt", "sub"]
    assert photos("merge", "photos", "wip").out == "nothing to merge: main has all of wip\n"
    photos("merge", "photos@wip", "main", "-m", "back")
    assert invoke("merge", "photos", "nothing").code == 3


def test_a_merge_that_does_not_go_lists_the_paths(photos, invoke, source):
    photos("branch", "create", "photos", "wip")
    photos("put", "-", "photos/a.txt", stdin=b"ours")
    photos("put", "-", "photos@wip/a.txt", stdin=b"theirs")
    result = invoke("merge", "photos", "wip")
    assert result.code == 4
    assert "  a.txt\n" in result.err
    assert '"paths": ["a.txt"]' in invoke("merge", "photos", "wip", "-o", "json").err
    photos("merge", "photos", "wip", "--prefer", "theirs")
    assert photos("cat", "photos/a.txt").raw == b"theirs"


def test_revert_undoes_one_commit(photos):
    photos("rm", "photos/a.txt")
    photos("rm", "-r", "photos/sub")
    assert photos("revert", "photos", "main~1").out.startswith("reverted main~1 on main: commit ")
    assert photos("ls", "photos").lines == ["a.txt", "empty"]
    photos("revert", "photos", "main", "-m", "no")
    assert photos("revert", "photos", "main~1").code == 0


def test_restore_brings_paths_back(photos):
    photos("snapshot", "create", "photos", "v1")
    photos("rm", "-r", "photos/sub", "photos/a.txt")
    photos("put", "-", "photos/extra", stdin=b"x")
    assert photos("restore", "photos/sub", "photos/extra", "--from", "v1").out.startswith(
        "restored 2 paths from v1: commit "
    )
    assert photos("find", "photos", "--type", "f").lines == ["sub/b.bin"]
    assert photos("restore", "photos/sub", "--from", "v1").out == "nothing changed: all is as in v1\n"
