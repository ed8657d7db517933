"""What a change of a fact means, as pure functions of rows: every adapter reads the rows, asks here, writes the answer.

So memory, SQL and whatever comes cannot differ in when a ref conflicts or a lease is lost.
"""

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace

from fabric.errors import (
    AlreadyExistsError,
    InvalidInputError,
    LeaseLostError,
    NotFoundError,
    RefConflictError,
)
from fabric.metastore.checks import SEQUENCE_MAX
from fabric.metastore.clock import later
from fabric.metastore.records import (
    CommitRecord,
    DatasetRecord,
    LeaseRecord,
    LeaseState,
    LocationRecord,
    PinRecord,
    RefKind,
    ReflogEntry,
    RefRecord,
    RefUpdate,
)
from fabric.model.ids import CommitId, DatasetId, LeaseId


@dataclass(frozen=True, slots=True)
class RefState:
    """A ref's row, which a deletion leaves behind: the generation goes on counting when the name comes back.

    Each change counts the generation up by one and writes one line of the log, so the sequence of the last line is the
    generation too.

    Attributes:
        generation: number of changes so far.
        updated: time of the last change.
        record: the ref as it is, or None while it is deleted.
    """

    generation: int
    updated: str
    record: RefRecord | None


def first_answer(update: RefUpdate, known: ReflogEntry) -> ReflogEntry:
    """Return what the first call with this key answered.

    Raises:
        InvalidInputError: the key was used for another ref.
    """
    if (known.dataset, known.name) != (update.dataset, update.name):
        raise InvalidInputError(
            "this idempotency key was used for another ref",
            subject=update.name,
            hint="take a fresh random key for each logical update",
        )
    return known


def require_live(dataset: DatasetRecord | None, id: DatasetId) -> DatasetRecord:
    """Return the dataset if it is there and not deleted; raises NotFoundError."""
    if dataset is None or dataset.deleted is not None:
        what = "is deleted" if dataset else "does not exist"
        raise NotFoundError(f"the dataset {what}", subject=dataset.name if dataset else id)
    return dataset


def require_lease(lease: LeaseRecord | None, id: LeaseId, epoch: int, dataset: DatasetId | None = None) -> LeaseRecord:
    """Return the lease if it is live, of this epoch, and of this dataset.

    Raises:
        LeaseLostError: it is not, or it is unknown (a recovered metastore has forgotten it).
        InvalidInputError: it belongs to another dataset.
    """
    if lease is not None and dataset is not None and lease.dataset != dataset:
        raise InvalidInputError("the lease belongs to another dataset", subject=id)
    if lease is None or lease.state is not LeaseState.LIVE or lease.epoch != epoch:
        raise lease_lost(lease, id, epoch)
    return lease


def lease_lost(lease: LeaseRecord | None, id: LeaseId, epoch: int) -> LeaseLostError:
    """Return the error that says what became of a lease."""
    if lease is None:
        why = "is unknown"
    elif lease.epoch != epoch:
        why = f"was taken over (epoch {lease.epoch}, not {epoch})"
    else:
        why = f"is {lease.state.value}"
    return LeaseLostError(f"the lease {why}", subject=id, hint="begin a new lease and write again")


def move_ref(update: RefUpdate, state: RefState | None, *, target_known: bool, now: str) -> tuple[RefState, ReflogEntry]:
    """Return the ref's next state and its line in the log.

    Args:
        update: what is asked for; its key, dataset and lease have been checked.
        state: the ref's row, None if the name was never used.
        target_known: the target is a commit of this dataset or among the new ones (or the ref is to be deleted).
        now: the clock's time.

    Raises:
        RefConflictError: the ref is not where the caller believed, or is of the other kind.
        InvalidInputError: a snapshot would move.
        NotFoundError: the target commit is unknown.
    """
    record = state.record if state else None
    found = (record.commit, record.generation) if record else None
    if found != update.expected:
        raise _conflict(update, record)
    if record and record.kind is not update.kind:
        raise RefConflictError(
            f"{update.name} is a {record.kind.value}, not a {update.kind.value}",
            subject=update.name,
            hint="choose another name",
        )
    if record and record.kind is RefKind.SNAPSHOT and update.commit not in (None, record.commit):
        raise InvalidInputError(
            "a snapshot does not move", subject=update.name, hint="create another snapshot, or delete this one first"
        )
    if update.commit is not None and not target_known:
        raise NotFoundError("the commit does not exist in this dataset", subject=update.commit)
    generation = (state.generation if state else 0) + 1
    if generation > SEQUENCE_MAX:
        raise InvalidInputError("the ref has been changed too often", subject=update.name)
    time = later(now, state.updated if state else now)
    entry = ReflogEntry(
        dataset=update.dataset,
        name=update.name,
        sequence=generation,
        kind=update.kind,
        old=record.commit if record else None,
        new=update.commit,
        generation=generation,
        actor=update.actor,
        time=time,
        reason=update.reason,
        key=update.key,
    )
    created = record.created if record else time
    return RefState(generation, time, _moved(update, update.commit, generation, created, time)), entry


def _moved(update: RefUpdate, commit: CommitId | None, generation: int, created: str, time: str) -> RefRecord | None:
    if commit is None:
        return None
    return RefRecord(
        dataset=update.dataset,
        name=update.name,
        kind=update.kind,
        commit=commit,
        generation=generation,
        created=created,
        updated=time,
        message=update.message,
        expires=update.expires,
        metadata=dict(update.metadata),
    )


def _conflict(update: RefUpdate, record: RefRecord | None) -> RefConflictError:
    if record is None:
        return RefConflictError(f"{update.name} does not exist any more", subject=update.name, hint="look at its log")
    at = f"{record.commit[:12]}, generation {record.generation}"
    if update.expected is None:
        return RefConflictError(
            f"{update.name} exists (a {record.kind.value} at {at})", subject=update.name, hint="choose another name"
        )
    expected = f"{update.expected[0][:12]}, generation {update.expected[1]}"
    return RefConflictError(
        f"{update.name} is at {at}, not at {expected}", subject=update.name, hint="look at what changed, then decide"
    )


def same_dataset(known: DatasetRecord, name: str) -> DatasetRecord:
    """Return the row if a create of this id is a replay; raises AlreadyExistsError if it meant another name."""
    if known.name != name:
        raise AlreadyExistsError("this dataset id is taken by another name", subject=known.name)
    return known


def name_taken(name: str) -> AlreadyExistsError:
    """Return the error for a dataset name in use."""
    return AlreadyExistsError(
        "a dataset of this name exists", subject=name, hint="choose another name, or use the one there is"
    )


def same_location(known: LocationRecord, url: str, credential: str) -> LocationRecord:
    """Return the row if a create is a replay; raises AlreadyExistsError if it meant another place."""
    if (known.url, known.credential) != (url, credential):
        raise AlreadyExistsError("a location of this id points elsewhere", subject=known.id, hint="choose another id")
    return known


def same_pin(known: PinRecord, dataset: DatasetId, commit: CommitId) -> PinRecord:
    """Return the row if a create is a replay; raises AlreadyExistsError if it meant another commit.

    To answer with the row of another commit would let the caller believe that its own commit stays.
    """
    if (known.dataset, known.commit) != (dataset, commit):
        raise pin_taken(known.id)
    return known


def pin_taken(id: str) -> AlreadyExistsError:
    """Return the error for a pin id that stands, or once stood, for something else."""
    return AlreadyExistsError(
        "this pin id is taken by another commit", subject=id, hint="take a fresh random id for each pin"
    )


def same_lease(known: LeaseRecord, dataset: DatasetId) -> LeaseRecord:
    """Return the row if a begin is a replay; raises AlreadyExistsError if the id was used for another dataset."""
    if known.dataset != dataset:
        raise AlreadyExistsError("this lease id belongs to another dataset", subject=known.id)
    return known


def beaten(lease: LeaseRecord | None, id: LeaseId, epoch: int, bases: tuple[CommitId, ...] | None) -> LeaseRecord:
    """Return a live lease with its beat counted up and, if given, its bases replaced; raises LeaseLostError."""
    live = require_lease(lease, id, epoch)
    return replace(live, beat=live.beat + 1, bases=live.bases if bases is None else bases)


def finished(lease: LeaseRecord | None, id: LeaseId, epoch: int) -> LeaseRecord:
    """Return the lease finished; finished already is no error, anything else that is not live is LeaseLostError."""
    if lease is not None and lease.state is LeaseState.FINISHED and lease.epoch == epoch:
        return lease
    return replace(require_lease(lease, id, epoch), state=LeaseState.FINISHED)


def lapsed(lease: LeaseRecord, epoch: int, beat: int) -> LeaseRecord:
    """Return the lease lapsed if it is live and still at this epoch and beat, else as it is."""
    if lease.state is LeaseState.LIVE and (lease.epoch, lease.beat) == (epoch, beat):
        return replace(lease, state=LeaseState.LAPSED)
    return lease


def unknown_commits(new: Sequence[CommitRecord], known: Container[CommitId]) -> tuple[CommitRecord, ...]:
    """Return the rows to add, in order: those not known yet, and of several with one id the first."""
    added: dict[CommitId, CommitRecord] = {}
    for commit in new:
        if commit.id not in known:
            added.setdefault(commit.id, commit)
    return tuple(added.values())


def require_commit(commit: CommitRecord | None, id: CommitId) -> CommitRecord:
    """Return the commit row; raises NotFoundError."""
    if commit is None:
        raise NotFoundError("the commit does not exist in this dataset", subject=id)
    return commit
