"""A dataset at one commit, read-only: all reading goes through here."""

import io
from collections.abc import Iterable, Iterator
from os import PathLike
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from fabric.cache.contents import ContentReader
from fabric.errors import InvalidInputError, IsADirectoryInViewError, NotADirectoryInViewError, PathNotFoundError
from fabric.model import paths, rows, xattrs
from fabric.model.commit import Commit
from fabric.model.content import Content
from fabric.model.digest import DigestKind
from fabric.model.entry import Entry, Kind
from fabric.model.refs import format_address
from fabric.progress import NoProgress, Progress
from fabric.repo import listing
from fabric.repo.files import READ_AHEAD_BYTES, ContentFile
from fabric.repo.store import CommitInfo, DatasetStore
from fabric.repo.tree import Tree

if TYPE_CHECKING:
    from fabric.checkout.options import CheckoutResult
    from fabric.repo.dataset import Dataset

Path = str | bytes
SYMLINKS_MAX = 40


class View:
    """One commit of one dataset. It never changes, costs nothing to open, and reads down to what is asked.

    Paths are text or bytes, relative to the dataset's root; results carry bytes. Thread-safe, usable after fork, and
    picklable: another process opens the fabric's endpoint again.
    """

    def __init__(
        self, dataset: "Dataset", info: CommitInfo, ref: str, *, store: DatasetStore, tree: Tree | None = None
    ) -> None:
        self.dataset = dataset
        self.info = info
        self.ref = ref
        self._store = store
        self._tree = tree or store.tree(info)

    def __repr__(self) -> str:
        return f"<View {format_address(self.dataset.name, self.ref)} at {self.id[:12]}>"

    def __reduce__(self) -> tuple[Any, ...]:
        if not self.is_committed:
            raise InvalidInputError("a view of a transaction is in this process alone", hint="commit it first")
        return _reopen, (self.dataset.fabric, self.dataset.name, self.info.id, self.ref)

    @property
    def id(self) -> str:
        """Id of the commit."""
        return self.info.id

    @property
    def commit(self) -> Commit:
        """What the commit says: author, time, message, metadata, counts."""
        return self.info.commit

    @property
    def is_committed(self) -> bool:
        """Whether it shows the commit itself, not what a transaction has made of it."""
        return self._tree.root.id == self.info.record.tree

    @property
    def contents(self) -> ContentReader:
        """The reader of contents, for who has extents."""
        return self._store.contents

    @property
    def tree(self) -> Tree:
        """The tree itself."""
        return self._tree

    # -- looking

    def stat(self, path: Path = "") -> Entry:
        """Return the entry at `path`; a symlink is returned as such.

        Raises:
            PathNotFoundError: there is nothing.
        """
        raw = paths.parse_path(path)
        found = self._tree.entry(raw)
        if found is None:
            raise self._missing(raw)
        return found

    def _missing(self, path: bytes) -> PathNotFoundError:
        address = format_address(self.dataset.name, self.ref, path)
        parent = paths.split(path)[0]
        hint = f"'fabric ls {format_address(self.dataset.name, self.ref, parent)}' shows what is there"
        return PathNotFoundError(f"there is no {address!r}", subject=address, hint=hint)

    def exists(self, path: Path) -> bool:
        """Whether there is an entry at `path`."""
        return self._tree.entry(paths.parse_path(path)) is not None

    def is_dir(self, path: Path) -> bool:
        """Whether `path` is a directory, symlinks followed."""
        try:
            return self._follow(paths.parse_path(path)).kind == Kind.DIRECTORY
        except PathNotFoundError:
            return False

    def resolve(self, path: Path) -> bytes:
        """Return the path that `path` stands for when symlinks inside of the tree are followed.

        Raises:
            PathNotFoundError: there is nothing, a symlink leads out of the tree, or they form a ring.
        """
        return self._follow(paths.parse_path(path)).path

    def _follow(self, path: bytes) -> Entry:
        found = self._tree.entry(path)
        if found is not None and found.kind != Kind.SYMLINK:
            return found
        todo, at, hops = path.split(b"/"), b"", 0
        while todo:
            name = todo.pop(0)
            if name in (b"", b"."):
                continue
            if name == b"..":
                if not at:
                    raise self._leaves(path)
                at = paths.split(at)[0]
                continue
            at = paths.join(at, name)
            found = self._tree.entry(at)
            if found is None:
                raise self._missing(path)
            if found.kind == Kind.SYMLINK:
                hops += 1
                if hops > SYMLINKS_MAX or found.target.startswith(b"/"):
                    raise self._leaves(path)
                at, todo = paths.split(at)[0], found.target.split(b"/") + todo
        found = self._tree.entry(at)
        if found is None:
            raise self._missing(path)
        return found

    def _leaves(self, path: bytes) -> PathNotFoundError:
        address = format_address(self.dataset.name, self.ref, path)
        return PathNotFoundError(
            f"the symlink {paths.display(path)!r} leads out of the dataset, or in a ring", subject=address
        )

    def iter_list(self, path: Path = "") -> Iterator[Entry]:
        """Yield the direct children of a directory, by name; symlinks to it are followed.

        Raises:
            PathNotFoundError, NotADirectoryInViewError.
        """
        found = self._follow(paths.parse_path(path))
        if found.kind != Kind.DIRECTORY:
            shown = paths.display(found.path)
            raise NotADirectoryInViewError(f"{shown!r} is not a directory", subject=shown)
        return self._tree.children(found.path)

    def list(self, path: Path = "") -> list[Entry]:
        """Return the direct children of a directory, by name."""
        return [*self.iter_list(path)]

    def find(self, path: Path = "") -> Iterator[Entry]:
        """Yield everything below a directory in tree order, without itself; of a file, itself."""
        found = self.stat(path)
        if found.kind != Kind.DIRECTORY:
            yield found
        else:
            yield from self._tree.below(found.path)

    def usage(self, path: Path = "") -> tuple[int, int]:
        """Return (entries, bytes of files) below a directory, or (1, size) of a file; reads little even of huge trees."""
        found = self.stat(path)
        return self._tree.usage(found.path) if found.kind == Kind.DIRECTORY else (1, found.size)

    # -- contents

    def content(self, path: Path) -> Content:
        """Return what a file's content is and where it lies; symlinks are followed.

        Raises:
            PathNotFoundError, IsADirectoryInViewError, DataError.
        """
        found = self._follow(paths.parse_path(path))
        if found.kind == Kind.DIRECTORY:
            shown = paths.display(found.path) or "/"
            address = format_address(self.dataset.name, self.ref, found.path)
            raise IsADirectoryInViewError(f"{shown!r} is a directory", subject=shown, hint=f"'fabric ls {address}' lists it")
        return self._content_of(found)

    def _content_of(self, entry: Entry) -> Content:
        located = self._tree.locate(entry.path)
        assert located is not None
        leaf, index = located
        extents = rows.extents_at_leaf(leaf.extents, index)
        if entry.xattrs_digest:
            extents.pop()
        return Content(entry.size, entry.digest_kind, entry.digest, extents)

    def read(self, path: Path, start: int = 0, length: int | None = None) -> bytes | memoryview:
        """Return `length` bytes of a file from `start` (to its end if None, or if it ends before), verified.

        Raises:
            PathNotFoundError, IsADirectoryInViewError, DataError, UnavailableError.
        """
        content = self.content(path)
        return self._store.contents.read(content, *_clip(content, start, length))

    def read_many(self, many: Iterable[Path]) -> Iterator[bytes | memoryview]:
        """Yield the whole content of each file, in order; neighbours travel together, and reading goes ahead."""
        return self._store.contents.read_many(self.content(path) for path in many)

    def read_ranges(self, ranges: Iterable[tuple[Path, int, int | None]]) -> Iterator[bytes | memoryview]:
        """Yield bytes [start, end) of each (path, start, end), in order; an end of None, or past the file's, is its end."""

        def requests() -> Iterator[tuple[Content, int, int | None]]:
            for path, start, end in ranges:
                content = self.content(path)
                yield content, *_clip(content, start, None if end is None else max(0, end - start))

        return self._store.contents.read_ranges(requests())

    def open(self, path: Path, *, buffer_bytes: int = READ_AHEAD_BYTES // 64) -> io.BufferedReader:
        """Open a file for reading: seekable, buffered, reading ahead while it is read in order."""
        content = self.content(path)
        return io.BufferedReader(
            ContentFile(self._store.contents, content, paths.display(paths.parse_path(path))), buffer_bytes
        )

    def xattrs(self, path: Path) -> dict[bytes, bytes]:
        """Return the `user.*` extended attributes of an entry, also a large set."""
        entry = self.stat(path)
        if not entry.xattrs_digest:
            return dict(entry.xattrs)
        located = self._tree.locate(entry.path)
        assert located is not None
        last = rows.extents_at_leaf(located[0].extents, located[1])[-1]
        content = Content(last.length, DigestKind.WHOLE, entry.xattrs_digest, [last])
        return xattrs.decode(bytes(self._store.contents.read(content)))

    # -- many at once

    def to_batches(self, path: Path = "", *, raw_paths: bool = False) -> Any:
        """Return the listing below `path` as a `pyarrow.RecordBatchReader` (`listing.LISTING`), read as it is consumed."""
        raw = self.stat(path).path
        schema = listing.RAW_LISTING if raw_paths else listing.LISTING
        return pa.RecordBatchReader.from_batches(schema, listing.batches(self._tree, raw, raw_paths=raw_paths))

    def to_arrow(self, path: Path = "", *, raw_paths: bool = False) -> Any:
        """Return the listing below `path` as a `pyarrow.Table` (`listing.LISTING`)."""
        return self.to_batches(path, raw_paths=raw_paths).read_all()

    def get(
        self,
        path: Path,
        destination: str | PathLike[str],
        *,
        progress: Progress | None = None,
        **options: Any,
    ) -> "CheckoutResult":
        """Write what is at `path` as the local directory (or file) `destination`.

        `options` are those of `fabric.checkout.CheckoutOptions`. Raises as `fabric.checkout.checkout`.
        """
        # Checkout brings processes and shared memory, which readers never need.
        from fabric.repo.get import get  # noqa: PLC0415

        return get(self, paths.parse_path(path), destination, progress=progress or NoProgress(), **options)


def _clip(content: Content, start: int, length: int | None) -> tuple[int, int]:
    if start < 0 or (length is not None and length < 0):
        raise InvalidInputError(f"a range of {length} bytes from {start} is not one")
    start = min(start, content.size)
    return start, content.size - start if length is None else min(length, content.size - start)


def _reopen(fabric: Any, name: str, commit_id: str, ref: str) -> View:
    view: View = fabric.dataset(name).view(commit_id)
    view.ref = ref
    return view
