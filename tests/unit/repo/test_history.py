"""Refs, logs, diffs and common ancestors."""

import pytest

from fabric.errors import InvalidInputError, MergeConflictError, NotFoundError
from fabric.repo import history
from fabric.repo.changes import ChangeKind


@pytest.fixture
def clock(monkeypatch, dataset):
    """Set what time commits are made at, in seconds."""
    now = {"at": 0}
    monkeypatch.setattr(dataset.store, "now", lambda: f"2026-01-01T00:00:{now['at']:02}.000000Z")
    return now


def test_names_of_commits(dataset, commit):
    first, second = commit({"a": b"1"}, message="one"), commit({"a": b"2"}, message="two")
    dataset.create_snapshot("v1", "main~1")
    for ref in (first.id, first.id[:8], first.id[:20], "main~1", "main~", "v1", "main~0~1", f"{second.id[:10]}~1"):
        assert dataset.resolve(ref).id == first.id, ref
    assert dataset.resolve().id == dataset.resolve("main@{2999-01-01}").id == second.id
    assert dataset.resolve("main@{2999-01-01}~1").id == first.id


@pytest.mark.parametrize("ref", ["nothing", "main~9", "deadbeef", "main@{1999-01-01}", "0" * 64])
def test_names_of_nothing(dataset, commit, ref):
    commit({"a": b"1"})
    with pytest.raises(NotFoundError):
        dataset.resolve(ref)


@pytest.mark.parametrize("ref", ["a/b", "main@{}", "main~x", "..", "-x", "main@{yesterday}", "x" * 600])
def test_what_is_no_name(dataset, ref):
    with pytest.raises(InvalidInputError):
        dataset.resolve(ref)


def test_the_log_of_a_path(dataset, commit):
    commit({"a/x": b"1", "b": b"1"}, message="one")
    commit({"b": b"2"}, message="two")
    commit({"a/x": b"2"}, message="three")
    commit({"a": None}, message="four")
    assert [info.commit.message for info in dataset.log(path="a")] == ["four", "three", "one"]
    assert [info.commit.message for info in dataset.log(path="a/x", limit=1)] == ["four"]
    assert [info.commit.message for info in dataset.log(path="b")] == ["two", "one"]
    assert [*dataset.log(path="c")] == [*dataset.log(limit=0)] == []


def test_renames_are_found_by_content(dataset, commit):
    commit({"d/a": b"same", "d/b": b"other", "e/c": b"third", "empty": b""})
    with dataset.transaction() as tx:
        tx.move("d", "n")
        tx.put("e/c", b"changed")
        tx.move("empty", "none")
    found = {(change.kind, change.old_path, change.path) for change in dataset.diff("main~1")}
    assert found == {
        (ChangeKind.RENAMED, b"d/a", b"n/a"),
        (ChangeKind.RENAMED, b"d/b", b"n/b"),
        (ChangeKind.REMOVED, None, b"d"),
        (ChangeKind.ADDED, None, b"n"),
        (ChangeKind.MODIFIED, None, b"e/c"),
        (ChangeKind.REMOVED, None, b"empty"),
        (ChangeKind.ADDED, None, b"none"),
    }
    plain = [*dataset.diff("main~1", renames=False)]
    assert ChangeKind.RENAMED not in {change.kind for change in plain}
    assert {change.path for change in dataset.diff("main~1", path="e")} == {b"e/c"}


def test_the_common_ancestor_is_the_best_one_whatever_clocks_say(dataset, commit, clock, files):
    """`old` and `good` are both behind both sides, `good` the later by ancestry and the earlier by its clock."""
    clock["at"] = 30
    old = commit({"f": b"1"}, message="old")
    clock["at"] = 1
    good = commit({"f": b"2"}, message="good")
    sides = []
    for number, name in enumerate(("left", "right")):
        clock["at"] = 40 + number
        dataset.create_branch(f"{name}-extra", old)
        commit({f"{name}-extra": b"x"}, branch=f"{name}-extra")
        dataset.create_branch(name, good)
        clock["at"] = 50 + number
        dataset.merge(f"{name}-extra", into=name)
        sides.append(name)
    clock["at"] = 59
    commit({"f": b"1"}, branch="left", message="undo")
    left, right = (dataset.resolve(name) for name in sides)
    assert history.merge_base(dataset.store, left, right).id == good.id
    dataset.merge("right", into="left")
    assert files("left")["f"] == b"1", "what left has undone does not come back"


def test_nothing_in_common_and_all_in_common(dataset, commit):
    first, second = commit({"a": b"1"}), commit({"a": b"2"})
    assert history.merge_base(dataset.store, first, second).id == first.id
    assert history.merge_base(dataset.store, second, first).id == first.id
    assert history.merge_base(dataset.store, second, second).id == second.id
    assert dataset.merge(first.id) is None


def test_a_revert_takes_back_one_commit_and_keeps_the_others(dataset, commit, files):
    commit({"a": b"1", "b": b"1"})
    middle = commit({"a": b"2", "new/file": b"n"})
    commit({"b": b"2"})
    dataset.revert(middle.id)
    assert files() == {"a": b"1", "b": b"2"}
    commit({"a": b"3"})
    with pytest.raises(MergeConflictError):
        dataset.revert(middle.id)


def test_restore_of_a_path(dataset, commit, files):
    first = commit({"d/a": b"1", "d/b": b"1", "f": b"1"})
    commit({"d": None, "f": b"2", "new": b"2"})
    dataset.restore(["d", "f", "new"], first.id)
    assert files() == {"d/a": b"1", "d/b": b"1", "f": b"1"}
    assert dataset.restore(["d"], first.id) is None
