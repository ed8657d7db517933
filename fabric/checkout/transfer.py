"""Bytes from objects to files: spans fetched ahead, small files placed by workers or here, large ones in parts."""

import contextlib
import os
import secrets
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, wait
from functools import partial
from typing import Any, NamedTuple

from fabric.cache.blocks import Block
from fabric.cache.contents import ContentReader
from fabric.cache.spans import Span
from fabric.checkout.attributes import Wanted
from fabric.checkout.batches import NO_PLACE, Place, Small, batches
from fabric.checkout.directories import Directories
from fabric.checkout.failures import failure
from fabric.checkout.large import LargeFile
from fabric.checkout.options import CheckoutResult
from fabric.checkout.placing import TEMPORARY_PREFIX, Group, Placed, Placer, process_umask
from fabric.checkout.threads import FILE_BYTES_MIN, ThreadPlacers
from fabric.checkout.worker import SLOT_DATA_BYTES, Server, encode_plan
from fabric.checkout.workers import WorkerPool
from fabric.errors import DataError, SourceError
from fabric.model.content import Content
from fabric.model.digest import BLOCK_BYTES
from fabric.model.paths import display, join
from fabric.objects.port import ObjectStore
from fabric.objects.wrapper import file_backed
from fabric.progress import Progress

AHEAD_BYTES_MAX = 128 * 1024 * 1024
REMOTE_PART_BYTES_MAX = 2 * BLOCK_BYTES
"""One request's part of a large file: over a network, twice the block hides the latency."""
WORKERS_MAX = 4
WORKERS_FROM_FILES = 1_000
"""Fewer small files are placed in this process before the workers would be up."""


class _Fetch(NamedTuple):
    sequence: int
    cost: int
    place: Place
    offset: int
    groups: list[Group]
    future: "Future[memoryview | Placed]"


class _Part(NamedTuple):
    sequence: int
    cost: int
    file: LargeFile
    future: "Future[int]"


class Transfer:
    """Takes files in tree order and gets them done in bounded memory. Not thread-safe.

    Files gather until `flush`, which starts them. `after` runs something when all that was taken before it is complete.
    Any failure is raised by a later call; then only `abort` may follow.

    Args:
        root: descriptor of the destination.
        directories: for this process's own use of directories.
        reader: where the bytes come from.
        result: counts what is done.
        progress: is told of it.
        jobs: worker processes for small files; None chooses.
    """

    def __init__(
        self,
        root: int,
        directories: Directories,
        reader: ContentReader,
        *,
        result: CheckoutResult,
        progress: Progress,
        jobs: int | None,
    ) -> None:
        self._root = root
        self._directories = directories
        self._reader = reader
        self._result = result
        self._progress = progress
        self._token = TEMPORARY_PREFIX + secrets.token_hex(6).encode()
        self._server = Server(Placer(directories, self._token, process_umask()))
        self._threads = ThreadPlacers(root, self._token)
        self._jobs = min(WORKERS_MAX, _cpus()) if jobs is None else jobs
        self._jobs_asked = jobs is not None
        self._workers: WorkerPool | None = None
        self._small_taken = 0
        self._small: list[Small] = []
        self._places: list[Place] = []
        self._place_numbers: dict[Place, int] = {}
        self._files = file_backed(reader.store)
        # A local disk gains nothing from many reads at a time, and the processor's caches lose.
        self._ahead_max = 2 * (_cpus() if self._files else reader.parallel)
        self._part_bytes = BLOCK_BYTES if self._files else REMOTE_PART_BYTES_MAX
        self._large: list[LargeFile] = []
        self._large_open: dict[int, LargeFile] = {}
        self._later: list[Callable[[], None]] = []
        self._ready: deque[tuple[int, Callable[[], None]]] = deque()
        self._sequence = 0
        self._outstanding: dict[int, _Fetch | None] = {}
        self._ahead: deque[_Fetch | _Part] = deque()
        self._ahead_bytes = 0
        self._names = 0

    def place(self, store: ObjectStore, key: str) -> int:
        """Return the number by which small files name an object."""
        place = Place(store, key)
        number = self._place_numbers.setdefault(place, len(self._places))
        if number == len(self._places):
            self._places.append(place)
        return number

    def small(self, file: Small) -> None:
        """Take a file whose bytes are one block, or none."""
        self._small.append(file)

    def large(self, directory: bytes, name: bytes, wanted: Wanted, content: Content) -> None:
        """Take any other file."""
        self._large.append(LargeFile(directory, name, wanted, content, self.temporary()))

    def after(self, work: Callable[[], None]) -> None:
        """Run `work` in this thread when all files taken so far are complete, after all that was asked before."""
        self._later.append(work)

    def temporary(self) -> bytes:
        """Return a name that nothing else in the destination has."""
        self._names += 1
        return self._token + b"-%d" % self._names

    def place_now(self, directory: bytes, name: bytes, wanted: Wanted, content: Content) -> None:
        """Write one file at once, in this thread."""
        file = LargeFile(directory, name, wanted, content, self.temporary())
        try:
            file.begin(self._directories)
            for _, work in file.parts(self._reader, self._part_bytes):
                work()
            self._left_out(join(directory, name), file.finish(self._directories))
        except BaseException as error:
            file.abandon(self._directories)
            raise self._explained(error, join(directory, name)) from error

    def flush(self) -> None:
        """Start all that was taken; waits for earlier work as far as memory asks for it."""
        small, self._small = self._small, []
        large, self._large = self._large, []
        later, self._later = self._later, []
        self._small_taken += len(small)
        self._start_workers(small)
        self._flush_small(small)
        for file in large:
            self._flush_large(file)
        self._ready.extend((self._sequence, work) for work in later)
        self._run_ready()

    def drain(self) -> None:
        """Flush, wait until all is complete, and end the workers."""
        self.flush()
        while self._ahead:
            self._settle()
        while self._workers is not None and self._workers.busy():
            self._take_answers(self._workers)
        self._run_ready()
        assert not self._outstanding
        assert not self._ready
        self._threads.close()
        self._close_workers()

    def abort(self) -> None:
        """Stop, and remove every file that is not complete. After a failure; raises nothing new."""
        for item in self._ahead:
            item.future.cancel()
        # What is running writes to files and directories that are about to be closed.
        futures: list[Future[Any]] = [item.future for item in self._ahead]
        wait(futures)
        self._threads.close()
        for file in self._large_open.values():
            file.abandon(self._directories)
        self._close_workers()

    # Small files

    def _flush_small(self, small: list[Small]) -> None:
        for number, offset, length, groups in batches(small, SLOT_DATA_BYTES):
            sequence = self._begin()
            place = NO_PLACE if number < 0 else self._places[number]
            if place.store is None or (self._files is not None and place.store is self._reader.store):
                path = self._files.path(place.key) if self._files is not None and place.key else ""
                item = _Fetch(sequence, 0, place, offset, groups, Future())
                self._hand_over(item, encode_plan(path, offset, length, groups), memoryview(b""))
            else:
                span = Span(place.store, place.key, offset, length)
                in_thread = self._workers is None and length >= FILE_BYTES_MIN * sum(len(group[2]) for group in groups)
                work = partial(self._fetch_and_place, span, groups) if in_thread else partial(self._fetch, span)
                self._push(_Fetch(sequence, length, place, offset, groups, self._reader.pool.submit(work)))

    def _fetch(self, span: Span) -> memoryview | Placed:
        return self._reader.fetch_unverified(span)

    def _fetch_and_place(self, span: Span, groups: list[Group]) -> memoryview | Placed:
        return self._threads.place(groups, self._reader.fetch_unverified(span))

    def _hand_over(self, item: _Fetch, plan: bytes, data: memoryview) -> None:
        """Give a request to a worker, or serve it here."""
        workers = self._workers
        if workers is not None and workers.fits(len(data), plan):
            while workers.is_alive() and not workers.is_free():
                self._take_answers(workers)
            if workers.is_alive():
                self._outstanding[item.sequence] = item
                workers.submit(item.sequence, data, plan)
                return
        self._placed(item, self._server.place(data, plan))

    def _take_answers(self, workers: WorkerPool) -> None:
        for sequence, answer, data, plan in workers.answers():
            item = self._outstanding[sequence]
            assert item is not None
            with data:
                if answer is None:
                    self._remove_stale(item.groups, workers.lost)
                placed = answer or self._server.place(data, plan)
            self._placed(item, placed)

    def _remove_stale(self, groups: list[Group], names: list[bytes]) -> None:
        """A worker that was killed may have left a file under its temporary name."""
        for directory, _, _ in groups:
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=self._directories.open(directory))

    def _placed(self, item: _Fetch, placed: Placed) -> None:
        for group, number in placed.bad:
            self._place_again(item, group, number)
        self._result.files += placed.files
        self._result.size += placed.size
        self._result.leave_out(placed.left_out, placed.left_out_count)
        self._progress.advance(files=placed.files, size=placed.size)
        self._end(item.sequence)

    def _place_again(self, item: _Fetch, group: int, number: int) -> None:
        """Some bytes were not what their digest says: ask once more (which ends in an error if they stay wrong)."""
        directory, exact, records = item.groups[group]
        name, low, length, digest, wanted = records[number]
        try:
            if item.place.store is None:
                raise DataError("an empty file has the digest of another content")
            block = Block(0, length, item.place.store, item.place.key, item.offset + low, digest)
            data = memoryview(self._reader.fetch_block(block))
        except DataError as error:
            raise self._explained(error, join(directory, name)) from error
        again = [(directory, exact, [(name, 0, length, digest, wanted)])]
        placed = self._server.place(data, encode_plan("", 0, length, again))
        assert placed.files == 1, "these bytes were verified"
        self._result.files += 1
        self._result.size += length
        self._result.leave_out(placed.left_out, placed.left_out_count)
        self._progress.advance(files=1, size=length)

    # Large files

    def _flush_large(self, file: LargeFile) -> None:
        path = join(file.directory, file.name)
        sequence = self._begin()
        try:
            self._large_open[sequence] = file
            file.begin(self._directories)
            # One more than there are, so that the file cannot be finished before all parts are known.
            file.parts_left = 1
            for cost, work in file.parts(self._reader, self._part_bytes):
                file.parts_left += 1
                self._push(_Part(sequence, cost, file, self._reader.pool.submit(work)))
        except (OSError, DataError) as error:
            raise self._explained(error, path) from error
        self._part_done(sequence, file, 0)

    def _part_done(self, sequence: int, file: LargeFile, size: int) -> None:
        self._result.size += size
        self._progress.advance(size=size)
        file.parts_left -= 1
        if file.parts_left == 0:
            path = join(file.directory, file.name)
            try:
                self._left_out(path, file.finish(self._directories))
            except OSError as error:
                raise failure(error, path) from error
            del self._large_open[sequence]
            self._result.files += 1
            self._progress.advance(files=1)
            self._end(sequence)

    def _left_out(self, path: bytes, missing: list[str]) -> None:
        self._result.leave_out([(path, what) for what in missing], len(missing))

    def _explained(self, error: BaseException, path: bytes) -> BaseException:
        """An error of the store names the object; the file it was for is part of what a person needs."""
        if isinstance(error, DataError):
            shown = f"{display(path)}: "
            if str(error).startswith(shown):  # a content of several batches passes here more than once
                return error
            return type(error)(f"{shown}{error}", subject=error.subject, hint=error.hint)
        return failure(error, path) if isinstance(error, OSError) else error

    # What is under way

    def _begin(self) -> int:
        self._sequence += 1
        self._outstanding[self._sequence] = None
        return self._sequence

    def _end(self, sequence: int) -> None:
        del self._outstanding[sequence]
        self._run_ready()

    def _run_ready(self) -> None:
        while self._ready:
            # Sequences are added in order: the first outstanding one is the lowest.
            lowest = next(iter(self._outstanding), None)
            if lowest is not None and lowest <= self._ready[0][0]:
                return
            self._ready.popleft()[1]()

    def _push(self, item: _Fetch | _Part) -> None:
        self._ahead.append(item)
        self._ahead_bytes += item.cost
        while self._ahead_bytes > AHEAD_BYTES_MAX or len(self._ahead) > self._ahead_max:
            self._settle()

    def _settle(self) -> None:
        item = self._ahead.popleft()
        self._ahead_bytes -= item.cost
        if isinstance(item, _Fetch):
            result = item.future.result()
            if isinstance(result, Placed):
                self._placed(item, result)
            else:
                self._hand_over(item, encode_plan("", 0, len(result), item.groups), result)
            return
        try:
            size = item.future.result()
        except (OSError, DataError) as error:
            raise self._explained(error, join(item.file.directory, item.file.name)) from error
        self._part_done(item.sequence, item.file, size)

    # Workers

    def _start_workers(self, small: list[Small]) -> None:
        if self._workers is not None or self._jobs == 0 or not small:
            return
        many = self._small_taken >= WORKERS_FROM_FILES and self._jobs > 1
        tiny = sum(file[2] for file in small) < FILE_BYTES_MIN * len(small)
        if self._jobs_asked or (many and (tiny or self._files is not None)):
            try:
                self._workers = WorkerPool(self._root, self._jobs)
            except SourceError:
                # Where no process can be started, this one does the work: slower, and just as right.
                self._jobs = 0

    def _close_workers(self) -> None:
        if self._workers is not None:
            workers, self._workers, self._jobs = self._workers, None, 0
            workers.close()


def _cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
