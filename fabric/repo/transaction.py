"""A transaction: changes that become one commit of a branch, or nothing."""

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from fabric.errors import InvalidInputError, NotFoundError
from fabric.ingest.result import IngestResult
from fabric.ingest.statcache import Recorder
from fabric.model import paths
from fabric.model.digest import NO_DIGEST
from fabric.model.entry import MODE_BITS, Entry, Kind
from fabric.model.ids import CommitId, NodeId, ObjectRef
from fabric.model.node import Child
from fabric.progress import NoProgress, Progress
from fabric.repo.edit import apply_edits
from fabric.repo.inputs import Data, check_numbers, content_of, with_attributes
from fabric.repo.merge import conflict_error, three_way
from fabric.repo.publish import Change, publish
from fabric.repo.put import PutContext, put_tree
from fabric.repo.session import WriteSession
from fabric.repo.staging import Staging
from fabric.repo.store import CommitInfo, DatasetStore
from fabric.repo.tree import Tree
from fabric.repo.unchanged import scope
from fabric.repo.view import Path, View

if TYPE_CHECKING:
    from fabric.repo.dataset import Dataset

TARGET_BYTES_MAX = 4095
NO_TREE = b""
"""Names no tree: what was seen counts file by file, never as a whole."""


class Transaction:
    """Changes to one branch, seen by nobody until they are committed.

    A context manager: a clean end commits, an exception aborts. Reads see the transaction's own changes. If the branch has
    moved meanwhile and others changed other paths, the changes are merged onto its new head; else MergeConflictError names
    the paths. Not thread-safe. After an error or a commit it is over.
    """

    def __init__(
        self,
        dataset: "Dataset",
        store: DatasetStore,
        base: CommitInfo | None,
        *,
        branch: str,
        message: str,
        author: str,
        metadata: Mapping[str, str],
    ) -> None:
        self.dataset = dataset
        self.branch = branch
        self.message = message
        self.result: CommitInfo | None = None
        self._store = store
        self._base = base
        self._author = author
        self._metadata = dict(metadata)
        self._pinned = [base.id] if base else []
        self._session = WriteSession(store, self._pinned)
        self._staging = Staging(store.nodes, lambda: self._session.writer, base.root if base else None)
        self._is_over = False
        self._shown: set[ObjectRef] = set()
        self._recorders: list[tuple[Recorder, NodeId | None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._is_over:
            return
        if error is None:
            self.commit()
        else:
            self.abort()

    def _check_open(self) -> None:
        if self._is_over:
            raise InvalidInputError("this transaction is over", hint="begin another one with dataset.transaction()")

    @property
    def bytes_sent(self) -> int:
        """How many bytes of content were new and went to the store so far; also after the end."""
        return self._session.bytes_sent

    # -- reading

    def view(self) -> View:
        """Return the transaction's state so far as a view. It does not follow later changes."""
        self._check_open()
        self._session.seal_packs()
        if self._session.is_begun:
            self._session.writer.flush()
        tree = self._staging.tree()
        base = self._base
        if base is None:
            raise InvalidInputError("the branch has no commit yet")
        self._shown.add(tree.root.object)
        return View(self.dataset, base, self.branch, store=self._store, tree=tree)

    def stat(self, path: Path = "") -> Entry:
        """Return the entry at `path` as it is in the transaction; raises PathNotFoundError."""
        self._check_open()
        return self._staging.need(paths.parse_path(path))

    def exists(self, path: Path) -> bool:
        """Whether there is an entry at `path` in the transaction."""
        self._check_open()
        return self._staging.entry(paths.parse_path(path)) is not None

    def list(self, path: Path = "") -> list[Entry]:
        """Return the direct children of a directory as they are in the transaction."""
        self._check_open()
        return [*self._staging.tree().children(self._staging.need(paths.parse_path(path)).path)]

    def read(self, path: Path, start: int = 0, length: int | None = None) -> bytes | memoryview:
        """Return bytes of a file as it is in the transaction (its open pack is sent first)."""
        return self.view().read(path, start, length)

    # -- changing

    def put(
        self,
        path: Path,
        data: Data,
        *,
        mode: int = 0o644,
        mtime_ns: int | None = None,
        uid: int = 0,
        gid: int = 0,
        attributes: Mapping[bytes, bytes] | None = None,
    ) -> Entry:
        """Put a file: from bytes, from a file object (to its end), or from a local file by its path.

        Directories above it are made as needed; a file or symlink at `path` is replaced.

        Raises:
            IsADirectoryInViewError, NotADirectoryInViewError, InvalidInputError: it cannot stand at `path`.
            SourceError: a local file cannot be read.
        """
        self._check_open()
        target = paths.parse_path(path)
        if mode & ~MODE_BITS:
            raise InvalidInputError(f"mode {mode:o} has bits that are no permissions")
        check_numbers(uid, gid, mtime_ns)
        content = content_of(self._session, data)
        entry = Entry(
            path=target,
            kind=Kind.FILE,
            mode=mode,
            uid=uid,
            gid=gid,
            mtime_ns=time.time_ns() if mtime_ns is None else mtime_ns,
            size=content.size,
            digest_kind=content.digest_kind,
            digest=content.digest,
        )
        entry, extra = with_attributes(self._session, entry, attributes or {})
        self._staging.put(entry, [*content.extents, *extra])
        return entry

    def put_tree(
        self,
        source: str | os.PathLike[str],
        path: Path = "",
        *,
        delete: bool = True,
        progress: Progress | None = None,
        **options: Any,
    ) -> IngestResult:
        """Put a local directory at `path`: afterwards what is there equals the directory.

        Args:
            source: the directory; it is read, never changed. Symlinks in it are kept, not followed.
            path: where in the dataset.
            delete: remove what is at `path` and not in the directory; False keeps it.
            progress: told of files and bytes.
            options: `ignore` (patterns in gitignore syntax) and `skip_unreadable`.

        Raises:
            SourceError: something in it cannot be read, or changed while it was read. Nothing is changed then.
        """
        self._check_open()
        context = PutContext(
            self._store,
            self._session,
            self._staging,
            self._base,
            self.dataset.fabric.state,
            scope(self.dataset.fabric.id, self.dataset.id, self.branch),
            self.dataset.fabric.own_directories(),
        )
        result, recorder = put_tree(
            context, source, paths.parse_path(path), delete=delete, progress=progress or NoProgress(), **options
        )
        if recorder is not None:
            # Only if this very tree is committed is what lies at `path` what lies in `source`: not after a later change in
            # this transaction, not merged with what others did, not with files that were kept.
            # And not with what could not be read: that it can be read now shows in no stat that is remembered.
            is_whole = delete and not (options.get("skip_unreadable") and result.skipped)
            self._recorders.append((recorder, self._staging.root().id if is_whole else None))
        return result

    def mkdir(
        self,
        path: Path,
        *,
        mode: int = 0o755,
        mtime_ns: int | None = None,
        exist_ok: bool = False,
        parents: bool = True,
    ) -> None:
        """Make a directory; raises AlreadyExistsError, NotADirectoryInViewError, PathNotFoundError."""
        self._check_open()
        target = paths.parse_path(path)
        check_numbers(None, None, mtime_ns)
        when = time.time_ns() if mtime_ns is None else mtime_ns
        entry = Entry(target, Kind.DIRECTORY, mode & MODE_BITS, mtime_ns=when)
        self._staging.make_directory(target, entry, exist_ok=exist_ok, parents=parents)

    def symlink(self, path: Path, target: str | bytes, *, mtime_ns: int | None = None) -> None:
        """Put a symlink at `path` that says `target`; it is kept as written, not looked at."""
        self._check_open()
        raw = os.fsencode(target)
        if not raw or len(raw) > TARGET_BYTES_MAX or b"\x00" in raw:
            raise InvalidInputError(f"a symlink cannot say {raw[:80]!r}", subject=repr(raw[:80]))
        check_numbers(None, None, mtime_ns)
        when = time.time_ns() if mtime_ns is None else mtime_ns
        self._staging.put(
            Entry(paths.parse_path(path), Kind.SYMLINK, 0o777, mtime_ns=when, size=len(raw), target=raw, digest=NO_DIGEST)
        )

    def remove(self, path: Path, *, recursive: bool = False) -> None:
        """Remove an entry; a directory that is not empty needs `recursive`. Raises PathNotFoundError."""
        self._check_open()
        self._staging.remove(paths.parse_path(path), recursive=recursive)

    def move(self, source: Path, target: Path) -> None:
        """Move a file or a directory with all below it to the path `target`; no byte is copied."""
        self._check_open()
        self._staging.move(paths.parse_path(source), paths.parse_path(target))

    def copy(self, source: Path, target: Path, *, view: View | None = None) -> None:
        """Copy a file or a directory with all below it to the path `target`; no byte is copied.

        Args:
            source: a path in the transaction, or in `view`.
            target: a path in the transaction.
            view: take what is there at another commit, or was at the view's time, of the same dataset.
        """
        self._check_open()
        tree = self._staging.tree() if view is None else self._pinned_tree(view)
        self._staging.copy(tree, paths.parse_path(source), paths.parse_path(target), apart=True)

    def restore(self, path: Path, view: View) -> None:
        """Make `path` what it is in `view`, a view of the same dataset: also absent, if it is absent there."""
        self._check_open()
        raw = paths.parse_path(path)
        tree = self._pinned_tree(view)
        if raw and tree.entry(raw) is None:
            self._staging.remove(raw, recursive=True)
        else:
            self._staging.copy(tree, raw, raw)

    def _pinned_tree(self, view: View) -> Tree:
        """Return the tree of a view whose extents are to be reused, and keep its commit while the transaction lives."""
        if view.dataset.id != self.dataset.id:
            raise InvalidInputError("only what is in the same dataset can be taken over as it is")
        if not view.is_committed and view.tree.root.object not in self._shown:
            # What another transaction has uploaded is kept by its lease alone.
            raise InvalidInputError("only what is committed can be taken over from a view", hint="commit it first")
        self._pin(view.info.id)
        return view.tree

    def _pin(self, commit: CommitId) -> None:
        """Keep a commit, beside those that are kept already."""
        if commit not in self._pinned:
            self._pinned.append(commit)
            self._session.lease.rebase(self._pinned)

    def set_attributes(
        self,
        path: Path,
        *,
        mode: int | None = None,
        uid: int | None = None,
        gid: int | None = None,
        mtime_ns: int | None = None,
        attributes: Mapping[bytes, bytes] | None = None,
    ) -> Entry:
        """Change what is given of an entry's attributes; `attributes` replaces its `user.*` set. Returns the entry."""
        self._check_open()
        raw = paths.parse_path(path)
        check_numbers(uid, gid, mtime_ns)
        entry = self._staging.need(raw)
        extents = [*self._staging.extents(raw)]
        changed = replace(
            entry,
            mode=entry.mode if mode is None else mode & MODE_BITS,
            uid=entry.uid if uid is None else uid,
            gid=entry.gid if gid is None else gid,
            mtime_ns=entry.mtime_ns if mtime_ns is None else mtime_ns,
        )
        if attributes is not None:
            if entry.xattrs_digest:
                extents.pop()
            changed, extra = with_attributes(self._session, changed, attributes)
            extents.extend(extra)
        self._staging.set(changed, extents)
        return changed

    # -- ending

    def commit(self) -> CommitInfo | None:
        """Publish the changes as one commit. Returns it, or None if there is nothing that differs.

        Raises:
            MergeConflictError: others changed the same paths meanwhile.
            ConflictError, LeaseLostError, UnavailableError, NoSpaceError: not published (or, after a lost answer that
                stays lost, not known).
        """
        self._check_open()
        self._is_over = True
        failed = True
        try:
            root = self._staging.root() if self._base is None or self._session.is_begun or self._staging.is_changed else None
            if root is None or (self._base is not None and root.id == self._base.record.tree):
                failed = False
                self._session.abandon()
                return None
            self._session.seal_packs()
            change = Change(self.branch, self._author, self.message, f"commit: {_first_line(self.message)}", self._metadata)
            self.result = publish(
                self._store, self._session.lease, self._session.writer, change, lambda head: self._build(head, root)
            )
            failed = False
            return self.result
        finally:
            self._session.close(failed=failed)
            self._remember(failed)

    def _remember(self, failed: bool) -> None:
        """Let the next put of the same directories know what this one saw, if the branch has it now."""
        commit = self.result or self._base
        for recorder, tree in self._recorders:
            if failed or commit is None:
                recorder.discard()
            else:
                recorder.save(tree if tree == commit.record.tree else NO_TREE)

    def _build(self, head: CommitInfo | None, root: Child) -> tuple[Child, tuple[CommitId, ...]]:
        """Return the tree to commit on `head`: the transaction's own, or merged with what others did meanwhile."""
        base = self._base
        if base is None:
            if head is not None:
                raise conflict_error([], self.branch, "another writer made the first commit of this branch: try again")
            return root, ()
        if head is None:
            # Without its history the branch would not be the one that was written to.
            raise NotFoundError(
                f"branch {self.branch!r} was deleted meanwhile",
                subject=f"{self.dataset.name}@{self.branch}",
                hint="make it again from the commit that it was at ('fabric reflog' shows it), then repeat the change",
            )
        if head.id == base.id:
            return root, (head.id,)
        self._pin(head.id)
        edits, conflicts = three_way(self._store.nodes, base.root, head.root, root)
        if conflicts:
            raise conflict_error(
                conflicts,
                f"{self.dataset.name}@{self.branch}",
                "the branch moved while this transaction was open: look at the paths, then try again",
            )
        return apply_edits(self._store.nodes, self._session.writer, head.root, edits), (head.id,)

    def abort(self) -> None:
        """Forget all changes. What was uploaded is garbage."""
        self._is_over = True
        self._session.close(failed=True)
        self._remember(failed=True)


def _first_line(message: str) -> str:
    return message.strip().partition("\n")[0][:200]
