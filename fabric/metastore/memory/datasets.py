"""Datasets in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fabric.errors import NotFoundError
from fabric.metastore import checks, rules
from fabric.metastore.backup import DatasetChange
from fabric.metastore.clock import later
from fabric.metastore.memory.state import State, Tables
from fabric.metastore.port import LIST_LIMIT_MAX
from fabric.metastore.records import DatasetRecord
from fabric.model.ids import DatasetId, parse_dataset_id, parse_name


class MemoryDatasets:
    """Fulfils fabric.metastore.port.Datasets."""

    def __init__(self, state: State) -> None:
        self._state = state

    def create(
        self, id: DatasetId, name: str, *, default_branch: str = "main", metadata: Mapping[str, str] | None = None
    ) -> DatasetRecord:
        """See Datasets.create."""
        said = checks.check_dataset(id, name, default_branch, metadata)
        with self._state.use() as tables:
            if id in tables.datasets:
                return rules.same_dataset(tables.datasets[id], name)
            if _live(tables, name):
                raise rules.name_taken(name)
            record = DatasetRecord(id, name, self._state.clock(), default_branch, said)
            self._state.record(DatasetChange(record))
            return record

    def get(self, name: str) -> DatasetRecord:
        """See Datasets.get."""
        parse_name(name, "dataset name")
        with self._state.use() as tables:
            found = _live(tables, name)
        if found is None:
            raise NotFoundError("the dataset does not exist", subject=name)
        return found

    def by_id(self, id: DatasetId) -> DatasetRecord:
        """See Datasets.by_id."""
        parse_dataset_id(id)
        with self._state.use() as tables:
            if id not in tables.datasets:
                raise NotFoundError("the dataset does not exist", subject=id)
            return tables.datasets[id]

    def list(self, after: str = "", limit: int = LIST_LIMIT_MAX) -> Sequence[DatasetRecord]:
        """See Datasets.list."""
        checks.check_page(after, limit)
        with self._state.use() as tables:
            live = [record for record in tables.datasets.values() if record.deleted is None and record.name > after]
        return sorted(live, key=lambda record: record.name)[:limit]

    def delete(self, id: DatasetId) -> DatasetRecord:
        """See Datasets.delete."""
        with self._state.use():
            record = self.by_id(id)
            if record.deleted is None:
                record = replace(record, deleted=later(self._state.clock(), record.created))
                self._state.record(DatasetChange(record))
            return record


def _live(tables: Tables, name: str) -> DatasetRecord | None:
    return next((d for d in tables.datasets.values() if d.name == name and d.deleted is None), None)
