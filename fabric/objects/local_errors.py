"""The one place where errors of the operating system become errors of the fabric, for the local object store."""

import contextlib
import errno
import os
from collections.abc import Iterator

from fabric.errors import (
    AccessDeniedError,
    DataError,
    FabricError,
    InvalidInputError,
    NoSpaceError,
    ObjectNotFoundError,
    UnavailableError,
)

_Kind = tuple[type[FabricError], str, str]
_FULL: _Kind = (NoSpaceError, "the object store's disk is full", "free some space there, then repeat")
_DENIED: _Kind = (
    AccessDeniedError,
    "the object store's directory refuses it",
    "check owner and mode of the store's directory and files",
)
_TOO_MANY_OPEN: _Kind = (UnavailableError, "no more files can be opened", "raise the limit on open files (ulimit -n)")
_LOST: _Kind = (DataError, "the disk reported that it lost what was written", "check the disk, then start anew")
_OTHER: _Kind = (UnavailableError, "the object store's disk failed", "check the disk and the kernel's log")
_KINDS: dict[int, _Kind] = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: _FULL,
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EROFS: (AccessDeniedError, "the object store's file system is mounted read-only", "mount it writable"),
    errno.EMFILE: _TOO_MANY_OPEN,
    errno.ENFILE: _TOO_MANY_OPEN,
    errno.ENAMETOOLONG: (InvalidInputError, "the object's path is too long for this file system", ""),
    errno.ELOOP: (DataError, "a symlink lies where an object or a directory belongs", "remove it"),
}
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR)


class WriteLostError(OSError):
    """An fsync failed: the kernel may have dropped what was written, and would call the next fsync a success."""


@contextlib.contextmanager
def translate(subject: str, *, root: str = "") -> Iterator[None]:
    """Raise what the block raises as an OSError as the FabricError that fits; others pass.

    Args:
        subject: the key or directory that it is about.
        root: the store's directory; an absent file below an absent root is another error than an absent object.
    """
    try:
        yield
    except FabricError:
        raise
    except OSError as error:
        raise translated(error, subject, root) from error


def translated(error: OSError, subject: str, root: str) -> FabricError:
    """Return the FabricError for `error`."""
    code, reason = error.errno or 0, error.strerror or type(error).__name__
    if isinstance(error, WriteLostError):
        kind, text, hint = _LOST
    elif code in _ABSENT:
        if root and not os.path.isdir(root):
            return root_gone(root)
        return ObjectNotFoundError("no such object", subject=subject)
    else:
        kind, text, hint = _KINDS.get(code, _OTHER)
    return kind(f"{text}: {reason}", subject=subject, hint=hint)


def root_gone(root: str) -> UnavailableError:
    """The error for a store whose directory vanished while it was in use."""
    return UnavailableError("the object store's directory is gone", subject=root, hint="is its disk still mounted?")
