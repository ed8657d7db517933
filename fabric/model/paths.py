"""Paths inside of a tree: bytes, `/`-separated, relative, and the order in which a tree keeps them.

A tree sorts entries by (parent path with `/` read as 0x00, name). So the children of a directory are neighbours and a
whole subtree is one range. The sort key of an entry is one byte string that memcmp orders in the same way:

    parent.replace("/", 0x00) + 0x00 0x00 + name

The root directory itself has the empty parent and the empty name: it is the first row of every tree.
"""

import os
import re

from fabric.errors import InvalidInputError

NAME_BYTES_MAX = 255
PATH_BYTES_MAX = 4096
DEPTH_MAX = 2048
ROOT = b""
_SEGMENT = rb"(?!\.{1,2}(?:/|\Z))[^/\x00]{1,255}"
_CLEAN = re.compile(_SEGMENT + b"(?:/" + _SEGMENT + b")*", re.DOTALL)
"""Most paths are clean already: one look instead of one for each segment. What it does not match is checked in full."""
SEPARATOR = b"\x00\x00"


def display(path: bytes) -> str:
    """Return a path as a person sees it: what is not UTF-8 becomes surrogate escapes, as everywhere in Python."""
    return os.fsdecode(path)


def check_name(name: bytes) -> bytes:
    """Return `name` if it may be one path segment.

    Raises:
        InvalidInputError: empty, `.`, `..`, longer than 255 bytes, or with `/` or NUL in it.
    """
    if not name or name in (b".", b".."):
        raise InvalidInputError(f"{display(name)!r} cannot be a file name", subject=display(name))
    if len(name) > NAME_BYTES_MAX:
        raise InvalidInputError(
            f"a file name of {len(name)} bytes is longer than {NAME_BYTES_MAX}", subject=display(name[:64])
        )
    if b"/" in name or b"\x00" in name:
        raise InvalidInputError(f"{name!r} has a character that no file name can have", subject=repr(name))
    return name


def check_path(path: bytes) -> bytes:
    """Return `path` if it is the root ("") or a clean relative path.

    Raises:
        InvalidInputError: a segment is no file name (so also for `//`, a leading or a trailing `/`), or it is too long.
    """
    if len(path) > PATH_BYTES_MAX:
        raise InvalidInputError(f"a path of {len(path)} bytes is longer than {PATH_BYTES_MAX}", subject=display(path[:64]))
    if path:
        for name in path.split(b"/"):
            check_name(name)
    return path


def parse_path(text: str | bytes) -> bytes:
    """Return the tree path that a person means: surrounding and doubled slashes do not count.

    Raises:
        InvalidInputError: as check_path; `.` and `..` are refused, not resolved.
    """
    try:
        raw = os.fsencode(text) if isinstance(text, str) else bytes(text)
    except UnicodeEncodeError:
        raise InvalidInputError(f"{text[:80]!r} cannot be a path: it is not text", subject=ascii(text[:80])) from None
    if len(raw) <= PATH_BYTES_MAX and _CLEAN.fullmatch(raw):
        return raw
    return check_path(b"/".join(part for part in raw.split(b"/") if part))


def split(path: bytes) -> tuple[bytes, bytes]:
    """Return (parent, name); the root is (b"", b"")."""
    parent, _, name = path.rpartition(b"/")
    return parent, name


def join(parent: bytes, name: bytes) -> bytes:
    """Return the path of `name` in `parent`; an empty name is the parent itself."""
    if not name:
        return parent
    return parent + b"/" + name if parent else name


def ancestors(path: bytes) -> list[bytes]:
    """Return the directories above `path`, nearest last, without the root: b"a/b/c" gives [b"a", b"a/b"]."""
    parts = path.split(b"/")
    return [b"/".join(parts[:depth]) for depth in range(1, len(parts))]


def sort_key(parent: bytes, name: bytes) -> bytes:
    """Return the bytes by which a tree orders this entry."""
    return parent.replace(b"/", b"\x00") + SEPARATOR + name


def path_key(path: bytes) -> bytes:
    """Return the sort key of a path."""
    return sort_key(*split(path))


def children_range(directory: bytes) -> tuple[bytes, bytes]:
    """Return the half-open range of sort keys of the direct children of a directory.

    The root's own row has the key 0x00 0x00, and its children start right after it.
    """
    start = directory.replace(b"/", b"\x00") + SEPARATOR
    return (start + b"\x01" if not directory else start), start[:-1] + b"\x01"


def subtree_range(directory: bytes) -> tuple[bytes, bytes]:
    """Return the half-open range of sort keys of everything below a directory, without its own row."""
    if not directory:
        return SEPARATOR + b"\x01", b"\xff" * (NAME_BYTES_MAX + 1)
    prefix = directory.replace(b"/", b"\x00") + b"\x00"
    return prefix, prefix[:-1] + b"\x01"
