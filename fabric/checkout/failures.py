"""What the operating system says, as errors of the fabric that say what to do."""

import errno

from fabric.errors import AlreadyExistsError, FabricError, NoSpaceError, SourceError
from fabric.model.paths import display

_HINTS = {
    errno.EACCES: "check who owns the destination, or choose another",
    errno.EPERM: "without root, owners cannot be restored; check also immutable files in the destination",
    errno.EROFS: "the destination is on a read-only file system: choose another",
    errno.ENOTDIR: "something that is no directory stands where one must go: remove it, or use force",
    errno.ELOOP: "a symlink stands where a directory must go: remove it, or use force",
    errno.EISDIR: "a directory stands where a file must go: remove it, or use force",
    errno.ENAMETOOLONG: "the destination's file system takes only shorter names",
    errno.EILSEQ: "the destination's file system takes only names in its own encoding",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.EFBIG: "the destination's file system or a limit (ulimit -f) takes only smaller files",
}


def failure(error: OSError, path: bytes) -> FabricError:
    """Return the error to raise for what happened to `path`, which is relative to the destination (b"": itself)."""
    if isinstance(error, FabricError):
        return error
    shown = display(path) or "the destination"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpaceError(
            f"no space left for {shown}",
            subject=shown,
            hint="free some space and run it again: complete files are kept",
        )
    if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
        return AlreadyExistsError(
            f"{shown} is there already", subject=shown, hint="remove it, or have it replaced: --force, Overwrite.REPLACE"
        )
    return SourceError(
        f"cannot write {shown}: {error.strerror or error}", subject=shown, hint=_HINTS.get(error.errno or 0, "")
    )
