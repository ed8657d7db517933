"""Changing files inside of a dataset, each command one commit: rm, mv, cp."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from fabric.cli import terminal, text
from fabric.cli.address import ADDRESS, Target
from fabric.cli.options import Command, dry_run_option, message_option, pass_session, yes_option
from fabric.cli.session import Session
from fabric.errors import InvalidInputError, IsADirectoryInViewError

if TYPE_CHECKING:
    from fabric.repo.transaction import Transaction


def one_branch(targets: tuple[Target, ...]) -> tuple[str, str | None]:
    """Return the dataset and branch of addresses that become one commit.

    Raises:
        InvalidInputError: they are of different datasets or branches.
    """
    first = targets[0]
    for other in targets[1:]:
        if (other.dataset, other.ref) != (first.dataset, first.ref):
            raise InvalidInputError(
                f"{first} and {other} are of different datasets or branches, but this is one commit",
                hint="run the command once for each"
                if other.dataset == first.dataset
                else "between datasets, use 'fabric get' and 'fabric put'",
            )
    return first.dataset, first.ref


def shown(path: bytes) -> str:
    """Return a path for messages; the root is `/`."""
    return os.fsdecode(path) or "/"


def commit(
    session: Session, target: Target, message: str, work: Callable[["Transaction"], dict[str, Any]], done: str
) -> None:
    """Do `work` in a transaction; tell the commit, and what `work` returned."""
    dataset = session.dataset(target.dataset)
    with dataset.transaction(target.ref, terminal.readable(message)) as transaction:
        data = work(transaction)
    info = transaction.result
    data |= {"dataset": dataset.name, "branch": transaction.branch, "commit": info.id if info else None}
    session.out.done(data, f"{done}: commit {text.short(info.id)}" if info else "nothing changed")


@click.command("rm", cls=Command)
@click.argument("targets", metavar="DATASET[@BRANCH]/PATH...", nargs=-1, required=True, type=ADDRESS)
@click.option("-r", "--recursive", is_flag=True, help="Directories with all that is in them.")
@message_option
@yes_option
@dry_run_option
@pass_session
def rm(session: Session, *, targets: tuple[Target, ...], recursive: bool, message: str, yes: bool, dry_run: bool) -> None:
    """Remove paths from a branch. History keeps them; 'fabric restore' brings them back.

    Asks only before everything is removed.

    \b
    Examples:
      fabric rm imagenet/train/0001.jpg
      fabric rm -r imagenet@wip/old --dry-run
    """
    dataset, branch = one_branch(targets)
    view = session.dataset(dataset).view(branch)
    entries = size = 0
    for target in targets:
        entry = view.stat(target.path)
        below = (0, entry.size)
        if entry.kind.name == "DIRECTORY":
            below = view.usage(target.path)
            if not recursive and (below[0] or not target.path):
                raise IsADirectoryInViewError(
                    f"{target} is a directory with {text.count(below[0], 'entry', 'entries')}",
                    hint="say -r to remove it with all that is in it",
                )
        entries, size = entries + below[0] + bool(target.path), size + below[1]
    what = f"{text.count(entries, 'entry', 'entries')}, {text.size(size)}"
    data = {
        "removed": [text.name_fields("path", target.path)["path"] for target in targets],
        "entries": entries,
        "size": size,
    }
    if dry_run:
        session.out.done({**data, "commit": None}, f"would remove {what}")
        return
    if any(not target.path for target in targets):
        session.confirm(f"Remove everything in {targets[0]} ({what})?", yes=yes)

    def work(transaction: "Transaction") -> dict[str, Any]:
        for target in targets:
            # One path may lie below another that is gone already.
            if transaction.exists(target.path):
                _remove(transaction, target.path)
        return data

    names = ", ".join(shown(target.path) for target in targets[:3]) + (", ..." if len(targets) > 3 else "")
    commit(session, targets[0], message or f"rm {names}", work, f"removed {what}")


def _remove(transaction: "Transaction", path: bytes) -> None:
    if path:
        transaction.remove(path, recursive=True)
        return
    for entry in transaction.list():
        transaction.remove(entry.path, recursive=True)


def _arrange(transaction: "Transaction", sources: tuple[Target, ...], target: Target) -> list[tuple[bytes, bytes]]:
    """Return (from, to) as mv and cp of a shell would: into a directory if it is one.

    Raises:
        InvalidInputError: several sources, and no directory to put them into.
    """
    into = not target.path or target.is_directory
    if not into and transaction.exists(target.path):
        into = transaction.stat(target.path).kind.name == "DIRECTORY"
    if len(sources) > 1 and not into:
        raise InvalidInputError(
            f"{target} is no directory, and there are {len(sources)} sources", hint=f"write {target}/ to make it one"
        )
    pairs = []
    for source in sources:
        if not source.path:
            raise InvalidInputError(f"{source} is the root of a dataset: it stays where it is", hint="name what is in it")
        pairs.append((source.path, target.child(source.path.rpartition(b"/")[2]) if into else target.path))
    return pairs


@click.command("mv", cls=Command)
@click.argument("sources", metavar="DATASET[@BRANCH]/PATH...", nargs=-1, required=True, type=ADDRESS)
@click.argument("target", metavar="DATASET[@BRANCH]/TARGET", type=ADDRESS)
@message_option
@pass_session
def mv(session: Session, *, sources: tuple[Target, ...], target: Target, message: str) -> None:
    """Move or rename paths inside of a branch. No bytes are copied.

    If TARGET is a directory, or ends with a slash, the paths go into it.

    \b
    Example:
      fabric mv imagenet/val imagenet/validation
    """
    one_branch((*sources, target))

    def work(transaction: "Transaction") -> dict[str, Any]:
        pairs = _arrange(transaction, sources, target)
        for source, to in pairs:
            transaction.move(source, to)
        return {"moved": [text.name_fields("from", source) | text.name_fields("to", to) for source, to in pairs]}

    default = f"mv {', '.join(shown(source.path) for source in sources[:3])} {shown(target.path)}"
    commit(session, target, message or default, work, f"moved {text.count(len(sources), 'path')}")


@click.command("cp", cls=Command)
@click.argument("sources", metavar="DATASET[@REF]/PATH...", nargs=-1, required=True, type=ADDRESS)
@click.argument("target", metavar="DATASET[@BRANCH]/TARGET", type=ADDRESS)
@message_option
@pass_session
def cp(session: Session, *, sources: tuple[Target, ...], target: Target, message: str) -> None:
    """Copy paths inside of a dataset, also from another state of it. No bytes are copied: both name the same content.

    If TARGET is a directory, or ends with a slash, the paths go into it. Between datasets, use get and put.

    \b
    Examples:
      fabric cp imagenet/train imagenet/train-clean
      fabric cp imagenet@v2/labels.csv imagenet/labels-v2.csv
    """
    if any(source.dataset != target.dataset for source in sources):
        raise InvalidInputError(
            "cp copies inside of one dataset",
            subject=str(target),
            hint="between datasets use 'fabric get' and 'fabric put'",
        )
    dataset = session.dataset(target.dataset)
    views = [None if source.ref == target.ref else dataset.view(source.ref) for source in sources]

    def work(transaction: "Transaction") -> dict[str, Any]:
        pairs = _arrange(transaction, sources, target)
        for (source, to), view in zip(pairs, views, strict=True):
            transaction.copy(source, to, view=view)
        return {"copied": [text.name_fields("from", source) | text.name_fields("to", to) for source, to in pairs]}

    default = f"cp {', '.join(shown(source.path) for source in sources[:3])} {shown(target.path)}"
    commit(session, target, message or default, work, f"copied {text.count(len(sources), 'path')}")
