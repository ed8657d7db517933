"""Small looks at views that every part of the filesystem shares."""

import contextlib
from collections.abc import Iterator

from fabric.errors import IsADirectoryInViewError, NotFoundError, PathNotFoundError
from fabric.filesystem.places import Place
from fabric.model import paths
from fabric.model.entry import Entry, Kind
from fabric.repo.transaction import Transaction
from fabric.repo.view import View


@contextlib.contextmanager
def as_missing_file() -> Iterator[None]:
    """A dataset or a ref that is not there is a file that is not there, to those who know files only."""
    try:
        yield
    except PathNotFoundError:
        raise
    except NotFoundError as error:
        raise PathNotFoundError(error.message, subject=error.subject, hint=error.hint) from error


def follow(view: View, path: bytes) -> Entry:
    """Return the entry at a path, symlinks followed; raises PathNotFoundError."""
    found = view.tree.entry(path)
    if found is None or found.kind == Kind.SYMLINK:
        return view.stat(view.resolve(path))
    return found


def follow_file(view: View, place: Place) -> Entry:
    """Return the file at a place, symlinks followed; raises PathNotFoundError, IsADirectoryInViewError."""
    found = follow(view, place.path)
    if found.kind == Kind.DIRECTORY:
        raise IsADirectoryInViewError(f"{place.name!r} is a directory", subject=place.name)
    return found


def follow_or_none(view: View, path: bytes) -> Entry | None:
    """Return the entry at a path, symlinks followed, or None if there is nothing."""
    try:
        return follow(view, path)
    except PathNotFoundError:
        return None


def entry_or_none(transaction: Transaction, path: bytes) -> Entry | None:
    """Return the entry at a path as a transaction has it, symlinks as such; None if there is nothing."""
    try:
        return transaction.stat(path)
    except PathNotFoundError:
        return None


def real_path(transaction: Transaction, path: bytes, *, last: bool) -> bytes:
    """Return where something at `path` really lies in a transaction: symlinks above it are followed, a `last` one if asked.

    What is not there yet is taken as it is written. A symlink that leads nowhere stands for itself.
    """
    found = entry_or_none(transaction, path)
    if found is not None:
        is_followed = last and found.kind == Kind.SYMLINK
        return (_through(transaction, path) or path) if is_followed else path
    for above in reversed(paths.ancestors(path)):
        nearest = entry_or_none(transaction, above)
        if nearest is None:
            continue
        real = _through(transaction, above) if nearest.kind == Kind.SYMLINK else None
        return path if real is None else real_path(transaction, paths.join(real, path[len(above) + 1 :]), last=last)
    return path


def _through(transaction: Transaction, link: bytes) -> bytes | None:
    found = follow_or_none(transaction.view(), link)
    return None if found is None else found.path
