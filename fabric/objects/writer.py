"""A lease's writer: objects go out in parallel, bounded in memory, under keys that nobody else writes."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from fabric.model.ids import DatasetId, LeaseId, ObjectId, ObjectRef, new_ulid
from fabric.objects.keys import data_key
from fabric.objects.port import Buffer, ObjectStore

UPLOADS_MAX = 4
PENDING_BYTES_MAX = 256 * 1024 * 1024


class ObjectWriter:
    """Puts data objects of one dataset under one lease, in the background.

    `write` returns at once with the name that the object will have; `flush` returns when all are durable. The first failure
    is raised by the next write or by flush, and nothing more is sent. Thread-safe.
    """

    def __init__(
        self,
        store: ObjectStore,
        dataset: DatasetId,
        lease: LeaseId,
        *,
        uploads_max: int = UPLOADS_MAX,
        pending_bytes_max: int = PENDING_BYTES_MAX,
    ) -> None:
        self._store = store
        self._dataset = dataset
        self.lease = lease
        self._pool = ThreadPoolExecutor(uploads_max, "fabric-upload")
        self._pending_bytes_max = pending_bytes_max
        self._condition = threading.Condition()
        self._pending: dict[ObjectRef, int] = {}
        self._error: BaseException | None = None
        self.objects_written = 0
        self.bytes_written = 0

    def reserve(self) -> ObjectRef:
        """Return a name for an object that a later write will send: what refers to it can be made before it is full."""
        return ObjectRef(f"{self.lease}/{ObjectId(new_ulid())}")

    def write(
        self,
        data: Buffer,
        *,
        ref: ObjectRef | None = None,
        done: Callable[[ObjectRef, BaseException | None], None] | None = None,
    ) -> ObjectRef:
        """Send `data` as a new object and return its name: a fresh one, or the reserved `ref`, which is used once.

        Waits while more than the bound is under way. The caller leaves `data` alone until `done` has been called (from an
        upload thread, with the error if it is not durable) or flush has returned.
        """
        ref = ref or self.reserve()
        size = len(data)
        with self._condition:
            self._condition.wait_for(lambda: not self._pending or self._size() + size <= self._pending_bytes_max)
            if self._error is not None:
                raise self._error
            self._pending[ref] = size
        try:
            future = self._pool.submit(self._put, ref, data)
        except BaseException:
            with self._condition:
                del self._pending[ref]
                self._condition.notify_all()
            raise
        future.add_done_callback(lambda finished: self._finished(ref, finished, done))
        return ref

    def _size(self) -> int:
        return sum(self._pending.values())

    def _put(self, ref: ObjectRef, data: Buffer) -> None:
        lease, _, object_id = ref.partition("/")
        if self._error is not None:
            raise self._error
        self._store.put(data_key(self._dataset, lease, object_id), data)

    def _finished(
        self, ref: ObjectRef, future: Future[None], done: Callable[[ObjectRef, BaseException | None], None] | None
    ) -> None:
        error = future.exception()
        try:
            if done is not None:
                done(ref, error)
        finally:
            with self._condition:
                size = self._pending.pop(ref)
                if error is not None:
                    self._error = self._error or error
                else:
                    self.objects_written += 1
                    self.bytes_written += size
                self._condition.notify_all()

    def wait(self, ref: ObjectRef) -> None:
        """Return when this object is durable (at once if it is, or is not ours); raises the first failure if it is ours."""
        if not ref.startswith(f"{self.lease}/"):
            # Readers of other objects are not to fail because this writer did.
            return
        with self._condition:
            self._condition.wait_for(lambda: ref not in self._pending)
            if self._error is not None:
                raise self._error

    def flush(self) -> None:
        """Return when all that was written is durable; raises the first failure."""
        with self._condition:
            self._condition.wait_for(lambda: not self._pending)
            if self._error is not None:
                raise self._error

    def close(self) -> None:
        """Wait for what is under way and end the threads. May be called twice."""
        self._pool.shutdown(wait=True)
