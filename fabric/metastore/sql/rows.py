"""Between rows of the tables and the records of the port. Column orders here and in the statements are the same."""

import json
from collections.abc import Mapping

from fabric.metastore.records import (
    CommitRecord,
    DatasetRecord,
    LeaseRecord,
    LeaseState,
    LocationRecord,
    PinRecord,
    RefKind,
    ReflogEntry,
    RefRecord,
)
from fabric.metastore.sql.database import Row
from fabric.model.ids import CommitId, NodeId


def metadata_text(metadata: Mapping[str, str]) -> str:
    """Return metadata as it is stored."""
    return json.dumps(dict(metadata), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def dataset(row: Row) -> DatasetRecord:
    """id, name, created, default_branch, metadata, deleted."""
    return DatasetRecord(row[0], row[1], row[2], row[3], json.loads(row[4]), row[5])


def ref(row: Row) -> RefRecord:
    """dataset, name, kind, commit_id, generation, created, updated, message, expires, metadata."""
    return RefRecord(
        row[0], row[1], RefKind(row[2]), row[3], row[4], row[5], row[6], row[7], row[8], metadata=json.loads(row[9])
    )


def reflog_entry(row: Row) -> ReflogEntry:
    """dataset, name, sequence, kind, old, new, actor, time, reason, key; the generation is the sequence."""
    return ReflogEntry(row[0], row[1], row[2], RefKind(row[3]), row[4], row[5], row[2], *row[6:10])


def commit(row: Row) -> CommitRecord:
    """id, tree, object, root."""
    return CommitRecord(row[0], NodeId(bytes.fromhex(row[1])), row[2], row[3])


def lease(row: Row) -> LeaseRecord:
    """id, dataset, epoch, beat, holder, state, created, bases."""
    return LeaseRecord(row[0], row[1], row[2], row[3], row[4], LeaseState(row[5]), row[6], bases(row[7]))


def bases_text(ids: tuple[CommitId, ...]) -> str:
    """Return the bases of a lease as they are stored."""
    return " ".join(ids)


def bases(text: str) -> tuple[CommitId, ...]:
    """Return the bases of a lease as they were stored."""
    return tuple(CommitId(base) for base in text.split())


def pin(row: Row) -> PinRecord:
    """id, dataset, commit_id, owner, reason, created, expires."""
    return PinRecord(*row)


def location(row: Row) -> LocationRecord:
    """id, url, created, credential."""
    return LocationRecord(*row)
