"""The engine against dictionaries: transactions, branches, snapshots, merges, resets, reverts, reopening and faults.

Leaves hold a handful of rows here, so that even small trees have several levels. At least 2,000 steps in `make test`; the
profile `soak` draws new ones for hours (HYPOTHESIS_PROFILE=soak).
"""

import contextlib
import itertools
import os
import random
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import fabric
from fabric.config import Settings
from fabric.errors import (
    InvalidInputError,
    IsADirectoryInViewError,
    MergeConflictError,
    UnavailableError,
)
from fabric.model import cuts
from fabric.model.entry import Kind
from fabric.objects.open import open_store
from fabric.repo.fsck import fsck
from fabric.testing.faults import Effect, Fault, FaultyStore
from tests.stateful import model as reference

NAMES = [b"a", b"b", b"c.txt", b"\xff\x01", "é".encode(), b"a b", b"a!", b"zz"]
PATHS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(b"/".join)
DATA = st.binary(max_size=40)
NUMBERS = st.integers(0, 2**16)
BRANCHES = st.sampled_from(["main", "dev", "exp"])
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), PATHS, DATA, st.sampled_from([0o644, 0o600, 0o4755])),
        st.tuples(st.just("link"), PATHS, DATA.filter(lambda d: d and b"\x00" not in d)),
        st.tuples(st.just("mkdir"), PATHS),
        st.tuples(st.just("remove"), PATHS, st.booleans()),
        st.tuples(st.just("move"), PATHS, PATHS),
    ),
    min_size=1,
    max_size=8,
)
SCRATCH = "/dev/shm" if Path("/dev/shm").is_dir() else None
REFUSALS = (InvalidInputError, IsADirectoryInViewError, FileExistsError, FileNotFoundError, NotADirectoryError)


def apply_both(transaction, tree, operation):
    """Do one operation on both; both must take it, or both refuse it."""
    verb, path, *rest = operation
    trial = dict(tree)
    if verb == "put":
        wanted = reference.put(trial, path, ("file", rest[0], rest[1]))
    elif verb == "link":
        wanted = reference.put(trial, path, ("symlink", rest[0], 0o777))
    elif verb == "mkdir":
        wanted = reference.mkdir(trial, path)
    elif verb == "remove":
        wanted = reference.remove(trial, path, rest[0])
    else:
        wanted = reference.move(trial, path, rest[0])
    try:
        if verb == "put":
            transaction.put(path, rest[0], mode=rest[1], mtime_ns=7)
        elif verb == "link":
            transaction.symlink(path, rest[0], mtime_ns=7)
        elif verb == "mkdir":
            transaction.mkdir(path, mtime_ns=0)
        elif verb == "remove":
            transaction.remove(path, recursive=rest[0])
        else:
            transaction.move(path, rest[0])
        done = True
    except REFUSALS:
        done = False
    assert done == wanted, operation
    if wanted:
        tree.clear()
        tree.update(trial)


def tree_of(view):
    """Return a view's tree as the model writes it, all bytes read."""
    result = {}
    for entry in view.find():
        data = b""
        if entry.kind == Kind.FILE:
            data = bytes(view.read(entry.path))
        elif entry.kind == Kind.SYMLINK:
            data = entry.target
        result[entry.path] = (entry.kind.name.lower(), data, entry.mode)
    return result


class RepoMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(dir=SCRATCH))
        self.rules = (cuts.LEAF_RULE, cuts.INDEX_RULE)
        cuts.LEAF_RULE = cuts.Rule(minimum=2, target=4, maximum=8, odds_before=8, odds_after=2)
        cuts.INDEX_RULE = cuts.Rule(minimum=2, target=3, maximum=5, odds_before=4, odds_after=2)
        self.model = reference.Model()
        self.names = itertools.count()
        self.open_transaction = None
        self.fabric = None

    @initialize()
    def begin(self):
        self.settings = Settings(state_dir=self.directory / "state", author="machine")
        fabric.init(self.directory / "fabric", settings=self.settings).close()
        self.connect()
        self.dataset = self.fabric.create("d")
        head = self.dataset.resolve("main")
        self.model.commits[head.id] = reference.Commit({}, ())
        self.model.branches["main"] = head.id

    def connect(self):
        """Open the fabric with faults around everything that it does with its store, the exports of its metastore too."""

        def faulty(url, **options):
            self.faults = FaultyStore(open_store(url, **options))
            return self.faults

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("fabric.repo.fabric.open_store", faulty)
            self.fabric = fabric.connect(self.directory / "fabric", settings=self.settings)

    def teardown(self):
        cuts.LEAF_RULE, cuts.INDEX_RULE = self.rules
        if self.fabric is not None:
            if self.open_transaction:
                self.open_transaction[0].abort()
            report = fsck([self.dataset], read_data=True)
            self.fabric.close()
            shutil.rmtree(self.directory)
            assert report.is_clean, report.problems

    # -- transactions

    def record(self, branch, result, tree):
        """Note what a commit did: `tree` is what the branch holds now."""
        if result is None:
            return
        self.model.commits[result.id] = reference.Commit(dict(tree), result.commit.parents)
        self.model.branches[branch] = result.id

    def branch_tree(self, branch):
        return self.model.commits[self.model.branches[branch]].tree

    @rule(branch=BRANCHES, operations=OPERATIONS)
    def transact(self, branch, operations):
        if branch not in self.model.branches:
            return
        tree = dict(self.branch_tree(branch))
        with self.dataset.transaction(branch, "change") as transaction:
            for operation in operations:
                apply_both(transaction, tree, operation)
        assert (transaction.result is None) == (tree == self.branch_tree(branch))
        self.record(branch, transaction.result, tree)

    @rule(branch=BRANCHES, operations=OPERATIONS)
    def transact_and_abort(self, branch, operations):
        if branch not in self.model.branches:
            return
        tree = dict(self.branch_tree(branch))
        with contextlib.suppress(ZeroDivisionError), self.dataset.transaction(branch) as transaction:
            for operation in operations:
                apply_both(transaction, tree, operation)
            raise ZeroDivisionError

    @precondition(lambda self: self.open_transaction is None)
    @rule(branch=BRANCHES, operations=OPERATIONS)
    def open_one(self, branch, operations):
        if branch not in self.model.branches:
            return
        tree = dict(self.branch_tree(branch))
        transaction = self.dataset.transaction(branch, "slow")
        for operation in operations:
            apply_both(transaction, tree, operation)
        self.open_transaction = (transaction, branch, dict(self.branch_tree(branch)), tree)

    @precondition(lambda self: self.open_transaction is not None)
    @rule()
    def commit_open(self):
        transaction, branch, base, tree = self.open_transaction
        self.open_transaction = None
        ours = self.branch_tree(branch)
        merged, conflicts = reference.three_way(base, ours, tree)
        if base == tree:
            assert transaction.commit() is None
        elif conflicts:
            with pytest.raises(MergeConflictError) as caught:
                transaction.commit()
            assert set(caught.value.paths) == conflicts
        else:
            result = transaction.commit()
            assert (result is None) == (merged == ours)
            self.record(branch, result, merged)

    @rule(
        branch=BRANCHES,
        operations=OPERATIONS,
        verb=st.sampled_from(["put", "get"]),
        index=st.integers(0, 6),
        effect=st.sampled_from([Effect.FAIL, Effect.LOST_ANSWER]),
    )
    def transact_with_a_fault(self, branch, operations, verb, index, effect):
        """A request fails, before or after it took effect: the transaction is all there or not at all, as it says."""
        if branch not in self.model.branches:
            return
        before, tree = dict(self.branch_tree(branch)), dict(self.branch_tree(branch))
        self.faults.add(Fault(verb, effect, at=self.faults.calls[verb] + 1 + index))
        try:
            with self.dataset.transaction(branch, "faulty") as transaction:
                for operation in operations:
                    apply_both(transaction, tree, operation)
            self.faults.clear()
            self.record(branch, transaction.result, tree)
        except UnavailableError:
            self.faults.clear()
            head = self.dataset.resolve(branch)
            found = tree_of(self.dataset.view(branch))
            assert found in (before, tree)
            if head.id != self.model.branches[branch]:
                self.record(branch, head, found)

    # -- names

    @rule(name=BRANCHES, origin=BRANCHES)
    def create_branch(self, name, origin):
        if origin not in self.model.branches:
            return
        if name in self.model.branches:
            with pytest.raises(FileExistsError):
                self.dataset.create_branch(name, origin)
            return
        self.dataset.create_branch(name, origin)
        self.model.branches[name] = self.model.branches[origin]

    @rule(name=st.sampled_from(["dev", "exp"]))
    def delete_branch(self, name):
        if name in self.model.branches and not (self.open_transaction and self.open_transaction[1] == name):
            self.dataset.delete_branch(name)
            del self.model.branches[name]

    @rule(origin=BRANCHES)
    def snapshot(self, origin):
        if origin in self.model.branches:
            name = f"s{next(self.names)}"
            self.dataset.create_snapshot(name, origin)
            self.model.snapshots[name] = self.model.branches[origin]

    def pick(self, number):
        """Return a commit's id. What is drawn must not depend on what there is: ids are new in every run."""
        return [*self.model.commits][number % len(self.model.commits)]

    @rule(branch=BRANCHES, number=NUMBERS)
    def reset(self, branch, number):
        if branch in self.model.branches:
            target = self.pick(number)
            self.dataset.reset(branch, target)
            self.model.branches[branch] = target

    # -- merges

    @rule(source=BRANCHES, into=BRANCHES)
    def merge(self, source, into):
        if source not in self.model.branches or into not in self.model.branches:
            return
        ours_id, theirs_id = self.model.branches[into], self.model.branches[source]
        common = self.model.history(ours_id) & self.model.history(theirs_id)
        try:
            result = self.dataset.merge(source, into)
        except MergeConflictError:
            bases = [self.model.commits[one].tree for one in common]
            trees = self.model.commits[ours_id].tree, self.model.commits[theirs_id].tree
            assert any(reference.three_way(base, *trees)[1] for base in bases)
            return
        if theirs_id in common:
            assert result is None
        elif ours_id in common:
            assert result.id == theirs_id
            self.model.branches[into] = theirs_id
        else:
            found = tree_of(self.dataset.view(into))
            bases = [self.model.commits[one].tree for one in common]
            trees = self.model.commits[ours_id].tree, self.model.commits[theirs_id].tree
            outcomes = [reference.three_way(base, *trees) for base in bases]
            assert any(found == merged and not conflicts for merged, conflicts in outcomes)
            assert result.commit.parents == (ours_id, theirs_id)
            self.record(into, result, found)

    @rule(branch=BRANCHES)
    def revert_head(self, branch):
        if branch not in self.model.branches:
            return
        head = self.model.commits[self.model.branches[branch]]
        if not head.parents:
            with pytest.raises(InvalidInputError):
                self.dataset.revert(branch, branch)
            return
        wanted = self.model.commits[head.parents[0]].tree
        result = self.dataset.revert(branch, branch)
        assert (result is None) == (wanted == head.tree)
        self.record(branch, result, wanted)

    # -- the rest

    @rule()
    def reopen(self):
        if self.open_transaction:
            self.open_transaction[0].abort()
            self.open_transaction = None
        self.fabric.close()
        self.connect()
        self.dataset = self.fabric.dataset("d")

    @rule(number=NUMBERS, seed=NUMBERS)
    def history_does_not_show(self, number, seed):
        """The same entries have the same tree id, whatever way led to them."""
        wanted = self.model.commits[self.pick(number)]
        name = f"h{next(self.names)}"
        self.dataset.create_branch(name, min(self.model.commits))
        with self.dataset.transaction(name) as transaction:
            for entry in transaction.list():
                transaction.remove(entry.path, recursive=True)
            nodes = sorted(wanted.tree.items())
            random.Random(seed).shuffle(nodes)
            for path, node in nodes:
                if node[0] == "file":
                    transaction.put(path, node[1], mode=node[2], mtime_ns=7)
                elif node[0] == "symlink":
                    transaction.symlink(path, node[1], mtime_ns=7)
                else:
                    transaction.mkdir(path, mtime_ns=0, exist_ok=True)
        found = self.dataset.view(name)
        for commit_id, commit in self.model.commits.items():
            same = self.dataset.resolve(commit_id).commit.tree == found.commit.tree
            assert same == (commit.tree == wanted.tree)
        self.dataset.delete_branch(name)

    @rule(first=NUMBERS, second=NUMBERS)
    def diff(self, first, second):
        before, after = self.pick(first), self.pick(second)
        old, new = self.model.commits[before].tree, self.model.commits[after].tree
        found = {change.path: change.kind.value for change in self.dataset.diff(before, after, renames=False)}
        wanted = dict.fromkeys(new.keys() - old.keys(), "added")
        wanted |= dict.fromkeys(old.keys() - new.keys(), "removed")
        wanted |= {path: "modified" for path in old.keys() & new.keys() if old[path] != new[path]}
        assert found == wanted

    @invariant()
    def names_are_where_they_should_be(self):
        if self.fabric is None:
            return
        assert {ref.name: ref.commit for ref in self.dataset.branches()} == self.model.branches
        assert {ref.name: ref.commit for ref in self.dataset.snapshots()} == self.model.snapshots

    @invariant()
    def heads_hold_what_they_should(self):
        if self.fabric is None:
            return
        for branch, commit_id in self.model.branches.items():
            assert tree_of(self.dataset.view(branch)) == self.model.commits[commit_id].tree


MACHINES = int(os.environ.get("FABRIC_TEST_MACHINES", "60"))
RepoMachine.TestCase.settings = settings(max_examples=MACHINES, stateful_step_count=40)
TestRepo = RepoMachine.TestCase
