"""Locks that are free in a forked child: a fork waits until no other thread is inside.

A child has only the thread that forked. A lock that another thread held at that moment would stay held for ever, and what it
guarded (a database connection in the middle of a call) would be copied half-done. So the fork takes these locks first and
both sides let go of them after. Whoever uses `fork_safe_lock` holds it for short, bounded times only.
"""

import os
import threading
import weakref
from typing import Self

FORK_WAIT_S_MAX = 10.0
"""How long a fork waits for one lock; after that the child gets it as it is, which is no worse than no waiting at all."""

_locks: "weakref.WeakSet[ForkSafeLock]" = weakref.WeakSet()
_held = threading.local()
"""What the thread that forks has taken; several threads may fork at once."""


class ForkSafeLock:
    """A re-entrant lock that is never held by a lost thread in a forked child."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        _locks.add(self)

    def acquire(self, timeout_s: float = -1) -> bool:
        """Take the lock; returns False if the time (-1: for ever) is over first."""
        return self._lock.acquire(timeout=timeout_s)

    def release(self) -> None:
        """Let go of the lock."""
        self._lock.release()

    def __enter__(self) -> Self:
        self._lock.acquire()
        return self

    def __exit__(self, *exc: object) -> None:
        self._lock.release()


def _before_fork() -> None:
    _held.locks = [lock for lock in list(_locks) if lock.acquire(FORK_WAIT_S_MAX)]


def _after_fork() -> None:
    for lock in _held.locks:
        lock.release()
    _held.locks = []


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
