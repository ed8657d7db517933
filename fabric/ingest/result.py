"""What a put of a directory found."""

from dataclasses import dataclass, field

import pyarrow as pa

from fabric.ingest.statcache import Recorder


@dataclass(slots=True)
class Skipped:
    """Something that was left out, other than by rules.

    Attributes:
        path: relative to the source; the first one if there are several.
        reason: one clause, for people.
        count: how many there are of the same kind (attributes of one name).
    """

    path: bytes
    reason: str
    count: int = 1


@dataclass(slots=True)
class Counts:
    """How much was found and read.

    Attributes:
        files: regular files (each name of a hard link counts).
        directories: directories, the source itself included.
        symlinks: symbolic links.
        size: bytes of content of all files.
        files_reused: files that were not read, since they are known to be unchanged.
        size_reused: bytes of content of those.
    """

    files: int = 0
    directories: int = 0
    symlinks: int = 0
    size: int = 0
    files_reused: int = 0
    size_reused: int = 0


@dataclass(slots=True)
class IngestResult:
    """Rows and what else there is to say.

    Attributes:
        table: rows of `fabric.model.rows.SCHEMA` in tree order; the first is the source itself, at the prefix.
        skipped: what was left out because it cannot be kept.
        counts: see Counts.
    """

    table: pa.Table
    skipped: list[Skipped] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    recorder: Recorder | None = None

    def remember(self, token: bytes) -> None:
        """The rows are committed: let the stat cache say that the source is what `token` names. Never fails."""
        if self.recorder is not None:
            self.recorder.save(token)

    def forget(self) -> None:
        """The rows were not committed: leave the stat cache as it was. Never fails; may be called after remember."""
        if self.recorder is not None:
            self.recorder.discard()
