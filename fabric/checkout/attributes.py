"""Owner, mode, extended attributes, ACLs and times of one open file or directory.

The order matters: `user.*` attributes first (they need the right to write, which the final mode may take away), then the
owner (which clears set-id bits), the mode, the ACLs (which a mode change would alter), and the time last.
"""

import errno
import os
import sys
from collections.abc import Mapping

SET_ID_BITS = 0o6000
KEEP_OWNER = -1
_CAP_CHOWN = 1
_ACCESS = "system.posix_acl_access"
_DEFAULT = "system.posix_acl_default"
_CANNOT_HOLD = frozenset({errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSPC, errno.E2BIG})


Extra = tuple[bytes, bytes, Mapping[bytes, bytes]]
"""Access ACL, default ACL, `user.*` attributes: what few files have."""
Wanted = tuple[int, int, int, int, Extra | None]
"""mode (12 bits), uid (KEEP_OWNER leaves owner and group as they are), gid, mtime_ns (goes to atime, too), extra."""


def restore(fd: int, wanted: Wanted, created: int = -1) -> list[str]:
    """Set what was asked on an open file or directory and return what the file system cannot hold.

    Args:
        fd: the file.
        wanted: what to set.
        created: the mode that the file surely has already; -1 if that is not known.

    Raises:
        OSError: anything else that fails.
    """
    mode, uid, gid, mtime_ns, extra = wanted
    left_out = _set_xattrs(fd, extra[2]) if extra else []
    if uid != KEEP_OWNER:
        os.fchown(fd, uid, gid)
    if mode != created or (uid != KEEP_OWNER and mode & SET_ID_BITS):
        os.fchmod(fd, mode)
    if extra:
        left_out += _set_acl(fd, _ACCESS, extra[0]) + _set_acl(fd, _DEFAULT, extra[1])
    os.utime(fd, ns=(mtime_ns, mtime_ns))
    return left_out


def may_change_owners() -> bool:
    """Whether this process may give files away: root may, unless its container took that right (CAP_CHOWN)."""
    if os.geteuid() != 0:
        return False
    try:
        with open("/proc/self/status", "rb") as status:
            for line in status:
                if line.startswith(b"CapEff:"):
                    return bool(int(line.split()[1], 16) & _CAP_CHOWN)
    except (OSError, ValueError):
        pass
    return True


def has_default_acl(fd: int) -> bool:
    """Whether what is created in this directory gets its mode from an ACL."""
    if sys.platform != "linux":
        return False
    try:
        return bool(os.getxattr(fd, _DEFAULT))
    except OSError:
        return False


def _set_xattrs(fd: int, xattrs: Mapping[bytes, bytes]) -> list[str]:
    if sys.platform != "linux":
        return ["extended attributes"] if xattrs else []
    try:
        for name, value in xattrs.items():
            os.setxattr(fd, name, value)
    except OSError as error:
        if error.errno not in _CANNOT_HOLD:
            raise
        return ["extended attributes"]
    return []


def _set_acl(fd: int, name: str, value: bytes) -> list[str]:
    if not value:
        return []
    if sys.platform != "linux":
        return ["ACL"]
    try:
        os.setxattr(fd, name, value)
    except OSError as error:
        # EINVAL: the file system does not know ACLs of this form, or a hostile row made it up.
        if error.errno not in _CANNOT_HOLD and error.errno != errno.EINVAL:
            raise
        return ["ACL"]
    return []
