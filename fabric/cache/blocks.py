"""From a content's extents to blocks that can be fetched and verified one by one. Nothing here touches bytes of files.

A block is the smallest run with a digest of its own: a whole small content, or up to 4 MiB of a large one. Resolving checks
all that the extents claim before any of it is believed: that they cover the content, that their block digests make up the
content's digest, and that this release knows how to read them.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from fabric.errors import DataError, InvalidInputError, UnsupportedFormatError
from fabric.model.content import Content
from fabric.model.digest import BLOCK_BYTES, DIGEST_BYTES, DigestKind, block_digest, blocks_digest
from fabric.model.extent import Codec, Extent, ExtentKind
from fabric.model.ids import DatasetId, parse_object_ref
from fabric.objects.keys import data_key
from fabric.objects.port import ObjectStore

EXTERNAL_PARTS = 3
_HINT = "'fabric fsck --read-data' finds every file that is damaged"


class Block(NamedTuple):
    """One run of a content.

    Attributes:
        start: where it stands in the content.
        length: bytes, of content and as stored.
        store: where to get it; None for a hole (zeros) and for erased bytes.
        key: the object that holds it; "" for a hole.
        offset: where it stands in the object.
        digest: BLAKE3-256 of the bytes; b"" if nobody knows it yet (a deferred digest).
        erased: the bytes are gone on purpose.
    """

    start: int
    length: int
    store: ObjectStore | None
    key: str
    offset: int
    digest: bytes
    erased: bool = False


class BlockResolver:
    """Turns contents into blocks, for one dataset.

    Args:
        store: where the dataset's objects lie.
        dataset: whose objects extents of kind OBJECT mean.
        locations: returns the store of a registered location by its id; None: external extents are refused.
    """

    def __init__(
        self, store: ObjectStore, dataset: DatasetId, locations: Callable[[str], ObjectStore] | None = None
    ) -> None:
        self._store = store
        self._dataset = dataset
        self._locations = locations

    def object_key(self, reference: bytes) -> str:
        """Return the key of the data object that an extent names as `<lease>/<object-id>`; raises DataError."""
        return _object_key(self._dataset, reference)

    def blocks(self, content: Content) -> list[Block]:
        """Return the blocks of a content whose extents are at hand (no LIST).

        Raises:
            DataError: the extents contradict themselves, the size or the digest.
            UnsupportedFormatError: a codec or key that this release does not know.
            NotFoundError: an external extent names a location that is not registered.
        """
        kind = content.digest_kind
        if kind not in (DigestKind.WHOLE, DigestKind.BLOCKS, DigestKind.DEFERRED):
            raise DataError(f"a content of {content.size} bytes has no digest")
        if sum(extent.length for extent in content.extents) != content.size:
            raise DataError(f"the extents of a content do not cover its {content.size} bytes", hint=_HINT)
        if kind == DigestKind.DEFERRED:
            return self._deferred(content.extents)
        if kind == DigestKind.BLOCKS:
            _check_blocks(content)
            return [self._block(extent, i * BLOCK_BYTES, extent.digest) for i, extent in enumerate(content.extents)]
        if content.size > BLOCK_BYTES or len(content.extents) > 1:
            raise DataError(f"a content of {content.size} bytes cannot have one digest for {len(content.extents)} extents")
        if not content.extents and content.digest != block_digest(b""):
            raise DataError("an empty content has the digest of another")
        for extent in content.extents:
            if extent.digest not in (b"", content.digest):
                raise DataError("an extent has another digest than its content")
        return [self._block(extent, 0, content.digest) for extent in content.extents]

    def _deferred(self, extents: Sequence[Extent]) -> list[Block]:
        """Extents of an import that nobody has read: any length, cut so that they can be fetched in parallel."""
        result = []
        start = 0
        for extent in extents:
            whole = self._block(extent, start, extent.digest)
            step = max(whole.length, 1) if extent.digest else BLOCK_BYTES
            for at in range(0, whole.length, step):
                length = min(step, whole.length - at)
                result.append(whole._replace(start=start + at, length=length, offset=whole.offset + at))
            start += extent.length
        return result

    def _block(self, extent: Extent, start: int, digest: bytes) -> Block:
        if extent.length < 1 or (extent.length > BLOCK_BYTES and digest):
            raise DataError(f"an extent of {extent.length} bytes cannot be verified as one block")
        if extent.kind == ExtentKind.HOLE:
            return Block(start, extent.length, None, "", 0, digest)
        if extent.kind == ExtentKind.ERASED:
            return Block(start, extent.length, None, "", 0, digest, erased=True)
        if extent.codec != Codec.NONE or extent.key != 0:
            raise UnsupportedFormatError(
                f"a content is stored with codec {extent.codec} and key {extent.key}, which this release cannot read",
                hint="upgrade datafabric",
            )
        if extent.stored != extent.length or extent.offset < 0:
            raise DataError("an extent without a codec stores another length than it stands for")
        if extent.kind == ExtentKind.OBJECT:
            return Block(start, extent.length, self._store, self.object_key(extent.object), extent.offset, digest)
        if extent.kind == ExtentKind.EXTERNAL:
            store, key = self._external(extent.object)
            return Block(start, extent.length, store, key, extent.offset, digest)
        raise DataError(f"an extent of kind {extent.kind} cannot stand among others")

    def _external(self, reference: bytes) -> tuple[ObjectStore, str]:
        parts = reference.split(b"\x00")
        try:
            location, _version, key = (part.decode() for part in parts)
        except ValueError:
            raise DataError("an external extent does not name a location, a version and a key") from None
        if self._locations is None:
            raise DataError(
                f"a content lies in the location {location!r}, which this reader cannot reach",
                subject=location,
                hint="open the dataset through a fabric whose metastore knows the location",
            )
        return self._locations(location), key


@lru_cache(maxsize=65_536)
def _object_key(dataset: DatasetId, reference: bytes) -> str:
    try:
        lease, _, object_id = parse_object_ref(reference.decode("ascii")).partition("/")
    except (InvalidInputError, UnicodeDecodeError):
        raise DataError(f"an extent names no data object: {reference[:80]!r}") from None
    return data_key(dataset, lease, object_id)


def _check_blocks(content: Content) -> None:
    extents = content.extents
    if content.size <= BLOCK_BYTES or len(extents) != -(-content.size // BLOCK_BYTES):
        raise DataError(f"a content of {content.size} bytes has {len(extents)} extents: not one a block", hint=_HINT)
    if any(extent.length != BLOCK_BYTES for extent in extents[:-1]):
        raise DataError("an extent of a large content is not as long as a block", hint=_HINT)
    digests = [extent.digest for extent in extents]
    if any(len(digest) != DIGEST_BYTES for digest in digests) or blocks_digest(digests) != content.digest:
        raise DataError("the block digests of a content do not make up its digest", hint=_HINT)
