"""Tree nodes by reference: fetched, checked against their id, and the recently used ones kept in memory."""

import os
import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from fabric.errors import DataError, ObjectNotFoundError
from fabric.model.envelope import ObjectKind, decode_header
from fabric.model.ids import DatasetId, ObjectRef
from fabric.model.node import UNKNOWN_LEVEL, Child, Index, Leaf, decode_index, decode_leaf
from fabric.objects.keys import data_key
from fabric.objects.port import ObjectStore
from fabric.objects.writer import ObjectWriter

NODE_CACHE_BYTES_MAX = 256 * 1024 * 1024
READ_AHEAD_NODES = 4
Node = Leaf | Index


class NodeReader:
    """Reads the nodes of one dataset. Thread-safe; usable in a forked child (its threads are made anew)."""

    def __init__(self, store: ObjectStore, dataset: DatasetId, *, cache_bytes_max: int = NODE_CACHE_BYTES_MAX) -> None:
        self._store = store
        self._dataset = dataset
        self._cache_bytes_max = cache_bytes_max
        self._lock = threading.Lock()
        self._cache: OrderedDict[ObjectRef, tuple[Node, int]] = OrderedDict()
        self._cached_bytes = 0
        self._pool: ThreadPoolExecutor | None = None
        self._pid = os.getpid()
        self._writers: list[ObjectWriter] = []

    def _renew_after_fork(self) -> None:
        # Threads do not survive fork(), and the lock may have been held by one of them.
        if os.getpid() != self._pid:
            self._pid, self._lock, self._pool, self._writers = os.getpid(), threading.Lock(), None, []

    def attach(self, writer: ObjectWriter) -> None:
        """Let this reader wait for nodes that `writer` is still sending."""
        with self._lock:
            self._writers = [*self._writers, writer]

    def detach(self, writer: ObjectWriter) -> None:
        """Forget a writer that has flushed or failed."""
        with self._lock:
            self._writers = [other for other in self._writers if other is not writer]

    def node(self, child: Child) -> Node:
        """Return the node that `child` names.

        Raises:
            DataError: the object is missing, damaged, or another node than its parent says.
            UnavailableError: the store cannot be reached.
        """
        if os.getpid() != self._pid:
            self._renew_after_fork()
        with self._lock:
            found = self._cache.get(child.object)
            if found is not None:
                self._cache.move_to_end(child.object)
        node = found[0] if found is not None else self._fetch(child)
        if node.id != child.id:
            raise DataError(f"object {child.object} holds tree node {node.id.hex()}, not {child.id.hex()}")
        if child.level != UNKNOWN_LEVEL and child.level != (node.level if isinstance(node, Index) else 0):
            # Levels fall by one from parent to child, so no tree made by somebody else leads down without end.
            raise DataError(f"tree node {child.id.hex()} is not of the level that its parent says")
        return node

    def leaf(self, child: Child) -> Leaf:
        """Return the node as a leaf; raises DataError if it is an index node."""
        node = self.node(child)
        if not isinstance(node, Leaf):
            raise DataError(f"tree node {child.id.hex()} should be a leaf")
        return node

    def nodes(self, children: Iterable[Child]) -> Iterator[Node]:
        """Yield the nodes in order, fetching and decoding a few ahead in threads."""
        self._renew_after_fork()
        pending: deque[Future[Node]] = deque()
        try:
            for child in children:
                pending.append(self._threads().submit(self.node, child))
                if len(pending) > READ_AHEAD_NODES:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()

    def _threads(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(READ_AHEAD_NODES, "fabric-nodes")
            return self._pool

    def _fetch(self, child: Child) -> Node:
        for writer in self._writers:
            writer.wait(child.object)
        lease, _, object_id = child.object.partition("/")
        try:
            data = self._store.get(data_key(self._dataset, lease, object_id))
        except ObjectNotFoundError as error:
            raise DataError(
                f"tree node {child.id.hex()[:16]} is missing: there is no object {child.object}",
                subject=child.object,
                hint="run 'fabric fsck' to see what else is affected",
            ) from error
        try:
            node = decode(data, child)
        except DataError:
            # A lying network is more likely than a lying disk: look once more before giving up.
            node = decode(self._store.get(data_key(self._dataset, lease, object_id)), child)
        self._keep(child.object, node, len(data) * 3)
        return node

    def _keep(self, ref: ObjectRef, node: Node, size: int) -> None:
        with self._lock:
            if ref not in self._cache:
                self._cached_bytes += size
            self._cache[ref] = (node, size)
            while self._cached_bytes > self._cache_bytes_max and len(self._cache) > 1:
                _, (_, freed) = self._cache.popitem(last=False)
                self._cached_bytes -= freed

    def close(self) -> None:
        """End the threads and forget all nodes."""
        with self._lock:
            pool, self._pool = self._pool, None
            self._cache.clear()
            self._cached_bytes = 0
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)


def decode(data: bytes | memoryview, child: Child) -> Node:
    """Return the node in `data` if it is the one that `child` names, with the rows and the first key that it says.

    Raises:
        DataError, UnsupportedFormatError: it is not.
    """
    node: Node
    if len(data) > 10 and int.from_bytes(data[8:10], "little") == ObjectKind.INDEX:
        node = decode_index(data, child.id)
        count, size, key = sum(c.rows for c in node.children), sum(c.size for c in node.children), node.children[0].key
    else:
        decode_header(data, ObjectKind.LEAF)
        node = decode_leaf(data, child.id)
        count, size, key = node.logical.num_rows, node.size, node.first_key
    if (count, size, key) != (child.rows, child.size, child.key):
        raise DataError(f"tree node {child.id.hex()} does not have the rows that its parent says")
    return node
