"""Every error that the fabric raises, in one tree, grouped by what a handler does about it.

    FabricError                     anything of ours; never raised itself
    |-- NotFoundError               the thing named does not exist: check the name           exit 3
    |   |-- PathNotFoundError       ... a path in a view (also FileNotFoundError)
    |   `-- ObjectNotFoundError     ... an object in the store: a broken promise of the store
    |-- AlreadyExistsError          the thing to create is there (also FileExistsError)      exit 4
    |-- InvalidInputError           the call can never work as written (also ValueError)     exit 2
    |   |-- NotADirectoryInViewError  (also NotADirectoryError)
    |   `-- IsADirectoryInViewError   (also IsADirectoryError)
    |-- ReadOnlyError               snapshots and commits do not change (OSError, EROFS)     exit 1
    |-- ConflictError               somebody else was first: look, then decide               exit 4
    |   |-- RefConflictError        ... the ref is not where the caller believed
    |   `-- MergeConflictError      ... both sides changed the same paths
    |-- LeaseLostError              this writer is no longer trusted: start again            exit 4
    |-- AccessDeniedError           credentials or rights are missing (also PermissionError) exit 1
    |-- DataError                   stored bytes are not what they should be: stop, fsck     exit 1
    |   `-- UnsupportedFormatError  ... written by a newer version: upgrade
    |-- SourceError                 a file or directory of the user cannot be read/written   exit 1
    |   `-- ChangedWhileReadError   ... it changed under our eyes, twice
    `-- UnavailableError            store or metastore cannot be reached now: try again      exit 1
        |-- DeadlineError           ... and the time given is used up (also TimeoutError)
        `-- NoSpaceError            ... because a disk or a quota is full

Each class carries a stable, append-only `kind` (for machines), the process exit code of the command line,
and the name of the gRPC status code that it becomes. Each error carries `subject` (what it is about) and
`hint` (what to do next). Secrets never enter either.
"""

import errno
from typing import ClassVar


class FabricError(Exception):
    """Base of all errors of the fabric.

    Args:
        message: what happened and why, one sentence without a full stop.
        subject: the thing it is about (a dataset, ref, path, key), as a person would write it.
        hint: what to do next, one sentence, or "".
    """

    kind: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1
    grpc_code: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str, *, subject: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.subject = subject
        self.hint = hint

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions cross process borders (data loaders); keyword arguments are not pickled by default.
        return (_rebuild, (type(self), self.message, self.__dict__.copy()))


def _rebuild(cls: type[FabricError], message: str, state: dict[str, object]) -> FabricError:
    # Through the constructor: a class of ours that is an OSError too cannot be made by __new__ alone, and keeps errno and
    # filename outside of its __dict__.
    error = cls(message, subject=str(state["subject"]), hint=str(state["hint"]))
    error.__dict__.update(state)
    return error


class NotFoundError(FabricError, LookupError):
    """The dataset, ref, commit, lease or location named does not exist."""

    kind = "not_found"
    exit_code = 3
    grpc_code = "NOT_FOUND"


class PathNotFoundError(NotFoundError, FileNotFoundError):
    """The path does not exist in this view."""

    kind = "path_not_found"

    def __init__(self, message: str, *, subject: str = "", hint: str = "") -> None:
        super().__init__(message, subject=subject, hint=hint)
        self.errno, self.strerror, self.filename = errno.ENOENT, message, subject


class ObjectNotFoundError(NotFoundError):
    """The object store has no object of this key."""

    kind = "object_not_found"


class AlreadyExistsError(FabricError, FileExistsError):
    """The thing to create exists, with other content."""

    kind = "already_exists"
    exit_code = 4
    grpc_code = "ALREADY_EXISTS"


class InvalidInputError(FabricError, ValueError):
    """A name, path, ref, option or request that can never work as written."""

    kind = "invalid_input"
    exit_code = 2
    grpc_code = "INVALID_ARGUMENT"


class NotADirectoryInViewError(InvalidInputError, NotADirectoryError):
    """A path that should be a directory is a file or a symlink."""

    kind = "not_a_directory"
    exit_code = 1
    grpc_code = "FAILED_PRECONDITION"


class IsADirectoryInViewError(InvalidInputError, IsADirectoryError):
    """A path that should be a file is a directory."""

    kind = "is_a_directory"
    exit_code = 1
    grpc_code = "FAILED_PRECONDITION"


class ReadOnlyError(FabricError, OSError):
    """A write to something that never changes: a snapshot, a commit, a past state."""

    kind = "read_only"
    grpc_code = "FAILED_PRECONDITION"

    def __init__(self, message: str, *, subject: str = "", hint: str = "") -> None:
        super().__init__(message, subject=subject, hint=hint)
        self.errno, self.strerror, self.filename = errno.EROFS, message, subject


class ConflictError(FabricError):
    """Somebody else's change stands in the way."""

    kind = "conflict"
    exit_code = 4
    grpc_code = "ABORTED"


class RefConflictError(ConflictError):
    """The ref is not at the expected commit and generation."""

    kind = "ref_conflict"


class MergeConflictError(ConflictError):
    """Both sides changed the same paths in different ways; `paths` lists them (bytes)."""

    kind = "merge_conflict"

    def __init__(self, message: str, *, paths: tuple[bytes, ...] = (), subject: str = "", hint: str = "") -> None:
        super().__init__(message, subject=subject, hint=hint)
        self.paths = paths


class LeaseLostError(FabricError):
    """The lease was released, marked as lapsed, or taken over: what it wrote is not referenced."""

    kind = "lease_lost"
    exit_code = 4
    grpc_code = "FAILED_PRECONDITION"


class AccessDeniedError(FabricError, PermissionError):
    """Credentials are missing, wrong, expired, or do not suffice."""

    kind = "access_denied"
    grpc_code = "PERMISSION_DENIED"


class DataError(FabricError):
    """Stored bytes do not decode, or differ from the digest or id that names them."""

    kind = "data"
    grpc_code = "DATA_LOSS"


class UnsupportedFormatError(DataError):
    """The object needs a feature or a format version that this release does not know."""

    kind = "unsupported_format"
    grpc_code = "FAILED_PRECONDITION"


class SourceError(FabricError, OSError):
    """A local file or directory of the user cannot be read or written."""

    kind = "source"
    grpc_code = "FAILED_PRECONDITION"


class ChangedWhileReadError(SourceError):
    """A source file changed while it was read, and changed again when it was read anew."""

    kind = "changed_while_read"


class UnavailableError(FabricError, ConnectionError):
    """The object store or the metastore does not answer, or answers that it cannot now."""

    kind = "unavailable"
    grpc_code = "UNAVAILABLE"


class DeadlineError(UnavailableError, TimeoutError):
    """The total time allowed for an operation, retries included, is used up."""

    kind = "deadline"
    grpc_code = "DEADLINE_EXCEEDED"


class NoSpaceError(UnavailableError):
    """A disk, a quota or a bucket is full."""

    kind = "no_space"
    grpc_code = "RESOURCE_EXHAUSTED"
