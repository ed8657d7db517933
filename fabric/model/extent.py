"""Extents: where the bytes of a content lie (docs/format.md, "Extents"). Placement, never identity.

A content's extents stand in order and cover it without a gap. A content of at most one block has one extent; a larger one
has one extent a block (so each can be verified alone), or a single LIST extent that names an object holding them.
An empty content has none. One that was imported without being read (its digest is deferred) has one EXTERNAL extent.
"""

from dataclasses import dataclass
from enum import IntEnum

from fabric.errors import InvalidInputError
from fabric.model.ids import parse_name

EXTENTS_INLINE_MAX = 16
"""A content of more extents keeps them in an extent-list object of its own."""


class ExtentKind(IntEnum):
    """What an extent points to."""

    OBJECT = 1
    """Bytes in a data object of this dataset; `object` is `<lease>/<object-id>`."""
    EXTERNAL = 2
    """Bytes in a registered location; `object` is `<location>\\0<version>\\0<relative key>` (`external_object`)."""
    HOLE = 3
    """Zeros; nothing is stored."""
    ERASED = 4
    """The bytes were removed on purpose; reading them is an error that says so. Nothing is stored, a digest stays."""
    LIST = 5
    """The extents lie in an extent-list object; `object` names it, `stored` is its size, `length` is the content's."""


class Codec(IntEnum):
    """How stored bytes become content bytes."""

    NONE = 0


@dataclass(frozen=True, slots=True)
class Extent:
    """One run of a content.

    Attributes:
        kind: what it points to.
        object: see ExtentKind; b"" for holes and erased runs.
        offset: where the stored bytes start in the object.
        stored: how many bytes are stored (after codec and encryption).
        length: how many bytes of content it stands for, at most one block (but for LIST).
        codec: how to decode; who reads the bytes refuses unknown ones.
        key: number of the encryption key; 0 is none.
        digest: BLAKE3-256 of these content bytes. b"" where the entry's own digest says it (a content of one block, a set of
            extended attributes), where nobody knows it (a deferred digest), and at will for a hole.
    """

    kind: ExtentKind
    object: bytes
    offset: int
    stored: int
    length: int
    codec: int = Codec.NONE
    key: int = 0
    digest: bytes = b""


EXTERNAL_KEY_BYTES_MAX = 1024
EXTERNAL_VERSION_BYTES_MAX = 1024


def external_object(location: str, version: str, key: str) -> bytes:
    """Return the `object` of an EXTERNAL extent.

    Args:
        location: id of a registered location.
        version: what the store calls this state of the object (a version id or an ETag); "" if it has no such thing.
        key: relative to the location's prefix.

    Raises:
        InvalidInputError: the location is no name, or the key could leave the location's prefix.
    """
    raw = b"\x00".join(part.encode("utf-8", "surrogatepass") for part in (location, version, key))
    parse_external(raw)
    return raw


def parse_external(raw: bytes) -> tuple[str, str, str]:
    """Return (location, version, key) of the `object` of an EXTERNAL extent.

    Raises:
        InvalidInputError: it names no object inside of a location: not three parts of UTF-8, a location that is no name,
            a key that is empty, absolute or has an empty, `.` or `..` segment, or a part that is too long.
    """
    try:
        location, version, key = raw.decode().split("\x00")
    except ValueError:
        raise InvalidInputError(f"{raw[:80]!r} is not a location, a version and a key") from None
    parse_name(location, "location id")
    segments = key.split("/")
    if "" in segments or "." in segments or ".." in segments or len(key.encode()) > EXTERNAL_KEY_BYTES_MAX:
        raise InvalidInputError(f"{key[:80]!r} cannot be a key in a location", subject=key[:80])
    if len(version.encode()) > EXTERNAL_VERSION_BYTES_MAX:
        raise InvalidInputError(f"a version of {len(version)} characters is too long", subject=key[:80])
    return location, version, key
