"""What a caller may ask of a checkout, and what it gets back."""

from dataclasses import dataclass, field
from enum import StrEnum

LEFT_OUT_LISTED_MAX = 1_000


class Overwrite(StrEnum):
    """What happens to a file or symlink that is in the destination already and differs."""

    REFUSE = "refuse"
    """AlreadyExistsError; what was written before stays."""
    REPLACE = "replace"
    """It is replaced, at once and as a whole."""


@dataclass(frozen=True, slots=True)
class CheckoutOptions:
    """How to check out.

    Attributes:
        overwrite: what happens to existing files and symlinks that differ.
        skip_unchanged: an existing file of the same size and mtime is taken as the same (as rsync does).
        checksum: ... only if its bytes have the digest; then the mtime does not matter. Reads every such file.
        force: what is of another kind and in the way is removed: a symlink or file where a directory must go, a directory
            with all in it where a file must go. Without it, that is an error.
        delete_extra: what is in a directory of the destination but not in the tree is removed.
        owner: restore uid and gid. None: if this process may.
        set_ids: keep set-user-id and set-group-id bits of files, if owners are restored. Off, they are dropped: a dataset
            must not plant a privileged program by being looked at. Directories keep theirs.
        jobs: processes that write small files; 0 writes them in this process; None chooses.
    """

    overwrite: Overwrite = Overwrite.REFUSE
    skip_unchanged: bool = True
    checksum: bool = False
    force: bool = False
    delete_extra: bool = False
    owner: bool | None = None
    set_ids: bool = False
    jobs: int | None = None


@dataclass(slots=True)
class CheckoutResult:
    """What a checkout did.

    Attributes:
        files: written, links included.
        directories: made or found.
        symlinks: made.
        links: files that became hard links of others.
        kept: files and symlinks that were there and the same.
        deleted: names removed because the tree does not have them.
        size: bytes written.
        unverified: files of an import that nobody has read yet: their bytes could not be compared with a digest.
        left_out: (path, what) that this system cannot hold, such as extended attributes; at most LEFT_OUT_LISTED_MAX.
        left_out_count: how many there were.
    """

    files: int = 0
    directories: int = 0
    symlinks: int = 0
    links: int = 0
    kept: int = 0
    deleted: int = 0
    size: int = 0
    unverified: int = 0
    left_out: list[tuple[bytes, str]] = field(default_factory=list)
    left_out_count: int = 0

    def leave_out(self, items: list[tuple[bytes, str]], count: int) -> None:
        """Note what could not be restored: `count` things, of which `items` are some."""
        self.left_out_count += count
        self.left_out.extend(items[: LEFT_OUT_LISTED_MAX - len(self.left_out)])
