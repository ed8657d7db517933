"""A process that places small files: it verifies, writes and renames what its parent put into shared memory.

It holds no store, no credentials and no threads. It ends when its parent closes the socket or dies.
"""

import contextlib
import gc
import marshal
import mmap
import os
import signal
import socket
import struct
from typing import Any

from fabric.checkout.directories import Directories
from fabric.checkout.placing import Group, Placed, Placer
from fabric.checkout.sources import FileReader, MemorySource, NoSource
from fabric.errors import FabricError

SLOT_DATA_BYTES = 8 * 1024 * 1024
SLOT_PLAN_BYTES = 2 * 1024 * 1024
SLOT_BYTES = SLOT_DATA_BYTES + SLOT_PLAN_BYTES
"""One message: the data, then the plan that says which files they are."""
REQUEST = struct.Struct("<QQQQ")
"""Sequence, slot, bytes of data, bytes of plan."""
LENGTH = struct.Struct("<Q")
READY = b"fabric worker ready"


def main(channel: int, memory: int, root: int, temporary: str) -> None:
    """Serve until the parent closes the socket.

    Args:
        channel: descriptor of the socket to the parent.
        memory: descriptor of the shared memory.
        root: descriptor of the destination.
        temporary: the name under which files are written.
    """
    # A Ctrl-C reaches the whole group: the parent decides, and a file in the middle is finished or cleaned up.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.umask(0)
    # Plans are thousands of tuples without a cycle among them: looking for one is a tenth of the time.
    gc.disable()
    server = Server(Placer(Directories(root), temporary.encode(), umask=0))
    with (
        contextlib.suppress(BrokenPipeError, ConnectionResetError),
        socket.socket(fileno=channel) as connection,
        mmap.mmap(memory, 0) as shared,
        memoryview(shared) as view,
    ):
        send(connection, READY)
        while raw := receive(connection, REQUEST.size):
            sequence, slot, data_bytes, plan_bytes = REQUEST.unpack(raw)
            start = slot * SLOT_BYTES
            plan = start + SLOT_DATA_BYTES
            with view[start : start + data_bytes] as data, view[plan : plan + plan_bytes] as raw_plan:
                send(connection, marshal.dumps((sequence, *server.serve(data, raw_plan))))


class Server:
    """Carries out requests. A plan is (path, offset, length, groups): the bytes are in that file, or, with no path, in the
    data of the request.
    """

    def __init__(self, placer: Placer) -> None:
        self._placer = placer
        self._reader = FileReader()

    def serve(self, data: memoryview, plan: memoryview) -> Any:
        """Return (what was placed, None), or (None, the error's class, message, subject and hint)."""
        try:
            return tuple(self.place(data, plan)), None
        except FabricError as error:
            return None, (type(error).__name__, error.message, error.subject, error.hint)

    def place(self, data: memoryview, plan: memoryview | bytes) -> Placed:
        """Place the files of one request; raises FabricError."""
        path, offset, length, groups = marshal.loads(plan)  # noqa: S302 - from our own parent
        if not path:
            return self._placer.place(groups, MemorySource(data))
        try:
            source = self._reader.open(path, offset, length)
        except OSError:
            return self._placer.place(groups, NoSource())
        with source:
            return self._placer.place(groups, source)


def encode_plan(path: str, offset: int, length: int, groups: list[Group]) -> bytes:
    """Return a plan as a server takes it."""
    return marshal.dumps((path, offset, length, groups))


def send(connection: socket.socket, payload: bytes) -> None:
    """Send one answer with its length before it."""
    connection.sendall(LENGTH.pack(len(payload)) + payload)


def receive(connection: socket.socket, size: int) -> bytes:
    """Return exactly `size` bytes, or b"" if the other side is gone."""
    parts = []
    while size:
        part = connection.recv(size)
        if not part:
            return b""
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
