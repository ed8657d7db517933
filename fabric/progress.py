"""How long work tells a face what it has done. The engine calls; a face draws, counts or ignores."""

from typing import Protocol


class Progress(Protocol):
    """Receives counts as work goes on. Called from several threads; must be quick and never raise."""

    def begin(self, phase: str, *, files: int | None = None, size: int | None = None) -> None:
        """A phase starts ("scan", "put", "get", "verify"); totals in files and bytes if they are known."""
        ...

    def advance(self, *, files: int = 0, size: int = 0) -> None:
        """That many more files and bytes are done."""
        ...


class NoProgress:
    """Ignores everything."""

    def begin(self, phase: str, *, files: int | None = None, size: int | None = None) -> None:
        """Ignore."""

    def advance(self, *, files: int = 0, size: int = 0) -> None:
        """Ignore."""
