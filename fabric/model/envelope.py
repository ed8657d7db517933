"""What every object begins with (docs/format.md, "Envelope"): 24 bytes, little-endian.

magic 8 B | kind u16 | version u16 | reserved u32 = 0 | required features u64
"""

import struct
from enum import IntEnum

from fabric.errors import DataError, UnsupportedFormatError

MAGIC = b"\x93FABRIC\n"
VERSION = 1
KNOWN_FEATURES = 0
_HEADER = struct.Struct("<8sHHIQ")
HEADER_BYTES = _HEADER.size


class ObjectKind(IntEnum):
    """What an object is."""

    PACK = 1
    LEAF = 2
    INDEX = 3
    EXTENTS = 4
    COMMIT = 5


def encode_header(kind: ObjectKind, features: int = 0) -> bytes:
    """Return the first bytes of an object of this kind."""
    return _HEADER.pack(MAGIC, kind, VERSION, 0, features)


def decode_header(data: bytes | memoryview, expected: ObjectKind) -> memoryview:
    """Check the envelope and return what follows it, without a copy.

    Raises:
        DataError: it is not one of our objects, or not of the expected kind.
        UnsupportedFormatError: a newer version, or a required feature that this release does not know.
    """
    if len(data) < HEADER_BYTES:
        raise DataError(f"an object of {len(data)} bytes is shorter than its envelope")
    magic, kind, version, reserved, features = _HEADER.unpack_from(data)
    if magic != MAGIC:
        raise DataError("an object does not begin with the fabric's magic bytes")
    if version > VERSION or features & ~KNOWN_FEATURES:
        raise UnsupportedFormatError(
            f"an object was written with format version {version}, required features {features:#x}",
            hint="upgrade datafabric: this release knows format version "
            f"{VERSION} and required features {KNOWN_FEATURES:#x}",
        )
    if version < 1 or reserved or kind != expected:
        raise DataError(f"expected an object of kind {expected.name}, found kind {kind}")
    return memoryview(data)[HEADER_BYTES:]
