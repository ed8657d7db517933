"""A process that places small files: it verifies, writes and renames what its parent put into shared memory.

It holds no store, no credentials and no threads. It ends when its parent closes the socket or dies.
"""

import marshal
import mmap
import os
import signal
import socket
import struct

from fabric.checkout.directories import Directories
from fabric.checkout.placing import Placer
from fabric.errors import FabricError

SLOT_DATA_BYTES = 8 * 1024 * 1024
SLOT_PLAN_BYTES = 2 * 1024 * 1024
SLOT_BYTES = SLOT_DATA_BYTES + SLOT_PLAN_BYTES
"""One message: the data, then the groups that say which files they are."""
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
    placer = Placer(Directories(root), temporary.encode(), umask=0)
    with socket.socket(fileno=channel) as connection, mmap.mmap(memory, 0) as shared, memoryview(shared) as view:
        send(connection, READY)
        while raw := receive(connection, REQUEST.size):
            sequence, slot, data_bytes, plan_bytes = REQUEST.unpack(raw)
            start = slot * SLOT_BYTES
            plan = start + SLOT_DATA_BYTES
            answer = _serve(placer, sequence, view[start : start + data_bytes], view[plan : plan + plan_bytes])
            send(connection, answer)


def _serve(placer: Placer, sequence: int, data: memoryview, plan: memoryview) -> bytes:
    with data, plan:
        try:
            placed = placer.place(marshal.loads(plan), data)  # noqa: S302 - from our own parent
        except FabricError as error:
            return marshal.dumps((sequence, None, (type(error).__name__, error.message, error.subject, error.hint)))
        return marshal.dumps((sequence, tuple(placed), None))


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
