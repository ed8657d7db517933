"""Pins and locations in the database."""

from collections.abc import Sequence

from fabric.errors import NotFoundError
from fabric.metastore import checks, rules
from fabric.metastore.backup import LocationChange, PinChange
from fabric.metastore.clock import Clock
from fabric.metastore.port import LIST_LIMIT_MAX
from fabric.metastore.records import LocationRecord, PinRecord
from fabric.metastore.sql import changes, rows
from fabric.metastore.sql.commits import require_commits
from fabric.metastore.sql.database import Database, Session
from fabric.model.ids import CommitId, DatasetId, parse_dataset_id, parse_name

_PIN = "SELECT id, dataset, commit_id, owner, reason, created, expires, live FROM pins WHERE id = :id"
_PINS = """
SELECT id, dataset, commit_id, owner, reason, created, expires FROM pins
WHERE live = 1 AND dataset = :dataset AND id > :after ORDER BY id LIMIT :limit
"""
_LOCATION = "SELECT id, url, created, credential FROM locations WHERE live = 1 AND id = :id"
_LOCATIONS = """
SELECT id, url, created, credential FROM locations WHERE live = 1 AND id > :after ORDER BY id LIMIT :limit
"""


class SqlPins:
    """Fulfils fabric.metastore.port.Pins."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def create(
        self, id: str, dataset: DatasetId, commit: CommitId, *, owner: str, reason: str, expires: str | None = None
    ) -> PinRecord:
        """See Pins.create."""
        checks.check_pin(id, dataset, commit, owner=owner, reason=reason, expires=expires)

        def work(session: Session) -> PinRecord:
            row = session.one(_PIN, id=id)
            if row and row[7]:
                return rules.same_pin(rows.pin(row[:7]), dataset, commit)
            if row and row[1] != dataset:
                raise rules.pin_taken(id)
            require_commits(session, dataset, (commit,))
            pin = PinRecord(id, dataset, commit, owner, reason, self._clock(), expires)
            changes.record(session, PinChange(dataset, id, pin))
            return pin

        return self._database.write(work)

    def release(self, id: str) -> None:
        """See Pins.release."""
        parse_name(id, "pin id")

        def work(session: Session) -> None:
            row = session.one(_PIN, id=id)
            if row and row[7]:
                changes.record(session, PinChange(row[1], id, None))

        self._database.write(work)

    def list(self, dataset: DatasetId, after: str = "", limit: int = LIST_LIMIT_MAX) -> Sequence[PinRecord]:
        """See Pins.list."""
        parse_dataset_id(dataset)
        checks.check_page(after, limit)
        values = {"dataset": dataset, "after": after, "limit": limit}
        return [rows.pin(row) for row in self._database.read(lambda session: session.all(_PINS, **values))]


class SqlLocations:
    """Fulfils fabric.metastore.port.Locations."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def create(self, id: str, url: str, *, credential: str = "") -> LocationRecord:
        """See Locations.create."""
        checks.check_location(id, url, credential)

        def work(session: Session) -> LocationRecord:
            row = session.one(_LOCATION, id=id)
            if row:
                return rules.same_location(rows.location(row), url, credential)
            location = LocationRecord(id, url, self._clock(), credential)
            changes.record(session, LocationChange(id, location))
            return location

        return self._database.write(work)

    def get(self, id: str) -> LocationRecord:
        """See Locations.get."""
        parse_name(id, "location id")
        row = self._database.read(lambda session: session.one(_LOCATION, id=id))
        if row is None:
            raise NotFoundError("the location is not registered", subject=id)
        return rows.location(row)

    def list(self, after: str = "", limit: int = LIST_LIMIT_MAX) -> Sequence[LocationRecord]:
        """See Locations.list."""
        checks.check_page(after, limit)
        found = self._database.read(lambda session: session.all(_LOCATIONS, after=after, limit=limit))
        return [rows.location(row) for row in found]

    def delete(self, id: str) -> None:
        """See Locations.delete."""
        parse_name(id, "location id")

        def work(session: Session) -> None:
            if session.one(_LOCATION, id=id):
                changes.record(session, LocationChange(id, None))

        self._database.write(work)
