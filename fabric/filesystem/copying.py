"""Copies and moves. Within a dataset no byte moves, whatever the size, also from an old commit or another branch."""

from typing import Any

from fsspec.utils import stringify_path

from fabric.errors import IsADirectoryInViewError, PathNotFoundError
from fabric.filesystem.pairs import pairs
from fabric.filesystem.places import Place
from fabric.filesystem.states import follow, real_path
from fabric.filesystem.transactions import Changes
from fabric.filesystem.writing import WritingFileSystem
from fabric.model.entry import Kind
from fabric.repo.view import View

_Pairs = list[tuple[Place, Place]]


class CopyingFileSystem(WritingFileSystem):
    """cp and mv."""

    def cp_file(self, path1: Any, path2: Any, **_options: Any) -> None:
        """Copy a file; within a dataset no byte moves. A directory is made, without what is in it."""
        source, target = self._place(path1), self._writable_place(path2)
        self.change(f"cp {source.name} {target.name}", lambda changes: self._copy(changes, [(source, target)], "raise"))

    def copy(
        self,
        path1: Any,
        path2: Any,
        recursive: bool = False,
        maxdepth: int | None = None,
        on_error: str | None = None,
        **_options: Any,
    ) -> None:
        """Copy files, patterns, lists, and with `recursive` directories, as one commit.

        Args:
            path1: the source, or a list.
            path2: the target, or a list as long; see `fabric.filesystem.pairs` for what becomes of directories.
            recursive: take directories with all in them.
            maxdepth: levels that are taken of directories.
            on_error: "ignore" leaves out what is not there; the default with `recursive`, else "raise".

        Raises:
            FileNotFoundError: there is nothing at the source.
        """
        found = self._pairs(path1, path2, recursive, maxdepth)
        on_error = on_error or ("ignore" if recursive else "raise")
        if found:
            self.change(f"cp {found[0][0].name} {found[0][1].name}", lambda changes: self._copy(changes, found, on_error))

    def _pairs(self, path1: Any, path2: Any, recursive: bool, maxdepth: int | None) -> _Pairs:
        source = path1 if isinstance(path1, list) else stringify_path(path1)
        target = path2 if isinstance(path2, list) else stringify_path(path2)
        with self._one_state():
            found = pairs(
                self, source, self._keep_slash(target), is_directory=self.isdir, recursive=recursive, maxdepth=maxdepth
            )
        return [(self._place(one), self._place(other)) for one, other in found]

    def _keep_slash(self, path: str | list[str]) -> str | list[str]:
        """Strip the scheme, not the slash at the end, which has a meaning in bulk operations."""
        if isinstance(path, list):
            return [self._strip_protocol(each) for each in path]
        stripped: str = self._strip_protocol(path)
        return stripped + "/" if path.endswith("/") and stripped else stripped

    def _copy(self, changes: Changes, found: _Pairs, on_error: str) -> None:
        views: dict[str, View] = {}
        for source, target in found:
            if source.state not in views:
                views[source.state] = changes.view(self, source) or self._view(source)
            try:
                self._copy_one(changes, views[source.state], source, target)
            except PathNotFoundError:
                if on_error == "raise":
                    raise

    def _copy_one(self, changes: Changes, view: View, source: Place, target: Place) -> None:
        found = follow(view, source.path)
        transaction = changes.at(self, target)
        if found.kind == Kind.DIRECTORY:
            if target.path:
                transaction.mkdir(real_path(transaction, target.path, last=True), exist_ok=True)
            return
        where, there = self._target(transaction, target.path)
        if there is not None and there.kind == Kind.DIRECTORY:
            raise IsADirectoryInViewError(f"{target.name!r} is a directory", subject=target.name)
        if view.dataset.id == transaction.dataset.id:
            transaction.copy(found.path, where, view=view)
            return
        with view.open(found.path) as file:
            self.put_content(changes, target, file, mode=found.mode, mtime_ns=found.mtime_ns)

    def mv(self, path1: Any, path2: Any, recursive: bool = False, maxdepth: int | None = None, **_options: Any) -> None:
        """Move a file, or a directory with all below it, as one commit; into `path2` if that is a directory.

        Within a branch no byte moves. From one dataset to another the bytes are copied, and there are two commits: the new
        place first.

        Raises:
            FileNotFoundError: there is nothing at the source.
            InvalidInputError: a directory into itself.
        """
        if isinstance(path1, list) or maxdepth is not None:
            self._move_pairs(self._pairs(path1, path2, recursive, maxdepth))
            return
        if self._strip_protocol(path1) == self._strip_protocol(path2):
            return
        found = self._pairs(path1, path2, recursive=True, maxdepth=None)
        first_source, first_target = found[0]
        is_whole = self._strip_protocol(path1) == first_source.name and not self.isdir(first_target.name)
        if is_whole and first_source.state == first_target.state:
            self.change(f"mv {first_source.name} {first_target.name}", lambda changes: self._move(changes, *found[0]))
        else:
            self._move_pairs(found)

    def _move(self, changes: Changes, source: Place, target: Place) -> None:
        transaction = changes.at(self, source)
        old, new = real_path(transaction, source.path, last=False), real_path(transaction, target.path, last=False)
        transaction.move(old, new)

    def _move_pairs(self, found: _Pairs) -> None:
        if not found:
            return

        def work(changes: Changes) -> None:
            self._copy(changes, found, "raise")
            kept = {(target.state, target.path) for _, target in found}
            gone = [source for source, _ in found if (source.state, source.path) not in kept]
            self.remove_all(changes, gone, recursive=True)

        self.change(f"mv {found[0][0].name} {found[0][1].name}", work)
