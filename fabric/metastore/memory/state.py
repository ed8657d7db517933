"""The tables of a memory metastore, and the one way in which a change enters them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from fabric.errors import UnavailableError
from fabric.metastore.backup import Change, DatasetChange, PinChange, RefChange, encode
from fabric.metastore.clock import Clock
from fabric.metastore.forks import ForkSafeLock
from fabric.metastore.records import (
    BackupRow,
    CommitRecord,
    DatasetRecord,
    LeaseRecord,
    LocationRecord,
    PinRecord,
    ReflogEntry,
)
from fabric.metastore.rules import RefState
from fabric.model.ids import CommitId, DatasetId, LeaseId

_T = TypeVar("_T")


@dataclass
class Tables:
    """Plain dictionaries. `sequences` counts the exported changes of each dataset, pin and location, dead ones too."""

    datasets: dict[DatasetId, DatasetRecord] = field(default_factory=dict)
    refs: dict[DatasetId, dict[str, RefState]] = field(default_factory=dict)
    reflog: dict[tuple[DatasetId, str], list[ReflogEntry]] = field(default_factory=dict)
    keys: dict[str, ReflogEntry] = field(default_factory=dict)
    commits: dict[DatasetId, dict[CommitId, CommitRecord]] = field(default_factory=dict)
    leases: dict[LeaseId, LeaseRecord] = field(default_factory=dict)
    pins: dict[str, PinRecord] = field(default_factory=dict)
    pin_datasets: dict[str, DatasetId] = field(default_factory=dict)
    locations: dict[str, LocationRecord] = field(default_factory=dict)
    sequences: dict[tuple[str, str], int] = field(default_factory=dict)
    outbox: dict[tuple[str, str, str, int], BackupRow] = field(default_factory=dict)

    def apply(self, change: Change) -> int:
        """Enter a change, made now or recovered, and return its sequence."""
        if isinstance(change, RefChange):
            return self._apply_ref(change)
        if isinstance(change, DatasetChange):
            kind, key = "dataset", str(change.record.id)
            self.datasets[change.record.id] = change.record
        elif isinstance(change, PinChange):
            kind, key = "pin", change.id
            self.pin_datasets[key] = change.dataset
            _put(self.pins, key, change.record)
        else:
            kind, key = "location", change.id
            _put(self.locations, key, change.record)
        self.sequences[kind, key] = self.sequences.get((kind, key), 0) + 1
        return self.sequences[kind, key]

    def _apply_ref(self, change: RefChange) -> int:
        entry = change.entry
        self.commits.setdefault(entry.dataset, {}).update((commit.id, commit) for commit in change.commits)
        state = RefState(entry.generation, entry.time, change.record)
        self.refs.setdefault(entry.dataset, {})[entry.name] = state
        self.reflog.setdefault((entry.dataset, entry.name), []).append(entry)
        self.keys[entry.key] = entry
        return entry.sequence


def _put(table: dict[str, _T], key: str, record: _T | None) -> None:
    if record is None:
        table.pop(key, None)
    else:
        table[key] = record


class State:
    """The tables behind one lock. A change checks everything before it writes anything.

    Args:
        clock: tells the time of changes.
        like: share tables and lock with that state.
    """

    def __init__(self, clock: Clock, like: "State | None" = None) -> None:
        self.clock = clock
        self.closed = False
        self.tables: Tables = like.tables if like else Tables()
        self._lock: ForkSafeLock = like._lock if like else ForkSafeLock()

    @contextmanager
    def use(self) -> Iterator[Tables]:
        """Give the tables to one caller at a time."""
        with self._lock:
            if self.closed:
                raise UnavailableError("the metastore is closed", subject="memory")
            yield self.tables

    def record(self, change: Change) -> None:
        """Enter a change and leave its row in the outbox. The caller is inside of `use`."""
        row = encode(change, self.tables.apply(change))
        self.tables.outbox[row.scope, row.kind, row.key, row.sequence] = row
