"""The one place where object keys are built and checked (docs/format.md, "Objects")."""

import re

from fabric.errors import InvalidInputError

_KEY = re.compile(r"[A-Za-z0-9_.\-]+(?:/[A-Za-z0-9_.\-]+)*")
KEY_LENGTH_MAX = 512
SEQUENCE_DIGITS = 20


def check_key(key: str) -> str:
    """Return `key` if it may name an object.

    Raises:
        InvalidInputError: it is empty, too long, absolute, or has an odd character or a `.`/`..` segment.
    """
    if len(key) > KEY_LENGTH_MAX or not _KEY.fullmatch(key) or any(s in (".", "..") for s in key.split("/")):
        raise InvalidInputError(f"not an object key: {key[:80]!r}", subject=key[:80])
    return key


def check_prefix(prefix: str) -> str:
    """Return `prefix` if it is "" or a key followed by "/"."""
    if prefix:
        if not prefix.endswith("/"):
            raise InvalidInputError(f"a prefix ends with '/': {prefix[:80]!r}", subject=prefix[:80])
        check_key(prefix[:-1])
    return prefix


def format_key(dataset_id: str) -> str:
    """Where a dataset says its format version and required features."""
    return f"{dataset_id}/format.json"


def data_prefix(dataset_id: str) -> str:
    """Below this lie all packs, nodes and commits of a dataset."""
    return f"{dataset_id}/data/"


def lease_prefix(dataset_id: str, lease_id: str) -> str:
    """Below this a writer with that lease may put, and nobody else."""
    return f"{dataset_id}/data/{lease_id}/"


def data_key(dataset_id: str, lease_id: str, object_id: str) -> str:
    """The key of one pack, tree node, extent list or commit."""
    return f"{dataset_id}/data/{lease_id}/{object_id}"


def backup_prefix(dataset_id: str, kind: str = "", key: str = "") -> str:
    """Below this lie the exported rows of one dataset, of one kind, or of one row's history."""
    return "/".join(part for part in (dataset_id, "backup", kind, key) if part) + "/"


def backup_key(dataset_id: str, kind: str, key: str, sequence: int) -> str:
    """The key of one exported change: the sequence of each (kind, key) starts at 1 and has no gap."""
    return f"{backup_prefix(dataset_id, kind, key)}{sequence:0{SEQUENCE_DIGITS}d}"
