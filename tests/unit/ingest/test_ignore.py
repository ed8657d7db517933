"""`.fabricignore`: gitignore's rules, nested."""

import os
import subprocess
import sys

import pytest

from fabric.errors import InvalidInputError, SourceError


def make(source, files):
    for name, data in files.items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(data)


def names(bench, result):
    return sorted(os.fsdecode(path) for path in bench.contents(result.table))


def test_rules_of_gitignore(bench, source):
    make(
        source,
        {
            ".fabricignore": "# comment\n*.tmp\n!keep.tmp\n/top\nbuild/\n**/cache/**/x\ndoc/*.txt\n",
            "a.tmp": "", "keep.tmp": "", "top": "", "below/top": "", "build/deep/file": "", "below/build": "",
            "one/cache/two/x": "", "one/cache/two/y": "", "doc/a.txt": "", "doc/deep/a.txt": "",
        },
    )  # fmt: skip
    assert names(bench, bench.put(source)) == [
        ".fabricignore", "below/build", "below/top", "doc/deep/a.txt", "keep.tmp", "one/cache/two/y",
    ]  # fmt: skip


def test_nested_files_decide_for_what_is_below_them(bench, source):
    make(
        source,
        {
            ".fabricignore": "*.log\n", "a.log": "", "keep/.fabricignore": "!*.log\n/only\n", "keep/b.log": "",
            "keep/only": "", "keep/deep/only": "", "keep/deep/c.log": "", "other/d.log": "",
        },
    )  # fmt: skip
    assert names(bench, bench.put(source)) == [
        ".fabricignore", "keep/.fabricignore", "keep/b.log", "keep/deep/c.log", "keep/deep/only",
    ]  # fmt: skip


def test_nothing_comes_back_below_a_directory_that_is_left_out(bench, source):
    make(source, {".fabricignore": "out/\n!out/keep\n", "out/keep": "", "in": ""})
    result = bench.put(source)
    assert names(bench, result) == [".fabricignore", "in"]
    assert b"out" not in bench.tree(result.table)


def test_patterns_of_the_caller_come_first_files_may_overrule(bench, source):
    make(source, {"a.bin": "", "b.txt": "", "deep/.fabricignore": "!*.bin\n", "deep/c.bin": ""})
    assert names(bench, bench.put(source, ignore=["*.bin"])) == ["b.txt", "deep/.fabricignore", "deep/c.bin"]


def test_names_that_are_not_utf8_match(bench, source):
    for name in (b"caf\xe9.tmp", b"caf\xe9.txt"):
        with open(os.path.join(os.fsencode(source), name), "wb"):
            pass
    (source / ".fabricignore").write_bytes(b"caf\xe9.tmp\n")
    assert list(bench.contents(bench.put(source).table)) == [b".fabricignore", b"caf\xe9.txt"]


@pytest.mark.parametrize("line", ["!", "[z-a]", "\\"])
def test_a_line_that_is_no_pattern_is_named(bench, source, line):
    make(source, {"deep/.fabricignore": f"ok\n{line}\n"})
    with pytest.raises(InvalidInputError, match="is no pattern") as caught:
        bench.put(source)
    assert caught.value.subject == "deep/.fabricignore"


@pytest.mark.parametrize("kind", ["symlink", "directory"])
def test_rules_are_read_from_regular_files_only(bench, source, tmp_path, kind):
    (tmp_path / "rules").write_text("*\n")
    (source / "file").write_text("")
    if kind == "symlink":
        os.symlink(tmp_path / "rules", source / ".fabricignore")
    else:
        (source / ".fabricignore").mkdir()
    assert b"file" in bench.contents(bench.put(source).table)


def test_rules_of_a_mebibyte_are_refused(bench, source):
    (source / ".fabricignore").write_bytes(b"#" * (1024 * 1024 + 1))
    with pytest.raises(SourceError, match="over 1 MiB"):
        bench.put(source)


def test_the_library_is_not_loaded_without_rules():
    code = "import fabric.ingest.tree, sys; sys.exit('pathspec' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
