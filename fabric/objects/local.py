"""An object store over a directory: each object is a file, its key is its path below the root.

    put      <dir>/<name>~<random>   written, fsynced      what is not whole has a name that no key can have
             link to <dir>/<name>    never over a file     atomic; what is there already is compared instead
             fsync <dir>             and, once, new parents: a killed machine forgets nothing that was acknowledged
    get      open, pread             exactly the range, or an error

A writer that is killed leaves at most a temporary file: invisible to every verb, and removed by `sweep` (a lock that died
with the writer tells it apart from one that is being written).
"""

import contextlib
import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator, Sequence

from fabric.errors import InvalidInputError, NotFoundError, ObjectNotFoundError, UnavailableError
from fabric.objects.check import (
    as_bytes_view,
    check_range,
    closed_error,
    past_end,
    settle_existing,
    wrong_length,
)
from fabric.objects.direct import write_all
from fabric.objects.folders import Folders, sync_file
from fabric.objects.keys import check_key, check_prefix
from fabric.objects.local_errors import root_gone, translate
from fabric.objects.port import Buffer, ObjectInfo
from fabric.objects.rows import is_key

TEMPORARY_MARK = "~"
SEGMENT_LENGTH_MAX = 200
_PUT_TRIES = 16
_LINK_UNSUPPORTED = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)
_OPEN = os.O_CLOEXEC | os.O_NOFOLLOW


class LocalStore:
    """Objects as files below `root`. Any number of processes of one machine may use the same directory.

    Args:
        root: the directory.
        create: make it if it does not exist. Off by default: an absent directory is more often a disk that is not mounted.

    Raises:
        NotFoundError: there is no such directory.
        AccessDeniedError: it cannot be entered.
    """

    def __init__(self, root: str | os.PathLike[str], *, create: bool = False) -> None:
        self._root = os.path.realpath(root)
        with translate(self._root):
            if create:
                _make_root(self._root)
            if not os.path.isdir(self._root):
                raise NotFoundError(
                    "the object store's directory does not exist",
                    subject=self._root,
                    hint="check the path, and whether its disk is mounted",
                )
        self._folders = Folders(self._root)
        self._closed = False

    @property
    def root(self) -> str:
        """The directory, with symlinks resolved."""
        return self._root

    def put(self, key: str, data: Buffer) -> None:
        """See ObjectStore.put. Concurrent puts of one key: one wins, the others compare."""
        self._check(key)
        view = as_bytes_view(data)
        folder, _, name = key.rpartition("/")
        with translate(key, root=self._root):
            for _ in range(_PUT_TRIES):
                try:
                    self._folders.make(folder)
                    self._write(folder, name, key, view)
                    self._folders.sync(folder)
                    return
                except (FileNotFoundError, ObjectNotFoundError):
                    # delete() removed the object that we compared or the emptied directory, or sweep() a file that it held
                    # for dead, between two of our steps.
                    self._folders.forget(folder)
                    self._check_root()
                except NotADirectoryError:
                    raise InvalidInputError("a part of this key is an object itself", subject=key) from None
        raise UnavailableError("its directory is removed again and again", subject=key)

    def _write(self, folder: str, name: str, key: str, data: memoryview) -> None:
        final = f"{self._root}/{key}"
        temporary = f"{self._folders.path(folder)}/{name}{TEMPORARY_MARK}{secrets.token_hex(6)}"
        fd = os.open(temporary, _OPEN | os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            with contextlib.suppress(OSError):  # without locks (some network file systems) sweep has to leave it alone
                fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            write_all(fd, data)
            sync_file(fd)
            try:
                _publish(temporary, final)
            except FileExistsError:
                self._settle(key, data)
        finally:
            os.close(fd)
            with contextlib.suppress(OSError):
                os.unlink(temporary)

    def _settle(self, key: str, data: memoryview) -> None:
        # Success promises durability, and who wrote the object may not have come to its fsync yet.
        fd = self._open(key)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise InvalidInputError("a directory of other objects has this key's name", subject=key)
            settle_existing(self, key, data)
            sync_file(fd)
        finally:
            os.close(fd)

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes | memoryview:
        """See ObjectStore.get."""
        check_range(key, start, length)
        self._check(key)
        if length == 0:
            return b""
        with translate(key, root=self._root):
            fd = self._open(key)
            try:
                return _read(fd, key, start, length)
            finally:
                os.close(fd)

    def path(self, key: str) -> str:
        """See FileBacked.path."""
        self._check(key)
        return f"{self._root}/{key}"

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes | memoryview]:
        """See ObjectStore.get_ranges. One open for all of them; the page cache does the rest."""
        for start, length in ranges:
            check_range(key, start, length)
        self._check(key)
        if not any(length for _, length in ranges):
            return [b"" for _ in ranges]
        with translate(key, root=self._root):
            fd = self._open(key)
            try:
                return [_read(fd, key, start, length) if length else b"" for start, length in ranges]
            finally:
                os.close(fd)

    def head(self, key: str) -> ObjectInfo:
        """See ObjectStore.head."""
        self._check(key)
        with translate(key, root=self._root):
            self._folders.check(key.rpartition("/")[0])
            status = os.lstat(f"{self._root}/{key}")
        if not stat.S_ISREG(status.st_mode):
            raise ObjectNotFoundError("no such object", subject=key)
        return ObjectInfo(key, status.st_size)

    def list(self, prefix: str, after: str = "") -> Iterator[ObjectInfo]:
        """See ObjectStore.list. Sorted directory by directory; files that no key can name are not objects."""
        check_prefix(prefix)
        self._check_open()
        return self._rows(prefix, after)

    def _rows(self, prefix: str, after: str) -> Iterator[ObjectInfo]:
        with translate(prefix, root=self._root):
            self._check_root()
            with contextlib.suppress(FileNotFoundError):
                self._folders.check(prefix.removesuffix("/"))
                yield from self._walk(prefix, after)

    def _walk(self, prefix: str, after: str) -> Iterator[ObjectInfo]:
        # A directory's keys all begin with its name and "/", which decides where it sorts among its neighbours.
        names: list[tuple[str, os.DirEntry[str]]] = []
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(f"{self._root}/{prefix}") as entries:
            for entry in entries:
                is_folder = entry.is_dir(follow_symlinks=False)
                if is_key(prefix + entry.name) and (is_folder or entry.is_file(follow_symlinks=False)):
                    names.append((prefix + entry.name + ("/" if is_folder else ""), entry))
        names.sort(key=lambda row: row[0])
        for key, entry in names:
            if key.endswith("/"):
                if key > after or after.startswith(key):
                    yield from self._walk(key, after)
            elif key > after:
                with contextlib.suppress(FileNotFoundError):  # deleted since the directory was read
                    yield ObjectInfo(key, entry.stat(follow_symlinks=False).st_size)

    def delete(self, keys: Sequence[str]) -> None:
        """See ObjectStore.delete. Directories that become empty go too."""
        for key in keys:
            self._check(key)
        emptied = set()
        for key in keys:
            with translate(key, root=self._root):
                folder = key.rpartition("/")[0]
                try:
                    self._folders.check(folder)
                    os.unlink(f"{self._root}/{key}")
                    emptied.add(folder)
                except (FileNotFoundError, NotADirectoryError):
                    self._check_root()
                except (IsADirectoryError, PermissionError) as error:
                    # Linux says EISDIR, macOS EPERM: other objects lie below that name, none has it.
                    if not os.path.isdir(f"{self._root}/{key}"):
                        raise error from None
        for folder in emptied:
            self._sweep_folder(folder)
            self._folders.remove_empty(folder)

    def sweep(self, prefix: str = "") -> int:
        """Remove what killed writers left below `prefix` and return the number of files; living writers lose nothing."""
        check_prefix(prefix)
        self._check_open()
        removed = 0
        with translate(prefix, root=self._root):
            for path, _, _ in os.walk(f"{self._root}/{prefix}"):
                removed += self._sweep_folder(os.path.relpath(path, self._root).removeprefix("."))
        return removed

    def _sweep_folder(self, folder: str) -> int:
        removed = 0
        with contextlib.suppress(FileNotFoundError), os.scandir(self._folders.path(folder)) as entries:
            for entry in entries:
                if TEMPORARY_MARK in entry.name and entry.is_file(follow_symlinks=False):
                    removed += _remove_if_dead(entry.path)
        return removed

    def close(self) -> None:
        """See ObjectStore.close."""
        self._closed = True

    def __repr__(self) -> str:
        return f"LocalStore({self._root!r})"

    def _open(self, key: str) -> int:
        self._folders.check(key.rpartition("/")[0])
        return os.open(f"{self._root}/{key}", _OPEN | os.O_RDONLY)

    def _check(self, key: str) -> None:
        self._check_open()
        if len(check_key(key)) > SEGMENT_LENGTH_MAX and max(map(len, key.split("/"))) > SEGMENT_LENGTH_MAX:
            raise InvalidInputError(
                f"a segment of a local object's key has at most {SEGMENT_LENGTH_MAX} characters", subject=key
            )

    def _check_open(self) -> None:
        if self._closed:
            raise closed_error(repr(self))

    def _check_root(self) -> None:
        if not os.path.isdir(self._root):
            raise root_gone(self._root)


def _make_root(root: str) -> None:
    try:
        os.makedirs(root, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise InvalidInputError(
            "the object store's place is taken by something that is no directory", subject=root
        ) from None


def _publish(temporary: str, final: str) -> None:
    try:
        os.link(temporary, final, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _LINK_UNSUPPORTED:
            raise
        # No hard links here. Between the look and the rename another writer of the same key may slip in; keys are random
        # and nothing rests on this check.
        if os.path.lexists(final):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), final) from None
        os.rename(temporary, final)


def _read(fd: int, key: str, start: int, length: int | None) -> bytes | memoryview:
    if length is None:
        size = os.fstat(fd).st_size
        if start > size:
            raise past_end(key, start, None, size)
        length = size - start
    data = os.pread(fd, length, start)
    if len(data) == length:
        return data
    # Linux reads at most 2 GiB at once, and a network file system may stop early; only a read of nothing is the end.
    pieces = [data]
    position = len(data)
    while position < length and pieces[-1]:
        pieces.append(os.pread(fd, length - position, start + position))
        position += len(pieces[-1])
    if position != length:
        size = os.fstat(fd).st_size
        raise past_end(key, start, length, size) if start + length > size else wrong_length(key, length, position)
    return b"".join(pieces)


def _remove_if_dead(path: str) -> bool:
    try:
        fd = os.open(path, _OPEN | os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(path)
    except (BlockingIOError, FileNotFoundError):
        return False
    finally:
        os.close(fd)
    return True
