"""ls, info, find, walk, glob, du, times and keys."""

import datetime as dt
import os

import pytest

from fabric.errors import InvalidInputError, PathNotFoundError, UnavailableError
from fabric.model.digest import content_digest


@pytest.fixture
def tree(dataset):
    """Files, an empty directory, links of all kinds, and a name that is no text."""
    with dataset.transaction() as tx:
        tx.put("a/one.txt", b"1", mode=0o640, uid=5, gid=6, mtime_ns=1_700_000_000_500_000_000)
        tx.put("a/deep/two.txt", b"22", mtime_ns=0)
        tx.put("three.bin", b"333", mtime_ns=0)
        tx.mkdir("empty")
        tx.symlink("link", "a/one.txt")
        tx.symlink("a/dir", "deep")
        tx.symlink("up", "..")
        tx.symlink("nowhere", "missing")
        tx.symlink("ring", "ring")
        tx.put(b"not-\xfftext", b"4444", mtime_ns=0)
    return dataset


def test_info_says_what_local_files_say(fs, tree):
    assert fs.info("data/a/one.txt") == {
        "name": "data/a/one.txt",
        "size": 1,
        "type": "file",
        "mode": 0o100640,
        "uid": 5,
        "gid": 6,
        "mtime": 1_700_000_000.5,
        "created": 1_700_000_000.5,
        "islink": False,
        "digest": content_digest(b"1").hex(),
        "etag": content_digest(b"1").hex(),
    }
    directory = fs.info("fabric://data/a/")
    assert (directory["name"], directory["type"], directory["size"]) == ("data/a", "directory", 0)
    assert directory["mode"] & 0o170000 == 0o040000
    assert fs.info("")["type"] == fs.info("fabric://")["type"] == fs.info("/")["type"] == "directory"
    assert fs.info("data")["name"] == "data"
    assert fs.info("data@main/a")["name"] == "data@main/a"


def test_symlinks_are_what_they_lead_to(fs, tree):
    info = fs.info("data/link")
    assert (info["type"], info["size"], info["islink"], info["destination"]) == ("file", 1, True, "a/one.txt")
    assert fs.cat("data/link") == b"1"
    assert fs.isdir("data/a/dir")
    assert fs.info("data/a/dir/two.txt")["size"] == 2
    assert [info["name"] for info in fs.ls("data/a/dir")] == ["data/a/dir/two.txt"]
    for name in ("nowhere", "ring", "up"):
        assert not fs.exists(f"data/{name}")
        assert fs.lexists(f"data/{name}")
        with pytest.raises(FileNotFoundError):
            fs.info(f"data/{name}")
    listed = {info["name"]: info["type"] for info in fs.ls("data")}
    assert listed["data/nowhere"] == listed["data/ring"] == listed["data/up"] == "other"


def test_ls(fs, tree):
    assert fs.ls("data/a", detail=False) == ["data/a/deep", "data/a/dir", "data/a/one.txt"]
    assert fs.ls("data/three.bin", detail=False) == ["data/three.bin"]
    assert fs.ls("data/empty") == []
    assert fs.ls("", detail=False) == ["data"]
    assert all(info == fs.info(info["name"]) for info in fs.ls("data@main/a"))
    with pytest.raises(FileNotFoundError):
        fs.ls("data/none")


def test_what_is_listed_can_be_passed_back(fs, tree):
    for prefix in ("data", "data@main"):
        for name in fs.find(prefix):
            if fs.exists(name):
                assert name.startswith(prefix + "/")
                assert fs.info(name)["name"] == name
                fs.cat_file(name)
    strange = os.fsdecode(b"data/not-\xfftext")
    assert strange in fs.find("data")
    assert fs.cat(strange) == b"4444"


def test_find(fs, tree):
    files = ["data/a/deep/two.txt", "data/a/one.txt", "data/link", "data/nowhere"]
    assert [name for name in fs.find("data") if name in files] == files
    assert "data/a/dir" not in fs.find("data")
    with_directories = fs.find("data", withdirs=True)
    assert {"data", "data/a", "data/a/deep", "data/a/dir", "data/empty"} <= set(with_directories)
    assert "data/a/dir/two.txt" not in with_directories
    assert fs.find("data/a", maxdepth=1) == ["data/a/one.txt"]
    assert fs.find("data/a", maxdepth=2) == fs.find("data/a")
    assert fs.find("data/a/one.txt") == ["data/a/one.txt"]
    assert fs.find("data/none") == []
    assert fs.find("data/a", detail=True)["data/a/one.txt"] == fs.info("data/a/one.txt")
    assert fs.find("data/a", detail=True, maxdepth=1)["data/a/one.txt"] == fs.info("data/a/one.txt")
    assert fs.find("data", detail=True)["data/link"]["islink"]
    assert fs.find("data/a/dir") == ["data/a/dir/two.txt"]
    with pytest.raises(ValueError, match="depth"):
        fs.find("data", maxdepth=0)


def test_the_root_holds_the_datasets(fs, tree):
    fs.mkdir("more")
    fs.pipe("more/x", b"")
    assert fs.ls("", detail=False) == ["data", "more"]
    assert set(fs.find("")) == set(fs.find("data")) | {"more/x"}
    assert fs.find("", maxdepth=1, withdirs=True) == ["data", "more"]
    assert fs.find("", maxdepth=2, detail=True)["more/x"]["size"] == 0
    assert fs.glob("*") == ["data", "more"]
    assert fs.glob("m*/*") == ["more/x"]
    assert [directory for directory, _, _ in fs.walk("")][:1] == [""]
    assert ("more", [], ["x"]) in [*fs.walk("")]
    assert fs.du("") == fs.du("data", maxdepth=99)


def test_walk(fs, tree):
    walked = {directory: (sorted(directories), sorted(files)) for directory, directories, files in fs.walk("data/a")}
    assert walked == {"data/a": (["deep", "dir"], ["one.txt"]), "data/a/deep": ([], ["two.txt"])}
    order = [directory for directory, _, _ in fs.walk("data/a", topdown=False)]
    assert order == ["data/a/deep", "data/a"]
    assert [directory for directory, _, _ in fs.walk("data", maxdepth=1)] == ["data"]
    pruned = []
    for directory, directories, _ in fs.walk("data"):
        pruned.append(directory)
        directories[:] = [name for name in directories if name != "a"]
    assert pruned == ["data", "data/empty"]
    [(_, directories, files)] = fs.walk("data/a", maxdepth=1, detail=True)
    assert directories["deep"]["type"] == "directory"
    assert files["one.txt"] == fs.info("data/a/one.txt")


def test_walk_reports_errors_as_asked(fs, tree):
    assert [*fs.walk("data/none")] == []
    with pytest.raises(FileNotFoundError):
        [*fs.walk("data/none", on_error="raise")]
    seen = []
    assert [*fs.walk("data/none", on_error=seen.append)] == []
    assert isinstance(seen[0], FileNotFoundError)


def test_a_walk_sees_one_commit(fs, dataset):
    fs.pipe({"data/a/x": b"", "data/b/x": b""})
    walk = fs.walk("data")
    next(walk)
    fs.pipe("data/b/new", b"")
    fs.rm("data/a", recursive=True)
    assert [*walk] == [("data/a", [], ["x"]), ("data/b", [], ["x"])]


def test_glob(fs, tree):
    assert fs.glob("data/**/*.txt") == ["data/a/deep/two.txt", "data/a/one.txt"]
    assert fs.glob("data@main/a/*.txt") == ["data@main/a/one.txt"]
    assert fs.glob("fabric://data/a/on[e].txt") == ["data/a/one.txt"]
    assert fs.glob("data/a/*/") == ["data/a/deep", "data/a/dir"]
    assert fs.glob("data/none/*") == []
    time = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1)
    ref = f"data@main@{{{time:%Y-%m-%dT%H:%M:%SZ}}}"
    assert fs.glob(f"{ref}/a/*.txt") == [f"{ref}/a/one.txt"]


def test_du(fs, tree):
    assert fs.du("data/a") == 3
    assert fs.du("data/a/one.txt") == 1
    assert fs.du("data/a", total=False) == {"data/a/deep/two.txt": 2, "data/a/one.txt": 1}
    assert fs.du("data/a", maxdepth=1) == 1
    assert fs.sizes(["data/a/one.txt", "data/three.bin"]) == [1, 3]


def test_keys_follow_the_content(fs, tree):
    key = fs.ukey("data/a/one.txt")
    assert key == content_digest(b"1").hex() == fs.ukey("data/link")
    assert fs.checksum("data/a/one.txt") == int(key, 16)
    assert len(fs.ukey("data/a")) == 64
    directory = fs.ukey("data/a")
    fs.pipe("data/other", b"")
    assert fs.ukey("data/a/one.txt") == key
    fs.pipe("data/a/one.txt", b"new")
    assert fs.ukey("data/a/one.txt") != key
    assert fs.ukey("data/a") != directory


def test_times(fs, tree):
    when = dt.datetime.fromtimestamp(1_700_000_000.5, dt.UTC)
    assert fs.modified("data/a/one.txt") == fs.created("data/a/one.txt") == when


@pytest.mark.parametrize(
    "path",
    ["data/../etc/passwd", "data/./x", "data/a\x00b", "data@/x", "Data/x", "data@no such/x", "..", "data/" + "x" * 256,
     "data/\ud800", "data@main@{never}/x", "a:b/x"],
)  # fmt: skip
def test_what_can_be_no_path_is_a_clear_error(fs, path):
    with pytest.raises(InvalidInputError):
        fs.info(path)
    with pytest.raises(InvalidInputError):
        fs.open(path, "wb")
    with pytest.raises(InvalidInputError):
        fs.rm(path)
    assert not fs.exists(path)
    assert not fs.isdir(path)
    assert not fs.isfile(path)


def test_slashes_that_say_nothing_are_left_out(fs, tree):
    assert fs.info("fabric:///data//a///one.txt")["name"] == "data/a/one.txt"
    assert fs.find("data//a//", maxdepth=1) == ["data/a/one.txt"]


@pytest.mark.parametrize("path", ["none/x", "data@none/x", "data/none", "data@0123456789abcdef/x", "data/three.bin/x"])
def test_what_is_not_there_is_a_missing_file_with_a_hint(fs, tree, path):
    assert not fs.exists(path)
    for look in (fs.info, fs.ls, fs.cat_file, fs.open, fs.ukey):
        with pytest.raises(PathNotFoundError) as caught:
            look(path)
        assert isinstance(caught.value, FileNotFoundError)


def test_a_store_that_does_not_answer_is_not_taken_for_a_missing_file(fs, tree, monkeypatch):
    def fail(*_):
        raise UnavailableError("the metastore does not answer")

    monkeypatch.setattr(fs.fabric.metastore.datasets, "get", fail, raising=False)
    for look in (fs.exists, fs.isdir, fs.isfile, fs.info):
        with pytest.raises(ConnectionError):
            look("data/a")
