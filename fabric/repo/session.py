"""What a writer holds while it works: lease, object writer, pack writer. Made at the first need, ended once."""

from collections.abc import Sequence
from types import TracebackType
from typing import BinaryIO, Self

from fabric.errors import FabricError
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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close(failed=error is not None)

    @property
    def is_begun(self) -> bool:
        """Whether anything was written."""
        return self._lease is not None

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
            self._packs = PackWriter(self.writer)
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

    def seal_packs(self) -> None:
        """Send the pack that is open."""
        if self._packs is not None:
            self._packs.finish()

    def close(self, *, failed: bool) -> None:
        """End the writers, and the lease if nothing published it away. May be called twice."""
        packs, self._packs = self._packs, None
        writer, self._writer = self._writer, None
        lease, self._lease = self._lease, None
        if packs is not None:
            packs.close()
        if writer is not None:
            self._store.nodes.detach(writer)
            writer.close()
        if lease is not None:
            lease.stop()
            if failed:
                try:
                    lease.finish()
                except FabricError:
                    # The failure that brought us here matters more; a lease without beats is marked as lapsed.
                    return


def _read_block(file: BinaryIO) -> bytes:
    """Read exactly one block, or less at the end: a raw file may give less at a time."""
    parts, size = [], 0
    while size < BLOCK_BYTES:
        data = file.read(BLOCK_BYTES - size)
        if not data:
            break
        parts.append(data)
        size += len(data)
    return parts[0] if len(parts) == 1 else b"".join(parts)
