"""The content of one open file: read, digested, packed if it is new; read anew if it changed meanwhile."""

import errno
import os
from collections.abc import Callable
from dataclasses import replace

from fabric.ingest.journal import Journal, stat_key
from fabric.ingest.known import Base
from fabric.ingest.packer import EMPTY_DIGEST, PackWriter, hole
from fabric.ingest.places import NOWHERE, Place
from fabric.ingest.source import same_content
from fabric.ingest.statcache import is_racy
from fabric.model import paths
from fabric.model.digest import BLOCK_BYTES, blocks_digest, zero_digest
from fabric.model.extent import Extent

_SEEK_DATA = getattr(os, "SEEK_DATA", None)
_STAT_BLOCK_BYTES = 512
READS_MAX = 2

Found = tuple[os.stat_result, bytes, Place]
"""The stat of the file when it was read, the digest of its content, where it lies."""


class FileReader:
    """Reads files for a put.

    Args:
        packer: takes what is new.
        base: contents that a commit holds already.
        journal: what an interrupted run left, and where this one notes large files.
        started_ns: when the put began to look at the source.
        advance: called with the bytes of each block of a large file.
    """

    def __init__(
        self,
        packer: PackWriter,
        *,
        base: Base | None,
        journal: Journal | None,
        started_ns: int,
        advance: Callable[[int], None],
    ) -> None:
        self._packer = packer
        self._base = base
        self._journal = journal
        self._resumes = journal is not None and not journal.is_empty
        self._started_ns = started_ns
        self._advance = advance

    def read(self, fd: int, status: os.stat_result, directory: bytes, name: bytes) -> Found | None:
        """Return what a regular file holds; None if it changed under each of READS_MAX reads.

        Args:
            fd: the file, at its start.
            status: its stat, taken after it was opened.
            directory: where it stands in the tree, to find the blocks that it had before.
            name: its name there.

        Raises:
            OSError: it cannot be read.
            FabricError: an earlier pack could not be written.
        """
        if self._resumes:
            known = self._resumed(status)
            if known is not None:
                return known
        for _ in range(READS_MAX):
            size = status.st_size
            if size == 0:
                return status, EMPTY_DIGEST, NOWHERE
            if size > BLOCK_BYTES:
                blocks = self._blocks(fd, status, paths.join(directory, name))
                if blocks is not None and same_content(status, os.fstat(fd)):
                    return self._large(status, blocks)
            elif status.st_blocks * _STAT_BLOCK_BYTES < size and _is_hole(fd, size):
                if same_content(status, os.fstat(fd)):
                    return status, zero_digest(size), (replace(hole(size), digest=b""),)
            else:
                digest = self._packer.stage(fd, size)
                after = os.fstat(fd)
                if digest is not None and same_content(status, after):
                    return status, digest, self._place(digest, size)
            status = os.fstat(fd)
            os.lseek(fd, 0, os.SEEK_SET)
        return None

    def _place(self, digest: bytes, size: int) -> Place:
        place: Place | None = self._packer.find(digest)
        if place is None and self._base is not None:
            place = self._base.place(digest, size)
        return self._packer.keep(digest) if place is None else place

    def _blocks(self, fd: int, status: os.stat_result, path: bytes) -> list[Extent] | None:
        """Return the extents of the blocks of a large file; None if it ends early."""
        size = status.st_size
        before = self._base.blocks_at(path) if self._base is not None else {}
        is_sparse = status.st_blocks * _STAT_BLOCK_BYTES < size
        data = 0
        extents: list[Extent] = []
        for start in range(0, size, BLOCK_BYTES):
            length = min(BLOCK_BYTES, size - start)
            if is_sparse and data <= start:
                data = _next_data(fd, start, size)
                os.lseek(fd, start, os.SEEK_SET)
            if is_sparse and data >= start + length:
                extents.append(hole(length))
                os.lseek(fd, start + length, os.SEEK_SET)
            else:
                digest = self._packer.stage(fd, length)
                if digest is None:
                    return None
                extents.append(self._block(digest, length, before))
            self._advance(length)
        return extents

    def _block(self, digest: bytes, length: int, before: dict[bytes, Extent]) -> Extent:
        if digest == zero_digest(length):
            return hole(length)
        known = before.get(digest)
        if known is not None and known.length == length:
            return known
        place = self._packer.find(digest)
        return self._packer.block(self._packer.keep(digest) if place is None else place, length, digest)

    def _large(self, status: os.stat_result, blocks: list[Extent]) -> Found:
        digests = [block.digest for block in blocks]
        digest = blocks_digest(digests)
        if self._journal is not None and not is_racy(status, self._started_ns):
            self._journal.add_large_file(stat_key(status), digest, digests)
        place = self._base.place(digest, status.st_size) if self._base is not None else None
        return status, digest, self._packer.large(status.st_size, blocks).extents if place is None else place

    def _resumed(self, status: os.stat_result) -> Found | None:
        """Return what an interrupted run knew of a file, if all of it is there and the file is as it was."""
        assert self._journal is not None
        size = status.st_size
        known = self._journal.find_file(status)
        if known is None or size == 0:
            return None
        digest, digests = known
        if not digests:
            place: Place | None = self._packer.find(digest)
            if place is None and self._base is not None:
                place = self._base.place(digest, size)
            return None if place is None else (status, digest, place)
        blocks = []
        for index, block in enumerate(digests):
            length = min(BLOCK_BYTES, size - index * BLOCK_BYTES)
            at = self._packer.find(block)
            if block != zero_digest(length) and at is None:
                return None
            blocks.append(hole(length) if at is None else self._packer.block(at, length, block))
        self._advance(size)
        return self._large(status, blocks)


def _next_data(fd: int, start: int, size: int) -> int:
    """Return where the next data of a sparse file begins; `size` if there is none. Moves the file's position."""
    if _SEEK_DATA is None:
        return start
    try:
        return os.lseek(fd, start, _SEEK_DATA)
    except OSError as error:
        # Where the file system cannot tell, everything is data.
        return size if error.errno == errno.ENXIO else start


def _is_hole(fd: int, size: int) -> bool:
    is_hole = _next_data(fd, 0, size) >= size
    os.lseek(fd, 0, os.SEEK_SET)
    return is_hole
