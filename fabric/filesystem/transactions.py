"""Changes that become one commit: of one call, or of all calls in `with fs.transaction:`."""

import threading
from collections import deque
from types import TracebackType
from typing import Any, Self

import fsspec.transaction

from fabric.filesystem.places import Place
from fabric.filesystem.states import as_missing_file, entry_or_none, real_path
from fabric.model.entry import Entry, Kind
from fabric.repo.store import CommitInfo
from fabric.repo.transaction import Transaction
from fabric.repo.view import View

NOTES_MAX = 3
_Key = tuple[str, str]


class Changes:
    """The engine's transactions of a unit of work: one for each branch that it touches, begun when it does.

    The engine's transactions are for one thread at a time: hold `lock` from `at` until the change is made.

    Args:
        message: of the commits; by default it says what was done.
        author: of the commits; None for the fabric's setting.
    """

    def __init__(self, message: str, author: str | None) -> None:
        self.message = message
        self.lock = threading.RLock()
        self.results: list[CommitInfo] = []
        self._author = author
        self._open: dict[_Key, Transaction] = {}
        self._meant: dict[tuple[str, str | None], _Key] = {}
        self._views: dict[_Key, View] = {}
        self._notes: list[str] = []
        self._noted = 0

    def note(self, text: str) -> None:
        """Say what is being done, for the message of the commit."""
        self._noted += 1
        if len(self._notes) < NOTES_MAX:
            # A commit is UTF-8; a name need not be.
            self._notes.append(text.encode("utf-8", "backslashreplace").decode())

    def at(self, filesystem: Any, place: Place) -> Transaction:
        """Return the transaction on the branch that a place names.

        Raises:
            PathNotFoundError: there is no such dataset or ref.
            ReadOnlyError: the ref is a snapshot, a commit or a past state.
        """
        written = (place.dataset, place.ref)
        key = self._meant.get(written)
        if key is None:
            dataset = filesystem.dataset_of(place)
            key = (dataset.name, place.ref or filesystem.ref or dataset.default_branch)
            if key not in self._open:
                with as_missing_file():
                    self._open[key] = dataset.transaction(key[1], author=self._author)
            self._meant[written] = key
        self._views.pop(key, None)
        return self._open[key]

    def view(self, filesystem: Any, place: Place) -> View | None:
        """Return the state with the changes so far of the branch that a place names; None if there are none."""
        with self.lock:
            for (name, branch), transaction in self._open.items():
                if self._is_meant(filesystem, place, name, branch, transaction):
                    key = (name, branch)
                    if key not in self._views:
                        self._views[key] = transaction.view()
                    return self._views[key]
        return None

    def look(self, filesystem: Any, place: Place) -> tuple[bool, Entry | None]:
        """Return (True, what is at a place, symlinks followed) if the branch has changes, else (False, None).

        Much cheaper than `view` while changes go on: nothing needs to be sent to the store for it.
        """
        with self.lock:
            for (name, branch), transaction in self._open.items():
                if self._is_meant(filesystem, place, name, branch, transaction):
                    found = entry_or_none(transaction, real_path(transaction, place.path, last=True))
                    return True, None if found is None or found.kind == Kind.SYMLINK else found
        return False, None

    @staticmethod
    def _is_meant(filesystem: Any, place: Place, name: str, branch: str, transaction: Transaction) -> bool:
        meant = place.ref or filesystem.ref or transaction.dataset.default_branch
        return name == place.dataset and branch == meant

    def commit(self) -> None:
        """Publish, one commit a branch: all or nothing of each, in the order in which they were begun."""
        with self.lock:
            while self._open:
                key = next(iter(self._open))
                transaction = self._open[key]
                transaction.message = self.message or self._summary()
                result = transaction.commit()
                del self._open[key]
                if result is not None:
                    self.results.append(result)
            self._views.clear()
            self._meant.clear()

    def _summary(self) -> str:
        more = self._noted - len(self._notes)
        return ", ".join(self._notes) + (f" and {more} more" if more else "")

    def abort(self) -> None:
        """Forget what is not published."""
        with self.lock:
            while self._open:
                self._open.popitem()[1].abort()
            self._views.clear()
            self._meant.clear()


class FabricTransaction(fsspec.transaction.Transaction):  # type: ignore[misc]
    """`with fs.transaction as t:` all changes through this filesystem become one commit (one for each branch), or nothing.

    Reads through the same filesystem see the changes. `t.message` may be set; `t.results` holds the commits afterwards. One
    inside of another is part of it.
    """

    def __init__(self, fs: Any, **_options: Any) -> None:
        super().__init__(fs)
        self.fs: Any = fs
        self.files: deque[Any] = deque()
        self.changes: Changes = fs.new_changes()
        self._depth = 0

    @property
    def message(self) -> str:
        """The message of the commits; by default it says what was done."""
        return self.changes.message

    @message.setter
    def message(self, text: str) -> None:
        self.changes.message = text

    @property
    def results(self) -> list[CommitInfo]:
        """The commits that were made."""
        return self.changes.results

    def __enter__(self) -> Self:
        if not self._depth:
            self.start()
        self._depth += 1
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._depth -= 1
        if not self._depth:
            self.complete(commit=error is None)

    def start(self) -> None:
        """Begin: from now on changes through the filesystem are gathered."""
        self.files = deque()
        self.changes = self.fs.new_changes()
        self.fs._intrans = True

    def complete(self, commit: bool = True) -> None:
        """End, with a commit or without. A file that is still open for writing ends too."""
        fs, self.fs = self.fs, None
        try:
            while self.files:
                file = self.files.popleft()
                if commit:
                    file.close()
                else:
                    file.discard()
            if commit:
                self.changes.commit()
        finally:
            for file in self.files:
                file.discard()
            self.files.clear()
            self.changes.abort()
            fs._intrans = False
            fs._transaction = None
            fs.invalidate_cache()
