"""put and get: many files between the local disk and a branch."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.implementations.local import LocalFileSystem, make_path_posix
from fsspec.utils import isfilelike, stringify_path

from fabric.errors import InvalidInputError, SourceError
from fabric.filesystem.copying import CopyingFileSystem
from fabric.filesystem.pairs import pairs
from fabric.filesystem.places import Place
from fabric.filesystem.states import follow, real_path
from fabric.filesystem.transactions import Changes
from fabric.model.digest import BLOCK_BYTES
from fabric.model.entry import Entry, Kind
from fabric.repo.view import View

PERMISSIONS = 0o777


class TransferFileSystem(CopyingFileSystem):
    """put and get."""

    # -- put

    def put(  # noqa: PLR0917 - the order is fsspec's
        self,
        lpath: Any,
        rpath: Any,
        recursive: bool = False,
        callback: Any = DEFAULT_CALLBACK,
        maxdepth: int | None = None,
        mode: str = "overwrite",
        **_options: Any,
    ) -> None:
        """Put local files, patterns, lists, and with `recursive` directories, as one commit.

        Contents, permissions and times come along; symlinks are followed. (For a directory as it is, with its symlinks,
        owners and attributes, there is `Dataset.put_tree`.)

        Raises:
            FileNotFoundError: there is nothing at the source.
            SourceError: a local file cannot be read; nothing is changed then.
            FileExistsError: a file is there, and `mode` is "create".
        """
        many = isinstance(lpath, list | tuple)
        source = (
            [make_path_posix(stringify_path(each)) for each in lpath] if many else make_path_posix(stringify_path(lpath))
        )
        target = self._keep_slash([*rpath] if isinstance(rpath, list | tuple) else stringify_path(rpath))
        with self._one_state():
            found = pairs(LocalFileSystem(), source, target, is_directory=self.isdir, recursive=recursive, maxdepth=maxdepth)
        self._put(found, callback, create=mode == "create")

    def put_file(
        self, lpath: Any, rpath: Any, callback: Any = DEFAULT_CALLBACK, mode: str = "overwrite", **_options: Any
    ) -> None:
        """Put one local file; of a directory, make it. See put."""
        place = self._place(rpath)

        def work(changes: Changes) -> None:
            self._put_one(changes, os.fspath(lpath), place, callback, create=mode == "create")

        self.change(f"put {place.name}", work)

    def _put(self, found: list[tuple[str, str]], callback: Any, *, create: bool) -> None:
        callback.set_size(len(found))
        if not found:
            return
        many = [(local, self._place(remote)) for local, remote in found]

        def work(changes: Changes) -> None:
            for local, place in callback.wrap(many):
                with callback.branched(local, place.name) as child:
                    self._put_one(changes, local, place, child, create=create)

        self.change(f"put {many[0][1].name}" + (f" and {len(many) - 1} more" if len(many) > 1 else ""), work)

    def _put_one(self, changes: Changes, local: str, place: Place, callback: Any, *, create: bool) -> None:
        try:
            found = os.stat(local)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise SourceError(f"{local} cannot be read: {error.strerror}", subject=local) from error
        if stat.S_ISDIR(found.st_mode):
            if place.path:
                transaction = changes.at(self, place)
                transaction.mkdir(real_path(transaction, place.path, last=True), exist_ok=True)
            return
        if not stat.S_ISREG(found.st_mode):
            raise SourceError(
                f"{local} is no regular file", subject=local, hint="leave it out: pipes and devices are not kept"
            )
        self._writable_place(place.name)
        callback.set_size(found.st_size)
        mode = stat.S_IMODE(found.st_mode) & PERMISSIONS
        self.put_content(changes, place, Path(local), create=create, mode=mode, mtime_ns=found.st_mtime_ns)
        callback.absolute_update(found.st_size)

    # -- get

    def get(
        self,
        rpath: Any,
        lpath: Any,
        recursive: bool = False,
        callback: Any = DEFAULT_CALLBACK,
        maxdepth: int | None = None,
        **_options: Any,
    ) -> None:
        """Get files, patterns, lists, and with `recursive` directories, all of one state, reading many at once.

        Symlinks are followed, so none is made on the local disk. (For a tree as it is there is `View.get`.)

        Raises:
            FileNotFoundError: there is nothing at the source.
            DataError, UnavailableError: a file that was begun is removed again; those before it stay.
        """
        source = [*rpath] if isinstance(rpath, list | tuple) else self._keep_slash(stringify_path(rpath))
        target = [*lpath] if isinstance(lpath, list | tuple) else make_path_posix(stringify_path(lpath))
        with self._one_state():
            found = pairs(self, source, target, is_directory=LocalFileSystem().isdir, recursive=recursive, maxdepth=maxdepth)
            callback.set_size(len(found))
            _check_inside(target, found)
            contents = self._contents([remote for remote, _ in found])
            for (remote, local), (view, entry, data) in callback.wrap(zip(found, contents, strict=True)):
                with callback.branched(remote, local) as child:
                    _write_local(view, entry, data, local, child)

    def get_file(
        self, rpath: Any, lpath: Any = None, callback: Any = DEFAULT_CALLBACK, outfile: Any = None, **_options: Any
    ) -> None:
        """Get one file to a path or into an open file (`outfile`, or `lpath` itself); of a directory, make it."""
        with self._one_state():
            view, entry, data = next(self._contents([rpath]))
        outfile = lpath if outfile is None and isfilelike(lpath) else outfile
        if outfile is None:
            _write_local(view, entry, data, os.fspath(lpath), callback)
        elif entry.kind != Kind.DIRECTORY:
            callback.set_size(entry.size)
            _write_content(view, entry, data, outfile, callback)

    def _contents(self, names: list[Any]) -> Iterator[tuple[View, Entry, Any]]:
        """Yield (view, entry, content) of each name. Contents of one block are read ahead; of larger ones it is None."""
        found: list[tuple[View, Entry]] = []
        for name in names:
            place = self._place(name)
            view = self._view(place)
            found.append((view, follow(view, place.path)))
        readers = {
            id(view): view.read_many([entry.path for other, entry in found if other is view and _is_small(entry)])
            for view in {id(view): view for view, _ in found}.values()
        }
        for view, entry in found:
            yield view, entry, next(readers[id(view)]) if _is_small(entry) else None


def _is_small(entry: Entry) -> bool:
    return entry.kind == Kind.FILE and entry.size <= BLOCK_BYTES


def _write_local(view: View, entry: Entry, data: Any, local: str, callback: Any) -> None:
    if entry.kind == Kind.DIRECTORY:
        os.makedirs(local, exist_ok=True)
        return
    callback.set_size(entry.size)
    parent = os.path.dirname(local)
    if parent:
        os.makedirs(parent, exist_ok=True)
    try:
        with open(local, "wb") as file:
            _write_content(view, entry, data, file, callback)
    except Exception:
        # Half of a file must not be taken for the whole.
        Path(local).unlink(missing_ok=True)
        raise


def _write_content(view: View, entry: Entry, data: Any, file: Any, callback: Any) -> None:
    if data is not None:
        file.write(data)
        callback.relative_update(len(data))
        return
    with view.open(entry.path) as source:
        while part := source.read(BLOCK_BYTES):
            file.write(part)
            callback.relative_update(len(part))


def _check_inside(target: str | list[str], found: list[tuple[str, str]]) -> None:
    """Names of a tree have no `..`; that nothing is written outside of the target does not rest on that alone."""
    if isinstance(target, str):
        root = os.path.abspath(target)
        for _, local in found:
            path = os.path.abspath(local)
            if path != root and not path.startswith(root.rstrip("/") + "/"):
                raise InvalidInputError(f"{local!r} would lie outside of {target!r}", subject=local)
