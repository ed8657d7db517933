"""The mutable facts as values. Times are UTC, RFC 3339 with microseconds and `Z`: `2026-11-24T03:00:00.000000Z`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from fabric.model.ids import CommitId, DatasetId, LeaseId, NodeId, ObjectRef


class RefKind(StrEnum):
    """A branch moves; a snapshot does not. Both live in one name space per dataset."""

    BRANCH = "branch"
    SNAPSHOT = "snapshot"


class LeaseState(StrEnum):
    """A lease is live until its writer finishes it or an observer marks it as lapsed."""

    LIVE = "live"
    FINISHED = "finished"
    LAPSED = "lapsed"


@dataclass(frozen=True, slots=True)
class DatasetRecord:
    """One dataset. A deleted one keeps its row (name None'd by the adapter's uniqueness rule) until collected."""

    id: DatasetId
    name: str
    created: str
    default_branch: str = "main"
    metadata: Mapping[str, str] = field(default_factory=dict)
    deleted: str | None = None


@dataclass(frozen=True, slots=True)
class CommitRecord:
    """Where a commit lies. Identity is in the commit object; this is placement, and a repack may move it.

    Attributes:
        id: the commit.
        tree: id of the root node, as the commit says.
        object: the data object that holds the commit's canonical bytes.
        root: the data object that holds the root node.
    """

    id: CommitId
    tree: NodeId
    object: ObjectRef
    root: ObjectRef


@dataclass(frozen=True, slots=True)
class RefRecord:
    """A branch or snapshot as it is now. `generation` counts every change since the name's first creation, also over a
    deletion and re-creation, so that (commit, generation) never comes back.
    """

    dataset: DatasetId
    name: str
    kind: RefKind
    commit: CommitId
    generation: int
    created: str
    updated: str
    message: str = ""
    expires: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RefUpdate:
    """One conditional change of one ref, with all that it depends on.

    Attributes:
        expected: (commit, generation) the ref must be at; None: the ref must not exist.
        commit: the new target; None deletes the ref.
        key: idempotency key, random per logical update (1 to 128 characters). A replay gets the first answer.
        new_commits: rows to add in the same database transaction (those known already are left as they are).
        lease: (lease, epoch) under which the objects of `new_commits` were written: it must be live. Required if
            `new_commits` is not empty. None otherwise.
        finish_lease: end that lease in the same transaction.
        reason: a line for the reflog: "commit: ...", "reset", "merge ...".
    """

    dataset: DatasetId
    name: str
    kind: RefKind
    expected: tuple[CommitId, int] | None
    commit: CommitId | None
    key: str
    actor: str
    reason: str
    new_commits: tuple[CommitRecord, ...] = ()
    lease: tuple[LeaseId, int] | None = None
    finish_lease: bool = False
    message: str = ""
    expires: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReflogEntry:
    """One acknowledged change of one ref. `sequence` starts at 1 per (dataset, name) and has no gap."""

    dataset: DatasetId
    name: str
    sequence: int
    kind: RefKind
    old: CommitId | None
    new: CommitId | None
    generation: int
    actor: str
    time: str
    reason: str
    key: str


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """A writer's promise. `bases` are the commits whose extents it may reuse: they stay while it lives."""

    id: LeaseId
    dataset: DatasetId
    epoch: int
    beat: int
    holder: str
    state: LeaseState
    created: str
    bases: tuple[CommitId, ...] = ()


@dataclass(frozen=True, slots=True)
class PinRecord:
    """A promise that a commit stays, until released or past `expires`."""

    id: str
    dataset: DatasetId
    commit: CommitId
    owner: str
    reason: str
    created: str
    expires: str | None = None


@dataclass(frozen=True, slots=True)
class LocationRecord:
    """A registered place outside of the fabric. `credential` names an entry of the configuration; it is no secret.

    Attributes:
        id: the name under which extents refer to it.
        url: scheme, bucket and prefix, ending in "/".
    """

    id: str
    url: str
    created: str
    credential: str = ""


@dataclass(frozen=True, slots=True)
class BackupRow:
    """One changed row, as it goes to the store: `<scope>/backup/<kind>/<key>/<sequence>` holds `body`.

    Attributes:
        scope: a dataset id, or "fabric" for what belongs to no dataset.
        kind: "dataset", "ref", "pin" or "location".
        key: the row's own key: dataset id, ref name, pin id, location id.
        sequence: from 1, without a gap, per (scope, kind, key).
        body: canonical JSON (RFC 8785), the same bytes whoever writes it.
    """

    scope: str
    kind: str
    key: str
    sequence: int
    body: bytes
