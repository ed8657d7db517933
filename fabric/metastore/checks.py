"""What may enter a metastore: every text bounded, encodable and free of NUL, so that each database takes it unchanged."""

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from fabric.errors import InvalidInputError
from fabric.metastore.clock import parse_time
from fabric.metastore.port import LIST_LIMIT_MAX
from fabric.metastore.records import CommitRecord, RefKind, RefUpdate
from fabric.model.ids import (
    CommitId,
    DatasetId,
    parse_commit_id,
    parse_dataset_id,
    parse_lease_id,
    parse_name,
    parse_node_id,
    parse_object_ref,
)

KEY_LENGTH_MAX = 128
LINE_LENGTH_MAX = 4_096
MESSAGE_LENGTH_MAX = 65_536
METADATA_LENGTH_MAX = 65_536
NEW_COMMITS_MAX = 10_000
BASES_MAX = 1_000
SEQUENCE_MAX = 2**53 - 1
URL_SCHEMES = ("s3", "gs", "az", "https", "file")
_PREFIX = re.compile(r"[0-9a-f]{8,64}")


def check_text(text: str, what: str, limit: int = LINE_LENGTH_MAX, *, empty: bool = True) -> str:
    """Return `text` if it has at most `limit` characters, encodes as UTF-8 and holds no NUL; else InvalidInputError."""
    if not isinstance(text, str) or (not text and not empty):
        raise InvalidInputError(f"a {what} is missing", subject=what)
    if len(text) > limit:
        raise InvalidInputError(f"the {what} has {len(text)} characters, more than {limit}", subject=what)
    if "\0" in text or not _encodable(text):
        raise InvalidInputError(f"the {what} holds a NUL or an unpaired surrogate", subject=what)
    return text


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_metadata(metadata: Mapping[str, str] | None) -> dict[str, str]:
    """Return a copy of text-to-text metadata, bounded in all; else InvalidInputError."""
    checked = {
        check_text(key, "metadata key", empty=False): check_text(value, "metadata value", METADATA_LENGTH_MAX)
        for key, value in (metadata or {}).items()
    }
    if sum(len(key) + len(value) for key, value in checked.items()) > METADATA_LENGTH_MAX:
        raise InvalidInputError(f"metadata has more than {METADATA_LENGTH_MAX} characters in all", subject="metadata")
    return checked


def check_expires(expires: str | None) -> str | None:
    """Return `expires` if it is None or a time."""
    return None if expires is None else parse_time(expires, "expiry time")


def check_page(after: str, limit: int) -> None:
    """Check the cursor and the size of a page of a listing."""
    check_text(after, "list cursor")
    check_limit(limit)


def check_limit(limit: int) -> None:
    """Check the size of a page."""
    if not isinstance(limit, int) or not 1 <= limit <= LIST_LIMIT_MAX:
        raise InvalidInputError(f"a list limit is 1 to {LIST_LIMIT_MAX}, not {limit}", subject="limit")


def check_count(value: int, what: str) -> int:
    """Return `value` if it can be a sequence, generation, epoch or beat."""
    if not isinstance(value, int) or not 0 <= value <= SEQUENCE_MAX:
        raise InvalidInputError(f"{str(value)[:40]} is not a valid {what}", subject=what)
    return value


def check_commit_prefix(prefix: str) -> str:
    """Return the start of a commit id, 8 to 64 hex digits."""
    if not isinstance(prefix, str) or not _PREFIX.fullmatch(prefix):
        raise InvalidInputError(
            f"{str(prefix)[:80]!r} is not the start of a commit id",
            subject=str(prefix)[:80],
            hint="give 8 to 64 lower-case hex digits",
        )
    return prefix


def check_bases(bases: Sequence[CommitId]) -> tuple[CommitId, ...]:
    """Return the commits that a lease pins."""
    if len(bases) > BASES_MAX:
        raise InvalidInputError(f"a lease pins at most {BASES_MAX} commits, not {len(bases)}", subject="bases")
    return tuple(parse_commit_id(base) for base in bases)


def check_commit(commit: CommitRecord) -> None:
    """Check the ids of a commit row."""
    parse_commit_id(commit.id)
    parse_node_id(commit.tree)
    parse_object_ref(commit.object)
    parse_object_ref(commit.root)


def check_update(update: RefUpdate) -> None:
    """Check all of a ref update that can be checked without looking at the database.

    Raises:
        InvalidInputError: it can never work as written.
    """
    parse_dataset_id(update.dataset)
    parse_name(update.name, f"{RefKind(update.kind).value} name")
    check_text(update.key, "idempotency key", KEY_LENGTH_MAX, empty=False)
    check_text(update.actor, "actor")
    check_text(update.reason, "reason")
    check_text(update.message, "message", MESSAGE_LENGTH_MAX)
    check_metadata(update.metadata)
    check_expires(update.expires)
    if update.expected is not None:
        parse_commit_id(update.expected[0])
        check_count(update.expected[1], "generation")
    if update.commit is not None:
        parse_commit_id(update.commit)
    elif update.expected is None:
        raise InvalidInputError("an update that expects no ref and leaves none changes nothing", subject=update.name)
    if update.lease is not None:
        parse_lease_id(update.lease[0])
        check_count(update.lease[1], "epoch")
    elif update.new_commits or update.finish_lease:
        raise InvalidInputError(
            "new commits need the lease under which they were written",
            subject=update.name,
            hint="begin a lease, write under it, and name it in the update",
        )
    if len(update.new_commits) > NEW_COMMITS_MAX:
        raise InvalidInputError(f"an update adds at most {NEW_COMMITS_MAX} commits", subject=update.name)
    for commit in update.new_commits:
        check_commit(commit)


def check_location_url(url: str) -> str:
    """Return `url` if it may name a place outside: a known scheme, a place, a final "/", and no secret in it.

    Raises:
        InvalidInputError: the message never repeats the url, which may hold a password.
    """
    hint = f"give {', '.join(URL_SCHEMES)} URLs such as s3://bucket/prefix/ and keep credentials in the configuration"
    check_text(url, "location url", empty=False)
    try:
        parts = urlsplit(url)
        secret = "@" in parts.netloc or parts.query or parts.fragment or "?" in url or "#" in url
    except ValueError:
        raise InvalidInputError("the location is not a URL", subject="location url", hint=hint) from None
    if parts.scheme not in URL_SCHEMES:
        raise InvalidInputError("extents cannot point into places of this scheme", subject=parts.scheme, hint=hint)
    if secret:
        raise InvalidInputError("a location holds no user, password, query or fragment", subject=parts.scheme, hint=hint)
    if bool(parts.netloc) == (parts.scheme == "file"):
        raise InvalidInputError("a location names a bucket or host, or an absolute path", subject=parts.scheme, hint=hint)
    if not url.endswith("/") or not parts.path.startswith("/") or any(part in (".", "..") for part in parts.path.split("/")):
        raise InvalidInputError("a location ends with '/' and has no '.' or '..' segment", subject=parts.scheme, hint=hint)
    if any(ord(char) <= 32 or ord(char) == 127 for char in url):
        raise InvalidInputError("a location holds no blank or control character", subject=parts.scheme, hint=hint)
    return url


def check_dataset(id: str, name: str, default_branch: str, metadata: Mapping[str, str] | None) -> dict[str, str]:
    """Check what a dataset is to be created with and return its metadata."""
    parse_dataset_id(id)
    parse_name(name, "dataset name")
    parse_name(default_branch, "branch name")
    return check_metadata(metadata)


def check_lease(id: str, dataset: DatasetId, holder: str, bases: Sequence[CommitId]) -> tuple[CommitId, ...]:
    """Check what a lease is to begin with and return its bases."""
    parse_lease_id(id)
    parse_dataset_id(dataset)
    check_text(holder, "holder")
    return check_bases(bases)


def check_location(id: str, url: str, credential: str) -> None:
    """Check what a location is to be registered with."""
    parse_name(id, "location id")
    check_location_url(url)
    check_text(credential, "credential name", KEY_LENGTH_MAX)


def check_pin(id: str, dataset: DatasetId, commit: CommitId, *, owner: str, reason: str, expires: str | None) -> None:
    """Check what a pin is to be made with."""
    parse_name(id, "pin id")
    parse_dataset_id(dataset)
    parse_commit_id(commit)
    check_text(owner, "owner")
    check_text(reason, "reason")
    check_expires(expires)
