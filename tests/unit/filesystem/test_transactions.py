"""`with fs.transaction:` all calls are one commit, or nothing."""

import threading

import fsspec
import pytest

from fabric.errors import MergeConflictError


class OopsError(Exception):
    pass


def test_all_calls_are_one_commit(fs, dataset, tmp_path):
    fs.pipe({"data/old": b"", "data/d/x": b"x"})
    (tmp_path / "local").write_bytes(b"local")
    count = len([*dataset.log()])
    with fs.transaction as transaction:
        transaction.message = "all of it"
        fs.pipe("data/a", b"1")
        with fs.open("data/b", "w") as file:
            file.write("2")
        fs.put(str(tmp_path / "local"), "data/local")
        fs.cp_file("data/a", "data/c")
        fs.mv("data/d", "data/e")
        fs.rm("data/old")
        fs.mkdir("data/empty")
        fs.touch("data/t")
        assert len([*dataset.log()]) == count
    assert len([*dataset.log()]) == count + 1
    assert dataset.resolve().commit.message == "all of it"
    assert [result.id for result in transaction.results] == [dataset.resolve().id]
    assert fs.find("data", withdirs=True) == [
        "data", "data/a", "data/b", "data/c", "data/e", "data/e/x", "data/empty", "data/local", "data/t",
    ]  # fmt: skip
    assert fs.cat("data/c") == b"1"


def test_an_exception_leaves_nothing(fs, dataset):
    fs.pipe("data/x", b"old")
    head = dataset.resolve().id
    with pytest.raises(OopsError), fs.transaction:  # noqa: PT012
        fs.pipe("data/x", b"new")
        open_file = fs.open("data/y", "wb")
        open_file.write(b"half")
        fs.rm("data/x")
        raise OopsError
    assert open_file.closed
    assert dataset.resolve().id == head
    assert fs.cat("data/x") == b"old"
    fs.pipe("data/z", b"alone again")
    assert dataset.resolve().id != head


def test_reads_in_it_see_its_changes_and_others_do_not(fs, home):
    fs.pipe({"data/d/x": b"old", "data/d/gone": b""})
    other = fsspec.filesystem("fabric", endpoint=home, skip_instance_cache=True)
    with fs.transaction:
        assert fs.cat("data/d/x") == b"old"
        fs.pipe("data/d/x", b"new")
        fs.pipe("data/d/y", b"more")
        fs.rm("data/d/gone")
        assert fs.cat("data/d/x") == fs.cat("data@main/d/x") == b"new"
        assert fs.cat("data/d/*") == {"data/d/x": b"new", "data/d/y": b"more"}
        assert fs.find("data") == fs.glob("data/**/*")[1:] == ["data/d/x", "data/d/y"]
        assert fs.ls("data/d", detail=False) == ["data/d/x", "data/d/y"]
        assert [*fs.walk("data/d")] == [("data/d", [], ["x", "y"])]
        assert (fs.exists("data/d/gone"), fs.isfile("data/d/y"), fs.info("data/d/y")["size"]) == (False, True, 4)
        assert fs.info("data/d/y") == fs.ls("data/d")[1]
        assert fs.du("data") == 7
        with fs.open("data/d/y") as file:
            assert file.read() == b"more"
        with fs.open("data/d/y", "ab") as file:
            file.write(b"!")
        assert fs.cat("data/d/y") == b"more!"
        fs.pipe("data/d/x", b"newer")
        assert fs.cat("data/d/x") == b"newer"
        assert other.cat("data/d/*") == {"data/d/gone": b"", "data/d/x": b"old"}
    assert other.cat("data/d/*") == {"data/d/x": b"newer", "data/d/y": b"more!"}


def test_an_error_of_a_call_may_be_handled(fs):
    fs.pipe("data/x", b"1")
    with fs.transaction:
        fs.pipe("data/y", b"2")
        with pytest.raises(FileNotFoundError):
            fs.rm("data/none")
        with pytest.raises(FileExistsError):
            fs.pipe("data/x", b"", mode="create")
        with pytest.raises(IsADirectoryError):
            fs.pipe("data", b"")
    assert fs.cat("data/*") == {"data/x": b"1", "data/y": b"2"}


def test_one_inside_of_another_is_part_of_it(fs, dataset):
    count = len([*dataset.log()])
    with fs.transaction:
        fs.pipe("data/a", b"")
        with fs.transaction:
            fs.pipe("data/b", b"")
        assert len([*dataset.log()]) == count
        fs.pipe("data/c", b"")
    assert len([*dataset.log()]) == count + 1
    assert fs.find("data") == ["data/a", "data/b", "data/c"]
    with pytest.raises(OopsError), fs.transaction:  # noqa: PT012
        fs.pipe("data/d", b"")
        with fs.transaction:
            fs.pipe("data/e", b"")
            raise OopsError
    assert fs.find("data") == ["data/a", "data/b", "data/c"]


def test_several_branches_and_datasets_get_a_commit_each(fs, dataset):
    dataset.create_branch("side")
    fs.mkdir("other")
    with fs.transaction as transaction:
        fs.pipe("data/x", b"1")
        fs.pipe("data@side/x", b"2")
        fs.pipe("other/x", b"3")
        assert fs.cat(["data/x", "data@side/x", "other/x"]) == {"data/x": b"1", "data@side/x": b"2", "other/x": b"3"}
    assert len(transaction.results) == 3
    assert [fs.cat(path) for path in ("data/x", "data@side/x", "other/x")] == [b"1", b"2", b"3"]


def test_others_changes_merge_or_are_a_conflict(fs, dataset):
    fs.pipe({"data/a": b"", "data/b": b""})
    with fs.transaction:
        fs.pipe("data/a", b"mine")
        with dataset.transaction() as tx:
            tx.put("b", b"theirs")
    assert fs.cat("data/*") == {"data/a": b"mine", "data/b": b"theirs"}
    with pytest.raises(MergeConflictError) as caught, fs.transaction:  # noqa: PT012
        fs.pipe("data/a", b"mine again")
        with dataset.transaction() as tx:
            tx.put("a", b"theirs")
    assert caught.value.paths == (b"a",)
    assert fs.cat("data/a") == b"theirs"
    assert not fs._intrans


def test_without_a_with_block(fs):
    fs.start_transaction()
    with fs.open("data/x", "wb") as file:
        file.write(b"1")
    fs.pipe("data/y", b"2")
    still_open = fs.open("data/z", "wb")
    still_open.write(b"3")
    fs.end_transaction()
    assert fs.cat("data/*") == {"data/x": b"1", "data/y": b"2", "data/z": b"3"}
    assert still_open.closed


def test_nothing_is_no_commit(fs, dataset):
    head = dataset.resolve().id
    with fs.transaction as transaction:
        fs.exists("data/x")
    assert dataset.resolve().id == head
    assert transaction.results == []


def test_the_message_says_what_was_done(fs, dataset):
    with fs.transaction:
        for number in range(10):
            fs.pipe(f"data/{number}", b"")
    assert dataset.resolve().commit.message == "write data/0, write data/1, write data/2 and 7 more"
    fs.pipe(b"data/\xff".decode("utf-8", "surrogateescape"), b"")
    assert "write data/" in dataset.resolve().commit.message


def test_threads_may_share_it(fs, dataset):
    count = len([*dataset.log()])
    with fs.transaction:
        threads = [
            threading.Thread(target=lambda n=n: fs.pipe({f"data/{n}/{k}": b"%d" % k for k in range(20)})) for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(fs.find("data")) == 160
    assert len([*dataset.log()]) == count + 1
