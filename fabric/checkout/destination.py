"""The directory that a checkout goes into: opened, and tried for what it does with names, modes and owners."""

import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from fabric.checkout.attributes import has_default_acl
from fabric.checkout.failures import failure
from fabric.checkout.placing import TEMPORARY_PREFIX
from fabric.errors import InvalidInputError, SourceError


@dataclass(frozen=True, slots=True)
class Destination:
    """An open destination.

    Attributes:
        fd: its descriptor; the opener closes it.
        made: this run made it, so its own mode and time are to be restored.
        fresh: nothing is in it.
        exact: what is created in it has this process's owner, and the mode asked for (but for the umask).
        folding: it takes names that differ in case for one (the usual on macOS).
    """

    fd: int
    made: bool
    fresh: bool
    exact: bool
    folding: bool


def open_destination(path: Path) -> Destination:
    """Open a directory, made with its parents if it is not there.

    Raises:
        SourceError: it is something else, or cannot be made or opened.
        NoSpaceError, InvalidInputError.
    """
    try:
        made = not os.path.lexists(path)
        os.makedirs(path, exist_ok=True)
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileExistsError, NotADirectoryError):
        raise SourceError(
            f"{path} is not a directory", subject=str(path), hint="name a directory, or one that does not exist yet"
        ) from None
    except ValueError as error:
        raise InvalidInputError(f"{str(path)!r} cannot be a path: {error}", subject=repr(path)) from None
    except OSError as error:
        raise failure(error, os.fsencode(path)) from error
    try:
        return _tried(fd, made)
    except OSError as error:
        os.close(fd)
        raise failure(error, os.fsencode(path)) from error


def _tried(fd: int, made: bool) -> Destination:
    names = [os.fsencode(name) for name in os.listdir(fd)]
    if not names:
        exact, folding = _try(fd)
        return Destination(fd, made, fresh=True, exact=exact, folding=folding)
    # A directory in use is not touched for a trial: its own names tell as much.
    for name in names:
        if name.swapcase() != name:
            return Destination(fd, made, fresh=False, exact=False, folding=_is_same(fd, name, name.swapcase()))
    return Destination(fd, made, fresh=False, exact=False, folding=_try(fd)[1])


def _try(fd: int) -> tuple[bool, bool]:
    name = TEMPORARY_PREFIX + b"trial-" + secrets.token_hex(6).encode()
    os.mkdir(name, 0o700, dir_fd=fd)
    try:
        found = os.stat(name, dir_fd=fd, follow_symlinks=False)
        owned = (found.st_uid, found.st_gid) == (os.geteuid(), os.getegid())
        exact = owned and stat.S_IMODE(found.st_mode) == 0o700 and not has_default_acl(fd)
        return exact, _is_same(fd, name, name.swapcase())
    finally:
        os.rmdir(name, dir_fd=fd)


def _is_same(fd: int, name: bytes, other: bytes) -> bool:
    try:
        return os.path.samestat(
            os.stat(name, dir_fd=fd, follow_symlinks=False), os.stat(other, dir_fd=fd, follow_symlinks=False)
        )
    except FileNotFoundError:
        return False
