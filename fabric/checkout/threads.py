"""Small files placed by the thread that fetched them: while the bytes are in the processor's cache, and side by side.

For files of some size: the system calls and the hashing leave the interpreter to other threads. Tiny ones would only fight
for it; they go to worker processes.
"""

import threading

from fabric.checkout.directories import Directories
from fabric.checkout.placing import Group, Placed, Placer, process_umask
from fabric.checkout.sources import MemorySource

FILE_BYTES_MIN = 32 * 1024
"""Mean size from which threads are faster than worker processes, which cost one more copy."""
_OPEN_MAX = 8


class ThreadPlacers:
    """A placer for each thread that asks, with temporary names of its own.

    Args:
        root: descriptor of the destination.
        temporary: what temporary names begin with; nobody else may use such names.
    """

    def __init__(self, root: int, temporary: bytes) -> None:
        self._root = root
        self._temporary = temporary
        self._umask = process_umask()
        self._local = threading.local()
        self._lock = threading.Lock()
        self._directories: list[Directories] = []

    def place(self, groups: list[Group], data: memoryview) -> Placed:
        """Place the files of all groups, from any thread; raises FabricError."""
        placer: Placer | None = getattr(self._local, "placer", None)
        if placer is None:
            placer = self._local.placer = self._new()
        return placer.place(groups, MemorySource(data))

    def _new(self) -> Placer:
        directories = Directories(self._root, _OPEN_MAX)
        with self._lock:
            self._directories.append(directories)
            number = len(self._directories)
        return Placer(directories, self._temporary + b"-t%d" % number, self._umask)

    def close(self) -> None:
        """Close all directories. Only when no thread is placing any more."""
        for directories in self._directories:
            directories.forget()
        self._directories.clear()
