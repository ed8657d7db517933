"""Commits: who says that a dataset was in this state (docs/format.md, "Commits").

A commit is canonical JSON (RFC 8785); its id is BLAKE3-256 of these bytes. The object is the envelope and the bytes.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import rfc8785

from fabric.errors import DataError, FabricError, InvalidInputError
from fabric.model import envelope
from fabric.model.digest import block_digest
from fabric.model.ids import CommitId, NodeId, parse_commit_id

COMMIT_BYTES_MAX = 1024 * 1024
PARENTS_MAX = 16
TEXT_LENGTH_MAX = 64 * 1024
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
_FIELDS = {"author", "entries", "message", "metadata", "parents", "size", "time", "tree", "version"}


@dataclass(frozen=True, slots=True)
class Commit:
    """One state of a dataset, with its history.

    Attributes:
        tree: id of the root node.
        parents: the commits it was made from, the branch's own first.
        author: who made it.
        time: when, UTC, RFC 3339 with microseconds and `Z`.
        message: why.
        metadata: free text to text (a run id, a git commit, ...).
        entries: number of rows in the tree.
        size: sum of the sizes of its files, in bytes.
    """

    tree: NodeId
    parents: tuple[CommitId, ...]
    author: str
    time: str
    message: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    entries: int = 0
    size: int = 0


def now_text(now: datetime | None = None) -> str:
    """Return a time (default: the present) as all of our records write it."""
    # Not strftime: it leaves out the leading zeros of a year before 1000.
    return (now or datetime.now(UTC)).astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def encode(commit: Commit) -> tuple[CommitId, bytes]:
    """Return the id and the object bytes of a commit.

    Raises:
        InvalidInputError: a text is too long, or is not text (lone surrogates), or a field is not what a reader accepts.
    """
    for text in (commit.author, commit.message, *commit.metadata.keys(), *commit.metadata.values()):
        if not isinstance(text, str):
            raise InvalidInputError(f"commit metadata is text to text, not {type(text).__name__}")
        if len(text) > TEXT_LENGTH_MAX:
            raise InvalidInputError(f"a text of {len(text)} characters is too long for a commit")
    value: dict[str, Any] = {
        "author": commit.author,
        "entries": str(commit.entries),
        "message": commit.message,
        "metadata": dict(commit.metadata),
        "parents": list(commit.parents),
        "size": str(commit.size),
        "time": commit.time,
        "tree": commit.tree.hex(),
        "version": "1",
    }
    try:
        _from_json(value)
        raw = rfc8785.dumps(value)
    except DataError as error:
        raise InvalidInputError(f"the commit cannot be written: {error}") from None
    except (rfc8785.CanonicalizationError, UnicodeError) as error:
        raise InvalidInputError(f"the commit cannot be written as JSON: {error}") from None
    if len(raw) > COMMIT_BYTES_MAX:
        raise InvalidInputError(f"a commit of {len(raw)} bytes is over the limit of {COMMIT_BYTES_MAX}")
    header = envelope.encode_header(envelope.ObjectKind.COMMIT)
    return CommitId(block_digest(raw).hex()), header + raw


def decode(data: bytes | memoryview, expected: CommitId | None = None) -> tuple[CommitId, Commit]:
    """Return the id and the commit that an object holds.

    Raises:
        DataError: it does not decode, is not canonical, or is not the commit of the `expected` id.
        UnsupportedFormatError: written by a newer release.
    """
    payload = envelope.decode_header(data, envelope.ObjectKind.COMMIT)
    if len(payload) > COMMIT_BYTES_MAX:
        raise DataError("a commit is over the limit of its size")
    raw = bytes(payload)
    commit_id = CommitId(block_digest(raw).hex())
    if expected is not None and commit_id != expected:
        raise DataError(f"commit {expected} was asked for, {commit_id} was found", subject=expected)
    try:
        value = json.loads(raw)
        commit = _from_json(value)
        if encode(commit)[1][envelope.HEADER_BYTES :] != raw:
            raise DataError("a commit is not in canonical form")
    except DataError:
        raise
    except (ValueError, TypeError, KeyError, RecursionError, FabricError) as error:
        raise DataError(f"a commit does not decode: {error}") from None
    return commit_id, commit


def _is_time(text: str) -> bool:
    if not _TIME.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _parent(text: str) -> CommitId:
    try:
        return parse_commit_id(text)
    except InvalidInputError as error:
        raise DataError(f"a commit's parent does not decode: {error}") from None


def _from_json(value: object) -> Commit:
    if not isinstance(value, dict) or set(value) != _FIELDS or value["version"] != "1":
        raise DataError("a commit has missing or unknown fields")
    if not isinstance(value["parents"], list) or len(value["parents"]) > PARENTS_MAX:
        raise DataError("a commit has too many parents")
    metadata = value["metadata"]
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise DataError("a commit's metadata is not text to text")
    texts = [value[name] for name in ("author", "entries", "message", "size", "time", "tree")]
    if not all(isinstance(text, str) for text in texts):
        raise DataError("a commit's fields are not text")
    if not _is_time(value["time"]) or not re.fullmatch(r"[0-9a-f]{64}", value["tree"]):
        raise DataError("a commit's time or tree does not decode")
    if not all(re.fullmatch(r"0|[1-9][0-9]{0,17}", value[name]) for name in ("entries", "size")):
        raise DataError("a commit's counts do not decode")
    return Commit(
        tree=NodeId(bytes.fromhex(value["tree"])),
        parents=tuple(map(_parent, value["parents"])),
        author=value["author"],
        time=value["time"],
        message=value["message"],
        metadata=metadata,
        entries=int(value["entries"]),
        size=int(value["size"]),
    )
