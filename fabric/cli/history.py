"""What happened: log, reflog, show."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from fabric.cli import terminal, text
from fabric.cli.address import ADDRESS, DATASET, Target
from fabric.cli.changes import change_fields, change_line, summary_line
from fabric.cli.options import Command, pass_session
from fabric.cli.output import Column
from fabric.cli.session import Session

if TYPE_CHECKING:
    from fabric.repo.dataset import Dataset

CHANGES_SHOWN = 50
REFLOG_SHOWN = 100


def names_by_commit(dataset: "Dataset") -> dict[str, list[str]]:
    """Return which branches and snapshots point to each commit."""
    found: dict[str, list[str]] = {}
    for record in (*dataset.branches(), *dataset.snapshots()):
        found.setdefault(record.commit, []).append(record.name)
    return found


def commit_lines(data: Mapping[str, Any]) -> str:
    """Return a commit as `log` and `show` write it."""
    refs = f" ({', '.join(data['refs'])})" if data.get("refs") else ""
    lines = [terminal.styled(f"commit {data['commit']}", "commit") + terminal.styled(refs, "ref" if refs else None)]
    if len(data["parents"]) > 1:
        lines.append(f"Merge:  {' '.join(text.short(parent) for parent in data['parents'])}")
    lines.append(f"Author: {terminal.safe(data['author'])}")
    lines.append(f"Date:   {text.local_time(data['time'], seconds=True)}")
    lines.append(f"Tree:   {text.count(data['entries'], 'entry', 'entries')}, {text.size(data['size'])}")
    lines += [terminal.safe(f"{key + ':':7} {value}") for key, value in data["metadata"].items()]
    if data["message"]:
        lines += ["", *(f"    {line}" for line in terminal.safe(data["message"], lines=True).rstrip().split("\n"))]
    return "\n".join(lines)


def _one_line(data: Mapping[str, Any]) -> str:
    refs = terminal.styled(f"({', '.join(data['refs'])}) ", "ref") if data["refs"] else ""
    return (
        terminal.styled(text.short(data["commit"]), "commit")
        + f" {text.local_time(data['time'])} {refs}{terminal.safe(text.first_line(data['message']))}"
    )


@click.command("log", cls=Command)
@click.argument("target", metavar="DATASET[@REF][/PATH]", type=ADDRESS)
@click.option("-n", "--limit", type=click.IntRange(1), help="At most so many commits.")
@click.option("--oneline", is_flag=True, help="One line for each.")
@pass_session
def log(session: Session, *, target: Target, limit: int | None, oneline: bool) -> None:
    """Show the commits of a branch, the newest first; with a path, those that changed something there.

    \b
    Examples:
      fabric log imagenet --oneline -n 10
      fabric log imagenet@v3/train
    """
    dataset = session.dataset(target.dataset)
    names = names_by_commit(dataset)
    found = dataset.log(target.ref, limit=limit, path=target.path or None)
    rows = ({**text.commit_fields(info), "refs": names.get(info.id, [])} for info in found)
    nothing = f"no commit changed {target}" if target.path else ""
    session.out.lines(rows, _one_line if oneline else lambda row: commit_lines(row) + "\n", nothing=nothing)


@click.command("reflog", cls=Command)
@click.argument("target", metavar="DATASET[@REF]", type=DATASET)
@click.option(
    "-n", "--limit", type=click.IntRange(1), default=REFLOG_SHOWN, show_default=True, help="At most so many moves."
)
@pass_session
def reflog(session: Session, *, target: Target, limit: int) -> None:
    """Show where a branch or snapshot pointed, and who moved it when and why; also of deleted ones.

    What a reset left behind is found here.

    \b
    Example:
      fabric reflog imagenet@main
    """
    dataset = session.dataset(target.dataset)
    name = target.ref or dataset.default_branch
    rows = (
        {
            "name": entry.name,
            "sequence": entry.sequence,
            "kind": str(entry.kind),
            "old": entry.old,
            "new": entry.new,
            "generation": entry.generation,
            "actor": entry.actor,
            "time": entry.time,
            "reason": entry.reason,
        }
        for entry in dataset.reflog(name, limit=limit)
    )
    columns = [
        Column("NUMBER", lambda row: str(row["sequence"]), right=True),
        Column("TO", lambda row: text.short(row["new"]) if row["new"] else "deleted", style="commit"),
        Column("FROM", lambda row: text.short(row["old"]) if row["old"] else "-", style="dim"),
        Column("WHEN", lambda row: text.local_time(row["time"])),
        Column("WHO", lambda row: row["actor"]),
        Column("WHY", lambda row: text.first_line(row["reason"])),
    ]
    session.out.table(rows, columns, nothing=f"{dataset.name} never had a ref {name}")


@click.command("show", cls=Command)
@click.argument("target", metavar="DATASET[@REF]", type=DATASET)
@click.option("--all", "everything", is_flag=True, help=f"All changes, not only the first {CHANGES_SHOWN}.")
@pass_session
def show(session: Session, *, target: Target, everything: bool) -> None:
    """Show a commit: who, when, why, and what it changed against its first parent.

    \b
    Example:
      fabric show imagenet@main~1
    """
    dataset = session.dataset(target.dataset)
    info = dataset.resolve(target.ref)
    data: dict[str, Any] = {**text.commit_fields(info), "refs": names_by_commit(dataset).get(info.id, [])}
    found: Iterator[Any] = iter(())
    if info.commit.parents:
        found = iter(dataset.diff(info.commit.parents[0], info.id))
    changes = [change_fields(change) for change in (found if everything else islice(found, CHANGES_SHOWN + 1))]
    more = not everything and len(changes) > CHANGES_SHOWN
    data["changes"] = changes[:CHANGES_SHOWN] if more else changes
    data["has_more_changes"] = more

    def lines() -> str:
        shown = [commit_lines(data), ""]
        shown += [change_line(change) for change in data["changes"]]
        if more:
            shown.append(terminal.styled(f"... and more: 'fabric show --all {target}'", "dim"))
        elif changes:
            shown.append(summary_line(changes))
        return "\n".join(shown).rstrip()

    session.out.one(data, lines)
