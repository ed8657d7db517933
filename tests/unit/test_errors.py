"""The error tree: what its docstring draws is what the classes are, and errors survive a trip between processes."""

import copy
import errno
import pickle
import re

import pytest

from fabric import errors
from fabric.errors import FabricError, MergeConflictError, PathNotFoundError, ReadOnlyError

# The status codes of gRPC, by name; OK is no error.
GRPC_CODES = {
    "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED",
}  # fmt: skip

# Machines store and compare kinds: this list only ever grows, and no name in it changes its meaning.
KINDS = {
    "AccessDeniedError": "access_denied",
    "AlreadyExistsError": "already_exists",
    "ChangedWhileReadError": "changed_while_read",
    "ConflictError": "conflict",
    "DataError": "data",
    "DeadlineError": "deadline",
    "FabricError": "error",
    "InvalidInputError": "invalid_input",
    "IsADirectoryInViewError": "is_a_directory",
    "LeaseLostError": "lease_lost",
    "MergeConflictError": "merge_conflict",
    "NoSpaceError": "no_space",
    "NotADirectoryInViewError": "not_a_directory",
    "NotFoundError": "not_found",
    "ObjectNotFoundError": "object_not_found",
    "PathNotFoundError": "path_not_found",
    "ReadOnlyError": "read_only",
    "RefConflictError": "ref_conflict",
    "SourceError": "source",
    "UnavailableError": "unavailable",
    "UnsupportedFormatError": "unsupported_format",
}

BUILTINS = {
    "NotFoundError": LookupError,
    "PathNotFoundError": FileNotFoundError,
    "AlreadyExistsError": FileExistsError,
    "InvalidInputError": ValueError,
    "NotADirectoryInViewError": NotADirectoryError,
    "IsADirectoryInViewError": IsADirectoryError,
    "ReadOnlyError": OSError,
    "AccessDeniedError": PermissionError,
    "SourceError": OSError,
    "UnavailableError": ConnectionError,
    "DeadlineError": TimeoutError,
}


def _classes(root=FabricError):
    """The tree below `root`, depth first, in order of definition: (depth, class)."""
    yield 0, root
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from ((depth + 1, found) for depth, found in _classes(child))


CLASSES = [found for _, found in _classes()]


def test_the_docstring_draws_the_tree():
    drawn = []
    for line in errors.__doc__.splitlines():
        if found := re.match(r"    ([| `-]*)([A-Z]\w+Error)\b", line):
            drawn.append((len(found[1]) // 4, found[2]))
    assert drawn == [(depth, found.__name__) for depth, found in _classes()]


def test_the_docstring_tells_exit_codes_and_builtins():
    exit_code = 1
    for line in errors.__doc__.splitlines():
        if not (found := re.match(r"    ([| `-]*)([A-Z]\w+Error)\b(.*)", line)):
            continue
        cls, told = getattr(errors, found[2]), found[3]
        if code := re.search(r"exit (\d)$", told):
            exit_code = int(code[1])
            assert cls.exit_code == exit_code, cls
        for builtin in re.findall(r"also (\w+Error)|\((OSError)", told):
            name = builtin[0] or builtin[1]
            assert issubclass(cls, __builtins__[name] if isinstance(__builtins__, dict) else getattr(__builtins__, name))


def test_kinds_are_stable_and_unique():
    assert {found.__name__: found.kind for found in CLASSES} == KINDS
    assert len(set(KINDS.values())) == len(KINDS)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
class TestEveryError:
    def test_has_an_exit_code_and_a_status_code_that_exist(self, cls):
        assert cls.exit_code in {1, 2, 3, 4}
        assert cls.grpc_code in GRPC_CODES

    def test_is_what_callers_catch_already(self, cls):
        for name, builtin in BUILTINS.items():
            if issubclass(cls, getattr(errors, name)):
                assert issubclass(cls, builtin)

    def test_shows_its_message_and_carries_subject_and_hint(self, cls):
        error = cls("no such thing", subject="imagenet@v3", hint="list them")
        assert (str(error), error.subject, error.hint) == ("no such thing", "imagenet@v3", "list them")
        assert error.args == ("no such thing",)
        assert (cls("m").subject, cls("m").hint) == ("", "")

    @pytest.mark.parametrize(
        "trip", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"]
    )
    def test_survives_a_trip(self, cls, trip):
        error = cls("why", subject="s", hint="h")
        error.add_note("a note")
        back = trip(error)
        assert type(back) is cls
        assert (str(back), back.message, back.subject, back.hint, back.args) == ("why", "why", "s", "h", ("why",))
        assert back.__notes__ == ["a note"]

    def test_documents_what_a_handler_does(self, cls):
        assert cls.__doc__


def test_errno_speaks_for_the_errors_that_the_operating_system_has_a_number_for():
    missing = pickle.loads(pickle.dumps(PathNotFoundError("no such path", subject="train/0001.jpg")))
    assert (missing.errno, missing.filename) == (errno.ENOENT, "train/0001.jpg")
    read_only = pickle.loads(pickle.dumps(ReadOnlyError("snapshots do not change", subject="imagenet@v3")))
    assert (read_only.errno, read_only.filename) == (errno.EROFS, "imagenet@v3")


def test_a_merge_conflict_keeps_its_paths():
    error = MergeConflictError("both sides changed 2 paths", paths=(b"a", b"\xff"), subject="main")
    assert pickle.loads(pickle.dumps(error)).paths == (b"a", b"\xff")
