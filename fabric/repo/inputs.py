"""What a caller gives a transaction, looked at and stored: contents, attributes, numbers."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import BinaryIO

from fabric.errors import FabricError, InvalidInputError, SourceError
from fabric.model import xattrs
from fabric.model.content import Content
from fabric.model.entry import Entry
from fabric.model.extent import Extent
from fabric.repo.session import WriteSession

Data = bytes | bytearray | memoryview | BinaryIO | os.PathLike[str]
ID_MAX = 2**32 - 1


def content_of(session: WriteSession, data: Data) -> Content:
    """Store a content, wherever its bytes come from.

    Raises:
        InvalidInputError: it is nothing that has bytes.
        SourceError: a local file cannot be read.
    """
    if isinstance(data, memoryview):
        # Lengths below are of bytes, whatever the items are.
        data = data.cast("B") if data.c_contiguous else data.tobytes()
    if isinstance(data, bytes | bytearray | memoryview):
        return session.packs.add(data)
    if isinstance(data, str) or not (isinstance(data, os.PathLike) or hasattr(data, "read")):
        what = "text" if isinstance(data, str) else type(data).__name__
        raise InvalidInputError(f"put takes bytes, a file object, or a pathlib.Path, not {what}", hint="encode it first")
    if not isinstance(data, os.PathLike):
        return session.add_stream(data)
    try:
        with open(data, "rb") as file:
            return session.add_stream(file)
    except FabricError:
        raise
    except OSError as error:
        raise SourceError(f"{os.fspath(data)} cannot be read: {error.strerror}", subject=os.fspath(data)) from error


def with_attributes(
    session: WriteSession, entry: Entry, attributes: Mapping[bytes, bytes]
) -> tuple[Entry, Sequence[Extent]]:
    """Return an entry with this set of extended attributes, and the extents of the set if it is stored as a content."""
    raw = xattrs.encode(attributes)
    if len(raw) <= xattrs.XATTRS_INLINE_BYTES_MAX:
        return replace(entry, xattrs=dict(attributes), xattrs_digest=b""), ()
    content = session.packs.add(raw)
    return replace(entry, xattrs={}, xattrs_digest=content.digest), content.extents


def check_numbers(uid: int | None, gid: int | None, mtime_ns: int | None) -> None:
    """Refuse what no column holds now, not at the commit; raises InvalidInputError."""
    for what, number in (("user", uid), ("group", gid)):
        if number is not None and not 0 <= number <= ID_MAX:
            raise InvalidInputError(f"{number} is no number of a {what}", hint=f"give one from 0 to {ID_MAX}")
    if mtime_ns is not None and not -(2**63) <= mtime_ns < 2**63:
        raise InvalidInputError(f"{mtime_ns} ns is no time that can be kept")
