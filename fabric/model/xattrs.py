"""Extended attributes of one entry as canonical bytes (docs/format.md, "Extended attributes").

u32 count; then for each attribute, sorted by name: u32 name length, u32 value length; then all names; then all values.
Only `user.*`; no `user.overlay.*` (a mount with `userxattr` would read them as its own). A set of at most
XATTRS_INLINE_BYTES_MAX encoded bytes stands in the tree; a larger one is a content with a digest.
"""

import struct
from collections.abc import Mapping

from fabric.errors import DataError, InvalidInputError

XATTRS_INLINE_BYTES_MAX = 256
XATTRS_BYTES_MAX = 1024 * 1024
XATTR_NAME_BYTES_MAX = 255
XATTR_VALUE_BYTES_MAX = 64 * 1024


def is_kept(name: bytes) -> bool:
    """Whether an attribute of this name is stored; others are left out, and listed as such."""
    return name.startswith(b"user.") and not name.startswith(b"user.overlay.") and len(name) > 5


def encode(xattrs: Mapping[bytes, bytes]) -> bytes:
    """Return the canonical bytes of a set; b"" for an empty one.

    Raises:
        InvalidInputError: a name or value that is not kept or too large.
    """
    if not xattrs:
        return b""
    names = sorted(xattrs)
    for name in names:
        if not is_kept(name) or b"\x00" in name or len(name) > XATTR_NAME_BYTES_MAX:
            raise InvalidInputError(f"extended attribute {name[:80]!r} cannot be kept", subject=repr(name[:80]))
        if len(xattrs[name]) > XATTR_VALUE_BYTES_MAX:
            raise InvalidInputError(f"the value of extended attribute {name!r} is over 64 KiB", subject=repr(name))
    values = [bytes(xattrs[name]) for name in names]
    lengths = b"".join(struct.pack("<II", len(n), len(v)) for n, v in zip(names, values, strict=True))
    raw = struct.pack("<I", len(names)) + lengths + b"".join(names) + b"".join(values)
    if len(raw) > XATTRS_BYTES_MAX:
        raise InvalidInputError(f"{len(raw)} bytes of extended attributes are over {XATTRS_BYTES_MAX}")
    return raw


def decode(raw: bytes) -> dict[bytes, bytes]:
    """Return the set that `raw` encodes.

    Raises:
        DataError: it is not what encode returns for any set.
    """
    if not raw:
        return {}
    try:
        (count,) = struct.unpack_from("<I", raw)
        if count == 0 or 4 + 8 * count > len(raw) or len(raw) > XATTRS_BYTES_MAX:
            raise DataError("extended attributes do not decode")
        lengths = struct.unpack_from(f"<{2 * count}I", raw, 4)
        position = 4 + 8 * count
        parts = []
        for length in (*lengths[::2], *lengths[1::2]):
            parts.append(raw[position : position + length])
            position += length
        result = dict(zip(parts[:count], parts[count:], strict=True))
        if encode(result) != raw:
            raise DataError("extended attributes are not in canonical form")
    except (struct.error, InvalidInputError) as error:
        raise DataError(f"extended attributes do not decode: {error}") from None
    return result
