"""Opening what a user gave us: by directory descriptors, never through a symlink, never waiting on a fifo."""

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from fabric.errors import ChangedWhileReadError, SourceError
from fabric.model.paths import display

_CLOEXEC = getattr(os, "O_CLOEXEC", 0)
FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | _CLOEXEC
"""O_NONBLOCK: a fifo put where a file was must not hang us; regular files do not know it."""
DIRECTORY_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_NONBLOCK | _CLOEXEC

_HINTS = {
    errno.EACCES: "read it as its owner or as root, or leave it out with .fabricignore",
    errno.EPERM: "read it as its owner or as root, or leave it out with .fabricignore",
    errno.ENOENT: "it went away while the source was read: try again when nothing changes the source",
    errno.EIO: "the disk or the file server cannot read it: look at the system's log",
    errno.ESTALE: "the file server lost it: look whether the mount still works, then try again",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "the system has too many open files",
}
_CHANGED_HINT = "stop what writes to it, or put from a snapshot of the disk"
UNREADABLE = (errno.EACCES, errno.EPERM)
REPLACED = (errno.ELOOP, errno.ENXIO, errno.EMLINK)
"""What an open with FILE_FLAGS says of a symlink or a socket that stands where a file was."""


@dataclass(frozen=True, slots=True)
class Source:
    """What is put where.

    Attributes:
        path: the directory (or, for one file, the file), absolute and without symlinks: `Source.of` makes it so.
        prefix: path in the tree at which it stands; b"" is the root.
        ignore: patterns in gitignore syntax that hold besides those of `.fabricignore` files.
    """

    path: bytes
    prefix: bytes = b""
    ignore: tuple[str, ...] = ()

    @classmethod
    def of(cls, path: str | bytes | os.PathLike[str], prefix: bytes = b"", ignore: Sequence[str] = ()) -> "Source":
        """Return a source; `path` may be a symlink to what is meant."""
        return cls(os.path.realpath(os.fsencode(path)), prefix, tuple(ignore))


def source_error(error: OSError, path: bytes) -> SourceError:
    """Return an OSError about a path of the source as one of ours, with the same errno and a hint."""
    shown = display(path)
    result = SourceError(
        f"cannot read {shown!r}: {error.strerror or error}", subject=shown, hint=_HINTS.get(error.errno or 0, "")
    )
    result.errno, result.strerror, result.filename = error.errno, error.strerror, shown
    return result


def changed(path: bytes, what: str = "it changed while it was read, and again when it was read anew") -> NoReturn:
    """Raise ChangedWhileReadError about a path of the source."""
    shown = display(path)
    raise ChangedWhileReadError(f"{shown!r} cannot be put: {what}", subject=shown, hint=_CHANGED_HINT)


def open_top(source: bytes, *, directory: bool) -> int:
    """Open the source itself, which may be a symlink.

    Raises:
        SourceError: it is not there, cannot be read, or is no directory (no regular file).
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | _CLOEXEC | (os.O_DIRECTORY if directory else 0)
    try:
        return os.open(source, flags)
    except OSError as error:
        result = source_error(error, source)
        if error.errno == errno.ENOENT:
            result.hint = "check the name"
        elif error.errno == errno.ENOTDIR:
            result.hint = "name a directory"
        raise result from None


def same_inode(one: os.stat_result, other: os.stat_result) -> bool:
    """Whether two stats are of one file."""
    return one.st_ino == other.st_ino and one.st_dev == other.st_dev


def same_content(one: os.stat_result, other: os.stat_result) -> bool:
    """Whether nothing was written between two stats of one file, as far as they tell."""
    return one.st_mtime_ns == other.st_mtime_ns and one.st_ctime_ns == other.st_ctime_ns and one.st_size == other.st_size
