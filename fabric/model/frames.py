"""Compressed runs of bytes inside of tree objects (docs/format.md, "Frames").

A frame table stands after the envelope: for each frame u64 raw length, u64 stored length, 32 B BLAKE3 of the raw bytes; then
the frames. Each is zstd (RFC 8878). Lengths are checked against limits before anything is allocated.
"""

import struct
from typing import Any

import pyarrow as pa

from fabric.errors import DataError, InvalidInputError
from fabric.model.digest import block_digest

FRAME_BYTES_MAX = 256 * 1024 * 1024
RATIO_MAX = 1_000
_ENTRY = struct.Struct("<QQ32s")
_LEVEL = 1
_SKIPPABLE = struct.Struct("<II")
_SKIPPABLE_MAGIC = 0x184D2A50


def encode(frames: list[bytes]) -> bytes:
    """Return the frame table and the compressed frames.

    Raises:
        InvalidInputError: a frame is over FRAME_BYTES_MAX: no reader would take it.
    """
    return encode_hashed(frames)[0]


def encode_hashed(frames: list[bytes], header: bytes = b"") -> tuple[bytes, list[bytes]]:
    """As encode, behind a header; return the digest of each frame as well."""
    codec = pa.Codec("zstd", compression_level=_LEVEL)
    digests = []
    stored: list[Any] = []
    table = [header]
    for raw in frames:
        if len(raw) > FRAME_BYTES_MAX:
            raise InvalidInputError(f"{len(raw)} bytes of rows are over the limit of {FRAME_BYTES_MAX} of a tree object")
        digests.append(block_digest(raw))
        stored.append(_padded(codec.compress(raw), len(raw)))
        table.append(_ENTRY.pack(len(raw), len(stored[-1]), digests[-1]))
    return b"".join(table + stored), digests


def _padded(stored: Any, raw_length: int) -> Any:
    # Rows that are all alike shrink beyond what a reader believes: a skippable frame, which decoders pass over, fills up.
    missing = -(-raw_length // RATIO_MAX) - len(stored)
    if missing <= 0:
        return stored
    filling = bytes(max(missing - _SKIPPABLE.size, 0))
    return bytes(stored) + _SKIPPABLE.pack(_SKIPPABLE_MAGIC, len(filling)) + filling


class Frames:
    """The frames of one object, each decompressed and checked when it is asked for."""

    def __init__(self, payload: memoryview, count: int) -> None:
        self._frames: list[tuple[int, memoryview, bytes]] = []
        position = _ENTRY.size * count
        if len(payload) < position:
            raise DataError("a tree object ends in its frame table")
        for index in range(count):
            raw_length, stored_length, digest = _ENTRY.unpack_from(payload, index * _ENTRY.size)
            if (
                raw_length > FRAME_BYTES_MAX
                or raw_length > RATIO_MAX * max(stored_length, 1)
                or stored_length > FRAME_BYTES_MAX
            ):
                raise DataError(f"a frame that claims {raw_length} bytes is over the limits")
            if position + stored_length > len(payload):
                raise DataError("a tree object ends in the middle of a frame")
            self._frames.append((raw_length, payload[position : position + stored_length], digest))
            position += stored_length
        if position != len(payload):
            raise DataError("a tree object has bytes after its last frame")

    def digest(self, index: int) -> bytes:
        """Return what the frame table says of a frame; it is true once the frame has been read."""
        return self._frames[index][2]

    def detached(self, index: int) -> "Frames":
        """Return an object with one frame alone, as number 0, that does not keep the rest in memory."""
        raw_length, stored, digest = self._frames[index]
        single = Frames(memoryview(b""), 0)
        single._frames = [(raw_length, memoryview(bytes(stored)), digest)]
        return single

    def __getitem__(self, index: int) -> Any:
        """Return the raw bytes of a frame as a buffer; raises DataError if they are damaged."""
        raw_length, stored, digest = self._frames[index]
        try:
            raw = pa.Codec("zstd").decompress(stored, decompressed_size=raw_length)
        except (OSError, ValueError, pa.ArrowException) as error:
            raise DataError(f"a frame of a tree object does not decompress: {error}") from None
        if len(raw) != raw_length or block_digest(raw) != digest:
            raise DataError("a frame of a tree object differs from its digest")
        return raw
