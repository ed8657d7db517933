"""What goes where when many files are copied, put or got: the rules that all fsspec filesystems share.

A directory that is copied to one that exists comes to lie in it, under its own name; to one that does not exist, it becomes
that. A slash at the end of the source means what is in it; at the end of the target, that it is a directory.
"""

from collections.abc import Callable
from glob import has_magic
from typing import Any

from fsspec.utils import other_paths

from fabric.errors import InvalidInputError


def pairs(
    filesystem: Any,
    source: str | list[str],
    target: str | list[str],
    *,
    is_directory: Callable[[str], bool],
    recursive: bool,
    maxdepth: int | None,
) -> list[tuple[str, str]]:
    """Return (source, target) of each file and directory.

    Args:
        filesystem: where the sources are; it expands patterns and directories.
        source: a path, a pattern, or a list.
        target: a path, or a list as long as that of the sources.
        is_directory: tells of a target whether it is a directory that exists.
        recursive: take directories with all in them; without it they are left out.
        maxdepth: levels that are taken of directories; None for all.

    Raises:
        FileNotFoundError: nothing is at the source.
        InvalidInputError: lists of different lengths.
    """
    if isinstance(source, list) and isinstance(target, list):
        if len(source) != len(target):
            raise InvalidInputError(f"{len(source)} sources cannot go to {len(target)} targets")
        return [*zip(source, target, strict=True)]
    found = filesystem.expand_path(source, recursive=recursive, maxdepth=maxdepth)
    if isinstance(source, list):
        return [*zip(found, other_paths(found, target, flatten=True), strict=True)]
    if not recursive or maxdepth is not None:
        found = [path for path in found if not filesystem.isdir(path)]
    if has_magic(source):
        into = len(found) == 1
    else:
        into = not source.endswith("/") and isinstance(target, str) and (target.endswith("/") or is_directory(target))
    return [*zip(found, other_paths(found, target, exists=into), strict=True)] if found else []
