"""Files that are written in parts, side by side: anything that is not one small plain run of an object."""

import contextlib
import os
from collections.abc import Callable, Iterator

from fabric.cache.blocks import Block
from fabric.cache.contents import ContentReader
from fabric.checkout.attributes import Wanted, restore
from fabric.checkout.directories import Directories
from fabric.checkout.placing import CREATE, write_at
from fabric.model.content import Content


class LargeFile:
    """One file under a temporary name, until `finish` gives it its own. Blocks of zeros stay holes.

    Args:
        directory: path of the directory it goes into.
        name: its name there.
        wanted: its attributes.
        content: its bytes.
        temporary: the name until then; nobody else may use it.
    """

    def __init__(self, directory: bytes, name: bytes, wanted: Wanted, content: Content, temporary: bytes) -> None:
        self.directory = directory
        self.name = name
        self.content = content
        self.parts_left = 0
        self._wanted = wanted
        self._temporary = temporary
        self._fd = -1

    def begin(self, directories: Directories) -> None:
        """Create the file in its full length; raises OSError."""
        self._fd = os.open(self._temporary, CREATE, 0o600, dir_fd=directories.open(self.directory))
        if self.content.size:
            os.ftruncate(self._fd, self.content.size)

    def parts(self, reader: ContentReader, part_bytes_max: int) -> Iterator[tuple[int, Callable[[], int]]]:
        """Yield (bytes held, work) for each part. Works may run side by side and return how many bytes they stand for."""
        for blocks, cost, fetch in reader.runs(reader.blocks(self.content), span_bytes_max=part_bytes_max):
            yield cost, self._part(blocks, fetch)

    def _part(self, blocks: list[Block], fetch: Callable[[], list[memoryview]]) -> Callable[[], int]:
        def work() -> int:
            for block, view in zip(blocks, fetch(), strict=True):
                if block.store is not None:
                    write_at(self._fd, view, block.start)
            return sum(block.length for block in blocks)

        return work

    def finish(self, directories: Directories) -> list[str]:
        """Restore the attributes and give the file its name; returns what could not be restored; raises OSError."""
        missing = restore(self._fd, self._wanted)
        fd, self._fd = self._fd, -1
        os.close(fd)
        where = directories.open(self.directory)
        os.rename(self._temporary, self.name, src_dir_fd=where, dst_dir_fd=where)
        return missing

    def abandon(self, directories: Directories) -> None:
        """Remove what was written. Only when no part is being worked on any more."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        with contextlib.suppress(OSError):
            os.unlink(self._temporary, dir_fd=directories.open(self.directory))
