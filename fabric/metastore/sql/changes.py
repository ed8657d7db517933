"""How a change enters the tables: the same way when it is made and when it is recovered."""

from fabric.metastore.backup import Change, DatasetChange, LocationChange, PinChange, RefChange, encode
from fabric.metastore.records import DatasetRecord, PinRecord
from fabric.metastore.sql import rows
from fabric.metastore.sql.database import Session

_DATASET = "SELECT sequence FROM datasets WHERE id = :id"
_DATASET_ADD = """
INSERT INTO datasets (id, name, live_name, created, default_branch, metadata, deleted, sequence)
VALUES (:id, :name, :live_name, :created, :default_branch, :metadata, :deleted, :sequence)
"""
_DATASET_SET = """
UPDATE datasets SET name = :name, live_name = :live_name, created = :created, default_branch = :default_branch,
    metadata = :metadata, deleted = :deleted, sequence = :sequence
WHERE id = :id
"""
_REF_ADD = """
INSERT INTO refs (dataset, name, live, kind, commit_id, generation, created, updated, message, expires, metadata)
VALUES (:dataset, :name, 1, :kind, :commit_id, :generation, :created, :updated, :message, :expires, :metadata)
"""
_REF_SET = """
UPDATE refs SET live = 1, kind = :kind, commit_id = :commit_id, generation = :generation, created = :created,
    updated = :updated, message = :message, expires = :expires, metadata = :metadata
WHERE dataset = :dataset AND name = :name
"""
_REF_DELETE = """
UPDATE refs SET live = 0, commit_id = NULL, generation = :generation, updated = :updated
WHERE dataset = :dataset AND name = :name
"""
_REFLOG_ADD = """
INSERT INTO reflog (dataset, name, sequence, kind, old, new, actor, time, reason, key)
VALUES (:dataset, :name, :sequence, :kind, :old, :new, :actor, :time, :reason, :key)
"""
_COMMIT_ADD = """
INSERT INTO commits (dataset, id, tree, object, root) VALUES (:dataset, :id, :tree, :object, :root)
"""
_PIN = "SELECT sequence FROM pins WHERE id = :id"
_PIN_ADD = """
INSERT INTO pins (id, live, dataset, commit_id, owner, reason, created, expires, sequence)
VALUES (:id, 1, :dataset, :commit_id, :owner, :reason, :created, :expires, :sequence)
"""
_PIN_SET = """
UPDATE pins SET live = 1, dataset = :dataset, commit_id = :commit_id, owner = :owner, reason = :reason,
    created = :created, expires = :expires, sequence = :sequence
WHERE id = :id
"""
_PIN_RELEASE = "UPDATE pins SET live = 0, sequence = :sequence WHERE id = :id"
_LOCATION = "SELECT sequence FROM locations WHERE id = :id"
_LOCATION_ADD = """
INSERT INTO locations (id, live, url, created, credential, sequence)
VALUES (:id, 1, :url, :created, :credential, :sequence)
"""
_LOCATION_SET = """
UPDATE locations SET live = 1, url = :url, created = :created, credential = :credential, sequence = :sequence
WHERE id = :id
"""
_LOCATION_DELETE = "UPDATE locations SET live = 0, sequence = :sequence WHERE id = :id"
_OUTBOX_ADD = """
INSERT INTO outbox (scope, kind, key, sequence, body) VALUES (:scope, :kind, :key, :sequence, :body)
"""


def record(session: Session, change: Change) -> None:
    """Enter a change that is made now, and leave its row in the outbox, in the same transaction."""
    row = encode(change, apply(session, change))
    session.execute(_OUTBOX_ADD, scope=row.scope, kind=row.kind, key=row.key, sequence=row.sequence, body=row.body)


def apply(session: Session, change: Change) -> int:
    """Enter a change and return its sequence."""
    if isinstance(change, RefChange):
        return _apply_ref(session, change)
    if isinstance(change, DatasetChange):
        return _apply_dataset(session, change.record)
    if isinstance(change, PinChange):
        return _apply_pin(session, change.id, change.record)
    return _apply_location(session, change)


def _apply_ref(session: Session, change: RefChange) -> int:
    entry, record = change.entry, change.record
    for commit in change.commits:
        values = {"id": commit.id, "tree": commit.tree.hex(), "object": commit.object, "root": commit.root}
        session.execute(_COMMIT_ADD, dataset=entry.dataset, **values)
    if record is None:
        where = {"dataset": entry.dataset, "name": entry.name}
        session.execute(_REF_DELETE, generation=entry.generation, updated=entry.time, **where)
    else:
        session.execute(
            _REF_ADD if entry.sequence == 1 else _REF_SET,
            dataset=record.dataset,
            name=record.name,
            kind=record.kind.value,
            commit_id=record.commit,
            generation=record.generation,
            created=record.created,
            updated=record.updated,
            message=record.message,
            expires=record.expires,
            metadata=rows.metadata_text(record.metadata),
        )
    session.execute(
        _REFLOG_ADD,
        dataset=entry.dataset,
        name=entry.name,
        sequence=entry.sequence,
        kind=entry.kind.value,
        old=entry.old,
        new=entry.new,
        actor=entry.actor,
        time=entry.time,
        reason=entry.reason,
        key=entry.key,
    )
    return entry.sequence


def _next(session: Session, statement: str, id: str) -> int:
    row = session.one(statement, id=id)
    return 1 if row is None else int(row[0]) + 1


def _apply_dataset(session: Session, record: DatasetRecord) -> int:
    sequence = _next(session, _DATASET, record.id)
    session.execute(
        _DATASET_ADD if sequence == 1 else _DATASET_SET,
        id=record.id,
        name=record.name,
        live_name=record.name if record.deleted is None else None,
        created=record.created,
        default_branch=record.default_branch,
        metadata=rows.metadata_text(record.metadata),
        deleted=record.deleted,
        sequence=sequence,
    )
    return sequence


def _apply_pin(session: Session, id: str, pin: PinRecord | None) -> int:
    sequence = _next(session, _PIN, id)
    if pin is None:
        session.execute(_PIN_RELEASE, id=id, sequence=sequence)
        return sequence
    session.execute(
        _PIN_ADD if sequence == 1 else _PIN_SET,
        id=id,
        dataset=pin.dataset,
        commit_id=pin.commit,
        owner=pin.owner,
        reason=pin.reason,
        created=pin.created,
        expires=pin.expires,
        sequence=sequence,
    )
    return sequence


def _apply_location(session: Session, change: LocationChange) -> int:
    sequence, location = _next(session, _LOCATION, change.id), change.record
    if location is None:
        session.execute(_LOCATION_DELETE, id=change.id, sequence=sequence)
        return sequence
    session.execute(
        _LOCATION_ADD if sequence == 1 else _LOCATION_SET,
        id=location.id,
        url=location.url,
        created=location.created,
        credential=location.credential,
        sequence=sequence,
    )
    return sequence
