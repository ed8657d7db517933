"""The bytes of an exported change, and the strict reader of them (docs/format.md, "Backup rows").

A body is canonical JSON (RFC 8785) that says where it belongs (version, scope, kind, key, sequence) and what the row is
after the change. So a misplaced or altered object is refused, and each change has one encoding: what is decoded is encoded
again and must give the same bytes, or it is a DataError.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Never

import rfc8785

from fabric.errors import DataError, UnsupportedFormatError
from fabric.metastore.checks import (
    SEQUENCE_MAX,
    check_commit,
    check_expires,
    check_location_url,
    check_metadata,
    check_text,
)
from fabric.metastore.clock import parse_time
from fabric.metastore.records import (
    BackupRow,
    CommitRecord,
    DatasetRecord,
    LocationRecord,
    PinRecord,
    RefKind,
    ReflogEntry,
    RefRecord,
)
from fabric.model.ids import (
    CommitId,
    DatasetId,
    NodeId,
    ObjectRef,
    parse_commit_id,
    parse_dataset_id,
    parse_name,
)

VERSION = 1
BODY_BYTES_MAX = 16 * 1024 * 1024
FABRIC_SCOPE = "fabric"
"""The scope of rows that belong to no dataset."""
KINDS = ("dataset", "location", "pin", "ref")
"""The kinds that this version exports; an unknown one was written by a newer release."""


@dataclass(frozen=True, slots=True)
class DatasetChange:
    """A dataset was created or deleted."""

    record: DatasetRecord


@dataclass(frozen=True, slots=True)
class RefChange:
    """A ref moved: its line in the log, the ref as it is then (None: deleted), the commits that came with it."""

    entry: ReflogEntry
    record: RefRecord | None
    commits: tuple[CommitRecord, ...]


@dataclass(frozen=True, slots=True)
class PinChange:
    """A pin was made (or released: None)."""

    dataset: DatasetId
    id: str
    record: PinRecord | None


@dataclass(frozen=True, slots=True)
class LocationChange:
    """A location was registered (or forgotten: None)."""

    id: str
    record: LocationRecord | None


Change = DatasetChange | RefChange | PinChange | LocationChange


def encode(change: Change, sequence: int) -> BackupRow:
    """Return the exported row of a change, which is number `sequence` of its key."""
    if isinstance(change, DatasetChange):
        return _encode_dataset(change.record, sequence)
    if isinstance(change, RefChange):
        return _encode_ref(change, sequence)
    if isinstance(change, PinChange):
        return _encode_pin(change, sequence)
    return _encode_location(change, sequence)


def _encode_dataset(record: DatasetRecord, sequence: int) -> BackupRow:
    said = {
        "name": record.name,
        "created": record.created,
        "default_branch": record.default_branch,
        "metadata": dict(record.metadata),
        "deleted": record.deleted,
    }
    return _row(record.id, "dataset", record.id, sequence, {"dataset": said})


def _encode_ref(change: RefChange, sequence: int) -> BackupRow:
    entry, record = change.entry, change.record
    moved = {
        "kind": entry.kind.value,
        "old": entry.old,
        "new": entry.new,
        "actor": entry.actor,
        "time": entry.time,
        "reason": entry.reason,
        "key": entry.key,
    }
    ref = record and {
        "created": record.created,
        "message": record.message,
        "expires": record.expires,
        "metadata": dict(record.metadata),
    }
    commits = [{"id": c.id, "tree": c.tree.hex(), "object": c.object, "root": c.root} for c in change.commits]
    return _row(entry.dataset, "ref", entry.name, sequence, {"entry": moved, "ref": ref, "commits": commits})


def _encode_pin(change: PinChange, sequence: int) -> BackupRow:
    record = change.record
    pin = record and {
        "commit": record.commit,
        "owner": record.owner,
        "reason": record.reason,
        "created": record.created,
        "expires": record.expires,
    }
    return _row(change.dataset, "pin", change.id, sequence, {"pin": pin})


def _encode_location(change: LocationChange, sequence: int) -> BackupRow:
    record = change.record
    location = record and {"url": record.url, "created": record.created, "credential": record.credential}
    return _row(FABRIC_SCOPE, "location", change.id, sequence, {"location": location})


def _row(scope: str, kind: str, key: str, sequence: int, said: dict[str, Any]) -> BackupRow:
    head: dict[str, Any] = {"version": VERSION, "scope": scope, "kind": kind, "key": key, "sequence": sequence}
    return BackupRow(scope, kind, key, sequence, rfc8785.dumps(head | said))


def decode(row: BackupRow) -> Change:
    """Return what an exported row says.

    Raises:
        UnsupportedFormatError: a newer version wrote it.
        DataError: it is not what the fabric writes, or lies where it does not belong.
    """
    subject = f"{row.scope}/{row.kind}/{row.key}/{row.sequence}"
    if len(row.body) > BODY_BYTES_MAX:
        raise DataError(f"an exported row has more than {BODY_BYTES_MAX} bytes", subject=subject)
    try:
        fields = _Fields(json.loads(bytes(row.body).decode(), parse_constant=_no_constant, parse_float=_no_constant))
        version = fields.integer("version")
        if version > VERSION:
            raise UnsupportedFormatError(
                f"an exported row has version {version}",
                subject=subject,
                hint="upgrade datafabric: a newer release wrote it",
            )
        change = _read(row, fields)
        again = encode(change, row.sequence)
    except UnsupportedFormatError:
        raise
    except (ValueError, RecursionError) as error:  # InvalidInputError and UnicodeDecodeError are ValueErrors
        raise DataError(f"an exported row does not decode: {error}", subject=subject) from None
    if again.body != bytes(row.body) or again != row:
        raise DataError("an exported row is not in canonical form, or lies where it does not belong", subject=subject)
    return change


def _no_constant(text: str) -> Never:
    raise ValueError(f"the number {text[:20]}")


class _Fields:
    """A JSON object whose fields are taken with their type; what is left over shows when the row is encoded again."""

    def __init__(self, value: object) -> None:
        if not isinstance(value, dict):
            raise ValueError("an object was expected")
        self._value: dict[str, Any] = value

    def get(self, name: str) -> Any:
        if name not in self._value:
            raise ValueError(f"the field {name} is missing")
        return self._value[name]

    def text(self, name: str) -> str:
        value = self.get(name)
        if not isinstance(value, str):
            raise ValueError(f"the field {name} is no text")
        return check_text(value, name, BODY_BYTES_MAX)

    def optional(self, name: str) -> str | None:
        return None if self.get(name) is None else self.text(name)

    def integer(self, name: str) -> int:
        value = self.get(name)
        if type(value) is not int or not 0 < value <= SEQUENCE_MAX:
            raise ValueError(f"the field {name} is no count")
        return value

    def texts(self, name: str) -> dict[str, str]:
        value = self.get(name)
        if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
            raise ValueError(f"the field {name} is no map of texts")
        return check_metadata(value)

    def part(self, name: str) -> "_Fields | None":
        value = self.get(name)
        return None if value is None else _Fields(value)


def _read(row: BackupRow, fields: _Fields) -> Change:
    readers: dict[str, Callable[[BackupRow, _Fields], Change]] = {
        "dataset": _dataset,
        "ref": _ref,
        "pin": _pin,
        "location": _location,
    }
    if row.kind not in readers:
        raise ValueError("the kind is unknown")
    return readers[row.kind](row, fields)


def _dataset(row: BackupRow, fields: _Fields) -> Change:
    said = _Fields(fields.get("dataset"))
    deleted = said.optional("deleted")
    record = DatasetRecord(
        id=parse_dataset_id(row.key),
        name=parse_name(said.text("name"), "dataset name"),
        created=parse_time(said.text("created")),
        default_branch=parse_name(said.text("default_branch"), "branch name"),
        metadata=said.texts("metadata"),
        deleted=None if deleted is None else parse_time(deleted),
    )
    return DatasetChange(record)


def _ref(row: BackupRow, fields: _Fields) -> Change:
    said = _Fields(fields.get("entry"))
    old, new = said.optional("old"), said.optional("new")
    entry = ReflogEntry(
        dataset=parse_dataset_id(row.scope),
        name=parse_name(row.key, "ref name"),
        sequence=row.sequence,
        kind=RefKind(said.text("kind")),
        old=None if old is None else parse_commit_id(old),
        new=None if new is None else parse_commit_id(new),
        generation=row.sequence,
        actor=said.text("actor"),
        time=parse_time(said.text("time")),
        reason=said.text("reason"),
        key=check_text(said.text("key"), "idempotency key", empty=False),
    )
    ref = fields.part("ref")
    if (ref is None) != (entry.new is None):
        raise ValueError("the ref and its log disagree")
    return RefChange(entry, _ref_record(entry, entry.new, ref), _commits(fields.get("commits")))


def _ref_record(entry: ReflogEntry, commit: CommitId | None, ref: _Fields | None) -> RefRecord | None:
    if ref is None or commit is None:
        return None
    return RefRecord(
        dataset=entry.dataset,
        name=entry.name,
        kind=entry.kind,
        commit=commit,
        generation=entry.generation,
        created=parse_time(ref.text("created")),
        updated=entry.time,
        message=ref.text("message"),
        expires=check_expires(ref.optional("expires")),
        metadata=ref.texts("metadata"),
    )


def _commits(value: object) -> tuple[CommitRecord, ...]:
    if not isinstance(value, list):
        raise ValueError("the commits are no list")
    commits = []
    for fields in map(_Fields, value):
        commit = CommitRecord(
            id=CommitId(fields.text("id")),
            tree=NodeId(bytes.fromhex(fields.text("tree"))),
            object=ObjectRef(fields.text("object")),
            root=ObjectRef(fields.text("root")),
        )
        check_commit(commit)
        commits.append(commit)
    return tuple(commits)


def _pin(row: BackupRow, fields: _Fields) -> Change:
    dataset, pin_id = parse_dataset_id(row.scope), parse_name(row.key, "pin id")
    said = fields.part("pin")
    record = (
        PinRecord(
            id=pin_id,
            dataset=dataset,
            commit=parse_commit_id(said.text("commit")),
            owner=said.text("owner"),
            reason=said.text("reason"),
            created=parse_time(said.text("created")),
            expires=check_expires(said.optional("expires")),
        )
        if said
        else None
    )
    return PinChange(dataset, pin_id, record)


def _location(row: BackupRow, fields: _Fields) -> Change:
    location_id = parse_name(row.key, "location id")
    said = fields.part("location")
    record = (
        LocationRecord(
            id=location_id,
            url=check_location_url(said.text("url")),
            created=parse_time(said.text("created")),
            credential=said.text("credential"),
        )
        if said
        else None
    )
    return LocationChange(location_id, record)
