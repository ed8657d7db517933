"""Directories of a tree, one after the other in tree order, each as an open descriptor; no recursion, few descriptors."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

from fabric.ingest.ignore import Ignore
from fabric.ingest.source import DIRECTORY_FLAGS, changed, source_error

DESCRIPTORS_MAX = 64
_ENCODING, _ERRORS = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
FILE, DIRECTORY, SYMLINK, OTHER = range(4)


@dataclass(slots=True)
class Directory:
    """One directory under way.

    Attributes:
        path: relative to the source; b"" is the source itself.
        fd: open while it is the current one.
        identity: device and inode.
        ignore: the rules that hold in it.
        below: names and identities of directories still to visit, last first.
    """

    path: bytes
    fd: int
    identity: tuple[int, int]
    ignore: Ignore | None = None
    below: list[tuple[bytes, tuple[int, int]]] = field(default_factory=list)


class Walk:
    """Visits a directory, then what the visitor leaves in its `below`, depth first.

    Visited so, with the names of each directory sorted by their bytes, entries come in the order of a tree: the rows of one
    directory together, each subtree as one run (`fabric.model.paths`).

    At most DESCRIPTORS_MAX descriptors are open, however deep the tree: those of directories far above are closed, and found
    again through `..`, which must lead to the same inode.
    """

    def __init__(self, source: bytes, top_fd: int) -> None:
        """Walk the directory that `top_fd` is open on; the descriptor is the walk's from now on."""
        self._source = source
        status = os.fstat(top_fd)
        self._frames = [Directory(b"", top_fd, (status.st_dev, status.st_ino))]
        self._open_from = 0

    def __iter__(self) -> Iterator[Directory]:
        yield self._frames[0]
        while self._frames:
            frame = self._frames[-1]
            if frame.below:
                yield self._enter(frame, *frame.below.pop())
            else:
                self._leave()

    def _shown(self, path: bytes) -> bytes:
        return os.path.join(self._source, path) if path else self._source

    def _enter(self, above: Directory, name: bytes, identity: tuple[int, int]) -> Directory:
        path = above.path + b"/" + name if above.path else name
        try:
            fd = os.open(name, DIRECTORY_FLAGS, dir_fd=above.fd)
        except OSError as error:
            raise source_error(error, self._shown(path)) from None
        frame = Directory(path, fd, identity, above.ignore)
        self._frames.append(frame)
        self._check(frame)
        if len(self._frames) - self._open_from > DESCRIPTORS_MAX:
            oldest = self._frames[self._open_from]
            os.close(oldest.fd)
            oldest.fd = -1
            self._open_from += 1
        return frame

    def _leave(self) -> None:
        frame = self._frames.pop()
        try:
            if self._frames and self._frames[-1].fd < 0:
                above = self._frames[-1]
                try:
                    above.fd = os.open(b"..", DIRECTORY_FLAGS, dir_fd=frame.fd)
                except OSError as error:
                    raise source_error(error, self._shown(above.path)) from None
                self._open_from = len(self._frames) - 1
                self._check(above)
        finally:
            os.close(frame.fd)

    def _check(self, frame: Directory) -> None:
        status = os.fstat(frame.fd)
        if (status.st_dev, status.st_ino) != frame.identity:
            changed(self._shown(frame.path), "the directory was replaced while it was read")

    def close(self) -> None:
        """Close all descriptors."""
        for frame in self._frames:
            if frame.fd >= 0:
                os.close(frame.fd)
        self._frames.clear()


def list_directory(fd: int) -> tuple[list[bytes], dict[bytes, int]]:
    """Return the sorted names of a directory, and the kinds of those that are no regular files.

    Raises:
        OSError: it cannot be read.
    """
    names: list[bytes] = []
    others: dict[bytes, int] = {}
    with os.scandir(fd) as found:
        for entry in found:
            name = entry.name.encode(_ENCODING, _ERRORS)
            names.append(name)
            if not entry.is_file(follow_symlinks=False):
                if entry.is_dir(follow_symlinks=False):
                    others[name] = DIRECTORY
                else:
                    others[name] = SYMLINK if entry.is_symlink() else OTHER
    names.sort()
    return names, others
