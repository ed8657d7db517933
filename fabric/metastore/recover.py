"""`fabric recover`: an empty metastore and the object store make the metastore as of the last answer.

Every acknowledged change is an object, and so are all changes that were made before it in its dataset
(`fabric.metastore.export`). So what is found is what was acknowledged, plus perhaps some last changes that were made and
exported but not answered: the callers of those may repeat them and get their first answer. Leases are not exported: their
writers begin anew, and what they had uploaded is garbage.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

from fabric.errors import DataError, InvalidInputError, UnsupportedFormatError
from fabric.metastore.backup import BODY_BYTES_MAX, FABRIC_SCOPE, KINDS
from fabric.metastore.port import Outbox
from fabric.metastore.records import BackupRow
from fabric.metastore.replay import RECOVER_HINT
from fabric.model.ids import parse_dataset_id, parse_name
from fabric.objects.keys import SEQUENCE_DIGITS, backup_prefix
from fabric.objects.port import ObjectInfo

WORKERS = 16
WINDOW = 256
"""How many objects are asked for ahead: bounds memory whatever the size of the history."""


class Reads(Protocol):
    """What recovery needs of an object store."""

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes | memoryview:
        """See ObjectStore.get."""
        ...

    def list(self, prefix: str, after: str = "") -> Iterator[ObjectInfo]:
        """See ObjectStore.list."""
        ...


@dataclass(slots=True)
class RecoverReport:
    """What was found, counted.

    Attributes:
        keys: how many rows have a history, by kind: "dataset", "location", "pin", "ref"; deleted ones too.
        changes: how many changes were replayed, by kind.
    """

    keys: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    changes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))

    def count(self, row: BackupRow) -> None:
        """Count one change."""
        self.changes[row.kind] += 1
        if row.sequence == 1:
            self.keys[row.kind] += 1


def recover(objects: Reads, target: Outbox) -> RecoverReport:
    """Fill an empty metastore from what lies in the store: all of it, or nothing and an error.

    A gap in a history, and an exported row that does not decode, are damage wherever they stand. The last row of a key is
    no exception: a row becomes visible whole or not at all, and an acknowledged one may be the last.

    Raises:
        DataError: damage as above, or `target` is not empty. Nothing is loaded.
        UnsupportedFormatError: a newer release exported it.
        FabricError: what the store or the metastore raises; run it again.
    """
    report = RecoverReport()

    def counted(rows: Iterable[BackupRow]) -> Iterator[BackupRow]:
        for row in rows:
            report.count(row)
            yield row

    with ThreadPoolExecutor(WORKERS, thread_name_prefix="fabric-recover") as pool:
        target.load(counted(_read_all(objects, pool)))
    return report


def _read_all(objects: Reads, pool: ThreadPoolExecutor) -> Iterator[BackupRow]:
    infos = (info for scope in _scopes(objects) for info in objects.list(backup_prefix(scope)))
    ahead: deque[tuple[BackupRow, Future[bytes]]] = deque()
    try:
        for info in infos:
            ahead.append((_parse(info), pool.submit(_read, objects, info)))
            if len(ahead) >= WINDOW:
                yield _whole(ahead.popleft())
        while ahead:
            yield _whole(ahead.popleft())
    finally:
        for _, future in ahead:
            future.cancel()


def _whole(asked: tuple[BackupRow, Future[bytes]]) -> BackupRow:
    row, future = asked
    return BackupRow(row.scope, row.kind, row.key, row.sequence, future.result())


def _read(objects: Reads, info: ObjectInfo) -> bytes:
    return bytes(objects.get(info.key, 0, info.size))


def _scopes(objects: Reads) -> Iterator[str]:
    """Yield the first segments of all keys, one request each: what a dataset holds besides is skipped, not listed."""
    after = ""
    while first := next(islice(objects.list("", after), 1), None):
        scope = first.key.split("/", 1)[0]
        if _is_scope(scope):
            yield scope
        # "~" stands in no key and sorts after all that do: the next key is the first of the next scope.
        after = f"{scope}/~"


def _is_scope(text: str) -> bool:
    if text == FABRIC_SCOPE:
        return True
    try:
        parse_dataset_id(text)
    except InvalidInputError:
        return False
    return True


def _parse(info: ObjectInfo) -> BackupRow:
    """Return the row, still without its body, that an object's key names."""
    parts = info.key.split("/")
    if len(parts) == 5 and parts[2] not in KINDS:
        raise UnsupportedFormatError(
            f"the store holds changes of a kind that this release does not know: {parts[2]}",
            subject=info.key,
            hint="upgrade datafabric: a newer release wrote them",
        )
    if len(parts) != 5 or len(parts[4]) != SEQUENCE_DIGITS or not (parts[4].isascii() and parts[4].isdigit()):
        raise DataError("an object lies where exported changes do but is none", subject=info.key, hint=RECOVER_HINT)
    if info.size > BODY_BYTES_MAX:
        raise DataError(f"an exported change has {info.size} bytes", subject=info.key, hint=RECOVER_HINT)
    try:
        parse_name(parts[3])
    except InvalidInputError as error:
        raise DataError("an exported change has a key that no row can have", subject=info.key, hint=RECOVER_HINT) from error
    return BackupRow(parts[0], parts[2], parts[3], int(parts[4]), b"")
