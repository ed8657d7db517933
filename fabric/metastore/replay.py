"""Exported rows, read back in order: the gap-free history of each key, or DataError."""

from collections.abc import Iterable, Iterator

from fabric.errors import DataError
from fabric.metastore.backup import Change, RefChange, decode
from fabric.metastore.records import BackupRow
from fabric.model.ids import CommitId

RECOVER_HINT = "an exported object is missing or damaged: restore it from a copy of the store, then recover again"


def not_empty() -> DataError:
    """Return the error for recovering into a metastore that holds something."""
    return DataError(
        "the metastore is not empty", subject="metastore", hint="recover into a fresh metastore, then put it in place"
    )


def no_target(dataset: str, commit: str) -> DataError:
    """Return the error for a ref or pin whose commit, or whose dataset, no exported row brought."""
    return DataError(f"no exported row brought commit {commit[:12]} or its dataset", subject=dataset, hint=RECOVER_HINT)


def name_twice(name: str) -> DataError:
    """Return the error for two live datasets of one name."""
    return DataError("two exported datasets have this name", subject=name, hint=RECOVER_HINT)


def key_twice(name: str) -> DataError:
    """Return the error for one idempotency key in two changes."""
    return DataError("two exported changes carry one idempotency key", subject=name, hint=RECOVER_HINT)


def replay(rows: Iterable[BackupRow]) -> Iterator[tuple[BackupRow, Change]]:
    """Yield each row with what it says, after checking that it continues its key's history.

    A row is put only when all before it on its key are in the store, and answered only after that. So a gap is always
    damage, and so is a row that does not decode, the last one of a key included: it may have been acknowledged. A ref's
    history must also be one chain: each move starts where the one before ended, and time does not run back.

    Raises:
        DataError: a gap, a repetition, a broken chain, or a row that does not decode.
    """
    reached: dict[tuple[str, str, str], int] = {}
    moved: dict[tuple[str, str], tuple[CommitId | None, str]] = {}
    for row in rows:
        key = (row.scope, row.kind, row.key)
        before = reached.get(key, 0)
        if row.sequence != before + 1:
            raise DataError(
                f"the exported history jumps from {before} to {row.sequence}", subject="/".join(key), hint=RECOVER_HINT
            )
        change = decode(row)
        if isinstance(change, RefChange):
            entry = change.entry
            old, time = moved.get((row.scope, row.key), (None, ""))
            if entry.old != old or entry.time < time:
                raise DataError(
                    f"change {row.sequence} does not follow from the one before it", subject="/".join(key), hint=RECOVER_HINT
                )
            moved[row.scope, row.key] = (entry.new, entry.time)
        reached[key] = row.sequence
        yield row, change
