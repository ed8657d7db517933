"""Progress on a terminal: what is done, how fast, and how long it will take.

Work that ends at once shows nothing and does not even import the library that draws.
"""

import threading

DELAY_S = 0.4
REFRESH_S = 0.1


class Bars:
    """A bar on stderr that implements `fabric.progress.Progress`. Quick to advance: drawing is a thread of its own."""

    def __init__(self, verb: str) -> None:
        self._verb = verb
        self._lock = threading.Lock()
        self._phase = verb
        self._files = self._size = 0
        self._files_total: int | None = None
        self._size_total: int | None = None
        self._number = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._draw, name="fabric-progress", daemon=True)
        self._thread.start()

    def begin(self, phase: str, *, files: int | None = None, size: int | None = None) -> None:
        """Start a phase: a line of its own."""
        with self._lock:
            self._phase = phase
            self._files = self._size = 0
            self._files_total, self._size_total = files, size
            self._number += 1

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
        # Imported in this thread, while the work goes on.
        from rich.console import Console  # noqa: PLC0415
        from rich.progress import (  # noqa: PLC0415
            BarColumn,
            FileSizeColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[files]}"),
            FileSizeColumn(),
            TransferSpeedColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(compact=True),
            console=Console(stderr=True),
            transient=True,
            auto_refresh=False,
            expand=True,
        )
        with bar:
            task, shown = bar.add_task(self._verb, total=None, files=""), -1
            while not self._ended.wait(REFRESH_S):
                with self._lock:
                    phase, number, done, size = self._phase, self._number, self._files, self._size
                    files_total, size_total = self._files_total, self._size_total
                if number != shown:
                    bar.reset(task, description=phase, total=size_total)
                    shown = number
                files = f"{done:,} files" if files_total is None else f"{done:,}/{files_total:,} files"
                bar.update(task, completed=size, total=size_total, files=files)
                bar.refresh()
