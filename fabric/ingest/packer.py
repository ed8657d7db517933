"""Contents into packs: staged in a large buffer, digested there, kept if they are new, sent when the buffer is full."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
from blake3 import blake3

from fabric.ingest.buffers import Buffers
from fabric.ingest.known import Recent
from fabric.ingest.places import NOWHERE, OFFSET_BITS, OFFSET_MASK
from fabric.model import extents as extent_lists
from fabric.model import pack
from fabric.model.content import Content
from fabric.model.digest import BLOCK_BYTES, block_digest, blocks_digest, kind_for, zero_digest
from fabric.model.extent import EXTENTS_INLINE_MAX, Extent, ExtentKind
from fabric.model.ids import ObjectRef
from fabric.objects.writer import ObjectWriter

BUFFERS_MAX = 3
FOOTER_BYTES_MAX = 4 * 1024 * 1024
_RECORD_BYTES = pack.RECORD.itemsize
_RECORDS_MAX = (FOOTER_BYTES_MAX - pack.FOOTER_TRAILER_BYTES) // _RECORD_BYTES - 1024
"""Looked at now and then: up to 1,024 contents more may be kept after it is reached."""
EMPTY_DIGEST = block_digest(b"")


class PackLog(Protocol):
    """What is told of packs, so that a later run may know their contents (`fabric.ingest.journal`)."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known of earlier runs."""
        ...

    def find(self, digest: bytes) -> tuple[ObjectRef, int] | None:
        """Return object and offset of a content of at most one block that an earlier run left, if it is there."""
        ...

    def seal(
        self, ref: ObjectRef, digests: Sequence[bytes], offsets: npt.NDArray[np.uint64], lengths: npt.NDArray[np.uint64]
    ) -> None:
        """A pack is full, of these contents, and will be sent. Packs are sealed in order."""
        ...

    def durable(self, ref: ObjectRef) -> None:
        """A sealed pack is in the store. In any order, from upload threads."""
        ...


@dataclass(slots=True)
class OpenPack:
    """The pack that is being filled.

    Attributes:
        ref: the object that it will be.
        number: of that object in the writer's table.
        buffer: where contents are staged from `position` on.
        room: how many bytes may be staged.
        position: end of the contents that are kept, which stand back to back.
        digests: of the contents kept.
        lengths: of the contents kept.
    """

    ref: ObjectRef
    number: int
    buffer: memoryview
    room: int
    position: int = pack.CONTENT_START
    digests: list[bytes] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)

    def keep(self, digest: bytes, size: int) -> int:
        """Keep what was staged; return its place."""
        place = self.number << OFFSET_BITS | self.position
        self.digests.append(digest)
        self.lengths.append(size)
        self.position += size
        self.room -= size
        return place

    def keep_many(self, digests: list[bytes], lengths: list[int]) -> None:
        """Keep contents that were staged back to back."""
        size = sum(lengths)
        self.digests += digests
        self.lengths += lengths
        self.position += size
        self.room -= size


class PackWriter:
    """Puts contents into packs of one lease's writer; equal contents once.

    For one thread. Memory: BUFFERS_MAX packs, and a bounded memory of digests. What it returns may be referred to as soon as
    `finish` was called and the writer was flushed without an error. Contents that nobody refers to are harmless.

    Args:
        writer: where packs go.
        log: knows what an interrupted run left, and is told of each pack; it has begun.
        pack_bytes: how many bytes of content a pack takes, at least one block.
    """

    def __init__(self, writer: ObjectWriter, *, log: PackLog | None = None, pack_bytes: int = pack.PACK_BYTES) -> None:
        self._writer = writer
        self._log = log
        self._pack_bytes = max(pack_bytes, BLOCK_BYTES)
        self._earlier = log if log is not None and not log.is_empty else None
        self.recent = Recent()
        """Places of the last contents kept."""
        self._lists: dict[bytes, Extent] = {}
        self._buffers = Buffers(pack.CONTENT_START + self._pack_bytes + FOOTER_BYTES_MAX, BUFFERS_MAX)
        self.objects: list[bytes] = []
        """The objects that places refer to by number."""
        self._numbers: dict[bytes, int] = {}
        self._pack: OpenPack | None = None
        self._staged = 0
        self.before_seal: Callable[[], None] | None = None
        """Called before a pack is sealed, when all contents kept so far lie in it or in earlier ones."""
        self.content_bytes_sent = 0
        """Bytes of content in the packs sent so far."""

    # --- whole contents ---

    def add(self, data: bytes | bytearray | memoryview) -> Content:
        """Take a content that is in memory."""
        size = len(data)
        if size <= BLOCK_BYTES:
            digest = block_digest(data)
            place = self.place_of(digest, data)
            return Content(size, kind_for(size), digest, self.extents(place, size))
        view = memoryview(data).cast("B")
        blocks = [self.add_block(view[start : start + BLOCK_BYTES]) for start in range(0, size, BLOCK_BYTES)]
        return self.large(size, blocks)

    def place_of(self, digest: bytes, data: bytes | bytearray | memoryview) -> int:
        """Return the place of a content of at most one block with its digest; sends it if it is new."""
        size = len(data)
        if size == 0:
            return NOWHERE
        place = self.find(digest)
        if place is None:
            room = self.room_for(size)
            room.buffer[room.position : room.position + size] = data
            self._staged = size
            place = self.keep(digest)
        return place

    def add_block(self, data: bytes | memoryview) -> Extent:
        """Return the extent of one block of a larger content; sends it if it is new and not all zeros."""
        digest = block_digest(data)
        if digest == zero_digest(len(data)):
            return hole(len(data))
        return self.block(self.place_of(digest, data), len(data), digest)

    @property
    def looks_further(self) -> bool:
        """Whether `find` knows contents that are not among the young recent ones."""
        return bool(self.recent.old) or self._earlier is not None

    # --- contents read from files: stage, look, keep ---

    def stage(self, fd: int, size: int) -> bytes | None:
        """Read the next `size` bytes of a file into the open pack; return their digest, or None if the file is shorter.

        They are not kept yet: the next stage overwrites them. `size` is 1 to BLOCK_BYTES.
        """
        room = self.room_for(size)
        view = room.buffer[room.position : room.position + size]
        got = os.readv(fd, [view])
        while got < size:
            more = os.readv(fd, [view[got:]])
            if not more:
                return None
            got += more
        self._staged = size
        return blake3(view).digest()

    def find(self, digest: bytes) -> int | None:
        """Return the place of a content of at most one block that need not be sent, if there is one."""
        place = self.recent.get(digest)
        return place if place is not None or self._earlier is None else self._find_earlier(self._earlier, digest)

    def _find_earlier(self, log: PackLog, digest: bytes) -> int | None:
        known = log.find(digest)
        if known is None:
            return None
        place = self._intern(known[0].encode()) << OFFSET_BITS | known[1]
        self.recent.young[digest] = place
        return place

    def keep(self, digest: bytes) -> int:
        """Keep what was staged last; return its place."""
        assert self._pack is not None
        place = self._pack.keep(digest, self._staged)
        self.recent.young[digest] = place
        return place

    # --- from places to extents ---

    def extents(self, place: int, size: int) -> Sequence[Extent]:
        """Return the extents of a content of at most one block."""
        return () if place == NOWHERE else (self.block(place, size, b""),)

    def block(self, place: int, size: int, digest: bytes) -> Extent:
        """Return the extent of a block; `digest` is b"" if it is all of its content."""
        return Extent(ExtentKind.OBJECT, self.objects[place >> OFFSET_BITS], place & OFFSET_MASK, size, size, digest=digest)

    def large(self, size: int, blocks: Sequence[Extent]) -> Content:
        """Return the content of two or more blocks, each with its digest; writes their list as an object if it is long."""
        digest = blocks_digest([block.digest for block in blocks])
        if len(blocks) <= EXTENTS_INLINE_MAX:
            return Content(size, kind_for(size), digest, blocks)
        extent = self._lists.get(digest)
        if extent is None:
            data = extent_lists.encode(blocks)
            ref = self._writer.write(data)
            extent = Extent(ExtentKind.LIST, ref.encode(), 0, len(data), size)
            self._lists[digest] = extent
        return Content(size, kind_for(size), digest, (extent,))

    # --- packs ---

    def room_for(self, size: int) -> OpenPack:
        """Return the open pack, with room for a content of `size` bytes; may send the one before, and wait for that."""
        if self._pack is not None and (size > self._pack.room or len(self._pack.digests) > _RECORDS_MAX):
            self._seal(self._pack)
        if self._pack is None:
            self.recent.turn()
            ref = self._writer.reserve()
            buffer = self._buffers.take()
            buffer[: pack.CONTENT_START] = pack.header()
            self._pack = OpenPack(ref, self._intern(ref.encode()), buffer, self._pack_bytes)
        return self._pack

    def finish(self) -> None:
        """Send the pack that is open. More contents may follow, in a new one."""
        if self._pack is not None and self._pack.digests:
            self._seal(self._pack)
        self._lists.clear()

    def close(self) -> None:
        """Give the memory back; the writer has been flushed or has failed. What was not sent is dropped."""
        self._pack = None
        self.recent = Recent()
        self._buffers.clear()

    def _intern(self, ref: bytes) -> int:
        number = self._numbers.get(ref)
        if number is None:
            number = self._numbers[ref] = len(self.objects)
            self.objects.append(ref)
        return number

    def _seal(self, full: OpenPack) -> None:
        self._pack = None
        lengths = np.array(full.lengths, np.uint64)
        offsets = np.cumsum(lengths) - lengths + np.uint64(pack.CONTENT_START)
        footer = pack.footer_of(full.digests, offsets, lengths)
        end = full.position + len(footer)
        full.buffer[full.position : end] = footer
        self.content_bytes_sent += full.position - pack.CONTENT_START
        if self.before_seal is not None:
            self.before_seal()
        if self._log is not None:
            self._log.seal(full.ref, full.digests, offsets, lengths)

        def done(_: ObjectRef, error: BaseException | None) -> None:
            self._buffers.give_back(full.buffer)
            if error is None and self._log is not None:
                self._log.durable(full.ref)

        try:
            self._writer.write(full.buffer[:end], ref=full.ref, done=done)
        except BaseException:
            self._buffers.give_back(full.buffer)
            raise


def hole(length: int) -> Extent:
    """Return the extent of a block of zeros, with its digest."""
    return Extent(ExtentKind.HOLE, b"", 0, 0, length, digest=zero_digest(length))
