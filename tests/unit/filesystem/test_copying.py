"""cp and mv: one commit, and no bytes of contents."""

import os

import pytest

from fabric.errors import InvalidInputError
from fabric.model.digest import BLOCK_BYTES


@pytest.fixture
def tree(fs):
    files = {f"data/src/{name}": name.encode() for name in ("a", "b", "deep/c", "deep/er/d")}
    fs.pipe(files)
    return files


def contents(fs, path):
    return {name.removeprefix(f"{path}/"): data for name, data in fs.cat(path, recursive=True).items()}


def stored(dataset):
    """How many bytes of objects there are."""
    objects = dataset.fabric.objects
    return sum(info.size for info in objects.list(f"{dataset.id}/"))


def test_a_copy_moves_no_byte(fs, dataset):
    data = os.urandom(3 * BLOCK_BYTES)
    fs.pipe("data/big", data)
    before = stored(dataset)
    fs.cp_file("data/big", "data/copy")
    fs.copy("data/big", "data/dir/other")
    fs.mv("data/big", "data/moved")
    assert stored(dataset) - before < 100_000
    assert fs.cat("data/copy") == fs.cat("data/dir/other") == fs.cat("data/moved") == data
    assert not fs.exists("data/big")


def test_copies_from_other_states(fs, dataset, tree):
    dataset.create_snapshot("v1")
    dataset.create_branch("side")
    fs.rm("data/src", recursive=True)
    before = stored(dataset)
    fs.copy("data@v1/src", "data/back", recursive=True)
    fs.cp_file("data@main~2/src/a", "data@side/new")
    fs.mv("data@side/src/b", "data/from-side")
    assert stored(dataset) - before < 100_000
    assert contents(fs, "data/back") == {"a": b"a", "b": b"b", "deep/c": b"deep/c", "deep/er/d": b"deep/er/d"}
    assert fs.cat("data@side/new") == b"a"
    assert fs.cat("data/from-side") == b"b"
    assert not fs.exists("data@side/src/b")


def test_copy_is_one_commit(fs, dataset, tree):
    count = len([*dataset.log()])
    fs.copy("data/src", "data/dst", recursive=True)
    assert contents(fs, "data/dst") == contents(fs, "data/src")
    fs.copy("data/src", "data/dst", recursive=True)
    assert contents(fs, "data/dst/src") == contents(fs, "data/src")
    fs.mv("data/dst", "data/gone")
    assert len([*dataset.log()]) == count + 3


def test_copy_keeps_what_else_is_there(fs, tree):
    fs.pipe({"data/dst/keep": b"k", "data/dst/a": b"old"})
    fs.copy("data/src/", "data/dst", recursive=True)
    assert contents(fs, "data/dst") == {**contents(fs, "data/src"), "keep": b"k"}


def test_copy_of_lists_and_patterns(fs, tree):
    fs.copy(["data/src/a", "data/src/b"], ["data/1", "data/2"])
    fs.copy(["data/src/a", "data/src/deep/c"], "data/flat/")
    fs.copy("data/src/*", "data/glob")
    assert fs.cat(["data/1", "data/2"]) == {"data/1": b"a", "data/2": b"b"}
    assert contents(fs, "data/flat") == {"a": b"a", "c": b"deep/c"}
    assert contents(fs, "data/glob") == {"a": b"a", "b": b"b"}
    with pytest.raises(InvalidInputError):
        fs.copy(["data/src/a"], ["data/1", "data/2"])


def test_copy_errors(fs, dataset, tree):
    head = dataset.resolve().id
    with pytest.raises(FileNotFoundError):
        fs.copy("data/none", "data/x")
    with pytest.raises(FileNotFoundError):
        fs.copy(["data/src/a", "data/none"], ["data/1", "data/2"])
    with pytest.raises(IsADirectoryError):
        fs.cp_file("data/src/a", "data/src/deep")
    with pytest.raises(NotADirectoryError):
        fs.cp_file("data/src/a", "data/src/b/x")
    with pytest.raises(FileNotFoundError):
        fs.cp_file("data/src/a", "none/x")
    assert dataset.resolve().id == head
    fs.copy(["data/src/a", "data/none"], ["data/1", "data/2"], on_error="ignore")
    assert fs.cat("data/1") == b"a"


def test_copy_and_move_between_datasets(fs, tree):
    fs.mkdir("other")
    fs.copy("data/src", "other/dst", recursive=True)
    assert contents(fs, "other/dst") == contents(fs, "data/src")
    fs.mv("data/src/deep", "other/deep", recursive=True)
    assert contents(fs, "other/deep") == {"c": b"deep/c", "er/d": b"deep/er/d"}
    assert contents(fs, "data/src") == {"a": b"a", "b": b"b"}
    assert not fs.exists("data/src/deep")


def test_mv(fs, dataset, tree):
    fs.mv("data/src/a", "data/src/a")
    fs.mv("data/src/a", "data/new/place")
    assert fs.cat("data/new/place") == b"a"
    fs.mv("data/src/b", "data/new")
    assert fs.cat("data/new/b") == b"b"
    fs.pipe("data/x", b"x")
    fs.mv("data/x", "data/new/b")
    assert fs.cat("data/new/b") == b"x"
    fs.mv("data/src", "data/new")
    assert contents(fs, "data/new/src") == {"deep/c": b"deep/c", "deep/er/d": b"deep/er/d"}
    fs.mv("data/new/src/deep/", "data/new")
    assert contents(fs, "data/new") == {"place": b"a", "b": b"x", "c": b"deep/c", "er/d": b"deep/er/d"}
    fs.mv("data/new/*", "data/all/")
    assert contents(fs, "data/all") == {"place": b"a", "b": b"x", "c": b"deep/c", "er/d": b"deep/er/d"}
    fs.mv(["data/all/b", "data/all/c"], ["data/1", "data/2"])
    assert fs.cat(["data/1", "data/2"]) == {"data/1": b"x", "data/2": b"deep/c"}
    head = dataset.resolve().id
    with pytest.raises(FileNotFoundError):
        fs.mv("data/none", "data/x")
    with pytest.raises(InvalidInputError):
        fs.mv("data/all", "data/all/below/it")
    assert dataset.resolve().id == head


def test_a_move_keeps_everything_of_an_entry(fs, dataset):
    with dataset.transaction() as tx:
        tx.put("x", b"1", mode=0o600, uid=4, mtime_ns=5, attributes={b"user.a": b"b"})
        tx.symlink("d/link", "../x")
    fs.mv("data/x", "data/y")
    fs.mv("data/d", "data/e")
    entry = dataset.view().stat("y")
    assert (entry.mode, entry.uid, entry.mtime_ns, dict(entry.xattrs)) == (0o600, 4, 5, {b"user.a": b"b"})
    assert dataset.view().stat("e/link").target == b"../x"
