"""The directories between the destination and the row at hand: entered, left, and finished when all in them is complete."""

import os
import stat
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from fabric.checkout import existing
from fabric.checkout.attributes import Wanted, restore
from fabric.checkout.directories import Directories
from fabric.checkout.failures import failure
from fabric.checkout.options import CheckoutOptions, CheckoutResult
from fabric.checkout.placing import TEMPORARY_PREFIX
from fabric.errors import SourceError
from fabric.model.paths import display, join

_CREATE_MODE = 0o700
_IMPLICIT_MODE = 0o755


@dataclass(slots=True)
class Frame:
    """One directory of the destination.

    Attributes:
        path: relative to the destination.
        fresh: this run made it, so nothing stands in it that the rows do not know.
        exact: files get this process's owner, and the mode that they are created with: no default ACL interferes.
        wanted: its attributes at the end; None leaves them.
        children: directories in it that rows named and that were not entered yet.
        names: what the rows name in it, if somebody needs to know.
        folded: ... as a file system that does not tell case apart sees it.
    """

    path: bytes
    fresh: bool
    exact: bool
    wanted: Wanted | None = None
    children: "dict[bytes, Frame]" = field(default_factory=dict)
    names: set[bytes] | None = None
    folded: set[str] | None = None


class Frames:
    """The stack of frames. `after` runs work once all files taken so far are complete.

    Args:
        root: the destination's own frame.
        directories: to open them.
        options: what is asked.
        result: counts.
        after: see Transfer.after.
        folding: the destination does not tell names apart that differ in case.
    """

    def __init__(
        self,
        root: Frame,
        directories: Directories,
        options: CheckoutOptions,
        *,
        result: CheckoutResult,
        after: Callable[[Callable[[], None]], None],
        folding: bool,
    ) -> None:
        self._stack = [self._prepared(root, options, folding)]
        self._directories = directories
        self._options = options
        self._result = result
        self._after = after
        self._folding = folding

    @staticmethod
    def _prepared(frame: Frame, options: CheckoutOptions, folding: bool) -> Frame:
        frame.names = set() if options.delete_extra and not frame.fresh else None
        frame.folded = set() if folding else None
        return frame

    @property
    def root(self) -> Frame:
        """The destination itself."""
        return self._stack[0]

    def enter(self, path: bytes) -> Frame:
        """Return the frame of a directory, leaving those that are not above it. One that no row named is made (0755).

        Raises:
            FabricError: something that is no directory stands there, or it cannot be made.
        """
        while not _is_within(path, self._stack[-1].path):
            self._leave(self._stack.pop())
        top = self._stack[-1]
        while top.path != path:
            rest = path[len(top.path) + 1 :] if top.path else path
            name = rest.partition(b"/")[0]
            child = top.children.pop(name, None)
            if child is None:
                child = self.make(top, name)
                if child.fresh:
                    os.chmod(self._directories.open(child.path), _IMPLICIT_MODE)
            self._stack.append(child)
            top = child
        return top

    def make(self, parent: Frame, name: bytes) -> Frame:
        """Make a directory, or take the one that stands there; raises FabricError."""
        path = join(parent.path, name)
        try:
            fresh = self._make(parent, name)
        except OSError as error:
            raise failure(error, path) from error
        self._result.directories += 1
        exact = parent.exact and fresh
        return self._prepared(Frame(path, fresh, exact), self._options, self._folding)

    def _make(self, parent: Frame, name: bytes) -> bool:
        where = self._directories.open(parent.path)
        if not parent.fresh:
            found = existing.look(where, name)
            if found is not None and stat.S_ISDIR(found.st_mode):
                existing.open_up(where, name, found)
                return False
            if found is not None and self._options.force:
                existing.remove(where, name)
            elif found is not None:
                kind = "a symlink" if stat.S_ISLNK(found.st_mode) else "no directory"
                shown = display(join(parent.path, name))
                raise SourceError(
                    f"{shown} must become a directory, and is {kind}",
                    subject=shown,
                    hint="remove it, or use force",
                )
        os.mkdir(name, _CREATE_MODE, dir_fd=where)
        return True

    def note(self, frame: Frame, name: bytes) -> None:
        """Remember that a row names this; raises SourceError if the destination takes it for another row's name."""
        if frame.names is not None:
            frame.names.add(name)
        if frame.folded is not None:
            folded = unicodedata.normalize("NFC", os.fsdecode(name)).casefold()
            if folded in frame.folded:
                shown = display(join(frame.path, name))
                raise SourceError(
                    f"{shown} and another name differ only in case, and the destination does not tell them apart",
                    subject=shown,
                    hint="check out onto a case-sensitive file system",
                )
            frame.folded.add(folded)

    def close(self) -> None:
        """Leave all: what the rows named is known."""
        while self._stack:
            self._leave(self._stack.pop())

    def _leave(self, frame: Frame) -> None:
        for child in frame.children.values():
            self._after(partial(self._finish, child))
        self._after(partial(self._finish, frame))

    def _finish(self, frame: Frame) -> None:
        """All in this directory is complete: remove what does not belong there, then give it its mode and time."""
        try:
            fd = self._directories.open(frame.path)
            if frame.names is not None:
                self._delete_extra(fd, frame.names)
            if frame.wanted is not None:
                missing = restore(fd, frame.wanted)
                self._result.leave_out([(frame.path, what) for what in missing], len(missing))
        except OSError as error:
            raise failure(error, frame.path) from error

    def _delete_extra(self, fd: int, names: set[bytes]) -> None:
        for name in map(os.fsencode, os.listdir(fd)):
            # Another checkout's temporary files are its own affair.
            if name not in names and not name.startswith(TEMPORARY_PREFIX):
                existing.remove(fd, name)
                self._result.deleted += 1


def _is_within(path: bytes, directory: bytes) -> bool:
    return not directory or path == directory or path.startswith(directory + b"/")
