"""Compressed runs of bytes inside of tree objects (docs/format.md, "Frames").

A frame table stands after the envelope: for each frame u64 raw length, u64 stored length, 32 B BLAKE3 of the raw bytes; then
the frames. Each is one zstd frame. Lengths are checked against limits before anything is allocated.
"""

import struct
from typing import Any

import pyarrow as pa

from fabric.errors import DataError
from fabric.model.digest import block_digest

FRAME_BYTES_MAX = 256 * 1024 * 1024
RATIO_MAX = 1_000
_ENTRY = struct.Struct("<QQ32s")
_LEVEL = 1


def encode(frames: list[bytes]) -> bytes:
    """Return the frame table and the compressed frames."""
    codec = pa.Codec("zstd", compression_level=_LEVEL)
    stored = [codec.compress(raw, asbytes=True) for raw in frames]
    table = b"".join(_ENTRY.pack(len(r), len(s), block_digest(r)) for r, s in zip(frames, stored, strict=True))
    return table + b"".join(stored)


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
