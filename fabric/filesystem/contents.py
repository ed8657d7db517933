"""Everything that reads bytes."""

from collections.abc import Iterator
from typing import Any

from fabric.errors import FabricError, InvalidInputError
from fabric.filesystem import infos
from fabric.filesystem.looking import LookingFileSystem
from fabric.filesystem.places import Place
from fabric.filesystem.readers import FabricCachedReader, FabricReader
from fabric.filesystem.signing import sign
from fabric.filesystem.states import follow_file
from fabric.repo.view import View

ON_ERROR = ("raise", "omit", "return")


class ContentsFileSystem(LookingFileSystem):
    """The methods that read bytes. Every byte was compared with its digest before anybody sees it."""

    def cat_file(self, path: Any, start: int | None = None, end: int | None = None, **_options: Any) -> bytes:
        """Return the bytes of a file from `start` to `end`, which count from the end if negative, as in slices.

        Raises:
            FileNotFoundError, IsADirectoryError, InvalidInputError.
            DataError: the stored bytes are damaged.
            UnavailableError (also ConnectionError): the store does not answer.
        """
        place = self._place(path)
        view = self._view(place)
        entry = follow_file(view, place)
        low, high = _clip(start, end, entry.size)
        return bytes(view.read(entry.path, low, high - low))

    def cat(self, path: Any, recursive: bool = False, on_error: str = "raise", **_options: Any) -> Any:
        """Return the bytes of a file, or of many files as a dict by name: of a list, a pattern, or with `recursive` a tree.

        Many are read at once: neighbours in the store travel together. Directories that a pattern or a tree holds are left
        out. With on_error "omit" or "return", what cannot be read is left out, or its exception returned in its place.
        """
        if on_error not in ON_ERROR:
            raise InvalidInputError(f"on_error is one of {', '.join(ON_ERROR)}, not {on_error!r}")
        with self._one_state():
            found = self.expand_path(path, recursive=recursive)
            alone = not isinstance(path, list | tuple) and found == [self._strip_protocol(path)]
            if alone and not recursive:
                return self.cat_file(found[0])
            asked = set() if recursive else {self._strip_protocol(each) for each in _as_list(path)}
            names = [name for name in found if name in asked or not self.isdir(name)]
            contents = self._read([(name, None, None) for name in names], on_error)
            return {name: data for name, data in zip(names, contents, strict=True) if data is not None}

    def cat_ranges(
        self,
        paths: list[Any],
        starts: Any,
        ends: Any,
        max_gap: int | None = None,  # noqa: ARG002
        on_error: str = "return",
        **_options: Any,
    ) -> list[Any]:
        """Return the bytes of many ranges of many files, in one call: those near each other in the store travel together.

        `max_gap` is taken as a hint that is not needed. With on_error "return", the exception stands in a range's place.
        """
        if not isinstance(paths, list):
            raise TypeError("paths must be a list")
        starts = starts if isinstance(starts, list) else [starts] * len(paths)
        ends = ends if isinstance(ends, list) else [ends] * len(paths)
        if not len(paths) == len(starts) == len(ends):
            raise InvalidInputError("there must be one start and one end for each path")
        with self._one_state():
            return [*self._read([*zip(paths, starts, ends, strict=True)], on_error)]

    def _read(self, ranges: list[tuple[Any, int | None, int | None]], on_error: str) -> Iterator[Any]:
        """Yield the bytes of each range, in order; None or the error for one that cannot be read, as `on_error` says."""
        found: list[tuple[View, bytes, int, int] | Exception] = []
        for path, start, end in ranges:
            try:
                place = self._place(path)
                view = self._view(place)
                entry = follow_file(view, place)
                found.append((view, entry.path, *_clip(start, end, entry.size)))
            except (FabricError, ValueError) as error:
                if on_error == "raise":
                    raise
                found.append(error)
        readers = {id(view): view.read_ranges(_of_view(view, found)) for view in _views(found)}
        broken: set[int] = set()
        for each in found:
            if isinstance(each, Exception):
                yield each if on_error == "return" else None
                continue
            view, path, low, high = each
            try:
                if id(view) not in broken:
                    yield bytes(next(readers[id(view)]))
                    continue
            except FabricError:
                # It ends with its first error: from here on one at a time, so that each range gets its own answer.
                if on_error == "raise":
                    raise
                broken.add(id(view))
            try:
                yield bytes(view.read(path, low, high - low))
            except FabricError as error:
                yield error if on_error == "return" else None

    def _open_reader(self, place: Place, block_size: int | None, options: dict[str, Any]) -> Any:
        view = self._view(place)
        info = infos.of_entry(place.name, follow_file(view, place))
        if options.get("cache_type") is not None:
            return FabricCachedReader(self, place, view, info, block_size=block_size, **options)
        return FabricReader(self, place, view, info, block_size)

    def sign(self, path: Any, expiration: int = 100, **_options: Any) -> str:
        """Return a URL that lets anyone read a file for `expiration` seconds; a secret while it lasts.

        Raises:
            NotImplementedError: there is none for this file: a URL is for a whole object, and objects of a fabric hold many
                files. Files that were imported from a bucket without copying them have one.
        """
        place = self._place(path)
        view = self._view(place)
        return sign(view, follow_file(view, place).path, place.name, expiration)

    def tail(self, path: Any, size: int = 1024) -> bytes:
        """Return the last bytes of a file."""
        return self.cat_file(path, start=-size) if size else b""

    def head(self, path: Any, size: int = 1024) -> bytes:
        """Return the first bytes of a file."""
        return self.cat_file(path, 0, size)


def _clip(start: int | None, end: int | None, size: int) -> tuple[int, int]:
    low, high, _ = slice(start, end).indices(size)
    return low, max(low, high)


def _as_list(path: Any) -> list[Any]:
    return [*path] if isinstance(path, list | tuple) else [path]


def _views(found: list[Any]) -> list[View]:
    return [*{id(each[0]): each[0] for each in found if not isinstance(each, Exception)}.values()]


def _of_view(view: View, found: list[Any]) -> Iterator[tuple[bytes, int, int]]:
    for each in found:
        if not isinstance(each, Exception) and each[0] is view:
            yield each[1], each[2], each[3]
