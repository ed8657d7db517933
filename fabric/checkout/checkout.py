"""From rows to files: what the faces call."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from fabric.cache.contents import ContentReader
from fabric.checkout.destination import open_destination
from fabric.checkout.failures import failure
from fabric.checkout.options import CheckoutOptions, CheckoutResult
from fabric.checkout.run import Run
from fabric.errors import InvalidInputError
from fabric.model import paths, rows
from fabric.progress import NoProgress, Progress

PHASE = "get"
_OPTIONS = CheckoutOptions()


def checkout(
    batches: Iterable[Any],
    strip: bytes,
    dest: Path,
    reader: ContentReader,
    *,
    options: CheckoutOptions = _OPTIONS,
    progress: Progress | None = None,
    files: int | None = None,
    size: int | None = None,
) -> CheckoutResult:
    """Write the files, directories and symlinks that rows describe into a directory.

    Nothing is written outside of `dest`, whatever rows or destination hold. Every byte is verified before a file gets its
    name. After a failure complete files stay; a repeated checkout keeps them and goes on.

    Args:
        batches: batches or tables of `rows.SCHEMA`, in tree order. Directories that no row names are made as 0755.
        strip: the path in the tree that becomes `dest`; its own row may come along. b"" is the root.
        dest: the directory; made with its parents if it is not there. Its own mode and time are restored only then.
        reader: of the dataset that the rows belong to.
        options: how.
        progress: is told of the phase "get".
        files: for progress: how many files will come, if known.
        size: ... of how many bytes.

    Raises:
        SourceError: the destination cannot be written, or something in it stands in the way.
        NoSpaceError: it is full.
        AlreadyExistsError: a file is there and differs, and `options` refuse to overwrite.
        DataError, ObjectNotFoundError: stored bytes are damaged or missing.
        InvalidInputError: rows that no tree holds, such as names with `..` or `/`.
    """
    paths.check_path(strip)
    progress = progress or NoProgress()
    progress.begin(PHASE, files=files, size=size)
    destination = open_destination(dest)
    try:
        return Run(destination, strip, reader, options=options, progress=progress).run(batches)
    except OSError as error:
        raise failure(error, os.fsencode(dest)) from error
    finally:
        os.close(destination.fd)


def checkout_file(
    row: Any,
    dest: Path,
    reader: ContentReader,
    *,
    options: CheckoutOptions = _OPTIONS,
    progress: Progress | None = None,
) -> CheckoutResult:
    """Write one file or symlink under the name `dest`, which need not be its name in the tree.

    Args:
        row: a batch or table of exactly that row.
        dest: the file's path; its directory is made if it is not there.
        reader: of its dataset.
        options: how.
        progress: is told of the phase "get".

    Raises:
        As checkout.
    """
    if row.num_rows != 1:
        raise InvalidInputError(f"one row was expected, not {row.num_rows}")
    names = {"parent": b"", "name": paths.check_name(os.fsencode(dest.name))}
    for name, value in names.items():
        index = row.schema.get_field_index(name)
        row = row.set_column(index, rows.SCHEMA.field(name), _column(value))
    return checkout([row], b"", dest.parent, reader, options=options, progress=progress, files=1)


def _column(value: bytes) -> Any:
    return pa.array([value], pa.binary())
