"""The last step of every change: a commit object, and one conditional ref update (docs/architecture.md, "Commit").

Everything is durable before the ref moves. If the ref moved meanwhile, the change is built again on the new head. A lost
answer is asked for again under the same idempotency key, so it is neither a double commit nor a false conflict.
"""

import random
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import tenacity

from fabric.errors import ConflictError, DeadlineError, NotFoundError, RefConflictError, UnavailableError
from fabric.metastore.records import CommitRecord, RefKind, ReflogEntry, RefRecord, RefUpdate
from fabric.model import commit as commits
from fabric.model.commit import Commit
from fabric.model.ids import CommitId
from fabric.model.node import Child
from fabric.objects.writer import ObjectWriter
from fabric.repo.lease import WriterLease
from fabric.repo.store import CommitInfo, DatasetStore
from fabric.repo.turn import turn

COMMIT_DEADLINE_S = 120.0
BACKOFF_S_MAX = 0.5
UPDATE_ATTEMPTS_MAX = 6
TURNS = "turns"


@dataclass(frozen=True, slots=True)
class Change:
    """What is published: who, why, and under which lease."""

    branch: str
    author: str
    message: str
    reason: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    keep_equal: bool = False
    """Make a commit even if the tree did not change (a merge)."""


Build = Callable[[CommitInfo | None], tuple[Child, tuple[CommitId, ...]]]
"""Given the branch's head (None if there is none yet), returns the new tree's root and the new commit's parents."""


def head_of(store: DatasetStore, branch: str) -> CommitInfo | None:
    """Return the commit that a branch points to, with its ref; None if there is no such branch."""
    try:
        record = store.metastore.refs.get(store.dataset, branch)
    except NotFoundError:
        return None
    return replace(store.commit(record.commit), ref=record)


def publish(
    store: DatasetStore, lease: WriterLease, writer: ObjectWriter, change: Change, build: Build
) -> CommitInfo | None:
    """Commit what `build` makes of the branch's head, and end the lease. Returns None if nothing changed.

    Raises:
        ConflictError: the branch kept moving until the deadline; or what `build` raises.
        LeaseLostError, UnavailableError, NoSpaceError: nothing was published, or (after a lost answer that stays lost)
            it is published and the error says that this is not known.
    """
    try:
        return _attempt(store, lease, writer, change, build)
    except RefConflictError:
        pass
    deadline = time.monotonic() + COMMIT_DEADLINE_S
    attempt = 0
    while time.monotonic() < deadline:
        with turn(store.state / TURNS / f"{store.dataset}.{change.branch}"):
            try:
                return _attempt(store, lease, writer, change, build)
            except RefConflictError:
                attempt += 1
        # Writers elsewhere do not wait in our line: step back for a random while, so that some find the road free.
        time.sleep(random.uniform(0, min(BACKOFF_S_MAX, 0.005 * 2**attempt)))  # noqa: S311
    raise ConflictError(
        f"branch {change.branch!r} kept moving for {COMMIT_DEADLINE_S:.0f} s",
        subject=change.branch,
        hint="try again, or commit to a branch of your own and merge it",
    )


def _attempt(
    store: DatasetStore, lease: WriterLease, writer: ObjectWriter, change: Change, build: Build
) -> CommitInfo | None:
    """Commit on the head as it is now; raises RefConflictError if it moves while we do."""
    head = head_of(store, change.branch)
    root, parents = build(head)
    if head is not None and root.id == head.record.tree and not change.keep_equal:
        lease.finish()
        return None
    commit = Commit(
        root.id, parents, change.author, store.now(), change.message, dict(change.metadata), root.rows, root.size
    )
    commit_id, data = commits.encode(commit)
    record = CommitRecord(commit_id, root.id, writer.write(data), root.object)
    writer.flush()
    entry = move(store, _update(store, change, head, record, lease))
    lease.stop()
    return CommitInfo(commit_id, commit, record, _ref_after(store, change, entry))


def _update(
    store: DatasetStore, change: Change, head: CommitInfo | None, record: CommitRecord, lease: WriterLease
) -> RefUpdate:
    expected = None if head is None or head.ref is None else (head.ref.commit, head.ref.generation)
    return RefUpdate(
        dataset=store.dataset,
        name=change.branch,
        kind=RefKind.BRANCH,
        expected=expected,
        commit=record.id,
        key=secrets.token_hex(16),
        actor=change.author,
        reason=change.reason,
        new_commits=(record,),
        lease=lease.key,
        finish_lease=True,
    )


def _ref_after(store: DatasetStore, change: Change, entry: ReflogEntry) -> RefRecord:
    assert entry.new is not None
    return RefRecord(
        store.dataset, change.branch, RefKind.BRANCH, entry.new, entry.generation, created=entry.time, updated=entry.time
    )


def move(store: DatasetStore, update: RefUpdate) -> ReflogEntry:
    """Apply one ref update; when the answer is lost, ask again under the same key.

    Raises:
        RefConflictError, LeaseLostError, NotFoundError, InvalidInputError: refused.
        UnavailableError: no answer was to be had; whether the ref moved is not known.
    """
    retry = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(UPDATE_ATTEMPTS_MAX),
        wait=tenacity.wait_random_exponential(multiplier=0.05, max=2.0),
        retry=tenacity.retry_if_exception(
            lambda error: isinstance(error, UnavailableError) and not isinstance(error, DeadlineError)
        ),
        reraise=True,
    )
    return retry(store.metastore.refs.update, update)
