"""Hard links: several names of one inode, which become one link group."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from blake3 import blake3

from fabric.ingest.places import Place
from fabric.ingest.source import same_content


@dataclass(slots=True)
class _Inode:
    path: bytes
    status: os.stat_result
    digest: bytes
    place: Place
    rows: list[int]


class Links:
    """The inodes of several names met so far. A group counts once two of its names were found."""

    def __init__(self) -> None:
        self._inodes: dict[tuple[int, int], _Inode] = {}

    def find(self, status: os.stat_result) -> tuple[bytes, Place] | None:
        """Return digest and place of the inode's content, if another name of it was read and it has not changed since."""
        inode = self._inodes.get((status.st_dev, status.st_ino))
        if inode is None or not same_content(inode.status, status):
            return None
        return inode.digest, inode.place

    def add(self, row: int, path: bytes, status: os.stat_result, digest: bytes, place: Place) -> bool:
        """Note a name; `path` is its path in the tree. False if its content differs from that of a name met before."""
        inode = self._inodes.setdefault((status.st_dev, status.st_ino), _Inode(path, status, digest, place, []))
        inode.rows.append(row)
        return inode.digest == digest

    def groups(self) -> Iterator[tuple[int, int]]:
        """Yield (row, group) of all that have a group.

        The number comes from the first path of the group in tree order, so the same tree always has the same numbers.
        """
        used = {0}
        for inode in self._inodes.values():
            if len(inode.rows) < 2:
                continue
            group, salt = 0, b""
            while group in used:
                group = int.from_bytes(blake3(inode.path + salt).digest(8), "little")
                salt += b"\x00"
            used.add(group)
            for row in inode.rows:
                yield row, group
