"""Moving branches: merge, revert, reset, restore."""

from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from fabric.cli import text
from fabric.cli.address import ADDRESS, DATASET, REF, Target
from fabric.cli.edit import one_branch
from fabric.cli.options import Command, dry_run_option, pass_session, yes_option
from fabric.cli.session import Session
from fabric.errors import MergeConflictError

if TYPE_CHECKING:
    from fabric.repo.store import CommitInfo

COMMITS_COUNTED = 1_000

_message_option = click.option("-m", "--message", help="The commit's message; made from the command if left out.")


def _tell(session: Session, target: Target, branch: str, info: "CommitInfo | None", *, done: str, nothing: str) -> None:
    data = {"dataset": target.dataset, "branch": branch, "commit": info.id if info else None}
    session.out.done(data, f"{done}: commit {text.short(info.id)}" if info else nothing)


@click.command("merge", cls=Command)
@click.argument("target", metavar="DATASET[@BRANCH]", type=DATASET)
@click.argument("source", type=REF)
@_message_option
@click.option("--prefer", type=click.Choice(["ours", "theirs"]), help="Which side wins where both changed a path.")
@pass_session
def merge(session: Session, *, target: Target, source: str, message: str | None, prefer: Any) -> None:
    """Merge what SOURCE changed since both were one into BRANCH (the default branch if left out).

    If both changed the same paths, nothing happens: the paths are listed, and the exit code is 4.

    \b
    Examples:
      fabric merge imagenet wip
      fabric merge imagenet@release main --prefer theirs
    """
    dataset = session.dataset(target.dataset)
    branch = target.ref or dataset.default_branch
    info = dataset.merge(source, branch, message=message, prefer=prefer)
    nothing = f"nothing to merge: {branch} has all of {source}"
    _tell(session, target, branch, info, done=f"merged {source} into {branch}", nothing=nothing)


@click.command("revert", cls=Command)
@click.argument("target", metavar="DATASET[@BRANCH]", type=DATASET)
@click.argument("ref", type=REF)
@_message_option
@pass_session
def revert(session: Session, *, target: Target, ref: str, message: str | None) -> None:
    """Undo what the commit REF changed, by a new commit on BRANCH (the default branch if left out).

    \b
    Example:
      fabric revert imagenet main~1
    """
    dataset = session.dataset(target.dataset)
    branch = target.ref or dataset.default_branch
    try:
        info = dataset.revert(ref, branch, message=message)
    except MergeConflictError as error:
        error.hint = f"these were changed after {ref}: 'fabric restore {dataset.name}@{branch}/PATH --from REF' settles each"
        raise
    nothing = "nothing changed: its changes are not there any more"
    _tell(session, target, branch, info, done=f"reverted {ref} on {branch}", nothing=nothing)


@click.command("reset", cls=Command)
@click.argument("target", metavar="DATASET[@BRANCH]", type=DATASET)
@click.argument("ref", type=REF)
@yes_option
@dry_run_option
@pass_session
def reset(session: Session, *, target: Target, ref: str, yes: bool, dry_run: bool) -> None:
    """Move BRANCH (the default branch if left out) to the commit REF, whatever it has now. Asks first.

    'fabric reflog' shows where it was, and 'fabric reset' with that id goes back.

    \b
    Example:
      fabric reset imagenet@wip main --yes
    """
    dataset = session.dataset(target.dataset)
    branch = target.ref or dataset.default_branch
    now, then = dataset.resolve(branch), dataset.resolve(ref)
    data = {"dataset": dataset.name, "branch": branch, "old": now.id, "commit": then.id}
    if now.id == then.id:
        session.out.done({**data, "moved": False}, f"nothing changed: {branch} is at {text.short(then.id)} already")
        return
    kept = {info.id for info in islice(dataset.log(then.id), COMMITS_COUNTED)}
    left = sum(1 for info in islice(dataset.log(now.id), COMMITS_COUNTED) if info.id not in kept)
    move = f"{branch} from {text.short(now.id)} to {text.short(then.id)}"
    leaving = f", leaving {text.count(left, 'commit')} behind" if left else ""
    if dry_run:
        session.out.done({**data, "moved": False, "left_behind": left}, f"would move {move}{leaving}")
        return
    session.confirm(f"Move {dataset.name}@{move}{leaving}?", yes=yes)
    dataset.reset(branch, then)
    session.out.done({**data, "moved": True, "left_behind": left}, f"moved {move}")


@click.command("restore", cls=Command)
@click.argument("targets", metavar="DATASET[@BRANCH]/PATH...", nargs=-1, required=True, type=ADDRESS)
@click.option("--from", "ref", required=True, type=REF, help="The state that has the paths as they should be.")
@_message_option
@pass_session
def restore(session: Session, *, targets: tuple[Target, ...], ref: str, message: str | None) -> None:
    """Make paths what they are in another state, by a new commit; what is not there is removed.

    \b
    Example:
      fabric restore imagenet/train imagenet/labels.csv --from v3
    """
    name, branch = one_branch(targets)
    dataset = session.dataset(name)
    info = dataset.restore([target.path for target in targets], ref, branch=branch, message=message)
    done = f"restored {text.count(len(targets), 'path')} from {ref}"
    nothing = f"nothing changed: all is as in {ref}"
    _tell(session, targets[0], branch or dataset.default_branch, info, done=done, nothing=nothing)
