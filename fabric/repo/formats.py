"""What a dataset says about its own format: `<dataset-id>/format.json` (docs/format.md, "Format file")."""

import json
from typing import Any

import rfc8785

from fabric.errors import DataError, UnsupportedFormatError

FORMAT = "fabric"
VERSION = "1"
KNOWN_FEATURES: frozenset[str] = frozenset()


def format_bytes() -> bytes:
    """Return the canonical bytes of the format file that this release writes."""
    value: dict[str, Any] = {"format": FORMAT, "required_features": [], "version": VERSION}
    return rfc8785.dumps(value)


def check_format(data: bytes | memoryview) -> None:
    """Check a format file.

    Raises:
        DataError: it does not decode.
        UnsupportedFormatError: it needs a newer release.
    """
    try:
        value = json.loads(bytes(data))
        version, features = value["version"], set(value["required_features"])
        if value["format"] != FORMAT:
            raise DataError("a dataset's format file is not of this program")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"a dataset's format file does not decode: {error}") from None
    if version != VERSION or features - KNOWN_FEATURES:
        raise UnsupportedFormatError(
            f"the dataset has format version {version} and needs {sorted(map(str, features)) or 'nothing more'}",
            hint="upgrade datafabric",
        )
