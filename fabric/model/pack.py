"""Packs: data objects that hold the contents of many files or blocks (docs/format.md, "Packs").

Envelope, then the stored contents back to back, then one fixed record a content, then a trailer. Readers come through the
extents of a tree and never need the records; they are there so that a pack explains itself (fsck, repair, repack).
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fabric.errors import DataError, InvalidInputError
from fabric.model import envelope
from fabric.model.digest import DIGEST_BYTES, block_digest

RECORD = np.dtype(
    [("digest", "V32"), ("offset", "<u8"), ("stored", "<u8"), ("length", "<u8"), ("codec", "u1"), ("pad", "u1", (7,))]
)
_TRAILER = struct.Struct("<Q32s8s")
_TRAILER_MAGIC = b"FABPACK1"
PACK_BYTES = 64 * 1024 * 1024
"""Where a writer closes a pack and begins the next. Larger ones are legal."""
RECORDS_MAX = 1_000_000
_NUMBER_MAX = 2**53
CONTENT_START = envelope.HEADER_BYTES


@dataclass(frozen=True, slots=True)
class PackRecord:
    """One content of a pack: the digest of its bytes (a small content or one block) and where it stands."""

    digest: bytes
    offset: int
    stored: int
    length: int
    codec: int = 0


def header() -> bytes:
    """Return the bytes that a pack begins with."""
    return envelope.encode_header(envelope.ObjectKind.PACK)


def footer(records: list[tuple[bytes, int, int]]) -> bytes:
    """Return what follows the contents, from (digest, offset, length) of uncompressed contents in order of offsets.

    Raises:
        InvalidInputError: more than RECORDS_MAX contents: no reader would take them.
    """
    digests, starts, lengths = zip(*records, strict=True) if records else ((), (), ())
    return footer_of(digests, starts, lengths)


def footer_of(digests: Sequence[bytes], starts: npt.ArrayLike, lengths: npt.ArrayLike) -> bytes:
    """Return the same from columns, which is a tenth of the work for a pack of many contents; raises as footer."""
    if len(digests) > RECORDS_MAX:
        raise InvalidInputError(f"{len(digests)} contents are over the limit of {RECORDS_MAX} of a pack")
    table = np.zeros(len(digests), RECORD)
    if digests:
        table["digest"] = np.frombuffer(b"".join(digests), "V32")
        table["offset"] = starts
        table["stored"] = table["length"] = lengths
    raw = table.tobytes()
    return raw + _TRAILER.pack(len(digests), block_digest(raw), _TRAILER_MAGIC)


FOOTER_TRAILER_BYTES = _TRAILER.size


def decode(data: bytes | memoryview) -> list[PackRecord]:
    """Return the records of a whole pack.

    Raises:
        DataError: it is no pack, or the records are damaged or point outside of the contents.
        UnsupportedFormatError: it needs something that this release does not know.
    """
    envelope.decode_header(data, envelope.ObjectKind.PACK)
    return decode_footer(data[CONTENT_START:], CONTENT_START)


def decode_footer(tail: bytes | memoryview, tail_offset: int) -> list[PackRecord]:
    """Return the records from the last bytes of a pack, which begin at `tail_offset` in it; raises DataError."""
    if len(tail) < _TRAILER.size:
        raise DataError("a pack ends before its trailer")
    count, digest, magic = _TRAILER.unpack(tail[len(tail) - _TRAILER.size :])
    if magic != _TRAILER_MAGIC or count > RECORDS_MAX or count * RECORD.itemsize > len(tail) - _TRAILER.size:
        raise DataError("a pack's trailer does not decode")
    start = len(tail) - _TRAILER.size - count * RECORD.itemsize
    raw = bytes(tail[start : len(tail) - _TRAILER.size])
    if block_digest(raw) != digest:
        raise DataError("a pack's records differ from their digest")
    table = np.frombuffer(raw, RECORD)
    _check(table, tail_offset + start)
    columns = (table[name].tolist() for name in ("offset", "stored", "length", "codec"))
    digests = [raw[at : at + DIGEST_BYTES] for at in range(0, len(raw), RECORD.itemsize)]
    return [PackRecord(*values) for values in zip(digests, *columns, strict=True)]


def _check(table: Any, end: int) -> None:
    """Check that the records lie in order between the envelope and `end`, without overlap."""
    offset, stored, length = (table[name] for name in ("offset", "stored", "length"))
    if not len(table):
        return
    # Bounded first, so that no sum overflows.
    if any(int(part.max()) > _NUMBER_MAX for part in (offset, stored, length)) or not np.all(stored) or not np.all(length):
        raise DataError("a pack's record is empty or out of range")
    ends = offset + stored
    if int(offset[0]) < CONTENT_START or np.any(offset[1:] < ends[:-1]) or int(ends[-1]) > end:
        raise DataError("a pack's record points outside of its contents")
    if np.any((table["codec"] == 0) & (stored != length)) or np.any(table["pad"]):
        raise DataError("a pack's record contradicts itself")
