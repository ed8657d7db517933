"""Datasets in the database."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fabric.errors import NotFoundError
from fabric.metastore import checks, rules
from fabric.metastore.backup import DatasetChange
from fabric.metastore.clock import Clock, later
from fabric.metastore.port import LIST_LIMIT_MAX
from fabric.metastore.records import DatasetRecord
from fabric.metastore.sql import changes, rows
from fabric.metastore.sql.database import Database, Session
from fabric.model.ids import DatasetId, parse_dataset_id, parse_name

_BY_NAME = "SELECT id, name, created, default_branch, metadata, deleted FROM datasets WHERE live_name = :name"
_BY_ID = "SELECT id, name, created, default_branch, metadata, deleted FROM datasets WHERE id = :id"
_LIST = """
SELECT id, name, created, default_branch, metadata, deleted FROM datasets
WHERE live_name > :after ORDER BY live_name LIMIT :limit
"""


def find_dataset(session: Session, id: DatasetId) -> DatasetRecord | None:
    """Return the dataset's row, deleted or not, or None."""
    row = session.one(_BY_ID, id=id)
    return rows.dataset(row) if row else None


class SqlDatasets:
    """Fulfils fabric.metastore.port.Datasets."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def create(
        self, id: DatasetId, name: str, *, default_branch: str = "main", metadata: Mapping[str, str] | None = None
    ) -> DatasetRecord:
        """See Datasets.create."""
        said = checks.check_dataset(id, name, default_branch, metadata)

        def work(session: Session) -> DatasetRecord:
            known = find_dataset(session, id)
            if known:
                return rules.same_dataset(known, name)
            if session.one(_BY_NAME, name=name):
                raise rules.name_taken(name)
            record = DatasetRecord(id, name, self._clock(), default_branch, said)
            changes.record(session, DatasetChange(record))
            return record

        return self._database.write(work)

    def get(self, name: str) -> DatasetRecord:
        """See Datasets.get."""
        parse_name(name, "dataset name")
        row = self._database.read(lambda session: session.one(_BY_NAME, name=name))
        if row is None:
            raise NotFoundError("the dataset does not exist", subject=name)
        return rows.dataset(row)

    def by_id(self, id: DatasetId) -> DatasetRecord:
        """See Datasets.by_id."""
        parse_dataset_id(id)
        return self._database.read(lambda session: _require(session, id))

    def list(self, after: str = "", limit: int = LIST_LIMIT_MAX) -> Sequence[DatasetRecord]:
        """See Datasets.list."""
        checks.check_page(after, limit)
        found = self._database.read(lambda session: session.all(_LIST, after=after, limit=limit))
        return [rows.dataset(row) for row in found]

    def delete(self, id: DatasetId) -> DatasetRecord:
        """See Datasets.delete."""
        parse_dataset_id(id)

        def work(session: Session) -> DatasetRecord:
            record = _require(session, id)
            if record.deleted is None:
                record = replace(record, deleted=later(self._clock(), record.created))
                changes.record(session, DatasetChange(record))
            return record

        return self._database.write(work)


def _require(session: Session, id: DatasetId) -> DatasetRecord:
    record = find_dataset(session, id)
    if record is None:
        raise NotFoundError("the dataset does not exist", subject=id)
    return record
