"""Names and ids as distinct types, each with one parsing constructor that is used on the way in and on the way out."""

import re
import secrets
import time
from typing import NewType

from fabric.errors import InvalidInputError

DatasetId = NewType("DatasetId", str)
"""26 characters, random, never reused (a ULID in lower case)."""
LeaseId = NewType("LeaseId", str)
"""26 characters, random, never reused."""
ObjectId = NewType("ObjectId", str)
"""26 characters, random: the last segment of a data object's key."""
ObjectRef = NewType("ObjectRef", str)
"""`<lease-id>/<object-id>`: names a data object inside of its dataset, 53 characters."""
CommitId = NewType("CommitId", str)
"""64 lower-case hex digits: BLAKE3 of the commit's canonical bytes."""
NodeId = NewType("NodeId", bytes)
"""32 bytes: BLAKE3 over the logical columns of a tree node. The root's is the tree id."""

NAME_LENGTH_MAX = 128
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}")
_ULID = re.compile(r"[0-7][0-9a-hjkmnp-tv-z]{25}")
_OBJECT_REF = re.compile(_ULID.pattern + "/" + _ULID.pattern)
_OBJECT_REF_BYTES = re.compile(_OBJECT_REF.pattern.encode())
_COMMIT = re.compile(r"[0-9a-f]{64}")
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_ulid() -> str:
    """Return a fresh ULID in lower case: 48 bits of milliseconds, 80 random bits.

    Nothing depends on the time in it; it only makes neighbours in time neighbours in a listing.
    """
    value = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    return "".join(_ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))


def parse_name(text: str, what: str = "name") -> str:
    """Return `text` if it may name a dataset, branch or snapshot.

    Raises:
        InvalidInputError: it may not; `what` says what it should have named.
    """
    if not isinstance(text, str) or not _NAME.fullmatch(text):
        raise InvalidInputError(
            f"{str(text)[:140]!r} is not a valid {what}",
            subject=str(text)[:140],
            hint=f"a {what} has 1 to {NAME_LENGTH_MAX} of a-z, 0-9, '.', '_', '-', and starts with a letter or a digit",
        )
    return text


def _parse(pattern: re.Pattern[str], text: str, what: str) -> str:
    if not isinstance(text, str) or not pattern.fullmatch(text):
        raise InvalidInputError(f"{str(text)[:80]!r} is not a {what}", subject=str(text)[:80])
    return text


def parse_dataset_id(text: str) -> DatasetId:
    """Check a dataset id; raises InvalidInputError."""
    return DatasetId(_parse(_ULID, text, "dataset id"))


def parse_lease_id(text: str) -> LeaseId:
    """Check a lease id; raises InvalidInputError."""
    return LeaseId(_parse(_ULID, text, "lease id"))


def parse_object_ref(text: str) -> ObjectRef:
    """Check a reference to a data object; raises InvalidInputError."""
    return ObjectRef(_parse(_OBJECT_REF, text, "object reference"))


def is_object_ref(raw: bytes) -> bool:
    """Whether these bytes are a reference to a data object, as extents and index nodes hold it."""
    return _OBJECT_REF_BYTES.fullmatch(raw) is not None


def parse_commit_id(text: str) -> CommitId:
    """Check a whole commit id; raises InvalidInputError."""
    return CommitId(_parse(_COMMIT, text, "commit id"))


def parse_node_id(raw: bytes) -> NodeId:
    """Check a node id of 32 bytes; raises InvalidInputError."""
    if len(raw) != 32:
        raise InvalidInputError(f"a node id has 32 bytes, not {len(raw)}")
    return NodeId(bytes(raw))
