"""put, get, ls, cat, stat, find, du, rm, mv, cp."""

import os
import re

import pytest


def _names(result):
    return [row["path"] for row in result.data]


def test_a_directory_is_put_and_mirrored(photos, source):
    assert _names(photos("find", "photos", "-o", "json")) == ["a.txt", "empty", "sub", "sub/b.bin", "sub/link"]
    assert photos("put", source, "photos").out == "nothing changed\n"
    (source / "a.txt").unlink()
    (source / "new").write_text("new")
    kept = photos("put", source, "photos", "--keep")
    assert re.fullmatch(r"put 2 files, 2\.00 KiB \(\d+ B new\) in [\d.]+ s\ncommit [0-9a-f]{12} on photos@main\n", kept.out)
    assert "a.txt" in _names(photos("ls", "photos", "-o", "json"))
    photos("put", source, "photos")
    assert _names(photos("ls", "photos", "-o", "json")) == ["empty", "new", "sub"]


def test_what_a_put_says_as_data(photos, source):
    (source / "big").write_bytes(os.urandom(5000))
    data = photos("put", source, "photos/deep/down", "-o", "json", "-m", "deeper", "--metadata", "run=7").data
    assert {key: data[key] for key in ("dataset", "branch", "files", "skipped")} == {
        "dataset": "photos", "branch": "main", "files": 3, "skipped": [],
    }  # fmt: skip
    assert data["size"] == 6 + 2048 + 5000
    assert 5000 <= data["sent"] <= data["size"]
    shown = photos("show", "photos", "-o", "json").data
    assert (shown["commit"], shown["message"], shown["metadata"]) == (data["commit"], "deeper", {"run": "7"})
    assert photos("put", source, "photos/deep/down", "-o", "json").data["commit"] is None


def test_files_go_to_their_path_or_into_a_directory(photos, source, tmp_path):
    (tmp_path / "one").write_text("1")
    (tmp_path / "two").write_text("2")
    photos("put", tmp_path / "one", "photos/named")
    photos("put", tmp_path / "one", "photos/sub")
    photos("put", tmp_path / "one", "photos/made/")
    photos("put", tmp_path / "one", tmp_path / "two", "photos/both")
    photos("put", tmp_path / "one", source, "photos/mixed")
    found = _names(photos("find", "photos", "-o", "json"))
    for path in ("named", "sub/one", "made/one", "both/one", "both/two", "mixed/one", "mixed/source/sub/b.bin"):
        assert path in found, path
    assert photos("cat", "photos/named", "photos/both/two").raw == b"12"


def test_stdin_becomes_a_file(photos, invoke):
    photos("put", "-", "photos/piped", stdin=b"\x00\xff" * 3_000_000)
    assert photos("cat", "photos/piped").raw == b"\x00\xff" * 3_000_000
    assert photos("cat", "photos/piped", "--range", "1:3").raw == b"\xff\x00"
    assert invoke("put", "-", "photos", stdin=b"x").code == 2
    assert invoke("put", "-", "photos/sub/", stdin=b"x").code == 2
    assert invoke("put", "-", "-", "photos/x", stdin=b"x").code == 2


def test_a_put_leaves_out_what_it_is_told(photos, source):
    (source / ".fabricignore").write_text("*.bin\n")
    os.mkfifo(source / "pipe")
    result = photos("put", source, "photos/part", "--ignore", "empty/")
    assert "left out: pipe" in result.err
    assert _names(photos("ls", "photos/part", "-o", "json")) == ["part/.fabricignore", "part/a.txt", "part/sub"]
    assert _names(photos("ls", "photos/part/sub", "-o", "json")) == ["part/sub/link"]


def test_a_put_can_create_its_dataset(ok, invoke, source):
    missing = invoke("put", source, "letters")
    assert missing.code == 3
    assert "fabric create letters" in missing.err
    assert "would create" in ok("put", source, "letters", "--create", "--dry-run").out
    assert invoke("ls", "letters").code == 3
    ok("put", source, "letters", "--create")
    assert ok("ls", "letters").lines == ["a.txt", "empty", "sub"]


def test_a_source_that_is_not_there(photos, invoke, tmp_path):
    result = invoke("put", tmp_path / "nothing", "photos")
    assert result.code == 1
    assert "nothing" in result.err


def test_only_branches_are_written_to(photos, invoke, source):
    photos("snapshot", "create", "photos", "v1")
    for arguments in (("put", source, "photos@v1"), ("rm", "photos@v1/a.txt"), ("mv", "photos@v1/a.txt", "photos@v1/b")):
        result = invoke(*arguments)
        assert result.code == 1, arguments
        assert "branch create" in result.err
    assert invoke("put", source, "photos@nothing").code == 3


def test_a_put_shows_what_it_would_do(photos, source):
    before = photos("log", "photos", "-o", "json").data
    (source / "a.txt").write_text("other words")
    (source / "new").write_text("new")
    (source / "sub" / "b.bin").unlink()
    result = photos("put", source, "photos", "--dry-run")
    assert result.lines == ["M  a.txt", "A  new", "D  sub/b.bin"]
    assert result.err == "nothing was done; would be: 1 added, 1 removed, 1 modified\n"
    assert photos("put", source, "photos", "-n", "--keep").lines == ["M  a.txt", "A  new"]
    assert photos("put", source / "a.txt", source / "new", "photos", "-n").lines == ["M  a.txt", "A  new"]
    assert photos("put", source / "sub", source / "new", "photos", "-n").lines == ["D  sub/b.bin", "A  new"]
    assert photos("put", "-", "photos/a.txt", "-n").lines == ["M  a.txt"]
    assert photos("log", "photos", "-o", "json").data == before


def test_a_get_gives_back_what_was_put(photos, source, tmp_path):
    result = photos("get", "photos", tmp_path / "out")
    assert re.match(r"got 3 files, 2\.01 KiB in [\d.]+ s\nphotos@main \([0-9a-f]{12}\) is in ", result.out)
    for path in ("a.txt", "sub/b.bin"):
        assert (tmp_path / "out" / path).read_bytes() == (source / path).read_bytes()
    assert os.readlink(tmp_path / "out" / "sub" / "link") == "b.bin"
    assert (tmp_path / "out" / "empty").is_dir()
    assert "kept 3" in photos("get", "photos", tmp_path / "out").out


def test_a_file_is_got_as_or_into_its_destination(photos, tmp_path, invoke):
    photos("get", "photos/a.txt", tmp_path / "renamed")
    assert (tmp_path / "renamed").read_text() == "hello\n"
    (tmp_path / "there").mkdir()
    photos("get", "photos/a.txt", tmp_path / "there")
    photos("get", "photos/a.txt", f"{tmp_path}/made/")
    assert (tmp_path / "there" / "a.txt").exists()
    assert (tmp_path / "made" / "a.txt").exists()
    assert invoke("get", "photos/a.txt", tmp_path / "x", "--delete").code == 2


def test_a_get_replaces_only_by_force(photos, source, tmp_path, invoke):
    photos("get", "photos", tmp_path / "out")
    (tmp_path / "out" / "a.txt").write_text("changed here")
    refused = invoke("get", "photos", tmp_path / "out")
    assert refused.code == 4
    assert "a.txt" in refused.err
    assert (tmp_path / "out" / "a.txt").read_text() == "changed here"
    photos("get", "photos", tmp_path / "out", "--force")
    assert (tmp_path / "out" / "a.txt").read_text() == "hello\n"


def test_a_get_deletes_only_when_asked_and_answered(photos, tmp_path, invoke):
    out = tmp_path / "out"
    photos("get", "photos", out)
    (out / "mine" / "deep").mkdir(parents=True)
    (out / "mine" / "deep" / "file").write_text("precious")
    plan = photos("get", "photos", out, "--delete", "--dry-run")
    assert plan.lines == ["D  mine", "D  mine/deep", "D  mine/deep/file"]
    refused = invoke("get", "photos", out, "--delete")
    assert refused.code == 2
    assert "(mine)" in refused.err
    assert invoke("get", "photos", out, "--delete", stdin=b"\n", terminal=True).code == 1
    assert (out / "mine" / "deep" / "file").exists()
    assert photos("get", "photos", out, "--delete", "--yes", "-o", "json").data["deleted"] >= 1
    assert not (out / "mine").exists()
    photos("get", "photos", out, "--delete")


def test_a_get_as_data(photos, tmp_path):
    data = photos("get", "photos@main/sub", tmp_path / "out", "-o", "json").data
    assert (data["files"], data["symlinks"], data["size"], data["ref"]) == (1, 1, 2048, "main")


def test_listings(photos):
    assert photos("ls", "photos").lines == ["a.txt", "empty", "sub"]
    assert photos("ls", "photos/sub").lines == ["b.bin", "link"]
    assert photos("ls", "photos/a.txt").lines == ["a.txt"]
    assert photos("ls", "-d", "photos/sub").lines == ["sub"]
    assert photos("ls", "photos/empty").out == ""
    long = photos("ls", "-l", "photos/sub").lines
    assert long[0].split() == ["MODE", "OWNER", "SIZE", "MODIFIED", "NAME"]
    assert re.match(r"-rw-r--r--\s+\d+:\d+\s+2.00 KiB  20\d\d-\d\d-\d\d \d\d:\d\d  b.bin$", long[1])
    assert long[2].startswith("lrwxrwxrwx")
    assert long[2].endswith("link -> b.bin")
    assert " 2048  " in photos("ls", "-l", "--bytes", "photos/sub").lines[1]
    assert photos("ls").lines[1].startswith("photos ")


def test_listings_of_several_directories_have_titles(photos):
    assert photos("ls", "photos/sub", "photos/empty").lines == ["photos/sub:", "b.bin", "link", "", "photos/empty:"]
    assert photos("ls", "-R", "photos").lines == [
        "photos:", "a.txt", "empty", "sub", "", "photos/empty:", "", "photos/sub:", "b.bin", "link",
    ]  # fmt: skip
    assert _names(photos("ls", "-R", "photos", "-o", "json")) == ["a.txt", "empty", "sub", "sub/b.bin", "sub/link"]


def test_a_listing_on_a_terminal_stands_side_by_side(photos, monkeypatch):
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")
    assert photos("ls", "photos", terminal=True).out == "a.txt  \x1b[34m\x1b[1mempty/\x1b[0m  \x1b[34m\x1b[1msub/\x1b[0m\n"
    monkeypatch.setenv("NO_COLOR", "1")
    assert photos("ls", "photos/sub", terminal=True).out == "b.bin  link@\n"


def test_a_path_that_is_not_there(photos, invoke):
    for arguments in (("ls", "photos/no"), ("cat", "photos/no"), ("stat", "photos/no"), ("find", "photos/no"),
                      ("du", "photos/no"), ("rm", "photos/no"), ("get", "photos/no", "x")):  # fmt: skip
        result = invoke(*arguments)
        assert result.code == 3, arguments
        assert "hint: 'fabric ls photos@main' shows what is there" in result.err, arguments
    assert invoke("cat", "photos/sub").code == 1
    assert invoke("ls", "photos/../x").code == 2


def test_links_are_followed_inside_of_the_dataset(photos):
    assert photos("cat", "photos/sub/link").raw == bytes(range(256)) * 8


@pytest.mark.parametrize(
    ("part", "expected"),
    [("0:3", b"hel"), ("3:", b"lo\n"), (":2", b"he"), ("2:2", b""), ("100:", b""), ("0:1KiB", b"hello\n")],
)
def test_a_part_of_a_file(photos, part, expected):
    assert photos("cat", "photos/a.txt", "--range", part).raw == expected


@pytest.mark.parametrize("part", ["3", "5:2", "a:b", "-1:2"])
def test_no_part_of_a_file(photos, invoke, part):
    assert invoke("cat", "photos/a.txt", f"--range={part}").code == 2


def test_stat_tells_all(photos, source):
    facts = photos("stat", "photos/sub/b.bin", "-v", "-o", "json").data[0]
    assert facts["path"] == "sub/b.bin"
    assert (facts["kind"], facts["mode"], facts["size"], facts["permissions"]) == ("file", "0644", 2048, "-rw-r--r--")
    assert facts["mtime"].startswith("20")
    assert len(facts["digest"]) == 64
    assert facts["extents"][0]["length"] == 2048
    text = photos("stat", "photos/sub/b.bin", "photos").out
    assert "  size: 2,048 (2.00 KiB)\n" in text
    assert "below_entries: 5\n" in text
    assert " mode: 0644 (-rw-r--r--)\n" in text
    assert " (whole)\n" in text
    assert "extents" not in text
    assert "extents: \n  object of 2,048 bytes in " in photos("stat", "-v", "photos/sub/b.bin").out


def test_stat_tells_attributes(photos, tmp_path):
    (tmp_path / "tagged").write_text("x")
    try:
        os.setxattr(tmp_path / "tagged", "user.colour", b"green")
        os.setxattr(tmp_path / "tagged", "user.raw", b"\x00\xff")
    except (OSError, AttributeError):
        pytest.skip("no extended attributes here")
    photos("put", tmp_path / "tagged", "photos/tagged")
    assert photos("stat", "photos/tagged", "-o", "json").data[0]["xattrs"] == {"user.colour": "green", "user.raw": "0x00ff"}
    assert "user.colour = green" in photos("stat", "photos/tagged").out


def test_find_filters(photos):
    assert photos("find", "photos").lines == ["a.txt", "empty", "sub", "sub/b.bin", "sub/link"]
    assert photos("find", "photos/sub").lines == ["sub/b.bin", "sub/link"]
    assert photos("find", "photos/a.txt").lines == ["a.txt"]
    assert photos("find", "photos", "--name", "*.[tb]*").lines == ["a.txt", "sub/b.bin"]
    assert photos("find", "photos", "--path", "s*n*").lines == ["sub/b.bin", "sub/link"]
    assert photos("find", "photos", "--type", "d").lines == ["empty", "sub"]
    assert photos("find", "photos", "--type", "l").lines == ["sub/link"]
    assert photos("find", "photos", "--size", "+1KiB").lines == ["sub/b.bin"]
    assert photos("find", "photos", "--size", "-1KiB").lines == ["a.txt"]
    assert photos("find", "photos", "--size", "6").lines == ["a.txt"]
    assert photos("find", "photos", "--name", "nothing").out == ""
    assert photos("find", "photos", "-0").raw == b"a.txt\0empty\0sub\0sub/b.bin\0sub/link\0"
    assert photos("find", "photos", "-l").lines[5].endswith("sub/link -> b.bin")
    assert photos("find", "photos", "-o", "json").data == photos("ls", "-R", "photos", "-o", "json").data


def test_a_wrong_size_for_find(photos, invoke):
    assert invoke("find", "photos", "--size", "large").code == 2


def test_du_sums_up(photos):
    assert [line.split() for line in photos("du", "photos", "--bytes").lines] == [
        ["SIZE", "ENTRIES", "PATH"], ["0", "0", "empty"], ["2048", "2", "sub"], ["2054", "5", "/"],
    ]  # fmt: skip
    assert photos("du", "photos", "-s", "-o", "json").data == [{"path": "", "entries": 5, "size": 2054}]
    assert len(photos("du", "photos/sub", "photos/a.txt").lines) == 3


def test_rm_is_a_commit(photos, invoke):
    assert photos("rm", "photos/a.txt", "--dry-run").out == "would remove 1 entry, 6 B\n"
    result = photos("rm", "photos/a.txt", "photos/sub/b.bin")
    assert re.fullmatch(r"removed 2 entries, 2\.01 KiB: commit [0-9a-f]{12}\n", result.out)
    assert photos("find", "photos").lines == ["empty", "sub", "sub/link"]
    assert photos("show", "photos", "-o", "json").data["message"] == "rm a.txt, sub/b.bin"
    refused = invoke("rm", "photos/sub")
    assert refused.code == 1
    assert "-r" in refused.err
    photos("rm", "photos/empty")
    photos("rm", "-r", "photos/sub", "photos/sub/link", "-m", "away")
    assert photos("find", "photos").out == ""


def test_rm_of_everything_asks(photos, invoke):
    assert invoke("rm", "photos").code == 1
    assert invoke("rm", "-r", "photos").code == 2
    data = photos("rm", "-r", "photos", "--yes", "-o", "json").data
    assert (data["entries"], data["removed"]) == (5, [""])
    assert photos("find", "photos").out == ""


def test_one_commit_is_of_one_branch(photos, invoke):
    photos("branch", "create", "photos", "wip")
    assert invoke("rm", "photos/a.txt", "photos@wip/a.txt").code == 2
    assert invoke("mv", "photos/a.txt", "photos@wip/a.txt").code == 2
    photos("create", "letters")
    cross = invoke("cp", "photos/a.txt", "letters/a.txt")
    assert cross.code == 2
    assert "fabric get" in cross.err


def test_mv_and_cp(photos, invoke):
    assert photos("mv", "photos/a.txt", "photos/b.txt").out.startswith("moved 1 path: commit ")
    photos("mv", "photos/b.txt", "photos/sub")
    photos("cp", "photos/sub", "photos/copy")
    photos("cp", "photos/sub/b.txt", "photos/sub/b.bin", "photos/new/")
    assert photos("find", "photos", "--type", "f").lines == [
        "copy/b.bin", "copy/b.txt", "new/b.bin", "new/b.txt", "sub/b.bin", "sub/b.txt",
    ]  # fmt: skip
    assert photos("cat", "photos/copy/b.txt").raw == b"hello\n"
    data = photos("mv", "photos/copy", "photos/new", "-o", "json").data
    assert data["moved"] == [{"from": "copy", "to": "new/copy"}]
    assert invoke("mv", "photos", "photos/x").code == 2
    assert invoke("mv", "photos/sub/b.txt", "photos/sub/b.bin", "photos/nothing").code == 2
    assert invoke("mv", "photos/sub", "photos/sub/deeper").code != 0


def test_cp_takes_from_other_states(photos):
    photos("snapshot", "create", "photos", "v1")
    photos("rm", "-r", "photos/a.txt", "photos/sub")
    photos("cp", "photos@v1/a.txt", "photos@v1/sub", "photos/old/")
    assert photos("find", "photos", "--type", "f").lines == ["old/a.txt", "old/sub/b.bin"]
    assert photos("cat", "photos/old/a.txt").raw == b"hello\n"


def test_names_that_are_no_text_come_out_as_they_are(photos, source):
    name = b"caf\xe9\n"
    with open(os.fsencode(source) + b"/" + name, "wb") as file:
        file.write(b"x")
    photos("put", source, "photos")
    assert name + b"\n" in photos("ls", "photos").raw
    assert name + b"\0" in photos("find", "photos", "-0").raw
    assert b"caf\xe9\\x0a" in photos("ls", "photos", terminal=True).raw
    row = next(row for row in photos("find", "photos", "-o", "json").data if "path_base64" in row)
    assert row["path"] == "caf\ufffd\n"
    import base64  # noqa: PLC0415

    assert base64.b64decode(row["path_base64"]) == name
    photos("rm", os.fsdecode(b"photos/" + name))
