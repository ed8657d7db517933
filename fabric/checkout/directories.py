"""Descriptors of directories below the destination. Each segment is opened by itself and no symlink is followed."""

import os
from collections import OrderedDict

OPEN_MAX = 64
_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Directories:
    """Opens directories by their path below `root` and keeps the last few open. Not thread-safe.

    Args:
        root: descriptor of the destination; stays the caller's.
        open_max: how many are kept open; a path may be deeper than that.
    """

    def __init__(self, root: int, open_max: int = OPEN_MAX) -> None:
        self._root = root
        self._open_max = open_max
        self._open: OrderedDict[bytes, int] = OrderedDict()

    def open(self, path: bytes) -> int:
        """Return a descriptor of the directory, good until the next call.

        Raises:
            OSError: ENOENT; ENOTDIR or ELOOP for a symlink or file on the way; EACCES.
        """
        if not path:
            return self._root
        fd = self._open.get(path)
        if fd is not None:
            self._open.move_to_end(path)
            return fd
        known = path
        missing = []
        while known and known not in self._open:
            known, _, name = known.rpartition(b"/")
            missing.append(name)
        fd = self._open[known] if known else self._root
        for name in reversed(missing):
            fd = os.open(name, _FLAGS, dir_fd=fd)
            known = known + b"/" + name if known else name
            self._open[known] = fd
            if len(self._open) > self._open_max:
                os.close(self._open.popitem(last=False)[1])
        return fd

    def forget(self) -> None:
        """Close all: after something below was removed or renamed, and at the end."""
        while self._open:
            os.close(self._open.popitem()[1])
