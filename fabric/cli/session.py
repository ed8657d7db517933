"""One run of the command line: what was asked for on the way, and the things that are made when first needed."""

import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from fabric.cli import output, terminal

if TYPE_CHECKING:
    from fabric.cli.bars import Bars
    from fabric.config import Settings
    from fabric.progress import Progress
    from fabric.repo.dataset import Dataset
    from fabric.repo.fabric import Fabric


class Session:
    """Collects the options that every command understands, and gives commands settings, output and the fabric.

    As a context manager it ends what was begun: a progress bar, the fabric.

    Attributes:
        flags: settings given as options, by key; the strongest source of `fabric.config`.
        format: "table", "json" or "yaml".
        quiet: only results and errors.
        verbose: how often -v was said.
        is_debug: errors show their traceback.
    """

    def __init__(self) -> None:
        self.flags: dict[str, object] = {}
        self.format = "table"
        self.quiet = False
        self.verbose = 0
        self.is_debug = False
        self._settings: Settings | None = None
        self._fabric: Fabric | None = None
        self._bars: Bars | None = None
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.end_progress()
        if self._fabric is not None:
            self._fabric.close()
            self._fabric = None

    @property
    def out(self) -> output.Output:
        """Where results go."""
        return output.make(self.format, quiet=self.quiet)

    @property
    def settings(self) -> "Settings":
        """All settings, with the options of this command line as the strongest."""
        if self._settings is None:
            from fabric import config  # noqa: PLC0415 - after the options are known, and only if needed

            flags = dict(self.flags)
            if self.is_debug or self.verbose:
                flags.setdefault("log_level", "debug" if self.is_debug or self.verbose > 1 else "info")
            self._settings = config.load(flags)
        return self._settings

    @property
    def fabric(self) -> "Fabric":
        """The fabric, opened at first use.

        Raises:
            NotFoundError: the endpoint that was named is no fabric.
        """
        if self._fabric is None:
            self.log()
            from fabric.repo.fabric import connect  # noqa: PLC0415 - the engine: not for --help and completion of options

            self._fabric = connect(settings=self.settings)
        return self._fabric

    def dataset(self, name: str) -> "Dataset":
        """Return a dataset; NotFoundError says what may have been meant."""
        return self.fabric.dataset(name)

    def log(self) -> None:
        """Send the library's log to stderr, from the level in the settings."""
        import logging  # noqa: PLC0415

        level = self.settings.log_level.upper()
        # Only ours: at level debug other libraries would show what they send.
        logger = logging.getLogger("fabric")
        if not logger.handlers:
            handler = logging.StreamHandler()
            handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
            logger.addHandler(handler)
        logger.setLevel(level)

    def progress(self, verb: str, sources: Sequence[str] = ()) -> "Progress | None":
        """Return bars for long work (that reads `sources`) if a person looks at stderr and wants to see them."""
        if self.quiet or not terminal.can_draw(sys.stderr):
            return None
        from fabric.cli.bars import Bars  # noqa: PLC0415

        self.end_progress()
        self._bars = Bars(verb, sources)
        return self._bars

    def end_progress(self) -> None:
        """Remove the bars, so that other text may be written."""
        if self._bars is not None:
            self._bars.close()
            self._bars = None

    def elapsed(self) -> float:
        """Return the seconds since the start of the command."""
        return time.monotonic() - self._started

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask before something is lost, unless --yes was said. Leaves the command if the answer is no.

        Raises:
            InvalidInputError: there is nobody to ask.
        """
        if not yes and not terminal.confirm(question):
            import click  # noqa: PLC0415

            terminal.error_line("nothing was done")
            raise click.exceptions.Exit(1)

    def note(self, text: str) -> None:
        """Say something on the side: to stderr, unless --quiet."""
        if not self.quiet:
            terminal.error_line(text)

    def set(self, name: str, value: Any) -> None:
        """Take over an option that every command understands."""
        setattr(self, name, value)
