"""Digests: what names a file's content (docs/format.md, "Digests").

Up to BLOCK_BYTES: BLAKE3-256 of the content. Larger: BLAKE3 in key-derivation mode, under a context string of its own, over
the concatenated BLAKE3-256 of the content's blocks of BLOCK_BYTES (the last may be shorter). So any block can be verified
alone, and a changed block changes one digest.
"""

import struct
from collections.abc import Sequence
from enum import IntEnum

from blake3 import blake3

BLOCK_BYTES = 4 * 1024 * 1024
DIGEST_BYTES = 32
_BLOCKS_CONTEXT = "fabric 2026-11 file of blocks"
_DEFERRED_CONTEXT = "fabric 2026-11 deferred content"
NO_DIGEST = bytes(DIGEST_BYTES)


class DigestKind(IntEnum):
    """How the 32 bytes of a digest were made; stored in the tree."""

    NONE = 0
    """Directories and symlinks have no content."""
    WHOLE = 1
    """BLAKE3-256 of a content of at most BLOCK_BYTES."""
    BLOCKS = 2
    """Over the digests of the blocks of a larger content."""
    DEFERRED = 3
    """Not read yet (zero-copy import): derived from location, key, version and size. Unverified, shared with nobody."""


def block_digest(data: bytes | bytearray | memoryview) -> bytes:
    """Return BLAKE3-256 of `data`: of a small content, or of one block."""
    return blake3(data).digest()


def blocks_digest(blocks: Sequence[bytes]) -> bytes:
    """Return the digest of a content of two or more blocks from the digests of its blocks."""
    return blake3(b"".join(blocks), derive_key_context=_BLOCKS_CONTEXT).digest()


def kind_for(size: int) -> DigestKind:
    """Return which kind of digest a read content of `size` bytes has."""
    return DigestKind.WHOLE if size <= BLOCK_BYTES else DigestKind.BLOCKS


def content_digest(data: bytes | bytearray | memoryview) -> bytes:
    """Return the digest of a whole content that is in memory."""
    view = memoryview(data).cast("B")
    if len(view) <= BLOCK_BYTES:
        return block_digest(view)
    return blocks_digest([block_digest(view[i : i + BLOCK_BYTES]) for i in range(0, len(view), BLOCK_BYTES)])


def deferred_digest(location: str, key: str, version: str, size: int) -> bytes:
    """Return what stands for the digest of an external object that nobody has read yet (DigestKind.DEFERRED).

    It says which object was meant, not what is in it: it is never compared with bytes, and never makes two files one.
    """
    parts = [part.encode("utf-8", "surrogatepass") for part in (location, key, version)]
    raw = b"".join(struct.pack("<I", len(part)) + part for part in parts) + struct.pack("<Q", size)
    return blake3(raw, derive_key_context=_DEFERRED_CONTEXT).digest()


def zero_digest(length: int) -> bytes:
    """Return the digest of a block of `length` zeros (a hole)."""
    if length not in _ZEROS:
        digest = block_digest(bytes(length))
        if length != BLOCK_BYTES:
            return digest
        _ZEROS[length] = digest
    return _ZEROS[length]


_ZEROS: dict[int, bytes] = {}
