"""Work that runs ahead of its consumer: a thread pool that survives a fork, and results in order with bounded memory."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")


class ForkSafePool:
    """A thread pool that is made at first use, once in each process: a forked child has none of its parent's threads."""

    def __init__(self, workers_max: int, name: str) -> None:
        self._workers_max = workers_max
        self._name = name
        self._pools: dict[int, ThreadPoolExecutor] = {}

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Run `work` in the background."""
        pid = os.getpid()
        pool = self._pools.get(pid)
        if pool is None:
            # No lock: one held by another thread during a fork would stay held in the child. setdefault is atomic, and a
            # pool that lost the race has no threads yet.
            pool = self._pools.setdefault(pid, ThreadPoolExecutor(self._workers_max, self._name))
        return pool.submit(work)

    def close(self) -> None:
        """Wait for what runs and end the threads of this process. May be called twice."""
        pool = self._pools.pop(os.getpid(), None)
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)


class Ahead(Generic[T]):
    """Runs jobs ahead of the consumer, no more than `bytes_max` of results and `count_max` jobs at a time."""

    def __init__(self, pool: ForkSafePool, *, bytes_max: int, count_max: int) -> None:
        self._pool = pool
        self._bytes_max = bytes_max
        self._count_max = count_max

    def results(self, jobs: Iterable[tuple[int, Callable[[], T]]]) -> Generator[T, None, None]:
        """Yield what each job returns, in order. A job is (bytes that its result holds, function).

        The first failure is raised in its place; what has not begun by then, or when the consumer stops, is dropped.
        One job may be larger than the bound: it runs alone.
        """
        under_way: deque[tuple[int, Future[T]]] = deque()
        size = 0
        try:
            for cost, work in jobs:
                while under_way and (size + cost > self._bytes_max or len(under_way) >= self._count_max):
                    head_cost, head = under_way.popleft()
                    yield head.result()
                    # The consumer has had its turn: only now is the memory its own affair.
                    size -= head_cost
                under_way.append((cost, self._pool.submit(work)))
                size += cost
            while under_way:
                yield under_way.popleft()[1].result()
        finally:
            for _, future in under_way:
                future.cancel()
