"""Addresses as fsspec's users write them, and as they are passed back in: `DATASET[@REF][/PATH]`, always text.

A path inside of the filesystem keeps the dataset and the ref as they were given, so that what ls, find, glob and walk return
can be passed to any method again. Bytes that are not UTF-8 are surrogate escapes, as in all of Python's file functions.
"""

from dataclasses import dataclass

from fabric.errors import InvalidInputError
from fabric.model.paths import ROOT, display
from fabric.model.refs import DEFAULT_SCHEME, parse_address

PROTOCOL = "fabric"
_CHAINED = f"{PROTOCOL}::"


@dataclass(frozen=True, slots=True)
class Place:
    """A parsed address. Without a dataset it is the root, which lists the datasets.

    Attributes:
        dataset: its name, or "".
        ref: as written, or None.
        path: in the dataset; b"" is its root directory.
        state: dataset and ref as written: what all names below begin with.
    """

    dataset: str
    ref: str | None
    path: bytes
    state: str

    @property
    def is_root(self) -> bool:
        """Whether it is the list of datasets."""
        return not self.dataset

    @property
    def name(self) -> str:
        """The address as text, without a scheme."""
        return self.child(self.path)

    def child(self, path: bytes) -> str:
        """Return the address of a path in the same dataset at the same ref."""
        return f"{self.state}/{display(path)}" if path != ROOT else self.state

    def at(self, path: bytes) -> "Place":
        """Return the place of a path in the same dataset at the same ref."""
        return Place(self.dataset, self.ref, path, self.state)


def strip(text: str) -> str:
    """Return an address without its scheme and without slashes that say nothing. Nothing is checked."""
    text = text.removeprefix(DEFAULT_SCHEME).removeprefix(_CHAINED)
    return "/".join(part for part in text.split("/") if part)


def parse(text: str) -> Place:
    """Parse an address.

    Raises:
        InvalidInputError: the dataset, the ref or the path does not follow its grammar; `.` and `..` are refused.
    """
    text = strip(text)
    if not text:
        return Place("", None, ROOT, "")
    try:
        address = parse_address(text)
    except UnicodeEncodeError:
        raise InvalidInputError(f"{text[:80]!r} has characters that no path can have", subject=repr(text[:80])) from None
    return Place(address.dataset, address.ref, address.path, text.partition("/")[0])
