"""diff: what differs between two states."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, cast

import click

from fabric.cli.address import ADDRESS, REF, Target
from fabric.cli.changes import ChangeRow, change_fields, change_line, size_change, summary_text
from fabric.cli.options import Command, pass_session
from fabric.cli.session import Session


@click.command("diff", cls=Command)
@click.argument("target", metavar="DATASET[@REF][/PATH]", type=ADDRESS)
@click.argument("other", metavar="[REF2]", required=False, type=REF)
@click.option("--stat", "with_stat", is_flag=True, help="With sizes and a sum.")
@click.option("--summary", is_flag=True, help="Only the sum.")
@click.option("--no-renames", is_flag=True, help="A renamed file is one removed and one added; needs no memory.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if there are differences.")
@pass_session
def diff(
    session: Session,
    *,
    target: Target,
    other: str | None,
    with_stat: bool,
    summary: bool,
    no_renames: bool,
    exit_code: bool,
) -> None:
    """Show what differs from REF to REF2: A added, D removed, M modified, R renamed.

    REF2 is the default branch if it is left out. Without any ref, the last commit is compared with the one before.

    \b
    Examples:
      fabric diff imagenet@v2 v3
      fabric diff imagenet@v3/train --stat
    """
    dataset = session.dataset(target.dataset)
    after = other or dataset.default_branch
    before = target.ref or f"{after}~1"
    found = dataset.diff(before, after, path=target.path, renames=not no_renames)
    counts: Counter[str] = Counter()
    size = 0

    def rows() -> Iterator[ChangeRow]:
        nonlocal size
        for change in found:
            row = change_fields(change)
            counts[row["change"]] += 1
            size += size_change(row)
            yield row

    if summary:
        for _ in rows():
            pass
        data: dict[str, Any] = {"before": before, "after": after, **counts, "size": size}
        session.out.one(data, lambda: summary_text(counts, size))
    else:
        session.out.lines(rows(), lambda row: change_line(cast("ChangeRow", row), with_size=with_stat))
        if with_stat and session.out.is_text:
            session.out.one({}, lambda: summary_text(counts, size))
    if exit_code and counts:
        raise click.exceptions.Exit(1)
