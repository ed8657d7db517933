"""A dataset: its branches, snapshots and history, and the ways to change it."""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

from fabric.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
    ReadOnlyError,
    RefConflictError,
)
from fabric.metastore.records import DatasetRecord, RefKind, ReflogEntry, RefRecord, RefUpdate
from fabric.model import paths
from fabric.model.ids import CommitId, DatasetId, parse_name
from fabric.model.node import Child
from fabric.model.refs import parse_ref
from fabric.progress import Progress
from fabric.repo import history
from fabric.repo.changes import Change, changes
from fabric.repo.edit import apply_edits
from fabric.repo.merge import Prefer, conflict_error, three_way
from fabric.repo.publish import Change as Publication
from fabric.repo.publish import head_of, move, publish
from fabric.repo.session import WriteSession
from fabric.repo.staging import Staging
from fabric.repo.store import CommitInfo, DatasetStore
from fabric.repo.transaction import Transaction
from fabric.repo.view import Path, View

if TYPE_CHECKING:
    from fabric.repo.fabric import Fabric

RefLike = str | CommitInfo | None
REFS_PAGE = 1_000


class Dataset:
    """One dataset of a fabric. Thread-safe; cheap to keep."""

    def __init__(self, fabric: "Fabric", record: DatasetRecord, store: DatasetStore) -> None:
        self.fabric = fabric
        self.record = record
        self.store = store

    def __repr__(self) -> str:
        return f"<Dataset {self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (self.fabric, self.name)

    @property
    def id(self) -> DatasetId:
        """Its id: random, never reused."""
        return self.record.id

    @property
    def name(self) -> str:
        """Its name."""
        return self.record.name

    @property
    def default_branch(self) -> str:
        """The branch that is meant where none is named."""
        return self.record.default_branch

    # -- looking

    def resolve(self, ref: RefLike = None) -> CommitInfo:
        """Return the commit that a ref names now; raises NotFoundError, InvalidInputError."""
        if isinstance(ref, CommitInfo):
            return ref
        return history.resolve(self.store, ref or self.default_branch, self.name)

    def view(self, ref: RefLike = None) -> View:
        """Return a view of what a ref names now. It stays at that commit. Raises NotFoundError, InvalidInputError."""
        info = self.resolve(ref)
        return View(self, info, ref if isinstance(ref, str) else info.id if ref else self.default_branch, store=self.store)

    def ref(self, name: str) -> RefRecord:
        """Return a branch or snapshot; raises NotFoundError."""
        try:
            return self.store.metastore.refs.get(self.id, parse_name(name, "ref"))
        except NotFoundError:
            raise history.no_ref(self.store, self.name, name) from None

    def branches(self) -> list[RefRecord]:
        """Return all branches, by name."""
        return [*self._refs(RefKind.BRANCH)]

    def snapshots(self) -> list[RefRecord]:
        """Return all snapshots, by name."""
        return [*self._refs(RefKind.SNAPSHOT)]

    def _refs(self, kind: RefKind) -> Iterator[RefRecord]:
        after = ""
        while page := self.store.metastore.refs.list(self.id, kind, after=after, limit=REFS_PAGE):
            yield from page
            after = page[-1].name

    def log(self, ref: RefLike = None, *, limit: int | None = None, path: Path | None = None) -> Iterator[CommitInfo]:
        """Yield commits from a ref backwards, the newest first; with `path` those that changed what is there."""
        raw = None if path is None else paths.parse_path(path)
        count = 0
        for info in history.ancestors(self.store, self.resolve(ref)):
            if limit is not None and count >= limit:
                return
            if raw is None or self._changed(info, raw):
                count += 1
                yield info

    def _changed(self, info: CommitInfo, path: bytes) -> bool:
        if not info.commit.parents:
            return self.store.tree(info).entry(path) is not None
        parent = self.store.commit(info.commit.parents[0])
        return next(changes(self.store.nodes, parent.root, info.root, path=path, renames=False), None) is not None

    def reflog(self, name: str | None = None, *, limit: int = 100) -> list[ReflogEntry]:
        """Return the last moves of a branch or snapshot, the newest first; also of one that was deleted."""
        name = parse_name(name or self.default_branch, "ref")
        entries = [*self.store.metastore.refs.reflog(self.id, name, limit=limit)]
        if not entries:
            raise NotFoundError(f"dataset {self.name!r} never had a ref {name!r}", subject=f"{self.name}@{name}")
        return entries

    def diff(self, before: RefLike, after: RefLike = None, *, path: Path = "", renames: bool = True) -> Iterator[Change]:
        """Yield what changed from one ref to another at and below `path`; cost follows the change."""
        first, second = self.resolve(before), self.resolve(after)
        return changes(self.store.nodes, first.root, second.root, path=paths.parse_path(path), renames=renames)

    # -- changing

    def transaction(
        self,
        branch: str | None = None,
        message: str = "",
        *,
        author: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Transaction:
        """Begin a transaction on a branch.

        Raises:
            ReadOnlyError: `branch` names a snapshot, a commit or a past state.
            NotFoundError: there is no such branch.
        """
        name = branch or self.default_branch
        base = self._head(name)
        return Transaction(
            self,
            self.store,
            base,
            branch=name,
            message=message,
            author=author or self.fabric.author,
            metadata=metadata or {},
        )

    def _head(self, branch: str) -> CommitInfo:
        """Return the head of a branch that is to be changed."""
        ref = parse_ref(branch)
        if ref.is_plain:
            found = head_of(self.store, ref.base)
            if found is None and branch == self.default_branch:
                found = self.make_first_commit()
            if found is not None and found.ref is not None and found.ref.kind == RefKind.BRANCH:
                return found
            if found is None and not ref.maybe_commit:
                return self.resolve(branch)
        self.resolve(branch)
        raise ReadOnlyError(
            f"{self.name}@{branch} does not change: only branches do",
            subject=f"{self.name}@{branch}",
            hint=f"write to a branch, for example one made by 'fabric branch create {self.name} NAME --ref {branch}'",
        )

    def make_first_commit(self) -> CommitInfo:
        """Make the default branch with an empty tree, if no other process did; returns its head."""
        with WriteSession(self.store, []) as session:
            root = Staging(self.store.nodes, lambda: session.writer, None).root()
            change = Publication(self.default_branch, self.fabric.author, "create dataset", "create dataset")

            def build(head: CommitInfo | None) -> tuple[Child, tuple[CommitId, ...]]:
                return (head.root, ()) if head else (root, ())

            publish(self.store, session.lease, session.writer, change, build)
        found = head_of(self.store, self.default_branch)
        assert found is not None
        return found

    def put_tree(
        self,
        source: str | PathLike[str],
        path: Path = "",
        *,
        branch: str | None = None,
        message: str = "",
        delete: bool = True,
        progress: Progress | None = None,
        **options: Any,
    ) -> CommitInfo | None:
        """Put a local directory as one commit (see Transaction.put_tree); None if nothing changed."""
        with self.transaction(branch, message) as transaction:
            transaction.put_tree(source, path, delete=delete, progress=progress, **options)
        return transaction.result

    def restore(
        self, many: Iterable[Path], ref: RefLike, *, branch: str | None = None, message: str | None = None
    ) -> CommitInfo | None:
        """Make paths what they are at a ref, as one commit; a path that is absent there is removed."""
        view = self.view(ref)
        with self.transaction(branch, message or f"restore from {view.ref}") as transaction:
            for path in many:
                transaction.restore(path, view)
        return transaction.result

    def merge(
        self,
        source: RefLike,
        into: str | None = None,
        *,
        message: str | None = None,
        author: str | None = None,
        prefer: Prefer = None,
        metadata: Mapping[str, str] | None = None,
    ) -> CommitInfo | None:
        """Bring what `source` has into a branch. Returns the new head, or None if it has all of it.

        A branch that `source` is simply ahead of moves to it; else a commit with two parents is made.

        Raises:
            MergeConflictError: both changed the same paths, and `prefer` says for neither side.
        """
        branch = into or self.default_branch
        other, head = self.resolve(source), self._head(branch)
        common = history.merge_base(self.store, head, other)
        if common is None:
            raise InvalidInputError(f"{self.name}@{branch} and the other side have no common history", subject=branch)
        if common.id == other.id:
            return None
        text = message or f"merge {source if isinstance(source, str) else other.id[:12]} into {branch}"
        if common.id == head.id and message is None:
            return self._fast_forward(branch, head, other, text)
        base = common
        metadata = metadata or {}
        change = Publication(branch, author or self.fabric.author, text, text, metadata, keep_equal=True)
        return self._apply(change, base, other, (other.id,), prefer)

    def _fast_forward(self, branch: str, head: CommitInfo, other: CommitInfo, reason: str) -> CommitInfo:
        self._move(branch, head.ref, other.id, reason)
        return self.resolve(branch)

    def revert(
        self, ref: RefLike, branch: str | None = None, *, message: str | None = None, author: str | None = None
    ) -> CommitInfo | None:
        """Undo what one commit did (against its first parent), as a new commit; None if nothing of it is left.

        Raises:
            MergeConflictError: later commits changed the same paths.
        """
        undone = self.resolve(ref)
        if not undone.commit.parents:
            raise InvalidInputError("the first commit of a dataset cannot be reverted", subject=undone.id[:12])
        before = self.store.commit(undone.commit.parents[0])
        name = branch or self.default_branch
        text = message or f"revert {undone.id[:12]}: {undone.commit.message}"
        self._head(name)
        change = Publication(name, author or self.fabric.author, text, f"revert {undone.id[:12]}")
        return self._apply(change, undone, before, (), None)

    def _apply(
        self, change: Publication, base: CommitInfo, theirs: CommitInfo, parents: tuple[CommitId, ...], prefer: Prefer
    ) -> CommitInfo | None:
        """Publish a branch's head with what `theirs` changed since `base` brought in."""
        with WriteSession(self.store, [base.id, theirs.id]) as session:

            def build(head: CommitInfo | None) -> tuple[Child, tuple[CommitId, ...]]:
                if head is None:
                    raise NotFoundError(f"branch {change.branch!r} was deleted meanwhile", subject=change.branch)
                session.lease.rebase([base.id, theirs.id, head.id])
                edits, conflicts = three_way(self.store.nodes, base.root, head.root, theirs.root, prefer)
                if conflicts and prefer is None:
                    hint = "settle it by hand, or say which side to prefer ('ours' or 'theirs')"
                    raise conflict_error(conflicts, f"{self.name}@{change.branch}", hint)
                return apply_edits(self.store.nodes, session.writer, head.root, edits), (head.id, *parents)

            return publish(self.store, session.lease, session.writer, change, build)

    def reset(self, branch: str, ref: RefLike) -> RefRecord:
        """Move a branch to any commit. The reflog keeps where it was. Raises NotFoundError, ReadOnlyError, ConflictError."""
        target, head = self.resolve(ref), self._head(branch)
        text = ref if isinstance(ref, str) else target.id[:12]
        self._move(branch, head.ref, target.id, f"reset to {text}")
        return self.ref(branch)

    # -- names

    def create_branch(self, name: str, ref: RefLike = None) -> RefRecord:
        """Make a branch at a ref; no byte is copied. Raises AlreadyExistsError, NotFoundError."""
        target = self.resolve(ref)
        self._create(name, RefKind.BRANCH, target, f"branch from {ref if isinstance(ref, str) else target.id[:12]}")
        return self.ref(name)

    def create_snapshot(
        self,
        name: str,
        ref: RefLike = None,
        *,
        message: str = "",
        expires: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> RefRecord:
        """Give a commit a fixed name; `expires` is a UTC text (`model.commit.now_text`).

        Raises:
            AlreadyExistsError, NotFoundError, InvalidInputError.
        """
        target = self.resolve(ref)
        self._create(name, RefKind.SNAPSHOT, target, "snapshot", message=message, expires=expires, metadata=metadata or {})
        return self.ref(name)

    def _create(self, name: str, kind: RefKind, target: CommitInfo, reason: str, **fields: Any) -> None:
        parse_name(name, f"{kind.value} name")
        if len(name) == 64 and parse_ref(name).maybe_commit:
            raise InvalidInputError(f"{name!r} looks like a commit id", subject=name, hint="choose another name")
        try:
            self._update(name, kind, None, target.id, reason, **fields)
        except RefConflictError:
            there = self.ref(name)
            raise AlreadyExistsError(
                f"dataset {self.name!r} has a {there.kind.value} {name!r} already",
                subject=f"{self.name}@{name}",
                hint="choose another name, or delete that one first",
            ) from None

    def delete_branch(self, name: str) -> None:
        """Delete a branch; its reflog stays. The default branch stays too."""
        if name == self.default_branch:
            raise InvalidInputError(f"{name!r} is the default branch of {self.name!r}: it cannot be deleted", subject=name)
        self._delete(name, RefKind.BRANCH)

    def delete_snapshot(self, name: str) -> None:
        """Delete a snapshot; its reflog stays."""
        self._delete(name, RefKind.SNAPSHOT)

    def _delete(self, name: str, kind: RefKind) -> None:
        there = self.ref(name)
        if there.kind != kind:
            raise InvalidInputError(
                f"{name!r} is a {there.kind.value}, not a {kind.value}",
                subject=name,
                hint=f"use 'fabric {there.kind.value} delete'",
            )
        self._move(name, there, None, f"delete {kind.value}")

    def _move(self, name: str, there: RefRecord | None, target: CommitId | None, reason: str) -> ReflogEntry:
        try:
            kind = there.kind if there else RefKind.BRANCH
            return self._update(name, kind, (there.commit, there.generation) if there else None, target, reason)
        except RefConflictError:
            raise ConflictError(
                f"{name!r} moved meanwhile", subject=f"{self.name}@{name}", hint="look at its reflog, then try again"
            ) from None

    def _update(
        self,
        name: str,
        kind: RefKind,
        expected: tuple[CommitId, int] | None,
        target: CommitId | None,
        reason: str,
        **fields: Any,
    ) -> ReflogEntry:
        update = RefUpdate(
            self.id, name, kind, expected, target, secrets.token_hex(16), self.fabric.author, reason, **fields
        )
        return move(self.store, update)


def _reopen(fabric: Any, name: str) -> Dataset:
    found: Dataset = fabric.dataset(name)
    return found
