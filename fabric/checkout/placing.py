"""Small files: compare with the digest, write, restore, rename. The one loop that a checkout of many files is made of, and
written out for that reason.
"""

import contextlib
import os
from collections.abc import Sequence
from typing import NamedTuple

from blake3 import blake3

from fabric.checkout.attributes import KEEP_OWNER, Wanted, restore
from fabric.checkout.directories import Directories
from fabric.checkout.failures import failure
from fabric.checkout.sources import Source
from fabric.errors import NoSpaceError
from fabric.model.paths import join

TEMPORARY_PREFIX = b".fabric-get-"
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PRIVATE = 0o600
_LISTED_MAX = 100

Record = tuple[bytes, int, int, bytes, Wanted]
"""name, where the bytes stand in the data, how many, their digest, what the file is to get."""
Group = tuple[bytes, bool, list[Record]]
"""A directory's path, whether a mode given at creation is taken exactly (but for the umask), and files in it."""


class Placed(NamedTuple):
    """What became of some groups.

    Attributes:
        files: that are complete.
        size: their bytes.
        bad: (group, record) whose bytes cannot be read or differ from their digest: nothing was written for them.
        left_out: some of what could not be restored: (path, what).
        left_out_count: how much of that there was.
    """

    files: int
    size: int
    bad: list[tuple[int, int]]
    left_out: list[tuple[bytes, str]]
    left_out_count: int


class Placer:
    """Puts small files into directories below one destination. Not thread-safe: one in each process.

    Args:
        directories: where to open directories.
        temporary: the name under which a file is written before it gets its own; nobody else may use it.
        umask: of this process; 0o777 if it is not known.
    """

    def __init__(self, directories: Directories, temporary: bytes, umask: int) -> None:
        self._directories = directories
        self._temporary = temporary
        self._umask = umask

    def place(self, groups: list[Group], source: Source) -> Placed:
        """Write the files of all groups with bytes from `source`.

        Raises:
            NoSpaceError, SourceError, AlreadyExistsError: the first that fails, with its path; earlier ones are complete.
        """
        take = source.take
        files = size = left_out_count = 0
        bad: list[tuple[int, int]] = []
        left_out: list[tuple[bytes, str]] = []
        for group_number, (directory, exact, records) in enumerate(groups):
            name = b""
            try:
                fd = self._directories.open(directory)
                for number, (name, low, length, digest, wanted) in enumerate(records):
                    try:
                        view = take(low, length)
                    except OSError:
                        view = None
                    if view is None or blake3(view).digest() != digest:
                        bad.append((group_number, number))
                        continue
                    missing = self._place(fd, name, view, wanted, exact=exact)
                    files += 1
                    size += length
                    if missing:
                        left_out_count += len(missing)
                        left_out.extend((join(directory, name), what) for what in missing[: _LISTED_MAX - len(left_out)])
            except OSError as error:
                raise failure(error, join(directory, name)) from error
        return Placed(files, size, bad, left_out, left_out_count)

    def _place(self, directory: int, name: bytes, view: memoryview, wanted: Wanted, *, exact: bool) -> Sequence[str]:
        mode, uid, _, mtime_ns, extra = wanted
        missing: Sequence[str] = ()
        # Attributes need a file that is still writable.
        created = mode & 0o777 if exact and not mode & self._umask and extra is None else -1
        temporary = self._temporary
        fd = os.open(temporary, CREATE, _PRIVATE if created < 0 else created, dir_fd=directory)
        try:
            try:
                if view and os.write(fd, view) != len(view):
                    write_at(fd, view, 0)
                if created == mode and uid == KEEP_OWNER:
                    os.utime(fd, ns=(mtime_ns, mtime_ns))
                else:
                    missing = restore(fd, wanted, created)
            finally:
                os.close(fd)
            os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=directory)
            raise
        return missing


def write_at(fd: int, view: memoryview, offset: int) -> None:
    """Write all of `view` at `offset`: a system call may take only part of it."""
    while view:
        written = os.pwrite(fd, view, offset)
        if written == 0:
            raise NoSpaceError("the destination takes no more bytes")
        view = view[written:]
        offset += written


def process_umask() -> int:
    """Return this process's umask without touching it (other threads create files), 0o777 if it cannot be known."""
    try:
        with open("/proc/self/status", "rb") as status:
            for line in status:
                if line.startswith(b"Umask:"):
                    return int(line.split()[1], 8)
    except (OSError, ValueError):
        pass
    return 0o777
