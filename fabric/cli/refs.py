"""Branches and snapshots."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from fabric.cli import terminal, text
from fabric.cli.address import DATASET, REF, Target, parse_pairs
from fabric.cli.datasets import whole
from fabric.cli.history import commit_lines
from fabric.cli.options import Group, dry_run_option, pass_session, yes_option
from fabric.cli.output import Column
from fabric.cli.session import Session
from fabric.errors import InvalidInputError
from fabric.model.commit import now_text
from fabric.model.refs import parse_time
from fabric.units import parse_duration_s

if TYPE_CHECKING:
    from fabric.metastore.records import RefRecord


def _columns() -> list[Column]:
    return [
        Column("NAME", lambda row: row["name"], style="ref"),
        Column("COMMIT", lambda row: text.short(row["commit"]), style="commit"),
        Column("UPDATED", lambda row: text.local_time(row["updated"])),
    ]


def _start(target: Target, ref: str | None) -> str | None:
    """Return the ref that DATASET@REF or --ref names.

    Raises:
        InvalidInputError: both do.
    """
    if target.ref and ref:
        raise InvalidInputError(f"{target} and --ref {ref} are two starting points", hint="give one of them")
    return target.ref or ref


def expires_at(value: str, now: datetime | None = None) -> str:
    """Return the time that an age from now (`30d`) or a date says, as records write it.

    Raises:
        InvalidInputError: it is neither, or in the past.
    """
    now = now or datetime.now(UTC)
    if re.match(r"\d{4}-", value):
        found = parse_time(value)
    else:
        try:
            found = now_text(now + timedelta(seconds=parse_duration_s(value)))
        except OverflowError:
            raise InvalidInputError(f"{value!r} is too far away", subject=value) from None
    if found <= now_text(now):
        raise InvalidInputError(f"{value!r} is not in the future", subject=value, hint="write 30d, 12h, or a later date")
    return found


def _delete(
    session: Session, record: "RefRecord", dataset: str, remove: Callable[[str], Any], *, yes: bool, dry_run: bool
) -> None:
    what = f"{record.kind} {record.name} of {dataset}, which is at {text.short(record.commit)}"
    data = {**text.ref_fields(record), "dataset": dataset, "deleted": not dry_run}
    if dry_run:
        session.out.done(data, f"would delete {what}")
        return
    session.confirm(f"Delete {what}?", yes=yes)
    remove(record.name)
    session.out.done(data, f"deleted {what}")


@click.group("branch", cls=Group)
def branch() -> None:
    """Create, list and delete branches: names that move with each commit.

    \b
    Example:
      fabric branch create imagenet wip --ref v3
    """


@branch.command("create")
@click.argument("target", metavar="DATASET[@REF]", type=DATASET)
@click.argument("name")
@click.option("--ref", type=REF, help="Where it starts; the default branch if left out.")
@pass_session
def branch_create(session: Session, *, target: Target, name: str, ref: str | None) -> None:
    """Create branch NAME.

    \b
    Example:
      fabric branch create imagenet wip --ref v3
    """
    record = session.dataset(target.dataset).create_branch(name, _start(target, ref))
    done = f"created branch {record.name} at {text.short(record.commit)}"
    session.out.done({**text.ref_fields(record), "dataset": target.dataset}, done)


@branch.command("list")
@click.argument("target", metavar="DATASET", type=DATASET)
@pass_session
def branch_list(session: Session, *, target: Target) -> None:
    """List the branches of a dataset.

    \b
    Example:
      fabric branch list imagenet
    """
    dataset = session.dataset(whole(target))
    rows = [{**text.ref_fields(record), "default": record.name == dataset.default_branch} for record in dataset.branches()]
    columns = [*_columns(), Column("", lambda row: "default" if row["default"] else "")]
    session.out.table(rows, columns, nothing=f"{dataset.name} has no branch")


@branch.command("delete")
@click.argument("target", metavar="DATASET", type=DATASET)
@click.argument("name", type=REF)
@yes_option
@dry_run_option
@pass_session
def branch_delete(session: Session, *, target: Target, name: str, yes: bool, dry_run: bool) -> None:
    """Delete branch NAME. Asks first; 'fabric reflog' still knows where it was.

    \b
    Example:
      fabric branch delete imagenet wip --yes
    """
    dataset = session.dataset(whole(target))
    record = _of_kind(dataset.ref(name), "branch")
    _delete(session, record, dataset.name, dataset.delete_branch, yes=yes, dry_run=dry_run)


def _of_kind(record: "RefRecord", kind: str) -> "RefRecord":
    if str(record.kind) != kind:
        raise InvalidInputError(
            f"{record.name!r} is a {record.kind}, not a {kind}", subject=record.name, hint=f"use 'fabric {record.kind}'"
        )
    return record


@click.group("snapshot", cls=Group)
def snapshot() -> None:
    """Create, list, show and delete snapshots: names of a state that never move.

    \b
    Example:
      fabric snapshot create imagenet v3 --message 'as used for the paper'
    """


@snapshot.command("create")
@click.argument("target", metavar="DATASET[@REF]", type=DATASET)
@click.argument("name")
@click.option("--ref", type=REF, help="Of which state; the default branch if left out.")
@click.option("-m", "--message", default="", help="Why it is kept.")
@click.option("--expires", metavar="AGE", help="When it may go: 30d, 12h, or a date.")
@click.option("--metadata", metavar="KEY=VALUE", multiple=True, help="Free text; may be repeated.")
@pass_session
def snapshot_create(
    session: Session,
    *,
    target: Target,
    name: str,
    ref: str | None,
    message: str,
    expires: str | None,
    metadata: tuple[str, ...],
) -> None:
    """Create snapshot NAME.

    \b
    Example:
      fabric snapshot create imagenet v3 --expires 30d
    """
    until = expires_at(expires) if expires else None
    record = session.dataset(target.dataset).create_snapshot(
        name, _start(target, ref), message=message, expires=until, metadata=parse_pairs(metadata)
    )
    end = f", expires {text.local_time(record.expires)}" if record.expires else ""
    done = f"created snapshot {target.dataset}@{record.name} at {text.short(record.commit)}{end}"
    session.out.done({**text.ref_fields(record), "dataset": target.dataset}, done)


@snapshot.command("list")
@click.argument("target", metavar="DATASET", type=DATASET)
@pass_session
def snapshot_list(session: Session, *, target: Target) -> None:
    """List the snapshots of a dataset.

    \b
    Example:
      fabric snapshot list imagenet
    """
    dataset = session.dataset(whole(target))
    rows: Iterable[dict[str, Any]] = [text.ref_fields(record) for record in dataset.snapshots()]
    columns = [
        *_columns(),
        Column("EXPIRES", lambda row: text.local_time(row["expires"]) if row["expires"] else "never"),
        Column("MESSAGE", lambda row: text.first_line(row["message"])),
    ]
    nothing = f"no snapshots yet: 'fabric snapshot create {dataset.name} NAME' makes one"
    session.out.table(rows, columns, nothing=nothing)


@snapshot.command("show")
@click.argument("target", metavar="DATASET", type=DATASET)
@click.argument("name", type=REF)
@pass_session
def snapshot_show(session: Session, *, target: Target, name: str) -> None:
    """Show snapshot NAME and the commit that it names.

    \b
    Example:
      fabric snapshot show imagenet v3
    """
    dataset = session.dataset(whole(target))
    record = _of_kind(dataset.ref(name), "snapshot")
    commit = text.commit_fields(dataset.resolve(record.name))
    data = {**text.ref_fields(record), "dataset": dataset.name, "of": commit}

    def lines() -> str:
        shown = [terminal.styled(f"snapshot {dataset.name}@{record.name}", "ref")]
        shown.append(f"Made:    {text.local_time(record.created, seconds=True)}")
        shown.append(f"Expires: {text.local_time(record.expires, seconds=True) if record.expires else 'never'}")
        shown += [terminal.safe(f"{key + ':':8} {value}") for key, value in record.metadata.items()]
        if record.message:
            shown += ["", *(f"    {line}" for line in terminal.safe(record.message, lines=True).rstrip().split("\n"))]
        return "\n".join([*shown, "", commit_lines({**commit, "refs": []})])

    session.out.one(data, lines)


@snapshot.command("delete")
@click.argument("target", metavar="DATASET", type=DATASET)
@click.argument("name", type=REF)
@yes_option
@dry_run_option
@pass_session
def snapshot_delete(session: Session, *, target: Target, name: str, yes: bool, dry_run: bool) -> None:
    """Delete snapshot NAME. Asks first; what it named stays as long as something else names it.

    \b
    Example:
      fabric snapshot delete imagenet v3 --yes
    """
    dataset = session.dataset(whole(target))
    record = _of_kind(dataset.ref(name), "snapshot")
    _delete(session, record, dataset.name, dataset.delete_snapshot, yes=yes, dry_run=dry_run)
