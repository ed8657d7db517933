"""Pins and locations in memory."""

from collections.abc import Sequence

from fabric.errors import NotFoundError
from fabric.metastore import checks, rules
from fabric.metastore.backup import LocationChange, PinChange
from fabric.metastore.memory.state import State
from fabric.metastore.port import LIST_LIMIT_MAX
from fabric.metastore.records import LocationRecord, PinRecord
from fabric.model.ids import CommitId, DatasetId, parse_dataset_id, parse_name


class MemoryPins:
    """Fulfils fabric.metastore.port.Pins."""

    def __init__(self, state: State) -> None:
        self._state = state

    def create(
        self, id: str, dataset: DatasetId, commit: CommitId, *, owner: str, reason: str, expires: str | None = None
    ) -> PinRecord:
        """See Pins.create."""
        checks.check_pin(id, dataset, commit, owner=owner, reason=reason, expires=expires)
        with self._state.use() as tables:
            if id in tables.pins:
                return rules.same_pin(tables.pins[id], dataset, commit)
            if tables.pin_datasets.get(id, dataset) != dataset:
                raise rules.pin_taken(id)
            rules.require_commit(tables.commits.get(dataset, {}).get(commit), commit)
            pin = PinRecord(id, dataset, commit, owner, reason, self._state.clock(), expires)
            self._state.record(PinChange(dataset, id, pin))
            return pin

    def release(self, id: str) -> None:
        """See Pins.release."""
        parse_name(id, "pin id")
        with self._state.use() as tables:
            if id in tables.pins:
                self._state.record(PinChange(tables.pin_datasets[id], id, None))

    def list(self, dataset: DatasetId, after: str = "", limit: int = LIST_LIMIT_MAX) -> Sequence[PinRecord]:
        """See Pins.list."""
        parse_dataset_id(dataset)
        checks.check_page(after, limit)
        with self._state.use() as tables:
            pins = [pin for pin in tables.pins.values() if pin.dataset == dataset and pin.id > after]
        return sorted(pins, key=lambda pin: pin.id)[:limit]


class MemoryLocations:
    """Fulfils fabric.metastore.port.Locations."""

    def __init__(self, state: State) -> None:
        self._state = state

    def create(self, id: str, url: str, *, credential: str = "") -> LocationRecord:
        """See Locations.create."""
        checks.check_location(id, url, credential)
        with self._state.use() as tables:
            if id in tables.locations:
                return rules.same_location(tables.locations[id], url, credential)
            location = LocationRecord(id, url, self._state.clock(), credential)
            self._state.record(LocationChange(id, location))
            return location

    def get(self, id: str) -> LocationRecord:
        """See Locations.get."""
        parse_name(id, "location id")
        with self._state.use() as tables:
            if id not in tables.locations:
                raise NotFoundError("the location is not registered", subject=id)
            return tables.locations[id]

    def list(self, after: str = "", limit: int = LIST_LIMIT_MAX) -> Sequence[LocationRecord]:
        """See Locations.list."""
        checks.check_page(after, limit)
        with self._state.use() as tables:
            locations = dict(tables.locations)
        return [locations[key] for key in sorted(locations) if key > after][:limit]

    def delete(self, id: str) -> None:
        """See Locations.delete."""
        parse_name(id, "location id")
        with self._state.use() as tables:
            if id in tables.locations:
                self._state.record(LocationChange(id, None))
