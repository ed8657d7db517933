"""The parent's side of the worker processes: shared memory, requests, answers, and what to do when one dies."""

import contextlib
import marshal
import mmap
import os
import secrets
import selectors
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

from fabric import errors
from fabric.checkout import worker
from fabric.checkout.placing import TEMPORARY_PREFIX, Placed
from fabric.errors import FabricError, SourceError

UNDER_WAY_MAX = 2
"""Requests at one worker: it works on one while the next is being filled."""
_START_TIMEOUT_S = 20
_END_TIMEOUT_S = 60
_BOOT = (
    "import sys; sys.path[:] = sys.argv[5:]\n"
    "from fabric.checkout.worker import main\n"
    "main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])"
)


class WorkerPool:
    """A few processes that place small files. Fresh interpreters, not forks: the caller may have threads of any kind.

    Args:
        root: descriptor of the destination.
        count: how many processes.

    Raises:
        SourceError: they cannot be started (place the files in this process instead).
    """

    def __init__(self, root: int, count: int) -> None:
        slots = count * UNDER_WAY_MAX + 1
        self._free = list(range(slots))
        self._memory_fd = _memory(slots * worker.SLOT_BYTES)
        self._memory = mmap.mmap(self._memory_fd, slots * worker.SLOT_BYTES)
        self._view = memoryview(self._memory)
        self._selector = selectors.DefaultSelector()
        self._workers: list[_Worker] = []
        self.lost: list[bytes] = []
        """Temporary names of workers that died: they may have left a file behind."""
        try:
            for number in range(count):
                self._workers.append(_Worker(root, self._memory_fd, number))
            for each in self._workers:
                each.wait_until_ready()
                self._selector.register(each.connection, selectors.EVENT_READ, each)
        except (OSError, ValueError) as error:
            self.close()
            raise SourceError(f"no worker process could be started: {error}") from error

    def fits(self, data_bytes: int, plan: bytes) -> bool:
        """Whether a request is small enough for shared memory."""
        return data_bytes <= worker.SLOT_DATA_BYTES and len(plan) <= worker.SLOT_PLAN_BYTES

    def is_free(self) -> bool:
        """Whether another request can be taken now."""
        return bool(self._free) and any(len(each.under_way) < UNDER_WAY_MAX for each in self._workers)

    def submit(self, sequence: int, data: memoryview, plan: bytes) -> None:
        """Hand over one request (`worker.Server`); `is_free` must have said so."""
        slot = self._free.pop()
        start = slot * worker.SLOT_BYTES
        self._view[start : start + len(data)] = data
        start += worker.SLOT_DATA_BYTES
        self._view[start : start + len(plan)] = plan
        chosen = min(self._workers, key=lambda each: len(each.under_way))
        chosen.under_way[sequence] = (slot, len(data), len(plan))
        chosen.request(sequence, slot, len(data), len(plan))

    def answers(self) -> Iterator[tuple[int, Placed | None, memoryview, bytes]]:
        """Yield what has been placed: (sequence, result, data, plan).

        A result of None: the worker died. The caller serves the request itself; some files may be there already, complete.
        `data` and `plan` are good until the next item. Waits for one answer at least.

        Raises:
            FabricError: what a worker met.
        """
        for key, _ in self._selector.select():
            each: _Worker = key.data
            answer = each.answer()
            if answer is None:
                self._selector.unregister(each.connection)
                self._workers.remove(each)
                self.lost.append(each.temporary)
                for sequence, place in each.under_way.items():
                    yield sequence, None, *self._taken_back(*place)
                each.end()
                continue
            sequence, placed, failed = answer
            place = each.under_way.pop(sequence)
            if failed is not None:
                self._free.append(place[0])
                raise _error(*failed)
            yield sequence, Placed(*placed), *self._taken_back(*place)

    def busy(self) -> bool:
        """Whether anything is under way."""
        return any(each.under_way for each in self._workers)

    def is_alive(self) -> bool:
        """Whether there is a worker left."""
        return bool(self._workers)

    def _taken_back(self, slot: int, data_bytes: int, plan_bytes: int) -> tuple[memoryview, bytes]:
        self._free.append(slot)
        start = slot * worker.SLOT_BYTES
        plan = start + worker.SLOT_DATA_BYTES
        return self._view[start : start + data_bytes], bytes(self._view[plan : plan + plan_bytes])

    def close(self) -> None:
        """End the processes when they have done what is under way, and give the memory back."""
        for each in self._workers:
            each.hang_up()
        for each in self._workers:
            each.end()
        self._workers.clear()
        self._selector.close()
        self._view.release()
        self._memory.close()
        os.close(self._memory_fd)


class _Worker:
    def __init__(self, root: int, memory: int, number: int) -> None:
        self.connection, theirs = socket.socketpair()
        self.under_way: dict[int, tuple[int, int, int]] = {}
        self.temporary = TEMPORARY_PREFIX + f"{secrets.token_hex(6)}-{number}".encode()
        paths = [os.path.abspath(path) for path in sys.path if isinstance(path, str)]
        with theirs:
            passed = (theirs.fileno(), memory, root)
            try:
                self._process = subprocess.Popen(  # noqa: S603 - ourselves
                    [
                        *(sys.executable, "-S", "-E", "-c", _BOOT),
                        *map(str, passed),
                        self.temporary.decode(),
                        *paths,
                    ],
                    pass_fds=passed,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                )
            except BaseException:
                self.connection.close()
                raise

    def wait_until_ready(self) -> None:
        self.connection.settimeout(_START_TIMEOUT_S)
        if self._receive() != worker.READY:
            raise OSError("it ended before it was ready")
        self.connection.settimeout(None)

    def request(self, *numbers: int) -> None:
        # If it died, the next look at its answers finds the end of the stream.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.connection.sendall(worker.REQUEST.pack(*numbers))

    def answer(self) -> Any:
        raw = self._receive()
        return marshal.loads(raw) if raw else None  # noqa: S302 - from our own child

    def _receive(self) -> bytes:
        try:
            header = worker.receive(self.connection, worker.LENGTH.size)
            return worker.receive(self.connection, *worker.LENGTH.unpack(header)) if header else b""
        except ConnectionResetError:
            return b""

    def hang_up(self) -> None:
        self.connection.close()

    def end(self) -> None:
        self.connection.close()
        try:
            self._process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _memory(size: int) -> int:
    if sys.platform == "linux":
        fd = os.memfd_create("fabric-checkout", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    os.ftruncate(fd, size)
    return fd


def _error(name: str, message: str, subject: str, hint: str) -> FabricError:
    kind = getattr(errors, name)
    error: FabricError = kind(message, subject=subject, hint=hint)
    return error
