"""The memory metastore as a whole, and its outbox."""

import threading
from collections.abc import Iterable, Sequence

from fabric.metastore import checks
from fabric.metastore.backup import RefChange
from fabric.metastore.clock import Clock, utc_now
from fabric.metastore.memory.datasets import MemoryDatasets
from fabric.metastore.memory.leases import MemoryLeases
from fabric.metastore.memory.pins import MemoryLocations, MemoryPins
from fabric.metastore.memory.refs import MemoryCommits, MemoryRefs
from fabric.metastore.memory.state import State, Tables
from fabric.metastore.records import BackupRow
from fabric.metastore.replay import key_twice, name_twice, no_target, not_empty, replay

_shared: "dict[str, MemoryMetastore]" = {}
_shared_lock = threading.Lock()


class MemoryMetastore:
    """Fulfils Metastore and Outbox in memory.

    Args:
        clock: tells the time of changes.
        like: work on the tables of that metastore; each has its own close.
    """

    def __init__(self, clock: Clock = utc_now, like: "MemoryMetastore | None" = None) -> None:
        self._state: State = State(clock, like._state if like else None)
        self.datasets = MemoryDatasets(self._state)
        self.refs = MemoryRefs(self._state)
        self.commits = MemoryCommits(self._state)
        self.leases = MemoryLeases(self._state)
        self.pins = MemoryPins(self._state)
        self.locations = MemoryLocations(self._state)

    def close(self) -> None:
        """See Metastore.close."""
        self._state.closed = True

    def pending(self, scope: str = "", kind: str = "", key: str = "", limit: int = 1_000) -> Sequence[BackupRow]:
        """See Outbox.pending."""
        checks.check_limit(limit)
        with self._state.use() as tables:
            rows = list(tables.outbox.values())
        return [row for row in rows if scope in ("", row.scope) and kind in ("", row.kind) and key in ("", row.key)][:limit]

    def done(self, rows: Sequence[BackupRow]) -> None:
        """See Outbox.done."""
        with self._state.use() as tables:
            for row in rows:
                tables.outbox.pop((row.scope, row.kind, row.key, row.sequence), None)

    def load(self, rows: Iterable[BackupRow]) -> None:
        """See Outbox.load."""
        loaded = Tables()
        for row, change in replay(rows):
            if isinstance(change, RefChange) and change.entry.key in loaded.keys:
                raise key_twice(row.key)
            loaded.apply(change)
        _check_whole(loaded)
        with self._state.use() as tables:
            if tables.datasets or tables.locations:
                raise not_empty()
            vars(tables).update(vars(loaded))


def _check_whole(tables: Tables) -> None:
    names: set[str] = set()
    for record in tables.datasets.values():
        if record.deleted is None and record.name in names:
            raise name_twice(record.name)
        names.add(record.name if record.deleted is None else "")
    refs = (state.record for states in tables.refs.values() for state in states.values())
    targets = [(ref.dataset, ref.commit) for ref in refs if ref] + [(p.dataset, p.commit) for p in tables.pins.values()]
    for dataset, commit in targets:
        if dataset not in tables.datasets or commit not in tables.commits.get(dataset, {}):
            raise no_target(dataset, commit)


def shared_memory_metastore(name: str) -> MemoryMetastore:
    """Return a metastore over the tables that this process keeps under `name`: the same for all who name it."""
    with _shared_lock:
        return MemoryMetastore(like=_shared.setdefault(name, MemoryMetastore()))
