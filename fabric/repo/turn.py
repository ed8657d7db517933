"""Taking turns: writers of one machine that lost a race for a branch wait in line instead of racing again.

This only saves work. Whether a ref moves is decided by the metastore, which knows nothing of turns; who waits too long (a
holder may be stopped or hang) goes on without one.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

WAIT_S_MAX = 5.0
POLL_S = 0.01


@contextlib.contextmanager
def turn(path: Path) -> Iterator[bool]:
    """Hold the turn that the file `path` stands for, as far as it can be had; yields whether it was.

    The file stays; it holds nothing. A turn ends with the process that holds it.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        # Without a state directory there are no turns: the race goes on.
        yield False
        return
    try:
        yield _acquire(descriptor)
    finally:
        os.close(descriptor)


def _acquire(descriptor: int) -> bool:
    deadline = time.monotonic() + WAIT_S_MAX
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_S)
        except OSError:
            return False
        else:
            return True
