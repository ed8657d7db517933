"""Contents that need not be sent, found by digest: those of this transaction, and those that lie in the store already."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fabric.ingest.places import Place, base_place
from fabric.model import paths, rows
from fabric.model.digest import DIGEST_BYTES, DigestKind
from fabric.model.extent import Extent, ExtentKind

RECENT_MAX = 500_000
Expand = Callable[[Extent], Sequence[Extent]]
"""Returns the extents that a LIST extent stands for (reads an object of the store)."""


class Recent:
    """Digest -> place of the last contents of this transaction; bounded, forgets those not asked for in a long time.

    Attributes:
        young: where new ones go. Replaced by `turn` only.
        old: the generation before; looked at too.
    """

    def __init__(self, entries_max: int = RECENT_MAX) -> None:
        self._half = max(1, entries_max // 2)
        self.young: dict[bytes, int] = {}
        self.old: dict[bytes, int] = {}

    def get(self, digest: bytes) -> int | None:
        """Return where the content lies, if it is remembered."""
        place = self.young.get(digest)
        if place is None:
            place = self.old.get(digest)
            if place is not None:
                self.young[digest] = place
        return place

    def turn(self) -> None:
        """Called now and then: if there are many, forget those that have not been asked for since the last time."""
        if len(self.young) >= self._half:
            self.old, self.young = self.young, {}


class DigestIndex:
    """Finds rows by digest: 16 bytes of memory each, about a microsecond a look."""

    def __init__(self, digests: npt.NDArray[np.uint8], which: npt.NDArray[np.int64]) -> None:
        """Index the rows `which` of `digests`, an array of shape (n, 32)."""
        self._digests = np.ascontiguousarray(digests).reshape(-1).data
        words = np.ascontiguousarray(digests[which, :8]).view("<u8").reshape(-1)
        order = np.argsort(words, kind="stable")
        self._words = words[order].astype(np.uint64).data
        self._rows = which[order].data

    def find(self, digest: bytes) -> int:
        """Return a row with this digest, or -1."""
        word = int.from_bytes(digest[:8], "little")
        i = bisect_left(self._words, word)
        while i < len(self._words) and self._words[i] == word:
            row = self._rows[i]
            if self._digests[row * DIGEST_BYTES : (row + 1) * DIGEST_BYTES] == digest:
                return row
            i += 1
        return -1


class Base:
    """The contents of rows that a commit holds which the writer's lease pins: their extents may be referred to again.

    Contents with erased runs, and those never read (deferred digests), do not count as known.
    """

    def __init__(self, table: pa.Table, expand: Expand | None = None) -> None:
        self.table = table
        self._expand = expand
        sizes = np.ascontiguousarray(_numpy(table, "size"))
        self._sizes = sizes.data
        self.extents = rows.single_chunk(table.column("extents"))
        set_digests = rows.single_chunk(table.column("xattrs_digest"))
        self._has_set: bytes = np.asarray(pc.greater(pc.binary_length(set_digests), 0)).tobytes()
        column = rows.single_chunk(table.column("digest"))
        raw = column.buffers()[1] if len(column) else None
        digests = (
            np.frombuffer(raw, np.uint8, len(column) * DIGEST_BYTES, column.offset * DIGEST_BYTES)
            if raw is not None
            else np.empty(0, np.uint8)
        ).reshape(-1, DIGEST_BYTES)
        self._index = DigestIndex(digests, np.flatnonzero(self._usable(sizes)))

    def _usable(self, sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        kind = _numpy(self.table, "digest_kind")
        usable: npt.NDArray[np.bool_] = ((kind == DigestKind.WHOLE) | (kind == DigestKind.BLOCKS)) & (sizes > 0)
        kinds = self.extents.flatten().field("kind").to_numpy(zero_copy_only=False)
        erased = np.flatnonzero(kinds == ExtentKind.ERASED)
        if len(erased):
            ends = rows.offsets(self.extents)
            usable[np.searchsorted(ends - ends[0], erased, side="right") - 1] = False
        return usable

    def place(self, digest: bytes, size: int) -> Place | None:
        """Return where a content lies, if some row has it."""
        row = self._index.find(digest)
        if row < 0 or self._sizes[row] != size:
            return None
        if self._has_set[row]:
            return rows.extents_at(self.table, row)[:-1]
        return base_place(row)

    def extents_of(self, row: int) -> list[Extent]:
        """Return the extents of a row's content."""
        found = rows.extents_at(self.table, row)
        return found[:-1] if self._has_set[row] else found

    @cached_property
    def _keys(self) -> Any:
        return rows.sort_keys(self.table)

    def blocks_at(self, path: bytes) -> dict[bytes, Extent]:
        """Return the blocks of the large file at `path`, by digest: what a changed version of it need not send again."""
        key = paths.path_key(path)
        row = rows.find(self._keys, key)
        if row == len(self._keys) or self._keys[row].as_py() != key:
            return {}
        found = self.extents_of(row)
        if len(found) == 1 and found[0].kind == ExtentKind.LIST:
            found = list(self._expand(found[0])) if self._expand is not None else []
        return {extent.digest: extent for extent in found if extent.kind == ExtentKind.OBJECT and extent.digest}

    @cached_property
    def _sets(self) -> dict[bytes, int]:
        digests = rows.single_chunk(self.table.column("xattrs_digest"))
        return {digests[row].as_py(): row for row, has_set in enumerate(self._has_set) if has_set}

    def attribute_set(self, digest: bytes) -> Extent | None:
        """Return where a large set of extended attributes lies, if some row has it."""
        row = self._sets.get(digest)
        if row is None:
            return None
        extent = rows.extents_at(self.table, row)[-1]
        return None if extent.kind == ExtentKind.ERASED else extent


def _numpy(table: pa.Table, name: str) -> Any:
    return rows.single_chunk(table.column(name)).to_numpy(zero_copy_only=False)
