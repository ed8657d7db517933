"""A content as readers need it: what it is, and where its bytes lie."""

from collections.abc import Sequence
from dataclasses import dataclass

from fabric.model.digest import DigestKind
from fabric.model.extent import Extent


@dataclass(frozen=True, slots=True)
class Content:
    """One file's bytes (or one large set of extended attributes).

    Attributes:
        size: length in bytes.
        digest_kind: how `digest` was made.
        digest: 32 bytes.
        extents: in order, covering `size` (none if it is 0).
    """

    size: int
    digest_kind: DigestKind
    digest: bytes
    extents: Sequence[Extent]
