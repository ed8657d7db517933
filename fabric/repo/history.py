"""Walking commits: the log, the common ancestor, and what a ref says."""

import heapq
from collections.abc import Iterator
from dataclasses import replace

from fabric.errors import InvalidInputError, NotFoundError
from fabric.metastore.records import RefKind
from fabric.model import refs
from fabric.model.ids import CommitId
from fabric.repo.store import CommitInfo, DatasetStore
from fabric.repo.suggest import closest

SUGGEST_FROM_MAX = 1_000


def resolve(store: DatasetStore, text: str, dataset_name: str) -> CommitInfo:
    """Return the commit that a REF names (grammar in `fabric.model.refs`).

    Raises:
        InvalidInputError: not a ref, or `@{time}` of something that is no branch, or a prefix of several commits.
        NotFoundError: nothing of that name, no commit that far back, or no state at that time.
    """
    ref = refs.parse_ref(text)
    info = _base(store, ref, text, dataset_name)
    for step in range(ref.steps):
        if not info.commit.parents:
            raise NotFoundError(
                f"{text!r} goes back {ref.steps} commits, but there are only {step} before {ref.base!r}",
                subject=f"{dataset_name}@{text}",
                hint=f"'fabric log {dataset_name}@{ref.base}' shows the history",
            )
        info = store.commit(info.commit.parents[0])
    return info


def _base(store: DatasetStore, ref: refs.Ref, text: str, dataset_name: str) -> CommitInfo:
    if ref.time is not None:
        entry = store.metastore.refs.at(store.dataset, ref.base, ref.time)
        if entry.new is None:
            raise NotFoundError(f"{ref.base!r} was deleted at that time", subject=f"{dataset_name}@{text}")
        if entry.kind != RefKind.BRANCH:
            raise InvalidInputError(f"{ref.base!r} is a snapshot: it never moved", subject=f"{dataset_name}@{text}")
        return store.commit(entry.new)
    try:
        record = store.metastore.refs.get(store.dataset, ref.base)
    except NotFoundError:
        if ref.maybe_commit:
            return _by_prefix(store, ref.base, dataset_name)
        raise no_ref(store, dataset_name, ref.base) from None
    return replace(store.commit(record.commit), ref=record if ref.is_plain else None)


def no_ref(store: DatasetStore, dataset_name: str, name: str) -> NotFoundError:
    """Return the error for a branch or snapshot that is not there; its hint says what may have been meant."""
    address = f"{dataset_name}@{name}"
    names = [other.name for other in store.metastore.refs.list(store.dataset, limit=SUGGEST_FROM_MAX)]
    return NotFoundError(
        f"there is no branch or snapshot {address!r}",
        subject=address,
        hint=closest(name, names) or f"'fabric branch list {dataset_name}' and 'fabric snapshot list {dataset_name}'",
    )


def _by_prefix(store: DatasetStore, prefix: str, dataset_name: str) -> CommitInfo:
    found = store.metastore.commits.by_prefix(store.dataset, prefix)
    if not found:
        raise NotFoundError(
            f"dataset {dataset_name!r} has no branch, snapshot or commit {prefix!r}", subject=f"{dataset_name}@{prefix}"
        )
    if len(found) > 1:
        raise InvalidInputError(
            f"{prefix!r} begins the ids of several commits", subject=f"{dataset_name}@{prefix}", hint="write more digits"
        )
    return store.commit(found[0].id)


def ancestors(store: DatasetStore, start: CommitInfo) -> Iterator[CommitInfo]:
    """Yield a commit and all before it, the newest first; each once. Read as it is consumed."""
    seen = {start.id}
    queue = [_queued(start)]
    while queue:
        info = store.commit(heapq.heappop(queue)[1])
        yield info
        for parent in info.commit.parents:
            if parent not in seen:
                seen.add(parent)
                heapq.heappush(queue, _queued(store.commit(parent)))


class _Reversed(str):
    """Text that sorts the other way round."""

    __slots__ = ()

    def __lt__(self, other: str) -> bool:
        return str.__gt__(self, other)


def _queued(info: CommitInfo) -> tuple[_Reversed, CommitId]:
    """Return what sorts a commit in a queue: the newest first."""
    return _Reversed(info.commit.time), info.id


def is_ancestor(store: DatasetStore, above: CommitId, below: CommitInfo) -> bool:
    """Whether `above` is `below` or before it."""
    return any(info.id == above for info in ancestors(store, below))


def merge_base(store: DatasetStore, first: CommitInfo, second: CommitInfo) -> CommitInfo | None:
    """Return the best common ancestor: one that is no ancestor of another common ancestor, of several the newest.

    With an older base a change that one side has undone since would come back. So the walk of both histories, the newest
    commits first, goes on until all that is left is behind a common ancestor; and since clocks can be wrong, candidates are
    compared by ancestry, never by time. None if the histories have nothing in common.
    """
    both, behind = 3, 4
    sides: dict[CommitId, int] = {first.id: 1}
    sides[second.id] = sides.get(second.id, 0) | 2
    queue = [_queued(first), _queued(second)]
    heapq.heapify(queue)
    found: dict[CommitId, CommitInfo] = {}
    while any(sides[commit_id] < behind for _, commit_id in queue):
        info = store.commit(heapq.heappop(queue)[1])
        side = sides[info.id]
        if side == both:
            found[info.id] = info
        below = side | behind if side & both == both else side
        for parent in info.commit.parents:
            before = sides.get(parent, 0)
            if before | below != before:
                sides[parent] = before | below
                heapq.heappush(queue, _queued(store.commit(parent)))
    candidates = [info for info in found.values() if sides[info.id] == both]
    if len(candidates) > 1:
        candidates = [
            info
            for info in candidates
            if not any(is_ancestor(store, info.id, other) for other in candidates if other is not info)
        ]
    return max(candidates, key=lambda info: (info.commit.time, info.id), default=None)
