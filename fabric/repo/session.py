"""What a writer holds while it works: lease, object writer, pack writer. Made at the first need, ended once."""

import contextlib
from collections.abc import Sequence
from types import TracebackType
from typing import BinaryIO, Self

from fabric.errors import FabricError, InvalidInputError, SourceError
from fabric.ingest.journal import Journal
from fabric.ingest.packer import PackWriter
from fabric.model.content import Content
from fabric.model.digest import BLOCK_BYTES
from fabric.model.ids import CommitId
from fabric.objects.writer import ObjectWriter
from fabric.repo.lease import WriterLease
from fabric.repo.store import DatasetStore


class WriteSession:
    """One lease with its writers. A context manager: what was not published when it ends is garbage, and its lease ends."""

    def __init__(self, store: DatasetStore, bases: Sequence[CommitId]) -> None:
        self._store = store
        self._bases = tuple(bases)
        self._lease: WriterLease | None = None
        self._writer: ObjectWriter | None = None
        self._packs: PackWriter | None = None
        self._journal: Journal | None = None
        self._sent = 0

    def resume(self, journal: Journal) -> None:
        """Keep a journal of packs, and use what the interrupted run that left it has sent.

        Only before anything was written. The journal then lives as long as the session: it is removed when the session ends
        well, and left for the next run (with a lease that nobody ends) when it fails.
        """
        assert not self.is_begun
        self._lease = WriterLease(self._store.metastore, self._store.dataset, self._bases, resumed=journal.lease)
        journal.begin(*self._lease.key)
        self._journal = journal

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close(failed=error is not None)

    @property
    def is_begun(self) -> bool:
        """Whether anything was written."""
        return self._lease is not None

    @property
    def journal(self) -> Journal | None:
        """The journal, if there is one."""
        return self._journal

    @property
    def lease(self) -> WriterLease:
        """The lease, begun now if it was not."""
        if self._lease is None:
            self._lease = WriterLease(self._store.metastore, self._store.dataset, self._bases)
        return self._lease

    @property
    def writer(self) -> ObjectWriter:
        """The writer of objects under the lease."""
        if self._writer is None:
            self._writer = ObjectWriter(self._store.objects, self._store.dataset, self.lease.record.id)
            self._store.nodes.attach(self._writer)
        return self._writer

    @property
    def packs(self) -> PackWriter:
        """The writer of contents."""
        if self._packs is None:
            self._packs = PackWriter(self.writer, log=self._journal)
        return self._packs

    def add_stream(self, file: BinaryIO) -> Content:
        """Store what a file object gives until its end; one block at a time is in memory."""
        block, following = _read_block(file), b""
        if len(block) == BLOCK_BYTES:
            following = _read_block(file)
        if not following:
            return self.packs.add(block)
        extents, size = [], 0
        while block:
            extents.append(self.packs.add_block(block))
            size += len(block)
            block, following = following, _read_block(file) if following else b""
        return self.packs.large(size, extents)

    @property
    def bytes_sent(self) -> int:
        """How many bytes of content went into packs: those that were not there before. Stays after the end."""
        return self._sent + (self._packs.content_bytes_sent if self._packs is not None else 0)

    def seal_packs(self) -> None:
        """Send the pack that is open."""
        if self._packs is not None:
            self._packs.finish()

    def abandon(self) -> None:
        """End the lease although nothing was published: nothing was to be."""
        if self._lease is not None:
            self._lease.finish()

    def close(self, *, failed: bool) -> None:
        """End the writers, and the lease if nothing published it away. May be called twice."""
        self._sent = self.bytes_sent
        packs, self._packs = self._packs, None
        writer, self._writer = self._writer, None
        lease, self._lease = self._lease, None
        journal, self._journal = self._journal, None
        if packs is not None:
            packs.close()
        if writer is not None:
            self._store.nodes.detach(writer)
            writer.close()
        if lease is not None:
            lease.stop()
        if journal is not None and failed:
            journal.close()
        elif journal is not None:
            # What was to be published is. A journal that stays names a lease that is over, and is dropped by the next run.
            with contextlib.suppress(SourceError):
                journal.finish()
        elif lease is not None and failed:
            # The failure that brought us here matters more than this one: a lease without beats is marked as lapsed.
            with contextlib.suppress(FabricError):
                lease.finish()


def _read_block(file: BinaryIO) -> bytes:
    """Read exactly one block, or less at the end: a raw file may give less at a time."""
    parts, size = [], 0
    while size < BLOCK_BYTES:
        data = file.read(BLOCK_BYTES - size)
        if not isinstance(data, bytes | bytearray | memoryview):
            # None is "nothing now" of a file that does not block: taken for its end, it would cut the content short.
            raise InvalidInputError(
                f"a file object gave {type(data).__name__}, not bytes", hint="open it in binary mode, and blocking"
            )
        if not data:
            break
        parts.append(data)
        size += len(data)
    return parts[0] if len(parts) == 1 else b"".join(parts)
