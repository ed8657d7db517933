"""Progress on a terminal: what is done, how fast, and how long it will take.

Work that ends at once shows nothing and does not even import the library that draws.
"""

import os
import threading
import time
from collections.abc import Sequence

from fabric.units import format_size

DELAY_S = 0.4
REFRESH_S = 0.1
RATE_S = 5.0
"""The rate is that of the last seconds."""
COUNT_EVERY = 1_000


class Bars:
    """A bar on stderr that implements `fabric.progress.Progress`. Quick to advance: drawing is a thread of its own.

    Args:
        verb: what is shown until the first phase begins.
        sources: local files and directories that will be read: counted aside, for the time that is left. An engine that
            reads while it walks cannot tell it.
    """

    def __init__(self, verb: str, sources: Sequence[str] = ()) -> None:
        self._sources = sources
        self._lock = threading.Lock()
        self._phase = verb
        self._files = self._size = 0
        self._files_total: int | None = None
        self._size_total: int | None = None
        self._counted: tuple[int | None, int | None] = (None, None)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._draw, name="fabric-progress", daemon=True)
        self._thread.start()

    def begin(self, phase: str, *, files: int | None = None, size: int | None = None) -> None:
        """Start a phase."""
        with self._lock:
            self._phase = phase
            self._files = self._size = 0
            self._files_total, self._size_total = files, size

    def advance(self, *, files: int = 0, size: int = 0) -> None:
        """Count."""
        with self._lock:
            self._files += files
            self._size += size

    def close(self) -> None:
        """Remove the bar; may be called twice."""
        self._ended.set()
        self._thread.join()

    def _draw(self) -> None:
        if self._ended.wait(DELAY_S):
            return
        if self._sources:
            threading.Thread(target=self._count, name="fabric-progress-count", daemon=True).start()
        # Imported in this thread, while the work goes on.
        from rich.console import Console  # noqa: PLC0415
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn  # noqa: PLC0415

        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[text]}"),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False, expand=True) as bar:
            task = bar.add_task("", total=None, text="")
            rate = _Rate()
            while not self._ended.wait(REFRESH_S):
                with self._lock:
                    phase, files, size = self._phase, self._files, self._size
                    files_total, size_total = self._files_total, self._size_total
                    if files_total is None and size_total is None:
                        files_total, size_total = self._counted
                by_size = bool(size_total)
                done, total = (size, size_total) if by_size else (files, files_total)
                text = describe(files, files_total, size, rate.of(phase, size), rate.left(phase, done, total))
                bar.update(task, description=phase, completed=done, total=total, text=text)
                bar.refresh()

    def _count(self) -> None:
        counted = count(self._sources, self._ended)
        if counted is not None:
            with self._lock:
                self._counted = counted


class _Rate:
    """Bytes per second over the last seconds, and the time left by what was done so far."""

    def __init__(self) -> None:
        self._phase = ""
        self._seen: list[tuple[float, int]] = []
        self._started = 0.0

    def of(self, phase: str, size: int) -> float:
        """Return the rate of bytes."""
        now = time.monotonic()
        if phase != self._phase or (self._seen and size < self._seen[-1][1]):
            self._phase, self._seen, self._started = phase, [], now
        self._seen.append((now, size))
        while len(self._seen) > 2 and now - self._seen[0][0] > RATE_S:
            self._seen.pop(0)
        then, before = self._seen[0]
        return (size - before) / (now - then) if now > then else 0.0

    def left(self, phase: str, done: int, total: int | None) -> float | None:
        """Return the seconds that are left, or None if nobody knows."""
        spent = time.monotonic() - self._started
        if not total or not done or done > total or phase != self._phase or spent < 2 * REFRESH_S:
            return None
        return spent * (total - done) / done


def describe(files: int, files_total: int | None, size: int, rate: float, left: float | None) -> str:
    """Return `1,200/5,000 files  1.20 GiB  220 MiB/s  0:12 left`."""
    parts = [f"{files:,} files" if files_total is None else f"{files:,}/{files_total:,} files", format_size(size)]
    if rate:
        parts.append(f"{format_size(round(rate))}/s")
    if left is not None:
        whole = round(left)
        clock = (
            f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"
            if whole >= 3600
            else f"{whole // 60}:{whole % 60:02d}"
        )
        parts.append(f"{clock} left")
    return "  ".join(parts)


def count(sources: Sequence[str], ended: threading.Event) -> tuple[int, int] | None:
    """Return how many files there are and their bytes, roughly: what cannot be read is not counted; None if `ended`."""
    files = size = 0
    todo = [*sources]
    while todo:
        try:
            with os.scandir(todo.pop()) as found:
                for entry in found:
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(entry.path)
                    elif entry.is_file(follow_symlinks=False):
                        files, size = files + 1, size + entry.stat(follow_symlinks=False).st_size
                        if files % COUNT_EVERY == 0 and ended.is_set():
                            return None
        except OSError:
            # A file, or a directory that went away: the put itself says what is wrong.
            continue
    return files, size
