"""What stands in the destination already: is it the same, may it go, how is it brought in line."""

import os
import secrets
import stat

from fabric.checkout.attributes import KEEP_OWNER, Wanted, restore
from fabric.checkout.placing import TEMPORARY_PREFIX
from fabric.model.content import Content
from fabric.model.digest import BLOCK_BYTES, DigestKind, block_digest, blocks_digest

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def look(directory: int, name: bytes) -> os.stat_result | None:
    """Return what stands under a name, itself and not what it points to; None if nothing does."""
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None


def has_content(directory: int, name: bytes, found: os.stat_result, content: Content) -> bool:
    """Whether an existing file has the bytes of `content`, by reading it. Never for what has no digest yet."""
    if not stat.S_ISREG(found.st_mode) or found.st_size != content.size or content.digest_kind == DigestKind.DEFERRED:
        return False
    fd = os.open(name, _READ, dir_fd=directory)
    try:
        digests = []
        buffer = bytearray(min(BLOCK_BYTES, max(content.size, 1)))
        for start in range(0, max(content.size, 1), BLOCK_BYTES):
            length = min(BLOCK_BYTES, content.size - start)
            if not _fill(fd, memoryview(buffer)[:length], start):
                return False
            digests.append(block_digest(memoryview(buffer)[:length]))
        return (digests[0] if content.digest_kind == DigestKind.WHOLE else blocks_digest(digests)) == content.digest
    finally:
        os.close(fd)


def _fill(fd: int, view: memoryview, offset: int) -> bool:
    while view:
        count = os.preadv(fd, [view], offset)
        if count == 0:
            return False
        view = view[count:]
        offset += count
    return True


def adjust(directory: int, name: bytes, found: os.stat_result, wanted: Wanted) -> list[str]:
    """Give an existing file that stays the wanted attributes, if it has others; returns what cannot be restored."""
    mode, uid, gid, mtime_ns, extra = wanted
    same_owner = uid == KEEP_OWNER or (found.st_uid, found.st_gid) == (uid, gid)
    if same_owner and extra is None and (stat.S_IMODE(found.st_mode), found.st_mtime_ns) == (mode, mtime_ns):
        return []
    fd = os.open(name, _READ, dir_fd=directory)
    try:
        if extra is not None:
            # The owner of a read-only file may not set its attributes.
            os.fchmod(fd, mode | 0o600)
        return restore(fd, wanted)
    finally:
        os.close(fd)


def remove(directory: int, name: bytes) -> None:
    """Remove whatever stands under a name, with all in it; symlinks are removed, never followed.

    Directories are moved up before they are emptied: a tree may be deeper than a path, a stack or the open files allow.
    """
    token = TEMPORARY_PREFIX + b"removed-" + secrets.token_hex(6).encode()
    names, moved = [name], 0
    while names:
        at = names.pop()
        found = look(directory, at)
        if found is None or not stat.S_ISDIR(found.st_mode):
            os.unlink(at, dir_fd=directory)
            continue
        fd = os.open(at, _READ | os.O_DIRECTORY, dir_fd=directory)
        try:
            for below in map(os.fsencode, os.listdir(fd)):
                child = look(fd, below)
                if child is not None and stat.S_ISDIR(child.st_mode):
                    moved += 1
                    names.append(token + b"-%d" % moved)
                    os.rename(below, names[-1], src_dir_fd=fd, dst_dir_fd=directory)
                else:
                    os.unlink(below, dir_fd=fd)
        finally:
            os.close(fd)
        os.rmdir(at, dir_fd=directory)


def open_up(directory: int, name: bytes, found: os.stat_result) -> None:
    """Make an existing directory of ours passable for the time of the checkout; it gets its mode at the end."""
    if found.st_mode & 0o700 != 0o700 and found.st_uid == os.geteuid() != 0:
        os.chmod(name, stat.S_IMODE(found.st_mode) | 0o700, dir_fd=directory)
