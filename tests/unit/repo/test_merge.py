"""Three-way merges of real trees: what is taken, what is a conflict, and that the result is a whole tree in every case."""

import itertools

import pytest

from fabric.errors import MergeConflictError, NotFoundError
from fabric.repo.fsck import fsck

LARGE = {b"user.large": b"x" * 500}
OTHER = {b"user.other": b"y" * 600}


def put(path, data=b"new"):
    return lambda tx: tx.put(path, data, mtime_ns=7)


def remove(path):
    return lambda tx: tx.remove(path, recursive=True)


def retype(path, *below):
    """Make a directory of a file."""

    def change(tx):
        tx.remove(path)
        tx.mkdir(path, mtime_ns=0)
        for name in below:
            tx.put(f"{path}/{name}", b"below", mtime_ns=7)

    return change


def flatten(path, data=b"file now"):
    """Make a file of a directory."""

    def change(tx):
        tx.remove(path, recursive=True)
        tx.put(path, data, mtime_ns=7)

    return change


CHANGES = {
    "edit": put("d/x", b"edited"),
    "edit deep": put("d/s/z", b"edited too"),
    "add": put("d/new", b"added"),
    "remove file": remove("d/x"),
    "remove directory": remove("d"),
    "flatten": flatten("d"),
    "flatten deep": flatten("d/s"),
    "retype": retype("d/x", "below"),
    "touch": lambda tx: tx.set_attributes("d", mtime_ns=99, mode=0o700),
    "move": lambda tx: tx.move("d", "e"),
}


@pytest.fixture
def sides(dataset, commit):
    """Make two branches of one base, and change each; returns nothing: they are `main` and `side`."""

    def sides(ours, theirs, base=None):
        commit(base or {"d/x": b"x", "d/y": b"y", "d/s/z": b"z", "f": b"f"})
        dataset.create_branch("side")
        for branch, change in (("main", ours), ("side", theirs)):
            with dataset.transaction(branch) as tx:
                change(tx)

    return sides


def check(dataset):
    report = fsck([dataset], read_data=True)
    assert report.is_clean, report.problems


def test_every_pair_of_changes_gives_a_whole_tree(dataset, files, commit):
    """Merged or settled for a side: no entry without a directory, and nothing lost of what the side that wins did."""
    base = commit({"d/x": b"x", "d/y": b"y", "d/s/z": b"z", "f": b"f"})
    before, sides = files(), {}
    for number, change in enumerate(CHANGES.values()):
        dataset.create_branch(f"c{number}", base)
        with dataset.transaction(f"c{number}") as tx:
            change(tx)
        sides[f"c{number}"] = files(f"c{number}")
    for ours, theirs in itertools.permutations(sides, 2):
        for prefer in ("ours", "theirs"):
            name = f"{ours}-{theirs}-{prefer}"
            dataset.create_branch(name, ours)
            dataset.merge(theirs, into=name, prefer=prefer)
            settled, winner = files(name), sides[ours if prefer == "ours" else theirs]
            for path, data in winner.items():
                if data != before.get(path):
                    assert settled.get(path) == data, name
    check(dataset)


@pytest.mark.parametrize("base", [{"p": b"base", "q": b"q"}, {"q": b"q"}])
def test_a_file_here_and_a_directory_there(dataset, files, sides, base):
    make = retype("p", "x", "y/z") if "p" in base else lambda tx: (tx.put("p/x", b"1"), tx.put("p/y/z", b"2"))
    sides(put("p", b"ours"), make, base)
    with pytest.raises(MergeConflictError):
        dataset.merge("side")
    dataset.create_branch("o", "main")
    dataset.create_branch("t", "main")
    dataset.merge("side", into="o", prefer="ours")
    assert files("o")["p"] == b"ours"
    dataset.merge("side", into="t", prefer="theirs")
    assert sorted(files("t")) == ["p/x", "p/y/z", "q"]
    check(dataset)


@pytest.mark.parametrize("base", [{"p": b"base", "q": b"q"}, {"q": b"q"}])
def test_a_directory_here_and_a_file_there(dataset, files, sides, base):
    make = retype("p", "x", "y/z") if "p" in base else lambda tx: (tx.put("p/x", b"1"), tx.put("p/y/z", b"2"))
    sides(make, put("p", b"theirs"), base)
    dataset.create_branch("o", "main")
    dataset.create_branch("t", "main")
    dataset.merge("side", into="o", prefer="ours")
    assert sorted(files("o")) == ["p/x", "p/y/z", "q"]
    dataset.merge("side", into="t", prefer="theirs")
    assert files("t") == {"p": b"theirs", "q": b"q"}
    check(dataset)


def test_a_file_removed_here_and_a_directory_there(dataset, files, sides):
    sides(remove("p"), retype("p", "x"), {"p": b"p", "q": b"q"})
    dataset.create_branch("t", "main")
    dataset.merge("side", prefer="ours")
    assert files() == {"q": b"q"}
    dataset.merge("side", into="t", prefer="theirs")
    assert files("t") == {"q": b"q", "p/x": b"below"}
    check(dataset)


def attributed(attributes, mtime_ns):
    return lambda tx: tx.set_attributes("d", attributes=attributes, mtime_ns=mtime_ns)


@pytest.mark.parametrize("before", [None, {b"user.small": b"1"}, LARGE])
@pytest.mark.parametrize(("ours", "theirs"), [*itertools.permutations([None, {}, {b"user.new": b"2"}, LARGE, OTHER], 2)])
def test_attributes_of_a_directory_merge_as_one_field(dataset, sides, commit, before, ours, theirs):
    commit({"d/x": b"x"})
    if before is not None:
        with dataset.transaction() as tx:
            tx.set_attributes("d", attributes=before)
    sides(attributed(ours, 5), attributed(theirs, 6), {"f": b"f"})
    old, mine, other = ({} if side is None else dict(side) for side in (before, before if ours is None else ours,
                                                                        before if theirs is None else theirs))  # fmt: skip
    if mine != other and old not in (mine, other):
        with pytest.raises(MergeConflictError):
            dataset.merge("side")
    else:
        dataset.merge("side")
        assert dataset.view().xattrs("d") == (other if mine == old else mine)
        assert dataset.view().stat("d").mtime_ns == 6
    check(dataset)


def test_a_branch_that_was_deleted_meanwhile_is_not_begun_anew(dataset, commit):
    commit({"a": b"1"})
    dataset.create_branch("side")
    transaction = dataset.transaction("side")
    transaction.put("b", b"2")
    dataset.delete_branch("side")
    with pytest.raises(NotFoundError, match="deleted"):
        transaction.commit()
    assert [ref.name for ref in dataset.branches()] == ["main"]


def test_a_snapshot_in_the_place_of_a_deleted_branch_is_not_moved(dataset, commit):
    first = commit({"a": b"1"})
    dataset.create_branch("side")
    transaction = dataset.transaction("side")
    transaction.put("b", b"2")
    dataset.delete_branch("side")
    dataset.create_snapshot("side", first)
    with pytest.raises(Exception, match="side"):
        transaction.commit()
    assert dataset.ref("side").commit == first.id
    assert dataset.ref("side").kind.value == "snapshot"
