"""Extended attributes and ACLs of a file or directory that is open."""

import errno
import os
import sys
from dataclasses import dataclass, field

from fabric.model import xattrs

ACL_ACCESS = "system.posix_acl_access"
ACL_DEFAULT = "system.posix_acl_default"
ACL_BYTES_MAX = 4096
LABEL = "security.selinux"
"""What every file has where SELinux is on; it comes from the policy of the machine."""
NOT_KEPT = "only user.* attributes and POSIX ACLs are kept"
_NONE = (errno.ENOTSUP, errno.ENODATA, errno.ENOSYS)


@dataclass(slots=True)
class Attributes:
    """What a file carries besides its stat and its content.

    Attributes:
        acl_access: access ACL in the kernel's form, or b"".
        acl_default: default ACL of a directory, or b"".
        encoded: canonical bytes of the `user.*` attributes, or b"".
        left_out: (name, why) of what is not kept.
    """

    acl_access: bytes = b""
    acl_default: bytes = b""
    encoded: bytes = b""
    left_out: list[tuple[str, str]] = field(default_factory=list)

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing to keep."""
        return not (self.acl_access or self.acl_default or self.encoded)


def names_of(fd: int) -> list[str]:
    """Return the names of all attributes; none where the system or the file system has none. Raises OSError."""
    if sys.platform != "linux":
        return []
    try:
        return os.listxattr(fd)
    except OSError as error:
        if error.errno in _NONE:
            return []
        raise


def read(fd: int, names: list[str]) -> Attributes:
    """Return what is kept of the attributes `names`. One that went away meanwhile is not there.

    Raises:
        OSError: one cannot be read.
        InvalidInputError: they are too large, which the kernel does not allow on any local file system.
    """
    result = Attributes()
    if sys.platform != "linux":
        return result
    kept: dict[bytes, bytes] = {}
    for name in names:
        is_acl = name in (ACL_ACCESS, ACL_DEFAULT)
        if not is_acl and not xattrs.is_kept(os.fsencode(name)):
            result.left_out.append((name, NOT_KEPT))
            continue
        try:
            value = os.getxattr(fd, name)
        except OSError as error:
            if error.errno in _NONE:
                continue
            raise
        if not is_acl:
            kept[os.fsencode(name)] = value
        elif len(value) > ACL_BYTES_MAX:
            result.left_out.append((name, f"an ACL of {len(value)} bytes is over {ACL_BYTES_MAX}"))
        elif name == ACL_ACCESS:
            result.acl_access = value
        else:
            result.acl_default = value
    result.encoded = xattrs.encode(kept)
    return result
