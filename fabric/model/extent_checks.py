"""The gate that every extent passes when placement is encoded and when it is decoded (docs/format.md, "Extents").

Three questions: can each extent be, by itself; do a row's extents cover its content in blocks that can be verified alone;
and does an extent list hold what a list may. Vectorised: leaves of small files take 0.1 ms.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from fabric.errors import DataError, InvalidInputError, UnsupportedFormatError
from fabric.model import rows
from fabric.model.checks import numbers, refuse, widths_of
from fabric.model.digest import BLOCK_BYTES, DIGEST_BYTES, DigestKind
from fabric.model.extent import EXTENTS_INLINE_MAX, ExtentKind, parse_external
from fabric.model.ids import is_object_ref
from fabric.model.xattrs import XATTRS_BYTES_MAX, XATTRS_INLINE_BYTES_MAX

LENGTH_MAX = 2**53
OBJECT_BYTES_MAX = 4096
_BLANK, _DATA, _EXTERNAL = 0, 1, 2
_FORM_OF_KIND = np.zeros(max(ExtentKind) + 1, np.uint8)
_FORM_OF_KIND[[ExtentKind.OBJECT, ExtentKind.LIST]] = _DATA
_FORM_OF_KIND[ExtentKind.EXTERNAL] = _EXTERNAL

Numbers = npt.NDArray[Any]


def check_each(values: Any, objects: list[bytes], index: Numbers) -> None:
    """Check extents one by one: kinds, ranges, and what they name.

    Args:
        values: a struct array of `rows.EXTENT`.
        objects: the distinct objects they name.
        index: for each extent, which of `objects` it names.

    Raises:
        DataError: an extent that no writer writes.
        UnsupportedFormatError: a kind that this release does not know. (Codecs and keys are left to who reads the bytes.)
    """
    if not len(index):
        return
    kind, offset, stored, length = (
        values.field(name).to_numpy(zero_copy_only=False) for name in ("kind", "offset", "stored", "length")
    )
    if int(kind.max()) > max(ExtentKind):
        raise UnsupportedFormatError(f"unknown kind of extent {int(kind.max())}", hint="upgrade datafabric")
    refuse("an extent without a kind", int(kind.min()) < min(ExtentKind))
    for part in (offset, stored, length):
        refuse("an extent's offset or length is out of range", int(part.min()) < 0 or int(part.max()) > LENGTH_MAX)
    refuse("an empty extent", int(length.min()) < 1)
    ends = rows.offsets(values.field("digest"))
    if ends[-1] != ends[0]:
        widths = np.diff(ends)
        refuse("an extent's digest is neither absent nor 32 bytes long", (widths != 0) & (widths != DIGEST_BYTES))
    forms = np.fromiter(map(_form, objects), np.uint8, len(objects))
    refuse("an extent names an object of another kind", forms[index] != _FORM_OF_KIND[kind])
    if not (np.array_equal(stored, length) and int(kind.max()) <= ExtentKind.EXTERNAL):
        _check_stored(values, kind, stored, length)


def _check_stored(values: Any, kind: Numbers, stored: Numbers, length: Numbers) -> None:
    offset, codec, key = (values.field(name).to_numpy(zero_copy_only=False) for name in ("offset", "codec", "key"))
    here = (kind == ExtentKind.OBJECT) | (kind == ExtentKind.EXTERNAL)
    coded = (codec != 0) | (key != 0)
    refuse("an extent without a codec stores another length than it stands for", here & ~coded & (stored != length))
    refuse("an extent or an extent list that stores nothing", (here | (kind == ExtentKind.LIST)) & (stored < 1))
    refuse("a hole, an erased extent or a list with a codec or a key", ~here & coded)
    nothing = (kind == ExtentKind.HOLE) | (kind == ExtentKind.ERASED)
    refuse("a hole or an erased extent that stores something", nothing & ((offset != 0) | (stored != 0)))


def _form(value: bytes) -> int:
    """Return which kind of name this is; raises DataError if it is none."""
    if is_object_ref(value):
        return _DATA
    if not value:
        return _BLANK
    try:
        parse_external(value)
    except InvalidInputError as error:
        raise DataError(f"an extent names no object: {error}") from None
    return _EXTERNAL


def check_extents(batch: Any, column: Any) -> None:
    """Check that the extents of each row cover its content (and its large attribute set) and nothing else.

    Each extent has passed check_each.

    Raises:
        DataError: they do not, or not in blocks that can be verified alone.
    """
    if len(column) != batch.num_rows:
        raise DataError("a leaf has more or fewer extents than rows")
    size, digest_kind = numbers(batch, "size"), numbers(batch, "digest_kind")
    ends = rows.offsets(column)
    counts = np.diff(ends)
    values = column.flatten()
    kind = values.field("kind").to_numpy(zero_copy_only=False)
    length = values.field("length").to_numpy(zero_copy_only=False)
    digest_ends = rows.offsets(values.field("digest"))
    has_content = (size > 0) & (digest_kind != DigestKind.NONE)
    large = widths_of(batch, "xattrs_digest")
    if (
        large is None
        and int(digest_kind.max()) <= DigestKind.WHOLE
        and np.array_equal(counts, has_content)
        and np.array_equal(length, size[has_content])
        and digest_ends[-1] == digest_ends[0]
        and (not len(kind) or int(kind.max()) < ExtentKind.LIST)
    ):
        return  # One extent a file, none for the rest: almost every leaf.
    _Covers(batch, counts, values).check()


class _Covers:
    """The rules for all rows whose extents are not the plain one: sets of attributes, blocks, lists, deferred digests."""

    def __init__(self, batch: Any, counts: Numbers, values: Any) -> None:
        self.digest_kind = numbers(batch, "digest_kind")
        self.size = np.where(self.digest_kind == DigestKind.NONE, 0, numbers(batch, "size"))
        large = widths_of(batch, "xattrs_digest")
        self.has_set = np.zeros(len(self.size), bool) if large is None else large != 0
        self.counts = counts - self.has_set
        self.ends = np.cumsum(counts, dtype=np.int64)
        self.kind = values.field("kind").to_numpy(zero_copy_only=False)
        self.length = values.field("length").to_numpy(zero_copy_only=False)
        self.has_digest = np.diff(rows.offsets(values.field("digest"))) != 0

    def check(self) -> None:
        refuse("no extent for its extended attributes", self.counts < 0)
        refuse("more extents than stand in a leaf", self.counts > EXTENTS_INLINE_MAX)
        own = np.ones(len(self.kind), bool)
        sets = self.ends[self.has_set] - 1
        own[sets] = False
        self._check_sets(sets)
        row = np.repeat(np.arange(len(self.size)), self.counts)
        self._check_contents(row, self.kind[own], self.length[own], self.has_digest[own])

    def _check_sets(self, sets: Numbers) -> None:
        length = self.length[sets]
        what = "an extent that cannot be that of extended attributes"
        refuse(what, (length <= XATTRS_INLINE_BYTES_MAX) | (length > XATTRS_BYTES_MAX))
        refuse(what, self.has_digest[sets] | (self.kind[sets] == ExtentKind.LIST))

    def _check_contents(self, row: Numbers, kind: Numbers, length: Numbers, has_digest: Numbers) -> None:
        # At most EXTENTS_INLINE_MAX lengths of at most 2**53 each: no sum of a row can overflow.
        total = np.zeros(len(length) + 1, np.int64)
        np.cumsum(length, out=total[1:])
        ends = np.cumsum(self.counts, dtype=np.int64)
        refuse("its extents do not cover its content", total[ends] - total[ends - self.counts] != self.size)
        count, how = self.counts[row], self.digest_kind[row]
        is_list = kind == ExtentKind.LIST
        refuse("a list beside other extents, or of one block", is_list & ((count != 1) | (how == DigestKind.WHOLE)))
        refuse("an extent list with a digest", is_list & has_digest)
        refuse("a content of one block in several extents", (how == DigestKind.WHOLE) & (count != 1))
        refuse("an extent that repeats its content's digest", (how == DigestKind.WHOLE) & has_digest)
        unread = (kind == ExtentKind.EXTERNAL) | (kind == ExtentKind.ERASED)
        whole = is_list | ((how == DigestKind.DEFERRED) & (count == 1) & unread & ~has_digest)
        last = np.zeros(len(kind), bool)
        last[ends[self.counts > 0] - 1] = True
        check_blocks(kind, length, has_digest | (how == DigestKind.WHOLE), last, whole)


def check_blocks(kind: Numbers, length: Numbers, has_digest: Numbers, last: Numbers, exempt: Numbers) -> None:
    """Check that extents are blocks with a digest each: all but the last of a content are BLOCK_BYTES long.

    A hole needs no digest: it is that of zeros. Raises DataError.
    """
    refuse("an extent that is longer than a block", (length > BLOCK_BYTES) & ~exempt)
    refuse("an extent that is not as long as a block", (length != BLOCK_BYTES) & ~last & ~exempt)
    refuse("an extent of a large content without a digest", ~has_digest & (kind != ExtentKind.HOLE) & ~exempt)


def check_list(column: Any) -> None:
    """Check a column that should hold one extent list; raises DataError."""
    values = column.flatten()
    if len(column) != 1 or len(values) < 2:
        raise DataError("an extent list does not hold the extents of one large content")
    kind = values.field("kind").to_numpy(zero_copy_only=False)
    length = values.field("length").to_numpy(zero_copy_only=False)
    has_digest = np.diff(rows.offsets(values.field("digest"))) != 0
    refuse("an extent list that holds another list", kind == ExtentKind.LIST)
    last = np.zeros(len(kind), bool)
    last[-1] = True
    check_blocks(kind, length, has_digest, last, np.zeros(len(kind), bool))
