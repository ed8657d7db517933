"""Refs, their log and the commits that come with them, in memory."""

import bisect
from collections.abc import Sequence
from dataclasses import replace

from fabric.errors import NotFoundError
from fabric.metastore import checks, rules
from fabric.metastore.backup import RefChange
from fabric.metastore.clock import parse_time
from fabric.metastore.memory.state import State
from fabric.metastore.port import LIST_LIMIT_MAX
from fabric.metastore.records import CommitRecord, LeaseState, RefKind, ReflogEntry, RefRecord, RefUpdate
from fabric.model.ids import CommitId, DatasetId, parse_commit_id, parse_dataset_id, parse_name


class MemoryRefs:
    """Fulfils fabric.metastore.port.Refs."""

    def __init__(self, state: State) -> None:
        self._state = state

    def get(self, dataset: DatasetId, name: str) -> RefRecord:
        """See Refs.get."""
        parse_dataset_id(dataset)
        parse_name(name, "ref name")
        with self._state.use() as tables:
            state = tables.refs.get(dataset, {}).get(name)
        if state is None or state.record is None:
            raise NotFoundError("the ref does not exist", subject=name)
        return state.record

    def list(
        self, dataset: DatasetId, kind: RefKind | None = None, after: str = "", limit: int = LIST_LIMIT_MAX
    ) -> Sequence[RefRecord]:
        """See Refs.list."""
        parse_dataset_id(dataset)
        checks.check_page(after, limit)
        with self._state.use() as tables:
            records = [state.record for state in tables.refs.get(dataset, {}).values() if state.record]
        chosen = [record for record in records if record.name > after and kind in (None, record.kind)]
        return sorted(chosen, key=lambda record: record.name)[:limit]

    def update(self, update: RefUpdate) -> ReflogEntry:
        """See Refs.update."""
        checks.check_update(update)
        with self._state.use() as tables:
            if update.key in tables.keys:
                return rules.first_answer(update, tables.keys[update.key])
            rules.require_live(tables.datasets.get(update.dataset), update.dataset)
            lease = None
            if update.lease:
                lease_id, epoch = update.lease
                lease = rules.require_lease(tables.leases.get(lease_id), lease_id, epoch, update.dataset)
            known = tables.commits.get(update.dataset, {})
            added = rules.unknown_commits(update.new_commits, known)
            state, entry = rules.move_ref(
                update,
                tables.refs.get(update.dataset, {}).get(update.name),
                target_known=update.commit in known or any(commit.id == update.commit for commit in added),
                now=self._state.clock(),
            )
            self._state.record(RefChange(entry, state.record, added))
            if lease and update.finish_lease:
                tables.leases[lease.id] = replace(lease, state=LeaseState.FINISHED)
            return entry

    def reflog(
        self, dataset: DatasetId, name: str, before: int | None = None, limit: int = LIST_LIMIT_MAX
    ) -> Sequence[ReflogEntry]:
        """See Refs.reflog."""
        checks.check_limit(limit)
        log = self._log(dataset, name)
        end = len(log) if before is None else min(len(log), max(0, checks.check_count(before, "sequence") - 1))
        return log[max(0, end - limit) : end][::-1]

    def at(self, dataset: DatasetId, name: str, time: str) -> ReflogEntry:
        """See Refs.at."""
        parse_time(time)
        log = self._log(dataset, name)
        count = bisect.bisect_right(log, time, key=lambda entry: entry.time)
        if not count:
            raise NotFoundError(f"the ref did not exist at {time}", subject=name)
        return log[count - 1]

    def _log(self, dataset: DatasetId, name: str) -> Sequence[ReflogEntry]:
        parse_dataset_id(dataset)
        parse_name(name, "ref name")
        with self._state.use() as tables:
            return list(tables.reflog.get((dataset, name), ()))


class MemoryCommits:
    """Fulfils fabric.metastore.port.Commits."""

    def __init__(self, state: State) -> None:
        self._state = state

    def get(self, dataset: DatasetId, id: CommitId) -> CommitRecord:
        """See Commits.get."""
        parse_commit_id(id)
        return rules.require_commit(self._of(dataset).get(id), id)

    def by_prefix(self, dataset: DatasetId, prefix: str, limit: int = 2) -> Sequence[CommitRecord]:
        """See Commits.by_prefix."""
        checks.check_commit_prefix(prefix)
        checks.check_limit(limit)
        commits = self._of(dataset)
        return [commits[key] for key in sorted(commits) if key.startswith(prefix)][:limit]

    def list(self, dataset: DatasetId, after: str = "", limit: int = LIST_LIMIT_MAX) -> Sequence[CommitRecord]:
        """See Commits.list."""
        checks.check_page(after, limit)
        commits = self._of(dataset)
        return [commits[key] for key in sorted(commits) if key > after][:limit]

    def _of(self, dataset: DatasetId) -> dict[CommitId, CommitRecord]:
        parse_dataset_id(dataset)
        with self._state.use() as tables:
            return dict(tables.commits.get(dataset, {}))
