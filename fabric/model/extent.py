"""Extents: where the bytes of a content lie (docs/format.md, "Extents"). Placement, never identity.

A content's extents stand in order and cover it without a gap. A content of at most one block has one extent; a larger one
has one extent a block (so each can be verified alone), or a single LIST extent that names an object holding them.
An empty content has none.
"""

from dataclasses import dataclass
from enum import IntEnum

EXTENTS_INLINE_MAX = 16
"""A content of more extents keeps them in an extent-list object of its own."""


class ExtentKind(IntEnum):
    """What an extent points to."""

    OBJECT = 1
    """Bytes in a data object of this dataset; `object` is `<lease>/<object-id>`."""
    EXTERNAL = 2
    """Bytes in a registered location; `object` is `<location>\\0<version>\\0<relative key>`."""
    HOLE = 3
    """Zeros; nothing is stored."""
    ERASED = 4
    """The bytes were removed on purpose; reading them is an error that says so."""
    LIST = 5
    """The extents lie in an extent-list object; `object` names it, `length` is the content's."""


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
        codec: how to decode; unknown ones are refused.
        key: number of the encryption key; 0 is none.
        digest: BLAKE3-256 of these content bytes; b"" if the entry's own digest says it (a content of one block).
    """

    kind: ExtentKind
    object: bytes
    offset: int
    stored: int
    length: int
    codec: int = Codec.NONE
    key: int = 0
    digest: bytes = b""
