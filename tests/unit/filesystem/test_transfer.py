"""put and get: one commit in, one state out."""

import os
import stat

import pytest
from fsspec.callbacks import Callback

from fabric.errors import DataError, SourceError
from fabric.filesystem import transfer
from fabric.model.digest import BLOCK_BYTES


@pytest.fixture
def local(tmp_path):
    """A directory with files, an empty one, a large file, links, a script and an old file."""
    root = tmp_path / "local"
    for name, data in {"a": b"a", "sub/b": b"bb", "sub/deep/c": b"", "big": os.urandom(2 * BLOCK_BYTES + 7)}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    (root / "empty").mkdir()
    (root / "link").symlink_to("a")
    (root / "a").chmod(0o755)
    os.utime(root / "a", ns=(1, 1_600_000_000_123_456_789))
    return root


class Counting(Callback):
    def __init__(self, children=None):
        self.children = {} if children is None else children
        super().__init__()

    def branched(self, path_1, path_2, **kwargs):
        child = Counting(self.children)
        self.children[os.path.basename(path_1)] = child
        return child


def test_put_and_get_of_a_directory(fs, dataset, local, tmp_path):
    count = len([*dataset.log()])
    callback = Counting()
    fs.put(str(local), "data/up", recursive=True, callback=callback)
    assert len([*dataset.log()]) == count + 1
    assert callback.size == callback.value > 4
    assert callback.children["big"].value == callback.children["big"].size == 2 * BLOCK_BYTES + 7
    entry = dataset.view().stat("up/a")
    assert (entry.mode, entry.mtime_ns) == (0o755, 1_600_000_000_123_456_789)
    assert fs.isdir("data/up/empty")
    assert fs.cat("data/up/link") == b"a"

    callback = Counting()
    fs.get("data/up", str(tmp_path / "down"), recursive=True, callback=callback)
    assert callback.size == callback.value
    assert callback.children["big"].value == callback.children["big"].size == 2 * BLOCK_BYTES + 7
    for folder, _, names in os.walk(local):
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), local)
            assert (tmp_path / "down" / path).read_bytes() == (local / path).read_bytes()
    assert (tmp_path / "down" / "empty").is_dir()
    assert not (tmp_path / "down" / "link").is_symlink()


def test_single_files(fs, local, tmp_path):
    fs.put_file(local / "a", "data/one")
    fs.upload(str(local / "a"), "data/two")
    assert fs.cat(["data/one", "data/two"]) == {"data/one": b"a", "data/two": b"a"}
    with pytest.raises(FileExistsError):
        fs.put_file(str(local / "a"), "data/one", mode="create")
    with pytest.raises(FileExistsError):
        fs.put(str(local / "a"), "data/one", mode="create")
    fs.put_file(str(local / "sub"), "data/directory")
    assert fs.ls("data/directory") == []
    fs.get_file("data/one", str(tmp_path / "new" / "one"))
    assert (tmp_path / "new" / "one").read_bytes() == b"a"
    with open(tmp_path / "open", "wb") as file:
        fs.get_file("data/one", file)
        fs.get_file("data/two", None, outfile=file)
    assert (tmp_path / "open").read_bytes() == b"aa"
    fs.get_file("data/directory", str(tmp_path / "made"))
    assert (tmp_path / "made").is_dir()
    fs.download("data/one", tmp_path / "two")
    assert (tmp_path / "two").read_bytes() == b"a"


def test_lists_and_paths(fs, local, tmp_path):
    fs.put([local / "a", local / "sub" / "b"], ["data/x", "data/y"])
    fs.put(local, "data/tree", recursive=True)
    assert fs.cat(["data/x", "data/y"]) == {"data/x": b"a", "data/y": b"bb"}
    fs.get(["data/x", "data/y"], [tmp_path / "1", str(tmp_path / "2")])
    assert ((tmp_path / "1").read_bytes(), (tmp_path / "2").read_bytes()) == (b"a", b"bb")
    fs.get("data/tree/sub/*", str(tmp_path / "sub") + "/")
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["b"]


def test_put_errors_change_nothing(fs, dataset, local):
    head = dataset.resolve().id
    for source in (local / "none", local / "none*"):
        with pytest.raises(FileNotFoundError):
            fs.put(str(source), "data/x")
    with pytest.raises(FileNotFoundError):
        fs.put([str(local / "a"), str(local / "none")], ["data/1", "data/2"])
    os.mkfifo(local / "pipe")
    with pytest.raises(SourceError, match="regular"):
        fs.put(str(local), "data/x", recursive=True)
    os.remove(local / "pipe")
    fs.pipe("data/file", b"")
    head = dataset.resolve().id
    with pytest.raises(NotADirectoryError):
        fs.put(str(local) + "/", "data/file/below", recursive=True)
    assert dataset.resolve().id == head


def test_get_errors_leave_no_half_files(fs, tmp_path, monkeypatch):
    fs.pipe({"data/big": os.urandom(3 * BLOCK_BYTES), "data/a": b"a"})
    with pytest.raises(FileNotFoundError):
        fs.get("data/none", str(tmp_path / "x"))

    def fail(*_):
        raise DataError("damaged")

    monkeypatch.setattr(transfer, "_write_content", fail)
    with pytest.raises(DataError):
        fs.get("data/big", str(tmp_path / "big"))
    assert not (tmp_path / "big").exists()


def test_get_of_a_branch_that_moves_is_one_state(fs, dataset, tmp_path):
    fs.pipe({f"data/{number}": b"old" for number in range(20)})

    class Moving(Callback):
        def branched(self, *_):
            with dataset.transaction() as tx:
                for number in range(20):
                    tx.put(str(number), b"new")
            return Callback()

    fs.get("data", str(tmp_path / "got"), recursive=True, callback=Moving())
    assert {path.read_bytes() for path in (tmp_path / "got").iterdir()} == {b"old"}
    assert fs.cat("data/7") == b"new"


def test_get_does_not_write_outside_of_its_target(fs, dataset, tmp_path):
    """Hostile trees: links that lead out are not followed, and none is made."""
    (tmp_path / "secret").write_bytes(b"secret")
    with dataset.transaction() as tx:
        tx.put("x", b"1")
        tx.put("..data", b"2")
        tx.symlink("out", str(tmp_path / "secret"))
        tx.symlink("up", "../../..")
    with pytest.raises(FileNotFoundError):
        fs.get("data", str(tmp_path / "got"), recursive=True)
    assert not any(path.is_symlink() for path in tmp_path.rglob("*"))
    fs.get(["data/x", "data/..data"], str(tmp_path / "got"))
    assert (tmp_path / "got" / "..data").read_bytes() == b"2"


def test_modes_arrive_as_permissions_only(fs, dataset, tmp_path):
    path = tmp_path / "suid"
    path.write_bytes(b"")
    path.chmod(0o6755)
    fs.put(str(path), "data/suid")
    assert dataset.view().stat("suid").mode == 0o755
    assert stat.S_IMODE(path.stat().st_mode) == 0o6755
