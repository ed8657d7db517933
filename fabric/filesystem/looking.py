"""Everything that looks: names, kinds, sizes, times, and what tells whether a content has changed."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from fabric.errors import InvalidInputError, PathNotFoundError
from fabric.filesystem import infos
from fabric.filesystem.base import BaseFileSystem
from fabric.filesystem.infos import Info
from fabric.filesystem.places import Place
from fabric.filesystem.states import follow, follow_or_none
from fabric.model import paths
from fabric.model.digest import block_digest
from fabric.model.entry import Entry, Kind
from fabric.repo.view import View

_NANOSECONDS = 1e-9


class LookingFileSystem(BaseFileSystem):
    """The methods that look. Each sees one state of a dataset, however many steps it takes."""

    # -- one entry

    def info(self, path: Any, **_options: Any) -> Info:
        """Return what is at a path (`infos.Info`), symlinks followed.

        Raises:
            FileNotFoundError: nothing, or no such dataset or ref.
            InvalidInputError (also ValueError): no path at all: `..`, NUL, a dataset name that cannot be.
        """
        place = self._place(path)
        if place.is_root:
            return infos.of_root()
        if self._intrans:
            _, there = self.transaction.changes.look(self, place)
            if there is not None and there.path == place.path:
                return infos.of_entry(place.name, there)
        view = self._view(place)
        found = view.tree.entry(place.path)
        if found is None:
            return infos.of_entry(place.name, follow(view, place.path))
        if found.kind == Kind.SYMLINK:
            return infos.of_entry(place.name, found, follow(view, place.path))
        return infos.of_entry(place.name, found)

    def _info_or_none(self, path: Any) -> Info | None:
        """Return None where there is nothing; that the store does not answer is no such answer, and is raised."""
        try:
            place = self._place(path)
            if self._intrans and self.transaction.changes.look(self, place) == (True, None):
                return None
            return self.info(path)
        except (PathNotFoundError, InvalidInputError):
            return None

    def exists(self, path: Any, **_options: Any) -> bool:
        """Whether there is something at a path; a symlink that leads nowhere is nothing."""
        return self._info_or_none(path) is not None

    def lexists(self, path: Any, **_options: Any) -> bool:
        """Whether there is something at a path, a symlink that leads nowhere included."""
        place = self._place(path)
        return self.exists(path) or (not place.is_root and self._view(place).exists(place.path))

    def isdir(self, path: Any) -> bool:
        """Whether there is a directory (a dataset is one) at a path."""
        info = self._info_or_none(path)
        return info is not None and info["type"] == "directory"

    def isfile(self, path: Any) -> bool:
        """Whether there is a file at a path."""
        info = self._info_or_none(path)
        return info is not None and info["type"] == "file"

    def sizes(self, paths: list[Any]) -> list[int]:
        """Return the size of each of many paths, all of one state."""
        with self._one_state():
            return [self.info(path)["size"] for path in paths]

    def created(self, path: Any) -> datetime:
        """Return the time of a file: a fabric keeps one, that of its last change."""
        return self.modified(path)

    def modified(self, path: Any) -> datetime:
        """Return when a file was changed last."""
        return datetime.fromtimestamp(self._followed(path)[1].mtime_ns * _NANOSECONDS, UTC)

    def ukey(self, path: Any) -> str:
        """Return what changes if, and only if, the content does: a file's digest. For a directory, of the tree it is in."""
        view, entry = self._followed(path)
        if entry.kind == Kind.FILE:
            return entry.digest.hex()
        return block_digest(view.tree.root.id + entry.path).hex()

    def checksum(self, path: Any) -> int:
        """Return `ukey` as a number."""
        return int(self.ukey(path), 16)

    def _followed(self, path: Any) -> tuple[View, Entry]:
        place = self._place(path)
        view = self._view(place)
        return view, follow(view, place.path)

    # -- many entries

    def ls(self, path: Any, detail: bool = True, **_options: Any) -> list[Any]:
        """Return the infos (or names) in a directory, of a file its own; the root lists the datasets.

        Raises:
            FileNotFoundError, InvalidInputError: as info.
        """
        place = self._place(path)
        if place.is_root:
            found = [infos.of_dataset(record) for record in self.fabric.datasets()]
        else:
            view = self._view(place)
            top = follow(view, place.path)
            found = [*_children(view, place, top)] if top.kind == Kind.DIRECTORY else [infos.of_entry(place.name, top)]
        return found if detail else [info["name"] for info in found]

    def find(
        self, path: Any, maxdepth: int | None = None, withdirs: bool = False, detail: bool = False, **_options: Any
    ) -> Any:
        """Return the names of all files below a path (with `detail` a dict of infos), sorted; nothing if there is nothing.

        Symlinks to files count as files. Those to directories are not followed, but `withdirs` names them.
        """
        _check_depth(maxdepth)
        place = self._place(path)
        with self._one_state():
            found = self._find(place, maxdepth, withdirs, detail)
        return {name: found[name] for name in sorted(found)} if detail else sorted(found)

    def _find(self, place: Place, maxdepth: int | None, withdirs: bool, detail: bool) -> dict[str, Info]:
        found: dict[str, Info] = {}
        if place.is_root:
            for record in self.fabric.datasets():
                if maxdepth != 1:
                    deeper = None if maxdepth is None else maxdepth - 1
                    found |= self._find(self._place(record.name), deeper, False, detail)
                if withdirs:
                    found[record.name] = infos.of_dataset(record)
            return found
        try:
            view = self._view(place)
            top = follow(view, place.path)
        except PathNotFoundError:
            return {}
        if top.kind != Kind.DIRECTORY or withdirs:
            found[place.name] = infos.of_entry(place.name, top)
        if top.kind == Kind.DIRECTORY:
            skip = len(top.path) + 1 if top.path else 0
            for raw, kind, info in _below(view, top.path, maxdepth, detail):
                described = _info_of(view, "", view.stat(raw)) if kind == Kind.SYMLINK else info
                is_directory = kind == Kind.DIRECTORY or described.get("type") == "directory"
                if withdirs or not is_directory:
                    name = f"{place.name}/{paths.display(raw[skip:])}"
                    if detail:
                        described["name"] = name
                    found[name] = described
        return found

    def glob(self, path: Any, maxdepth: int | None = None, **options: Any) -> Any:
        """Return the names (with `detail` a dict of infos) that match a pattern; see fsspec for the patterns."""
        with self._one_state():
            return super().glob(path, maxdepth=maxdepth, **options)

    def expand_path(
        self, path: Any, recursive: bool = False, maxdepth: int | None = None, assume_literal: bool = False, **options: Any
    ) -> list[str]:
        """Return all names that a path, a pattern, or a list of them stands for; raises FileNotFoundError for none."""
        with self._one_state():
            found: list[str] = super().expand_path(path, recursive, maxdepth, assume_literal=assume_literal, **options)
            return found

    def walk(
        self,
        path: Any,
        maxdepth: int | None = None,
        topdown: bool = True,
        on_error: str | Callable[[OSError], object] = "omit",
        detail: bool = False,
        **_options: Any,
    ) -> Iterator[tuple[str, Any, Any]]:
        """Yield (directory, directories in it, files in it), as os.walk does; symlinks to directories are not followed.

        All of a dataset is seen in one state, however long the walk takes. With `detail` names map to infos.
        """
        _check_depth(maxdepth)
        place = self._place(path)
        views = {place.state: self._view(place)} if not place.is_root else {}
        todo: list[tuple[Place, int, tuple[Any, Any] | None]] = [(place, 1, None)]
        while todo:
            at, depth, done = todo.pop()
            if done is not None:
                yield at.name, *done
                continue
            try:
                listed = self._list_for_walk(views, at)
            except OSError as error:
                if on_error == "raise":
                    raise
                if callable(on_error):
                    on_error(error)
                continue
            directories: Any = {name: info for name, info in listed.items() if info["type"] == "directory"}
            files: Any = {name: info for name, info in listed.items() if info["type"] != "directory"}
            links = {name for name, info in directories.items() if info["islink"]}
            if not detail:
                directories, files = [*directories], [*files]
            if topdown:
                # The caller may change what it gets, to choose where to go.
                yield at.name, directories, files
            else:
                todo.append((at, depth, (directories, files)))
            if maxdepth is None or depth < maxdepth:
                below = [name for name in directories if name not in links]
                todo += [(self._place(f"{at.name}/{name}"), depth + 1, None) for name in reversed(below)]

    def _list_for_walk(self, views: dict[str, View], place: Place) -> dict[str, Info]:
        if place.is_root:
            return {record.name: infos.of_dataset(record) for record in self.fabric.datasets()}
        if place.state not in views:
            views[place.state] = self._view(place)
        view = views[place.state]
        top = follow(view, place.path)
        if top.kind != Kind.DIRECTORY:
            return {"": infos.of_entry(place.name, top)}
        return {info["name"].rpartition("/")[2]: info for info in _children(view, place, top)}

    def du(self, path: Any, total: bool = True, maxdepth: int | None = None, withdirs: bool = False, **_options: Any) -> Any:
        """Return the bytes of all files below a path, or with total=False a dict of sizes.

        The sum over a whole subtree comes from the tree's index: it does not look at each file, nor count symlinks.
        """
        place = self._place(path)
        if total and maxdepth is None and not place.is_root:
            view = self._view(place)
            return view.usage(follow(view, place.path).path)[1]
        found = self.find(path, maxdepth=maxdepth, withdirs=withdirs, detail=True)
        sizes = {name: info["size"] for name, info in found.items()}
        return sum(sizes.values()) if total else sizes


def _check_depth(maxdepth: int | None) -> None:
    if maxdepth is not None and maxdepth < 1:
        raise InvalidInputError(f"a depth of {maxdepth} is none: it is 1 or more")


def _info_of(view: View, name: str, entry: Entry) -> Info:
    leads_to = follow_or_none(view, entry.path) if entry.kind == Kind.SYMLINK else None
    return infos.of_entry(name, entry, leads_to)


def _children(view: View, place: Place, top: Entry) -> Iterator[Info]:
    for entry in view.iter_list(top.path):
        yield _info_of(view, f"{place.name}/{paths.display(entry.name)}", entry)


def _below(view: View, top: bytes, maxdepth: int | None, detail: bool) -> Iterator[tuple[bytes, Kind, Info]]:
    """Yield (path, kind, info without a name) of what is below a directory, down to `maxdepth` levels."""
    if maxdepth is None:
        for batch in view.to_batches(top, raw_paths=True):
            yield from infos.of_batch(batch, detail=detail)
        return
    level = [top]
    for depth in range(maxdepth):
        following: list[bytes] = []
        for directory in level:
            for entry in view.iter_list(directory):
                yield entry.path, entry.kind, infos.of_entry("", entry)
                if entry.kind == Kind.DIRECTORY and depth + 1 < maxdepth:
                    following.append(entry.path)
        level = following
