"""What fsspec itself builds on a filesystem: mappers, sub-directories, rsync; and trees deeper than Python's stack."""

import os

import fsspec
import pytest
from fsspec.generic import rsync


def test_a_mapper(fs, dataset):
    mapper = fs.get_mapper("data/map", create=True)
    mapper["a/b"] = b"1"
    mapper.setitems({"c": b"2", "d": b"3"})
    assert dict(mapper) == {"a/b": b"1", "c": b"2", "d": b"3"}
    assert mapper.getitems(["c", "none"], on_error="omit") == {"c": b"2"}
    del mapper["c"]
    assert "c" not in mapper
    with pytest.raises(KeyError):
        mapper["c"]
    dataset.create_snapshot("v1")
    mapper.clear()
    assert [*mapper] == []
    assert sorted(fs.get_mapper("data@v1/map")) == ["a/b", "d"]


def test_a_directory_as_a_filesystem(fs, dataset):
    fs.pipe({"data/in/x": b"1", "data/in/d/y": b"2"})
    dataset.create_snapshot("v1")
    inside = fsspec.filesystem("dir", path="data@v1/in", fs=fs)
    assert sorted(inside.find("")) == ["d/y", "x"]
    assert inside.cat("x") == b"1"
    with pytest.raises(OSError, match="does not change"):
        inside.pipe("x", b"")
    writable = fsspec.filesystem("dir", path="data/in", fs=fs)
    writable.pipe("x", b"3")
    assert fs.cat("data/in/x") == b"3"


def test_rsync_with_the_local_disk(fs, home, tmp_path, monkeypatch):
    monkeypatch.setenv("FABRIC_ENDPOINT", home)
    source = tmp_path / "source"
    (source / "d").mkdir(parents=True)
    (source / "d" / "x").write_bytes(b"1")
    rsync(f"file://{source}", "fabric://data/copy", inst_kwargs={"default_method": "current"})
    assert fs.cat("data/copy/d/x") == b"1"


def test_deep_trees(fs):
    deep = "data/" + "d/" * 1050
    fs.pipe(deep + "x", b"1")
    assert fs.find("data") == [deep + "x"]
    assert fs.glob("data/**/x") == [deep + "x"]
    assert len([*fs.walk("data")]) == len([*fs.walk("data", topdown=False)]) == 1051
    assert len(fs.find("data", maxdepth=1000, withdirs=True)) == 1001
    fs.mv("data/d/d", "data/e")
    assert len(fs.find("data/e")) == 1
    fs.rm("data/e", recursive=True)
    assert fs.find("data") == []


def test_names_of_all_kinds(fs, tmp_path):
    names = ["a b", "a@b", "a%20b", "a{b}", "ä", "a\nb", "a::b", "~", "#", "a\\b", os.fsdecode(b"\xff\xfe"), "-", "'\""]
    contents = {f"data/{name}/{name}": name.encode("utf-8", "surrogateescape") for name in names}
    fs.pipe(contents)
    assert fs.cat("data", recursive=True) == contents
    assert fs.find("data") == sorted(contents)
    for path, data in contents.items():
        assert fs.cat_file(path) == data
        assert fs.info(path)["name"] == path
    fs.get("data", str(tmp_path / "got"), recursive=True)
    assert {path.read_bytes() for path in (tmp_path / "got").rglob("*") if path.is_file()} == set(contents.values())
    fs.put(str(tmp_path / "got") + "/", "data/back", recursive=True)
    assert len(fs.find("data/back")) == len(names)
    fs.rm([f"data/{name}" for name in names], recursive=True)
    assert fs.ls("data", detail=False) == ["data/back"]
