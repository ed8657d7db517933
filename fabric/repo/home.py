"""A fabric's home: the directory that says where its metastore and its objects are (docs/format.md, "Home").

DIR/fabric.json          {"version": "1", "id": ..., "store": "objects" | url, "metastore": "metastore.sqlite" | url}
DIR/metastore.sqlite     the embedded metastore
DIR/objects/             the embedded store
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from fabric.errors import (
    AlreadyExistsError,
    DataError,
    InvalidInputError,
    NotFoundError,
    SourceError,
    UnsupportedFormatError,
)

FILE_NAME = "fabric.json"
VERSION = "1"
EMBEDDED_STORE = "objects"
EMBEDDED_METASTORE = "metastore.sqlite"


@dataclass(frozen=True, slots=True)
class Home:
    """What fabric.json says. `store` and `metastore` are URLs, or paths relative to the directory."""

    id: str
    store: str = EMBEDDED_STORE
    metastore: str = EMBEDDED_METASTORE
    version: str = VERSION

    def store_url(self, directory: Path) -> str:
        """Return the URL or absolute path of the object store."""
        return self.store if "://" in self.store else str(directory / self.store)

    def metastore_url(self, directory: Path) -> str:
        """Return the URL of the metastore."""
        if "://" in self.metastore:
            return self.metastore
        return f"sqlite://{quote(str(directory / self.metastore), errors='surrogateescape')}"


def check_new(directory: Path) -> None:
    """Make the directory if it is not there, and check that a fabric may be made in it.

    Raises:
        AlreadyExistsError: there is a fabric already.
        InvalidInputError: the directory holds other files.
        SourceError: it cannot be made or read.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        names = os.listdir(directory)
    except OSError as error:
        raise _cannot(directory, "be made a fabric", error) from error
    if FILE_NAME in names:
        raise AlreadyExistsError(
            f"{directory} is a fabric already", subject=str(directory), hint="use it with --endpoint, or choose another"
        )
    # An init that was cut off may have left these; it is simply done again.
    others = [name for name in names if name != EMBEDDED_STORE and not name.startswith(EMBEDDED_METASTORE)]
    if others:
        raise InvalidInputError(
            f"{directory} is not empty (it holds {others[0]!r})",
            subject=str(directory),
            hint="give a new or an empty directory",
        )


def write(directory: Path, home: Home) -> None:
    """Write what a home says: the last step of making a fabric. Raises SourceError."""
    try:
        _write(directory / FILE_NAME, json.dumps(asdict(home), indent=2) + "\n")
    except OSError as error:
        raise _cannot(directory, "be made a fabric", error) from error


def _write(path: Path, text: str) -> None:
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    with open(temporary, "x", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cannot(path: Path, what: str, error: OSError) -> SourceError:
    return SourceError(
        f"{path} cannot {what}: {error.strerror or error}", subject=str(path), hint="check the path and its permissions"
    )


def read(directory: Path) -> Home:
    """Return what a home says.

    Raises:
        NotFoundError: the directory is no fabric.
        DataError: its fabric.json does not decode.
        UnsupportedFormatError: it was made by a newer release.
    """
    path = directory / FILE_NAME
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise NotFoundError(
            f"there is no fabric at {directory}", subject=str(directory), hint=f"'fabric init {directory}' makes one"
        ) from None
    except OSError as error:
        raise _cannot(path, "be read", error) from error
    except ValueError as error:
        raise DataError(f"{path} does not decode: {error}", subject=str(path)) from None
    if not isinstance(value, dict) or not all(isinstance(value.get(name), str) for name in Home.__slots__):
        raise DataError(f"{path} does not have the fields of a fabric", subject=str(path))
    if value["version"] != VERSION:
        raise UnsupportedFormatError(
            f"{directory} was made by a newer release (version {value['version']})",
            subject=str(directory),
            hint="upgrade datafabric",
        )
    return Home(**{name: value[name] for name in Home.__slots__})
