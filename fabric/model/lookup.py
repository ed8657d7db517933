"""Single looks into a leaf: one row as an entry in a few microseconds, without making Python objects of all rows."""

from bisect import bisect_left
from functools import cached_property
from typing import Any

from fabric.model import paths, rows, xattrs
from fabric.model.digest import DIGEST_BYTES, DigestKind
from fabric.model.entry import Entry, Kind

_NUMBERS = ("kind", "mode", "uid", "gid", "mtime_ns", "size", "digest_kind", "link_group")
_RARE = ("target", "acl_access", "acl_default", "xattrs", "xattrs_digest")
_KINDS = {int(kind): kind for kind in Kind}
_DIGEST_KINDS = {int(kind): kind for kind in DigestKind}


class Lookup:
    """The rows of one leaf by sort key and by number."""

    def __init__(self, logical: Any) -> None:
        self._logical = logical

    @cached_property
    def keys(self) -> list[bytes]:
        """The sort key of each row, as Python bytes (about 70 bytes a row more)."""
        return rows.sort_keys(self._logical).to_pylist()  # type: ignore[no-any-return]

    @cached_property
    def _numbers(self) -> list[Any]:
        # Memory views give Python ints at once; NumPy would make a scalar object first.
        return [memoryview(self._logical.column(name).to_numpy()) for name in _NUMBERS]

    @cached_property
    def _digests(self) -> memoryview:
        column = self._logical.column("digest")
        return memoryview(column.buffers()[1])[column.offset * DIGEST_BYTES :]

    @cached_property
    def _rare(self) -> list[tuple[Any, Any]] | None:
        """Offsets and column of each field that most rows do not have; None if no row of the leaf has any of them."""
        columns = [self._logical.column(name) for name in _RARE]
        ends: list[Any] = [rows.offsets(column) for column in columns]
        if not any(len(each) > 1 and each[-1] > each[0] for each in ends):
            return None
        return [(memoryview(each), column) for each, column in zip(ends, columns, strict=True)]

    def find(self, key: bytes) -> int | None:
        """Return the number of the row with this sort key, or None."""
        keys = self.keys
        index = bisect_left(keys, key)
        return index if index < len(keys) and keys[index] == key else None

    def first_from(self, key: bytes) -> int:
        """Return the number of the first row whose sort key is not below `key` (the number of rows if none is)."""
        return bisect_left(self.keys, key)

    def path(self, index: int) -> bytes:
        """Return the path of a row."""
        folded, _, name = self.keys[index].rpartition(paths.SEPARATOR)
        return paths.join(folded.replace(b"\x00", b"/"), name)

    def entry(self, index: int, path: bytes | None = None) -> Entry:
        """Return a row as an entry; who asked by `path` saves putting it together again."""
        kinds, modes, uids, gids, times, sizes, digest_kinds, groups = self._numbers
        target = acl_access = acl_default = attributes = attributes_digest = b""
        if self._rare is not None:
            target, acl_access, acl_default, attributes, attributes_digest = (
                b"" if ends[index] == ends[index + 1] else column[index].as_py() for ends, column in self._rare
            )
        return Entry(
            self.path(index) if path is None else path,
            _KINDS[kinds[index]],
            modes[index],
            uids[index],
            gids[index],
            times[index],
            sizes[index],
            _DIGEST_KINDS[digest_kinds[index]],
            bytes(self._digests[index * DIGEST_BYTES : (index + 1) * DIGEST_BYTES]),
            target,
            acl_access,
            acl_default,
            xattrs.decode(attributes) if attributes else {},
            attributes_digest,
            groups[index],
        )
