"""One path in a tree, as a value. Trees themselves are columns (`fabric.model.rows`); this is for single looks and edits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from fabric.model import paths
from fabric.model.digest import NO_DIGEST, DigestKind

MODE_BITS = 0o7777
IMPLICIT_DIRECTORY_MODE = 0o755


class Kind(IntEnum):
    """What an entry is. Devices, fifos and sockets are not kept."""

    FILE = 1
    DIRECTORY = 2
    SYMLINK = 3


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, directory or symlink.

    Attributes:
        path: bytes, relative, `/`-separated; b"" is the root directory.
        kind: file, directory or symlink.
        mode: permission and set-id bits (12 bits).
        uid: owner's number.
        gid: group's number.
        mtime_ns: nanoseconds since 1970, may be negative.
        size: content length in bytes; 0 for directories; the target's length for symlinks.
        digest_kind: how the digest was made.
        digest: 32 bytes; zeros for directories and symlinks.
        target: where a symlink points to, as written; b"" for others.
        acl_access: POSIX access ACL in the kernel's xattr form, or b"".
        acl_default: default ACL of a directory, or b"".
        xattrs: `user.*` extended attributes if they are small (256 bytes in all, see `fabric.model.xattrs`).
        xattrs_digest: digest of a larger set, which is stored as a content; b"" otherwise.
        link_group: the same number, not 0, for hard links of one file.
    """

    path: bytes
    kind: Kind
    mode: int
    uid: int = 0
    gid: int = 0
    mtime_ns: int = 0
    size: int = 0
    digest_kind: DigestKind = DigestKind.NONE
    digest: bytes = NO_DIGEST
    target: bytes = b""
    acl_access: bytes = b""
    acl_default: bytes = b""
    xattrs: Mapping[bytes, bytes] = field(default_factory=dict)
    xattrs_digest: bytes = b""
    link_group: int = 0

    @property
    def name(self) -> bytes:
        """The last segment of the path; b"" for the root."""
        return paths.split(self.path)[1]

    @property
    def parent(self) -> bytes:
        """The directory that holds this entry; b"" for those in the root and for the root itself."""
        return paths.split(self.path)[0]


def implicit_directory(path: bytes) -> Entry:
    """Return the row of a directory that nobody described: 0755, 0:0, mtime 0."""
    return Entry(path=path, kind=Kind.DIRECTORY, mode=IMPLICIT_DIRECTORY_MODE)
