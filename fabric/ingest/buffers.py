"""The few large buffers in which packs are filled and from which they are sent."""

import mmap
import threading


class Buffers:
    """At most `count` buffers of `size` bytes, used again and again.

    A buffer costs memory only as far as it was ever filled. `take` waits while all are under way. Thread-safe.
    """

    def __init__(self, size: int, count: int) -> None:
        self._size = size
        self._left = count
        self._free: list[memoryview] = []
        self._condition = threading.Condition()

    def take(self) -> memoryview:
        """Return a buffer that nobody uses; its bytes are those of its last use."""
        with self._condition:
            self._condition.wait_for(lambda: self._free or self._left)
            if self._free:
                return self._free.pop()
            self._left -= 1
        # Private and anonymous: no memory until written, and given back to the system with the last reference.
        return memoryview(mmap.mmap(-1, self._size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))

    def give_back(self, buffer: memoryview) -> None:
        """Take a buffer back; any thread."""
        with self._condition:
            self._free.append(buffer)
            self._condition.notify()

    def clear(self) -> None:
        """Forget the free buffers, so that their memory goes back."""
        with self._condition:
            self._left += len(self._free)
            self._free.clear()
