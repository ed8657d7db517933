"""Everything that changes a branch. A call is one commit; in `with fs.transaction:` all calls together are one."""

import io
import time
from collections.abc import Callable
from glob import has_magic
from typing import Any, BinaryIO, TypeVar

from fsspec.compression import compr
from fsspec.core import get_compression

from fabric.errors import (
    AlreadyExistsError,
    InvalidInputError,
    IsADirectoryInViewError,
    MergeConflictError,
    NotADirectoryInViewError,
)
from fabric.filesystem.contents import ContentsFileSystem
from fabric.filesystem.places import Place
from fabric.filesystem.states import entry_or_none, real_path
from fabric.filesystem.transactions import Changes
from fabric.filesystem.writers import CompressedWriter, FabricWriter, Joined, TextWriter
from fabric.model import paths
from fabric.model.entry import Entry, Kind
from fabric.repo.inputs import Data
from fabric.repo.transaction import Transaction

ATTEMPTS_MAX = 16
"""A call that meets somebody else's change of the same paths is made again on top of it, as often as this."""
WRITE_MODES = ("wb", "ab", "xb")
NEW_FILE_MODE = 0o644

T = TypeVar("T")


class WritingFileSystem(ContentsFileSystem):
    """The methods that change. All of them raise:

    ReadOnlyError: an OSError with errno EROFS, for a ref that is a snapshot, a commit or a past state.
    FileNotFoundError: no such dataset or ref. FileExistsError, IsADirectoryError, NotADirectoryError: as for local files.
    UnavailableError, NoSpaceError, LeaseLostError: nothing was changed.
    """

    def change(self, note: str, work: Callable[[Changes], T]) -> T:
        """Run `work` as part of the transaction that is open, or else as a commit of its own.

        On its own, it is run again when others changed the same paths meanwhile: it then sees what they did, and the last
        one wins, as among writers of files.
        """
        if self._intrans:
            changes: Changes = self.transaction.changes
            with changes.lock:
                changes.note(note)
                return work(changes)
        left = ATTEMPTS_MAX
        while True:
            left -= 1
            changes = self.new_changes()
            changes.note(note)
            try:
                result = work(changes)
                changes.commit()
            except MergeConflictError:
                if not left:
                    raise
                continue
            finally:
                changes.abort()
                self._forget_recent()
            return result

    def _writable_place(self, path: Any) -> Place:
        place = self._place(path)
        if not place.path:
            raise IsADirectoryInViewError(
                f"{place.name or 'the root'!r} is no file", subject=place.name, hint="write DATASET[@BRANCH]/PATH"
            )
        return place

    # -- files

    def put_content(self, changes: Changes, place: Place, data: Data, *, create: bool = False, **attributes: Any) -> Entry:
        """Make `data` the content at a place, which keeps its mode and owner unless `attributes` say others.

        Raises:
            AlreadyExistsError: there is something, and `create` was said.
        """
        transaction = changes.at(self, place)
        target, there = self._target(transaction, place.path, create=create)
        if there is not None and there.kind == Kind.FILE:
            attributes = {"mode": there.mode, "uid": there.uid, "gid": there.gid, **attributes}
        return transaction.put(target, data, **{"mode": NEW_FILE_MODE, **attributes})

    def _target(self, transaction: Transaction, path: bytes, *, create: bool = False) -> tuple[bytes, Entry | None]:
        """Return where something put at a path comes to lie (symlinks are followed), and what is there now."""
        target = real_path(transaction, path, last=True)
        there = entry_or_none(transaction, target)
        if there is not None and create:
            shown = paths.display(path)
            raise AlreadyExistsError(f"{shown!r} exists already", subject=shown)
        return target, there

    def pipe_file(self, path: Any, value: Any, mode: str = "overwrite", **_options: Any) -> None:
        """Make `value` the content of a file; with mode "create" only if there is none."""
        place = self._writable_place(path)
        self.change(f"write {place.name}", lambda changes: self.put_content(changes, place, value, create=mode == "create"))

    def pipe(self, path: Any, value: Any = None, **options: Any) -> None:
        """Make `value` the content of a file, or write a whole dict of them as one commit."""
        if not isinstance(path, dict):
            self.pipe_file(path, value, **options)
            return
        create = options.get("mode", "overwrite") == "create"
        places = [(self._writable_place(name), data) for name, data in path.items()]

        def work(changes: Changes) -> None:
            for place, data in places:
                self.put_content(changes, place, data, create=create)

        self.change(f"write {len(places)} files", work)

    def touch(self, path: Any, truncate: bool = True, **_options: Any) -> None:
        """Make an empty file; with truncate=False leave the content of one that is there, and set its time to now."""
        place = self._writable_place(path)

        def work(changes: Changes) -> None:
            transaction = changes.at(self, place)
            target, there = self._target(transaction, place.path)
            if there is None or (truncate and there.kind == Kind.FILE):
                self.put_content(changes, place, b"")
            else:
                transaction.set_attributes(target, mtime_ns=time.time_ns())

        self.change(f"touch {place.name}", work)

    def open(
        self,
        path: Any,
        mode: str = "rb",
        block_size: int | None = None,
        cache_options: dict[str, Any] | None = None,
        compression: str | None = None,
        **options: Any,
    ) -> Any:
        """Open a file: r, w, a or x, with b for bytes.

        What is written becomes visible when the file is closed, and not at all if an exception leaves its `with` block.
        Appending takes what is there at that moment, so that nobody's lines are lost, and reads and writes it anew.

        Args:
            path: the address.
            mode: as of the built-in open.
            block_size: bytes of the buffer.
            cache_options: of fsspec's cache, if `cache_type` names one.
            compression: a name, or "infer" from the address.
            options: encoding, errors, newline for text; cache_type to read through a cache of fsspec's.
        """
        text = {name: options.pop(name) for name in ("encoding", "errors", "newline") if name in options}
        binary = mode.replace("t", "").replace("b", "") + "b"
        file = super().open(path, binary, block_size, cache_options, **options)
        codec = get_compression(self._strip_protocol(path), compression)
        if codec is not None:
            coded = compr[codec](file, mode=binary[0])
            file = coded if binary == "rb" else CompressedWriter(coded, file)
        if "b" in mode:
            return file
        return io.TextIOWrapper(file, **text) if binary == "rb" else TextWriter(file, **text)

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,
        cache_options: dict[str, Any] | None = None,
        **options: Any,
    ) -> Any:
        place = self._place(path)
        if mode == "rb":
            return self._open_reader(place, block_size, {**options, "cache_options": cache_options})
        if mode not in WRITE_MODES:
            raise InvalidInputError(f"files open in modes rb, wb, ab and xb here, not {mode!r}", subject=place.name)
        place = self._writable_place(path)
        self._check_openable(place, create=mode == "xb")
        return FabricWriter(
            self,
            place.name,
            mode,
            publish=lambda file: self._publish(place, mode, file),
            deferred=not autocommit and not self._intrans,
        )

    def _check_openable(self, place: Place, *, create: bool) -> None:
        """Raise now what would otherwise be raised after all was written."""
        changes = self.transaction.changes if self._intrans else self.new_changes()
        with changes.lock:
            try:
                target, there = self._target(changes.at(self, place), place.path, create=create)
                if there is not None and there.kind == Kind.DIRECTORY:
                    raise IsADirectoryInViewError(f"{place.name!r} is a directory", subject=place.name)
                transaction = changes.at(self, place)
                for above in paths.ancestors(target):
                    found = entry_or_none(transaction, above)
                    if found is not None and found.kind != Kind.DIRECTORY:
                        shown = place.child(above)
                        raise NotADirectoryInViewError(f"{shown!r} is not a directory", subject=shown)
            finally:
                if not self._intrans:
                    changes.abort()

    def _publish(self, place: Place, mode: str, file: BinaryIO) -> None:
        def work(changes: Changes) -> None:
            file.seek(0)
            data = file
            if mode == "ab":
                target, there = self._target(changes.at(self, place), place.path)
                if there is not None and there.kind == Kind.FILE:
                    data = Joined(changes.at(self, place).view().open(target), file)  # type: ignore[assignment]
            self.put_content(changes, place, data, create=mode == "xb")

        self.change(f"{'append to' if mode == 'ab' else 'write'} {place.name}", work)

    # -- directories

    def mkdir(self, path: Any, create_parents: bool = True, **_options: Any) -> None:
        """Make a directory, or (of an address that is a name alone) a dataset.

        Raises:
            FileExistsError: it is there.
            FileNotFoundError: the directory above is not, and `create_parents` is False.
        """
        self._make_directory(self._place(path), exist_ok=False, parents=create_parents)

    def makedirs(self, path: Any, exist_ok: bool = False) -> None:
        """Make a directory with all above it (or a dataset); with `exist_ok` one that is there is no error."""
        self._make_directory(self._place(path), exist_ok=exist_ok, parents=True)

    def _make_directory(self, place: Place, *, exist_ok: bool, parents: bool) -> None:
        if not place.path:
            self._make_dataset(place, exist_ok=exist_ok)
            return
        if exist_ok and not self._intrans and self.isdir(place.name):
            return

        def work(changes: Changes) -> None:
            transaction = changes.at(self, place)
            target, _ = self._target(transaction, place.path)
            transaction.mkdir(target, exist_ok=exist_ok, parents=parents)

        self.change(f"mkdir {place.name}", work)

    def _make_dataset(self, place: Place, *, exist_ok: bool) -> None:
        if place.is_root or place.ref is not None:
            if exist_ok and self.isdir(place.name):
                return
            self.info(place.name)
            raise AlreadyExistsError(f"{place.name or 'the root'!r} exists already", subject=place.name)
        try:
            self.fabric.create(place.dataset)
        except AlreadyExistsError:
            if not exist_ok:
                raise

    def rmdir(self, path: Any) -> None:
        """Remove a directory that is empty.

        Raises:
            FileNotFoundError, NotADirectoryError.
            IsADirectoryError: it is not empty.
            InvalidInputError: it is a dataset: those are deleted with `fabric.delete`, which no path can do by accident.
        """
        place = self._place(path)
        if not place.path:
            raise InvalidInputError(
                f"{place.name or 'the root'!r} is no directory in a dataset",
                subject=place.name,
                hint="a dataset is deleted by fs.fabric.delete(NAME)",
            )

        def work(changes: Changes) -> None:
            transaction = changes.at(self, place)
            where = real_path(transaction, place.path, last=False)
            if transaction.stat(where).kind != Kind.DIRECTORY:
                raise NotADirectoryInViewError(f"{place.name!r} is not a directory", subject=place.name)
            transaction.remove(where)

        self.change(f"rmdir {place.name}", work)

    # -- removing

    def rm_file(self, path: Any) -> None:
        """Remove a file, a symlink, or an empty directory."""
        self.rm(path)

    def _rm(self, path: Any) -> None:
        self.rm(path)

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        """Remove files, and with `recursive` directories with all below them: of a list, or of patterns, as one commit.

        Of a dataset's root everything in it is removed; the dataset and its history stay. A symlink goes, not its target.

        Raises:
            FileNotFoundError: there is nothing.
            IsADirectoryError: a directory, without `recursive`.
        """
        with self._one_state():
            names = self._expand_for_rm(path, recursive, maxdepth)

        def work(changes: Changes) -> None:
            found = [self._place(name) for name in names]
            if maxdepth is None:
                self.remove_all(changes, found, recursive=recursive)
            else:
                self._remove_shallow(changes, found)

        self.change(f"rm {names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else ""), work)

    def _expand_for_rm(self, path: Any, recursive: bool, maxdepth: int | None) -> list[str]:
        many = [*path] if isinstance(path, list | tuple) else [path]
        names = [self._strip_protocol(each) for each in many]
        # A symlink that leads nowhere is there to be removed, but not to be found.
        links = [name for name in names if not has_magic(name) and not self.exists(name) and self.lexists(name)]
        others = [name for name in names if name not in links]
        if others:
            links += self.expand_path(others, recursive=recursive and maxdepth is not None, maxdepth=maxdepth)
        return sorted(links)

    def remove_all(self, changes: Changes, found: list[Place], *, recursive: bool) -> None:
        """Remove what is at some places, in order, as part of `changes`."""
        gone: set[tuple[str, bytes]] = set()
        for place in found:
            if any((place.state, above) in gone for above in paths.ancestors(place.path)):
                continue
            transaction = changes.at(self, place)
            where = real_path(transaction, place.path, last=False)
            if transaction.stat(where).kind == Kind.DIRECTORY and not recursive:
                raise IsADirectoryInViewError(
                    f"{place.name!r} is a directory", subject=place.name, hint="remove it with recursive=True"
                )
            if where:
                transaction.remove(where, recursive=recursive)
                gone.add((place.state, place.path))
            else:
                for child in transaction.list(where):
                    transaction.remove(child.path, recursive=True)

    def _remove_shallow(self, changes: Changes, found: list[Place]) -> None:
        """Remove what a limited depth reached; a directory goes only if that left nothing in it."""
        for place in reversed(found):
            transaction = changes.at(self, place)
            where = real_path(transaction, place.path, last=False)
            is_directory = transaction.stat(where).kind == Kind.DIRECTORY
            if where and not (is_directory and transaction.list(where)):
                transaction.remove(where)
