"""The directories of a local object store: made, checked and synced as seldom as safety allows.

A new name is durable when its directory has been fsynced, a new directory when its parent has. Both cost a journal
commit each, so this module remembers which directories have been taken care of by this process, and lets concurrent
writers share one fsync.
"""

import contextlib
import errno
import fcntl
import os
import stat
import sys
import threading

from fabric.objects.local_errors import WriteLostError

_FOLDERS_MAX = 65_536
_FULL_SYNC = getattr(fcntl, "F_FULLFSYNC", None) if sys.platform == "darwin" else None


class Folders:
    """Directories below `root`, named relative to it ("" is the root)."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._checked: set[str] = {""}
        self._settled: set[str] = {""}
        self._syncs: dict[str, _SharedSync] = {}

    def path(self, folder: str) -> str:
        """Return the directory's path."""
        return f"{self._root}/{folder}" if folder else self._root

    def check(self, folder: str) -> None:
        """Make sure, once, that no part of the way to `folder` is a symlink: it might lead out of the root.

        Raises:
            OSError: ELOOP for a symlink, else what lstat says.
        """
        if folder in self._checked:
            return
        parent = folder.rpartition("/")[0]
        self.check(parent)
        status = os.lstat(self.path(folder))
        if stat.S_ISLNK(status.st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), self.path(folder))
        self._remember(self._checked, folder)

    def make(self, folder: str) -> None:
        """Make the directory and its parents if needed; `sync` makes them durable."""
        if folder in self._checked:
            return
        self.make(folder.rpartition("/")[0])
        with contextlib.suppress(FileExistsError):
            os.mkdir(self.path(folder), 0o755)
        self.check(folder)

    def sync(self, folder: str) -> None:
        """Make the names in `folder` durable, and `folder` itself in its parents if this process has not done so.

        It returns after an fsync that began after the call, its own or that of another thread.

        Raises:
            WriteLostError: the disk refused; nothing of what was written may be taken for durable.
        """
        with self._lock:
            shared = self._syncs.setdefault(folder, _SharedSync())
            shared.users += 1
        try:
            shared.run(self.path(folder))
        finally:
            with self._lock:
                shared.users -= 1
                if not shared.users:
                    del self._syncs[folder]
        if folder not in self._settled:
            # Another process may have made it a moment ago and not have synced its parent yet: so once by each process.
            self.sync(folder.rpartition("/")[0])
            self._remember(self._settled, folder)

    def forget(self, folder: str) -> None:
        """Take nothing for granted about `folder` and its parents any more."""
        with self._lock:
            while folder:
                self._checked.discard(folder)
                self._settled.discard(folder)
                folder = folder.rpartition("/")[0]

    def remove_empty(self, folder: str) -> None:
        """Remove `folder` and those of its parents that are empty, below the root; best effort, since they are harmless."""
        while folder:
            self.forget(folder)
            try:
                os.rmdir(self.path(folder))
            except OSError:
                return
            folder = folder.rpartition("/")[0]

    def _remember(self, known: set[str], folder: str) -> None:
        with self._lock:
            if len(known) >= _FOLDERS_MAX:
                known.clear()
                known.add("")
            known.add(folder)


class _SharedSync:
    """One directory's fsync, shared by all who wait for one that began after they came."""

    def __init__(self) -> None:
        self.users = 0
        self._condition = threading.Condition()
        self._begun = 0
        self._ended = 0
        self._error: OSError | None = None

    def run(self, path: str) -> None:
        with self._condition:
            mine = self._begun + 1
            # At most one runs at a time; whoever finds none running leads the next, for all who wait.
            self._condition.wait_for(lambda: self._ended >= mine or self._begun == self._ended)
            if self._ended >= mine:
                if self._error is not None:
                    raise self._error
                return
            self._begun += 1
        error = _sync_directory(path)
        with self._condition:
            self._ended = self._begun
            # A failed write stays: what an earlier writer relied on may be lost, and the next fsync would not say so.
            if not isinstance(self._error, WriteLostError):
                self._error = error
            self._condition.notify_all()
        if error is not None:
            raise error


def _sync_directory(path: str) -> OSError | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        return error
    try:
        sync_file(fd)
    except OSError as error:
        return error
    finally:
        os.close(fd)
    return None


def sync_file(fd: int) -> None:
    """Flush a file or directory to the disk itself (macOS needs another call than fsync for that).

    Raises:
        WriteLostError: the disk reported an error; an fsync of the same file may not be tried again.
    """
    try:
        if _FULL_SYNC is not None:
            try:
                fcntl.fcntl(fd, _FULL_SYNC)
            except OSError as error:
                if error.errno not in (errno.ENOTSUP, errno.EINVAL):
                    raise
            else:
                return
        os.fsync(fd)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        if error.errno == errno.EINVAL:
            return  # this file system has no fsync for directories
        raise WriteLostError(error.errno, error.strerror) from error
