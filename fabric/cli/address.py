"""`DATASET[@REF][/PATH]` and refs as arguments: parsed, and completed by a shell."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import click
from click.shell_completion import CompletionItem

from fabric.cli.session import Session
from fabric.errors import InvalidInputError
from fabric.model.refs import format_address, parse_address, parse_ref

COMPLETIONS_MAX = 200


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed address, and whether it was written as a directory (with a slash at its end)."""

    dataset: str
    ref: str | None
    path: bytes
    is_directory: bool

    def __str__(self) -> str:
        return format_address(self.dataset, self.ref, self.path)

    def child(self, name: bytes) -> bytes:
        """Return the path of `name` in this directory."""
        return self.path + b"/" + name if self.path else name


class AddressType(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.4 on
    """`DATASET[@REF][/PATH]`."""

    name = "address"

    def __init__(self, *, allow_path: bool = True) -> None:
        self._allow_path = allow_path

    def convert(self, value: Any, _param: click.Parameter | None, _ctx: click.Context | None) -> Target:
        """Parse.

        Raises:
            InvalidInputError: it is no address, or has a path where none belongs.
        """
        if isinstance(value, Target):
            return value
        address = parse_address(value)
        if address.path and not self._allow_path:
            raise InvalidInputError(
                f"{value!r} has a path, but this command is about a whole dataset",
                subject=value,
                hint=f"write {format_address(address.dataset, address.ref)}",
            )
        return Target(address.dataset, address.ref, address.path, value.endswith("/"))

    def shell_complete(self, ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Complete datasets, after `@` their refs, after `/` the names in a directory."""
        try:
            return [*_complete_address(_session_of(ctx), incomplete, paths=self._allow_path)]
        except Exception:  # a shell must never show an error in the middle of a line
            return []


class RefType(click.ParamType):  # type: ignore[type-arg]
    """A ref of the dataset that an argument before it names."""

    name = "ref"

    def convert(self, value: Any, _param: click.Parameter | None, _ctx: click.Context | None) -> str:
        """Check the grammar.

        Raises:
            InvalidInputError: it is no ref.
        """
        parse_ref(value)
        return str(value)

    def shell_complete(self, ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Complete branches and snapshots."""
        try:
            # After an option that waits for its value, click leaves arguments as they were typed.
            target = ctx.params.get("target") or ctx.args[0]
            dataset = target.dataset if isinstance(target, Target) else parse_address(str(target)).dataset
            return [CompletionItem(name) for name in _refs(_session_of(ctx), dataset) if name.startswith(incomplete)]
        except Exception:  # as above
            return []


def parse_pairs(values: tuple[str, ...]) -> dict[str, str]:
    """Return `KEY=VALUE` options as a mapping.

    Raises:
        InvalidInputError: one has no `=`, or a key stands twice.
    """
    pairs: dict[str, str] = {}
    for value in values:
        key, equals, rest = value.partition("=")
        if not equals or not key or key in pairs:
            raise InvalidInputError(f"{value!r} is not KEY=VALUE with a key of its own", subject=value)
        pairs[key] = rest
    return pairs


def _session_of(ctx: click.Context) -> Session:
    session = ctx.ensure_object(Session)
    session.quiet = True
    return session


def _refs(session: Session, dataset: str) -> Iterable[str]:
    found = session.dataset(dataset)
    return [record.name for record in (*found.branches(), *found.snapshots())][:COMPLETIONS_MAX]


def _complete_address(session: Session, incomplete: str, *, paths: bool) -> Iterable[CompletionItem]:
    at, slash = incomplete.find("@"), incomplete.find("/")
    if at < 0 and slash < 0:
        names = [record.name for record in session.fabric.datasets()]
        return [CompletionItem(name) for name in names if name.startswith(incomplete)][:COMPLETIONS_MAX]
    if slash < 0:
        dataset, _, begun = incomplete.partition("@")
        return [CompletionItem(f"{dataset}@{name}") for name in _refs(session, dataset) if name.startswith(begun)]
    if not paths:
        return []
    head, _, begun = incomplete.rpartition("/")
    address = parse_address(head)
    view = session.dataset(address.dataset).view(address.ref)
    found: list[CompletionItem] = []
    for entry in view.iter_list(address.path):
        name = os.fsdecode(entry.name)
        if name.startswith(begun) and name.isprintable():
            found.append(CompletionItem(f"{head}/{name}" + ("/" if entry.kind.name == "DIRECTORY" else "")))
            if len(found) == COMPLETIONS_MAX:
                break
    return found


ADDRESS = AddressType()
"""With a path."""
DATASET = AddressType(allow_path=False)
"""A dataset, with or without a ref, and no path."""
REF = RefType()
