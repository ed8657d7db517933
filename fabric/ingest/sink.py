"""Where the rows of a put go: into columns, with their attributes and link groups, to the stat cache and the journal."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from blake3 import blake3

from fabric.ingest import attributes
from fabric.ingest.attributes import Attributes
from fabric.ingest.journal import Journal
from fabric.ingest.known import Base
from fabric.ingest.links import Links
from fabric.ingest.packer import PackWriter
from fabric.ingest.places import NOWHERE, Place, base_row
from fabric.ingest.plain import Plain
from fabric.ingest.reader import Found
from fabric.ingest.result import Counts, IngestResult, Skipped
from fabric.ingest.rowbuilder import CHUNK_ROWS, MODE, SIZE, RowBuilder
from fabric.ingest.statcache import Recorder
from fabric.model import paths
from fabric.model.digest import BLOCK_BYTES, NO_DIGEST
from fabric.model.extent import Extent
from fabric.model.xattrs import XATTRS_INLINE_BYTES_MAX
from fabric.progress import Progress

PROGRESS_FILES = 256
_S_IFMT, _S_IFREG = 0o170000, 0o100000


@dataclass(slots=True)
class Position:
    """Which directory the rows that come stand in: relative to the source, and in the tree."""

    path: bytes
    in_tree: bytes


class Sink:
    """Takes rows in tree order. `run_of` says which directory they stand in.

    Args:
        prefix: path in the tree of the source.
        packer: takes large attribute sets.
        base: rows whose contents are known.
        recorder: told of the rows, so that the next put may know unchanged files.
        journal: told of the files, so that the next run may know what was sent.
        progress: told of files and bytes.
        started_ns: when the put began to look at the source.
    """

    def __init__(
        self,
        prefix: bytes,
        packer: PackWriter,
        *,
        base: Base | None,
        recorder: Recorder | None,
        journal: Journal | None,
        progress: Progress,
        started_ns: int,
    ) -> None:
        self._packer = packer
        self._base = base
        self._recorder = recorder
        self._journal = journal
        self._journal_mark = 0
        self._progress = progress
        self._started_ns = started_ns
        self.rows = RowBuilder(prefix, packer.objects, base.extents if base is not None else None)
        self._prefix = prefix
        self.links = Links()
        self.counts = Counts()
        self.skipped: list[Skipped] = []
        self._left_out: dict[str, Skipped] = {}
        self._files_done = self._bytes_done = 0
        self.at = Position(b"", prefix)

    # --- rows ---

    def enter(self, directory: bytes) -> None:
        """The rows that come stand in `directory`, relative to the source."""
        self.at = Position(directory, paths.join(self._prefix, directory))

    def leave(self, *, own_row: bool = False) -> None:
        """No more rows of this directory come; or, the row was that of the source itself."""
        self.rows.end_run(None if own_row else self.at.path)

    def file(self, name: bytes, content: Found, found: Attributes | None, *, was_read: bool = True) -> bool:
        """Take a regular file; False if another name of the inode was met with another content.

        If a file of more than a block `was_read`, its bytes have been reported by `advance`.
        """
        status, digest, place = content
        size = status.st_size
        if found is None:
            self.rows.add(name, status, digest, place)
        else:
            self.add(name, status, digest, place, found)
        self._files_done += 1
        if size <= BLOCK_BYTES or not was_read:
            self._bytes_done += size
        if self._files_done >= PROGRESS_FILES:
            self.report()
        if status.st_nlink == 1:
            return True
        row = self.rows.rows_done + len(self.rows) - 1
        return self.links.add(row, paths.join(self.at.in_tree, name), status, digest, place)

    def plain(self, names: Sequence[bytes], found: Plain) -> None:
        """Take ordinary files; those of `names` from its front that were found."""
        count = len(found.digests)
        self.rows.add_many(names[:count], found.stats, found.digests, found.places)
        self._files_done += count
        self._bytes_done += found.size
        if found.labelled:
            self._leave_out(attributes.LABEL, attributes.NOT_KEPT, names[0], found.labelled)
        self.report()
        self.row_done()

    def _leave_out(self, attribute: str, why: str, name: bytes, count: int = 1) -> None:
        known = self._left_out.get(attribute)
        if known is None:
            reason = f"extended attribute {attribute!r} is left out: {why}"
            known = self._left_out[attribute] = Skipped(paths.join(self.at.path, name), reason, 0)
        known.count += count

    def row_done(self) -> None:
        """Put the open rows into columns if there are many."""
        if len(self.rows) >= CHUNK_ROWS:
            self.leave()
            self.cut()

    def directory(self, name: bytes, status: os.stat_result, found: Attributes) -> None:
        """Take a directory's own row."""
        self.add(name, status, NO_DIGEST, NOWHERE, found)
        self.counts.directories += 1

    def symlink(self, name: bytes, status: os.stat_result, target: bytes) -> None:
        """Take a symlink."""
        self.rows.add(name, status, NO_DIGEST, NOWHERE)
        self.rows.last_symlink(target)
        self.counts.symlinks += 1

    def add(self, name: bytes, status: os.stat_result, digest: bytes, place: Place, found: Attributes) -> None:
        """Add a row with attributes; a large set of them is a content of its own, whose extent comes last."""
        for attribute, why in found.left_out:
            self._leave_out(attribute, why, name)
        set_digest = b""
        if len(found.encoded) > XATTRS_INLINE_BYTES_MAX:
            set_digest = blake3(found.encoded).digest()
            extent = self._base.attribute_set(set_digest) if self._base is not None else None
            if extent is None:
                extent = self._packer.add(found.encoded).extents[0]
            place = [*self._as_extents(place, status.st_size), extent]
        self.rows.add(name, status, digest, place)
        if not found.is_plain:
            self.rows.last_attributes(found, set_digest)

    def _as_extents(self, place: Place, size: int) -> list[Extent]:
        if not isinstance(place, int):
            return list(place)
        if place < NOWHERE:
            assert self._base is not None
            return self._base.extents_of(base_row(place))
        return list(self._packer.extents(place, size))

    def reused(self, files: int, size: int) -> None:
        """Files, which are taken as well, were not read."""
        self.counts.files_reused += files
        self.counts.size_reused += size

    def watch(self, path: bytes, status: os.stat_result) -> None:
        """A file that is no row says which are."""
        if self._recorder is not None:
            self._recorder.watch(path, status)

    # --- chunks ---

    def cut(self) -> None:
        """Put the open rows, whose run has ended, into columns."""
        self.note_in_journal()
        self._journal_mark = 0
        chunk = self.rows.cut()
        if chunk is None:
            return
        is_file = (chunk.stats[:, MODE] & _S_IFMT) == _S_IFREG
        self.counts.files += int(is_file.sum())
        self.counts.size += int(chunk.stats[is_file, SIZE].sum())
        if self._recorder is not None:
            self._recorder.add(chunk)

    def note_in_journal(self) -> None:
        """Tell the journal of the files since the last time: their contents lie in the open pack or in earlier ones."""
        if self._journal is None or self._journal_mark == len(self.rows):
            return
        stats, digests = self.rows.since(self._journal_mark)
        self._journal_mark = len(self.rows)
        small = ((stats[:, MODE] & _S_IFMT) == _S_IFREG) & (stats[:, SIZE] > 0) & (stats[:, SIZE] <= BLOCK_BYTES)
        self._journal.add_files(stats[small], np.ascontiguousarray(digests[small]), self._started_ns)

    def advance(self, size: int) -> None:
        """A block of a large file is done."""
        self._bytes_done += size
        self.report()

    def report(self) -> None:
        """Tell of what was done since the last time."""
        if self._files_done or self._bytes_done:
            files, size = self._files_done, self._bytes_done
            self._files_done = self._bytes_done = 0
            self._progress.advance(files=files, size=size)

    def finish(self) -> IngestResult:
        """Return all rows."""
        self.cut()
        self.report()
        for row, group in self.links.groups():
            self.rows.link(row, group)
        return IngestResult(self.rows.finish(), [*self.skipped, *self._left_out.values()], self.counts, self._recorder)

    def discard(self) -> None:
        """The put has failed."""
        if self._recorder is not None:
            self._recorder.discard()
