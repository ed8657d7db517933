"""SQLite's errors as ours: each says what to do next."""

import os
import sqlite3

from fabric.errors import AccessDeniedError, DataError, FabricError, NoSpaceError, UnavailableError

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DENIED = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_AUTH}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_CONTRADICTION = {sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_ERROR}
RECOVER_HINT = "'fabric recover' rebuilds a lost or damaged metastore from the object store"


def is_busy(error: sqlite3.Error) -> bool:
    """Say whether somebody else's lock was in the way: the same call may succeed in a moment."""
    return _code(error) in _BUSY


def translate(error: sqlite3.Error, path: str) -> FabricError | None:
    """Return our error for one of SQLite's, or None if it is a mistake of the caller's code."""
    code = _code(error)
    if code is None or code == sqlite3.SQLITE_MISUSE:
        return None
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and not _has_space(path)):
        return NoSpaceError(
            "no space is left for the metastore", subject=path, hint="free some space on its disk, then try again"
        )
    if code in _DENIED and not _writable(path):
        return AccessDeniedError(
            f"the metastore cannot be written or opened: {error}",
            subject=path,
            hint="check the rights of the file and of its directory, and that the file system is not mounted read-only",
        )
    if code in _DAMAGED:
        return DataError(f"the metastore's database is damaged: {error}", subject=path, hint=RECOVER_HINT)
    if code in _CONTRADICTION:
        return DataError(f"the metastore's rows contradict each other: {error}", subject=path, hint=RECOVER_HINT)
    return UnavailableError(
        f"the metastore's database cannot be used now: {error}", subject=path, hint="check its disk, then try again"
    )


def _code(error: sqlite3.Error) -> int | None:
    # The low byte of an extended code is the primary one.
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _writable(path: str) -> bool:
    directory = os.path.dirname(path) or "."
    return os.access(path, os.R_OK | os.W_OK) and os.access(directory, os.W_OK | os.X_OK)


def _has_space(path: str) -> bool:
    try:
        status = os.statvfs(os.path.dirname(path) or ".")
    except OSError:
        return True
    return status.f_bavail > 0
