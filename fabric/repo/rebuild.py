"""Rebuilding a lost metastore from what the store holds (`fabric recover`)."""

import os
from pathlib import Path

from fabric.config import Settings, load
from fabric.errors import AlreadyExistsError, InvalidInputError, NotFoundError, SourceError
from fabric.metastore.open import open_sqlite, sqlite_path
from fabric.metastore.recover import RecoverReport
from fabric.metastore.recover import recover as recover_rows
from fabric.model.commit import now_text
from fabric.model.ids import new_ulid
from fabric.objects.open import open_store
from fabric.repo import home


def recover(
    directory: str | os.PathLike[str], *, store: str | None = None, force: bool = False, settings: Settings | None = None
) -> RecoverReport:
    """Make a metastore again from the changes that every acknowledged update left in the store.

    Args:
        directory: the fabric's home; if it is gone as well, a new one is made (then `store` is needed).
        store: where the objects are, if the home cannot say it.
        force: move a metastore that is there aside instead of refusing.
        settings: as `fabric.config.load` gives them by default.

    Raises:
        AlreadyExistsError: there is a metastore, and `force` was not given.
        NotFoundError: neither the home nor `store` says where the objects are.
        DataError: the store's record has a gap or is damaged; nothing is left half made.
    """
    settings = settings or load()
    path = Path(directory).expanduser().absolute()
    found, is_new = _home(path, store)
    if "://" in found.metastore and not found.metastore.startswith("sqlite://"):
        raise InvalidInputError(
            "only an embedded metastore is rebuilt in place", subject=found.metastore, hint="recover into a directory"
        )
    database = Path(sqlite_path(found.metastore_url(path)))
    temporary = database.with_name(database.name + f".recover-{os.getpid()}")
    if database.exists() and not force:
        raise AlreadyExistsError(
            f"there is a metastore at {database}", subject=str(database), hint="--force moves it aside and builds a new one"
        )
    objects = open_store(found.store_url(path), calls_max=settings.store_concurrency, deadline_s=settings.store_deadline)
    try:
        metastore = open_sqlite(str(temporary), create=True)
        try:
            report = recover_rows(objects, metastore)
        finally:
            metastore.close()
        # Also without a database: a journal that was left beside it would be played into the new one.
        _set_aside(database)
        os.replace(temporary, database)
        if is_new:
            home.write(path, found)
    finally:
        objects.close()
        _remove(temporary)
    return report


def _home(path: Path, store: str | None) -> tuple[home.Home, bool]:
    try:
        found = home.read(path)
    except NotFoundError:
        if store is None and not (path / home.EMBEDDED_STORE).is_dir():
            raise
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SourceError(f"{path} cannot be made: {error.strerror}", subject=str(path)) from error
        return home.Home(new_ulid(), store or home.EMBEDDED_STORE), True
    if store is not None and store != found.store:
        raise InvalidInputError(
            f"{path} says that its store is {found.store}", subject=store, hint="recover into another directory"
        )
    return found, False


def _siblings(database: Path) -> list[Path]:
    """Return the database and the files that SQLite keeps beside it."""
    beside = (database.with_name(database.name + suffix) for suffix in _SUFFIXES)
    return [other for other in beside if os.path.lexists(other)]


_SUFFIXES = ("", "-wal", "-shm", "-journal", ".lock")


def _set_aside(database: Path) -> None:
    aside = now_text().replace(":", "")
    for other in _siblings(database):
        other.rename(other.with_name(f"lost-{aside}-{other.name}"))


def _remove(temporary: Path) -> None:
    for other in _siblings(temporary):
        other.unlink(missing_ok=True)
