"""Contents in any shape that a tree may hold, made by hand: for tests of what reads them."""

from typing import Self

from fabric.model import extents as extent_lists
from fabric.model import pack
from fabric.model.content import Content
from fabric.model.digest import BLOCK_BYTES, NO_DIGEST, DigestKind, block_digest, content_digest, kind_for, zero_digest
from fabric.model.extent import Extent, ExtentKind
from fabric.model.ids import DatasetId, new_ulid
from fabric.objects.keys import data_key
from fabric.objects.port import ObjectStore


class ContentMaker:
    """Puts contents into packs and says where they lie. `close_pack` (or leaving the context) makes them readable.

    Args:
        store: where the packs go.
        dataset: whose they are; a new one if not given.
        pack_bytes: where a pack ends and the next begins.
    """

    def __init__(self, store: ObjectStore, dataset: DatasetId | None = None, pack_bytes: int = pack.PACK_BYTES) -> None:
        self.store = store
        self.dataset = dataset or DatasetId(new_ulid())
        self.lease = new_ulid()
        self._pack_bytes = pack_bytes
        self._open_pack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close_pack()

    def key(self, extent: Extent) -> str:
        """Return the key of the object that an extent names."""
        return data_key(self.dataset, *extent.object.decode().split("/"))

    def add(self, data: bytes, *, holes: bool = True, as_list: bool = False, erased: bool = False) -> Content:
        """Store `data` and return it as a content.

        Args:
            data: the bytes.
            holes: blocks of zeros become holes.
            as_list: the extents go into an extent-list object.
            erased: nothing is stored; the extents say that the bytes are gone.
        """
        kind = kind_for(len(data))
        blocks = [data[at : at + BLOCK_BYTES] for at in range(0, len(data), BLOCK_BYTES)]
        extents = [self._block(block, kind == DigestKind.BLOCKS, holes, erased) for block in blocks]
        if as_list:
            extents = [self.add_list(extents)]
        return Content(len(data), kind, content_digest(data), extents)

    def add_deferred(self, data: bytes, *, location: str = "", key: str = "") -> Content:
        """Return a content that nobody has read yet: in a location if one is named, else in a pack."""
        if location:
            name = b"\x00".join((location.encode(), b"v1", key.encode()))
            extents = [Extent(ExtentKind.EXTERNAL, name, 0, len(data), len(data))]
        else:
            extents = [self._stored(data[at : at + BLOCK_BYTES]) for at in range(0, len(data), BLOCK_BYTES)]
        return Content(len(data), DigestKind.DEFERRED, block_digest(b"deferred" + data), extents if data else [])

    def add_list(self, extents: list[Extent]) -> Extent:
        """Put an extent-list object and return the extent that names it."""
        raw = extent_lists.encode(extents)
        reference = self._put(raw)
        return Extent(ExtentKind.LIST, reference, 0, len(raw), sum(extent.length for extent in extents))

    def gap(self, size: int) -> None:
        """Leave bytes between the last content and the next."""
        self._buffer += b"\xaa" * size

    def close_pack(self) -> None:
        """Write the pack at hand and begin the next."""
        if self._records:
            self._put(bytes(self._buffer) + pack.footer(self._records), self._reference)
        self._open_pack()

    def _open_pack(self) -> None:
        self._reference = f"{self.lease}/{new_ulid()}".encode()
        self._buffer = bytearray(pack.header())
        self._records: list[tuple[bytes, int, int]] = []

    def _put(self, raw: bytes, reference: bytes | None = None) -> bytes:
        reference = reference or f"{self.lease}/{new_ulid()}".encode()
        self.store.put(data_key(self.dataset, *reference.decode().split("/")), raw)
        return reference

    def _block(self, block: bytes, own_digest: bool, holes: bool, erased: bool) -> Extent:
        digest = block_digest(block) if own_digest else b""
        if erased:
            return Extent(ExtentKind.ERASED, b"", 0, 0, len(block), digest=digest)
        if holes and not any(block):
            return Extent(ExtentKind.HOLE, b"", 0, 0, len(block), digest=zero_digest(len(block)) if own_digest else b"")
        return self._stored(block, digest)

    def _stored(self, block: bytes, digest: bytes = b"") -> Extent:
        if self._records and len(self._buffer) + len(block) > self._pack_bytes:
            self.close_pack()
        offset = len(self._buffer)
        self._buffer += block
        self._records.append((block_digest(block), offset, len(block)))
        return Extent(ExtentKind.OBJECT, self._reference, offset, len(block), len(block), digest=digest)


EMPTY = Content(0, DigestKind.WHOLE, block_digest(b""), [])
"""The content of an empty file."""
NOTHING = Content(0, DigestKind.NONE, NO_DIGEST, [])
"""What a directory or a symlink has in place of a content."""
