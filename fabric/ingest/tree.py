"""A local directory (or one file) into rows and packs.

The loop over files is plain Python on the hot path: about twenty microseconds a file of 10 KB, most of it in the kernel.
Two threads or processes were measured and bring nothing on two cores.
"""

import os
import time
from collections.abc import Callable, Collection
from itertools import groupby
from stat import S_ISFIFO, S_ISLNK, S_ISREG, S_ISSOCK

import pyarrow as pa

from fabric.errors import FabricError, InvalidInputError, SourceError
from fabric.ingest import attributes
from fabric.ingest.attributes import Attributes
from fabric.ingest.ignore import IGNORE_NAME, Ignore, read_ignore
from fabric.ingest.journal import Journal
from fabric.ingest.known import Base, Expand
from fabric.ingest.packer import PackWriter
from fabric.ingest.places import NOWHERE
from fabric.ingest.plain import take_plain, take_unchanged
from fabric.ingest.reader import FileReader, Found
from fabric.ingest.result import IngestResult, Skipped
from fabric.ingest.sink import Sink
from fabric.ingest.source import (
    DIRECTORY_FLAGS,
    FILE_FLAGS,
    REPLACED,
    UNREADABLE,
    Source,
    changed,
    open_top,
    same_content,
    same_inode,
    source_error,
)
from fabric.ingest.statcache import RememberedDirectory, StatCache
from fabric.ingest.walk import DIRECTORY, FILE, SYMLINK, Directory, Walk, list_directory
from fabric.model import paths
from fabric.progress import NoProgress, Progress

BATCH = 256
_S_IFMT, _S_IFREG = 0o170000, 0o100000
_REPLACED = "it was replaced while its directory was read"


def ingest_tree(
    source: Source,
    packer: PackWriter,
    *,
    base: Callable[[], pa.Table] | None = None,
    expand: Expand | None = None,
    stat_cache: StatCache | None = None,
    journal: Journal | None = None,
    leave_out: Collection[tuple[int, int]] = (),
    skip_unreadable: bool = False,
    progress: Progress | None = None,
) -> IngestResult:
    """Read a directory, pack what is new in it, and return its rows.

    Nothing is followed but the source itself if it is a symlink. Directories of other file systems are entered. Sockets,
    fifos and devices are left out, and listed. After this the caller ends the packer and flushes the writer.

    Args:
        source: what to read, and where it goes.
        packer: takes the contents.
        base: returns rows of a commit that the writer's lease pins; their contents are not sent again.
        expand: reads the extents that a LIST extent of the base stands for; without it a changed block of a file over
            64 MiB costs the whole file.
        stat_cache: of this very source; files that are as they were are taken from the base without reading them.
        journal: begun with the lease of the packer's writer, and given to the packer as its log.
        leave_out: device and inode of directories that are not entered (the fabric's own store).
        skip_unreadable: list what may not be read instead of failing at the first.
        progress: told of files and bytes.

    Raises:
        SourceError: something cannot be read, or went away.
        ChangedWhileReadError: a file changed under both of two reads.
        InvalidInputError: a path that no tree holds, a line of an ignore file that is no pattern.
        FabricError: what writing a pack raised.
    """
    if stat_cache is not None and stat_cache.source != source:
        raise InvalidInputError("the stat cache is of another source", subject=paths.display(source.path))
    ingest = _Ingest(source, packer, base=base, expand=expand, stat_cache=stat_cache, journal=journal, progress=progress)
    return ingest.run(lambda: ingest.tree(frozenset(leave_out), skip_unreadable))


def ingest_file(
    source: Source,
    packer: PackWriter,
    *,
    base: Callable[[], pa.Table] | None = None,
    expand: Expand | None = None,
    journal: Journal | None = None,
    progress: Progress | None = None,
) -> IngestResult:
    """Read one file, which becomes the only row, at the prefix. Arguments and errors as of ingest_tree."""
    ingest = _Ingest(source, packer, base=base, expand=expand, stat_cache=None, journal=journal, progress=progress)
    return ingest.run(ingest.single)


class _Ingest:
    """One put under way."""

    def __init__(
        self,
        source: Source,
        packer: PackWriter,
        *,
        base: Callable[[], pa.Table] | None,
        expand: Expand | None,
        stat_cache: StatCache | None,
        journal: Journal | None,
        progress: Progress | None,
    ) -> None:
        paths.check_path(source.prefix)
        started_ns = time.time_ns()
        self._source = source
        self._packer = packer
        self._base = Base(base(), expand) if base is not None else None
        self._cache = stat_cache
        self._progress = progress or NoProgress()
        self._sink = Sink(
            source.prefix,
            packer,
            base=self._base,
            recorder=stat_cache.recorder(started_ns) if stat_cache is not None else None,
            journal=journal,
            progress=self._progress,
            started_ns=started_ns,
        )
        self._reader = FileReader(
            packer, base=self._base, journal=journal, started_ns=started_ns, advance=self._sink.advance
        )
        self._remembered: RememberedDirectory | None = None
        self._looks_up = journal is not None and not journal.is_empty
        self._backoff = 0
        self._skip_unreadable = False

    def run(self, work: Callable[[], None]) -> IngestResult:
        """Do the work, from the first progress to the last row."""
        self._progress.begin("put")
        self._packer.before_seal = self._sink.note_in_journal
        try:
            work()
            return self._sink.finish()
        except BaseException:
            self._sink.discard()
            raise
        finally:
            self._packer.before_seal = None

    def single(self) -> None:
        """Take the one file that the source is."""
        fd = open_top(self._source.path, directory=False)
        try:
            status = os.fstat(fd)
            if not S_ISREG(status.st_mode):
                shown = paths.display(self._source.path)
                raise SourceError(f"{shown!r} is no regular file", subject=shown, hint="name a file or a directory")
            self._take_file(fd, status, b"", None)
        finally:
            os.close(fd)
        self._sink.leave(own_row=True)

    def tree(self, leave_out: frozenset[tuple[int, int]], skip_unreadable: bool) -> None:
        """Take the directory that the source is."""
        self._skip_unreadable = skip_unreadable
        walk = Walk(self._source.path, open_top(self._source.path, directory=True))
        try:
            cursor = self._cache.directories() if self._cache is not None and self._base is not None else None
            for directory in walk:
                if directory.path == b"":
                    self._top(directory)
                self._remembered = cursor.find(directory.path) if cursor is not None else None
                self._directory(directory, leave_out)
        finally:
            walk.close()

    def _top(self, directory: Directory) -> None:
        status = os.fstat(directory.fd)
        try:
            found = attributes.read(directory.fd, attributes.names_of(directory.fd))
        except OSError as error:
            raise source_error(error, self._source.path) from None
        self._sink.directory(b"", status, found)
        self._sink.leave(own_row=True)
        if self._source.ignore:
            directory.ignore = Ignore(b"", self._source.ignore)

    # --- one directory ---

    def _directory(self, directory: Directory, leave_out: frozenset[tuple[int, int]]) -> None:
        sink = self._sink
        sink.enter(directory.path)
        try:
            names, others = list_directory(directory.fd)
        except OSError as error:
            raise source_error(error, self._shown(b"")) from None
        _check_lengths(sink.at.in_tree, names)
        if IGNORE_NAME in names:
            directory.ignore = read_ignore(directory.fd, directory.path, self._shown(IGNORE_NAME), directory.ignore)
        if directory.ignore is not None:
            names = [name for name in names if not self._is_left_out(directory, name, others.get(name, FILE))]
        for kind, group in groupby(names, lambda name: others.get(name, FILE)):
            if kind == FILE:
                self._files(directory, list(group))
                continue
            for name in group:
                if kind == DIRECTORY:
                    self._subdirectory(directory, name, leave_out)
                elif kind == SYMLINK:
                    self._symlink(directory, name)
                else:
                    self._special(directory, name)
                sink.row_done()
        sink.leave()
        directory.below.reverse()
        sink.report()

    def _is_left_out(self, directory: Directory, name: bytes, kind: int) -> bool:
        assert directory.ignore is not None
        path = paths.join(directory.path, name)
        if not directory.ignore.leaves_out(path, is_directory=kind == DIRECTORY):
            return False
        if name == IGNORE_NAME:
            self._sink.watch(path, self._stat(directory, name))
        return True

    def _subdirectory(self, directory: Directory, name: bytes, leave_out: frozenset[tuple[int, int]]) -> None:
        try:
            fd = os.open(name, DIRECTORY_FLAGS, dir_fd=directory.fd)
        except OSError as error:
            if self._is_skipped(error, name):
                self._sink.directory(name, self._stat(directory, name), Attributes())
                return
            raise source_error(error, self._shown(name)) from None
        try:
            status = os.fstat(fd)
            found = attributes.read(fd, attributes.names_of(fd))
        except OSError as error:
            raise source_error(error, self._shown(name)) from None
        finally:
            os.close(fd)
        identity = (status.st_dev, status.st_ino)
        if identity in leave_out:
            self._sink.skipped.append(Skipped(paths.join(directory.path, name), "the fabric itself lies there"))
            return
        self._sink.directory(name, status, found)
        directory.below.append((name, identity))

    def _symlink(self, directory: Directory, name: bytes) -> None:
        status = self._stat(directory, name)
        if not S_ISLNK(status.st_mode):
            changed(self._shown(name), _REPLACED)
        try:
            target = os.readlink(name, dir_fd=directory.fd)
        except OSError as error:
            raise source_error(error, self._shown(name)) from None
        self._sink.symlink(name, status, target)

    def _special(self, directory: Directory, name: bytes) -> None:
        mode = self._stat(directory, name).st_mode
        what = "socket" if S_ISSOCK(mode) else "fifo" if S_ISFIFO(mode) else "device"
        self._sink.skipped.append(Skipped(paths.join(directory.path, name), f"a {what} is not kept"))

    def _stat(self, directory: Directory, name: bytes) -> os.stat_result:
        try:
            return os.stat(name, dir_fd=directory.fd, follow_symlinks=False)
        except OSError as error:
            raise source_error(error, self._shown(name)) from None

    # --- files ---

    def _files(self, directory: Directory, names: list[bytes]) -> None:
        """Take files, as many as possible in the quick way; where it does not get on, it is tried less often."""
        done = waits = 0
        while done < len(names):
            if waits == 0 and not self._looks_up:
                batch = names[done : done + BATCH]
                taken = self._quickly(directory, batch)
                done += taken
                self._backoff = 0 if taken else min(2 * self._backoff + 1, BATCH)
                waits = self._backoff
                if taken == len(batch):
                    continue
            else:
                waits = max(0, waits - 1)
            self._file(directory, names[done])
            self._sink.row_done()
            done += 1

    def _quickly(self, directory: Directory, batch: list[bytes]) -> int:
        """Take files from the front of a batch as long as they are ordinary; return how many."""
        base = self._base.place if self._base is not None else None
        if self._remembered is not None and base is not None:
            found = take_unchanged(directory.fd, batch, self._remembered, base)
            self._sink.reused(len(found.digests), found.size)
        else:
            found = take_plain(directory.fd, batch, self._packer, base)
        self._sink.plain(batch, found)
        return len(found.digests)

    def _file(self, directory: Directory, name: bytes) -> None:
        known: Found | None = None
        remembered = self._remembered
        if remembered is not None and (row := remembered.rows.get(name)) is not None:
            known = self._unchanged(directory, name, remembered, row)
            if known is not None and not remembered.has_attributes(row):
                self._sink.reused(1, known[0].st_size)
                self._add_file(name, known, None, was_read=False)
                return
        try:
            fd = os.open(name, FILE_FLAGS, dir_fd=directory.fd)
        except OSError as error:
            if self._is_skipped(error, name):
                return
            if error.errno in REPLACED:
                changed(self._shown(name), _REPLACED)
            raise source_error(error, self._shown(name)) from None
        try:
            status = os.fstat(fd)
            if status.st_mode & _S_IFMT != _S_IFREG:
                changed(self._shown(name), _REPLACED)
            self._take_file(fd, status, name, known)
        finally:
            os.close(fd)

    def _unchanged(self, directory: Directory, name: bytes, remembered: RememberedDirectory, row: int) -> Found | None:
        """Return what is remembered of a file, if it is as it was and the base has its content."""
        assert self._base is not None
        status = self._stat(directory, name)
        digest = remembered.digest(row, status)
        if digest is None or not S_ISREG(status.st_mode):
            return None
        place = NOWHERE if status.st_size == 0 else self._base.place(digest, status.st_size)
        return None if place is None else (status, digest, place)

    def _take_file(self, fd: int, status: os.stat_result, name: bytes, known: Found | None) -> None:
        """Take a file that is open: its attributes, then its content, unless that is `known` for its very stat."""
        try:
            listed = attributes.names_of(fd)
            found = attributes.read(fd, listed) if listed else None
            is_known = known is not None and same_inode(known[0], status) and same_content(known[0], status)
            content = known if is_known else None
            was_read = False
            if content is not None:
                self._sink.reused(1, status.st_size)
            elif status.st_nlink > 1 and (linked := self._sink.links.find(status)) is not None:
                content = (status, *linked)
            else:
                was_read = True
                content = self._reader.read(fd, status, self._sink.at.in_tree, name)
                if content is None:
                    changed(self._shown(name))
                if content[0] is not status:
                    listed = attributes.names_of(fd)
                    found = attributes.read(fd, listed) if listed else None
        except OSError as error:
            if isinstance(error, FabricError):
                raise
            raise source_error(error, self._shown(name)) from None
        self._add_file(name, content, found, was_read=was_read)

    def _add_file(self, name: bytes, content: Found, found: Attributes | None, *, was_read: bool) -> None:
        if not self._sink.file(name, content, found, was_read=was_read):
            changed(self._shown(name), "another name of it had another content")

    # --- helpers ---

    def _is_skipped(self, error: OSError, name: bytes) -> bool:
        if not self._skip_unreadable or error.errno not in UNREADABLE:
            return False
        self._sink.skipped.append(Skipped(paths.join(self._sink.at.path, name), f"cannot be read: {error.strerror}"))
        return True

    def _shown(self, name: bytes) -> bytes:
        """Return the whole path of a name in the current directory, for messages."""
        path = paths.join(self._sink.at.path, name)
        return os.path.join(self._source.path, path) if path else self._source.path


def _check_lengths(directory: bytes, names: list[bytes]) -> None:
    """Refuse what no tree holds: some file systems allow more than the format does."""
    if directory.count(b"/") >= paths.DEPTH_MAX:
        shown = paths.display(directory[:64])
        raise InvalidInputError(f"directories are nested over {paths.DEPTH_MAX} deep", subject=shown)
    longest = max(map(len, names), default=0)
    if longest > paths.NAME_BYTES_MAX or len(directory) + 1 + longest > paths.PATH_BYTES_MAX:
        for name in names:
            paths.check_path(paths.join(directory, name))
