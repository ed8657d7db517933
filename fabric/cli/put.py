"""put: from files to a dataset."""

import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from fabric.cli import terminal, text
from fabric.cli.address import ADDRESS, Target, parse_pairs
from fabric.cli.options import Command, dry_run_option, pass_session
from fabric.cli.session import Session
from fabric.errors import InvalidInputError, NotFoundError, SourceError

if TYPE_CHECKING:
    from fabric.repo.dataset import Dataset
    from fabric.repo.transaction import Transaction

STDIN = "-"
NOTHING = "nothing changed"
SKIPPED_SHOWN = 10


@dataclass
class _Sum:
    """What was put, over all sources."""

    files: int = 0
    size: int = 0
    skipped: list[Any] = field(default_factory=list)


@click.command("put", cls=Command)
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True, type=click.Path(allow_dash=True, readable=False))
@click.argument("target", metavar="DATASET[@BRANCH][/PATH]", type=ADDRESS)
@click.option("-m", "--message", default="", help="The commit's message.")
@click.option("--create", is_flag=True, help="Create the dataset if it is not there.")
@click.option("--keep", is_flag=True, help="Keep files that are gone from SOURCE.")
@click.option("--ignore", metavar="PATTERN", multiple=True, help="Leave out, in gitignore syntax; may be repeated.")
@click.option("--skip-unreadable", is_flag=True, help="Leave out what may not be read, instead of failing.")
@click.option("--metadata", metavar="KEY=VALUE", multiple=True, help="Free text in the commit; may be repeated.")
@dry_run_option
@pass_session
def put(
    session: Session,
    *,
    sources: tuple[str, ...],
    target: Target,
    message: str,
    create: bool,
    keep: bool,
    ignore: tuple[str, ...],
    skip_unreadable: bool,
    metadata: tuple[str, ...],
    dry_run: bool,
) -> None:
    """Put files or directories into a dataset, as one commit.

    One directory makes PATH equal to it: files that are gone from it are removed from PATH (--keep keeps them). A file
    becomes PATH, or goes into PATH if that is a directory or ends with a slash; so do several sources, each by its name.
    '-' is stdin. Names in .fabricignore files (gitignore syntax) are left out.

    \b
    Examples:
      fabric put ~/Pictures photos --create
      fabric put train.csv labels.csv imagenet/meta/ -m 'new labels'
      tar c . | fabric put - backups/today.tar
    """
    pairs = parse_pairs(metadata)
    _check(sources, target)
    if not keep and not dry_run and _is_unchanged(session, sources, target, ignore):
        nothing = {"dataset": target.dataset, "branch": target.ref, "commit": None, "files": 0, "size": 0, "sent": 0}
        session.out.done({**nothing, "seconds": round(session.elapsed(), 3), "skipped": []}, NOTHING)
        return
    try:
        dataset = session.dataset(target.dataset)
    except NotFoundError:
        if not create:
            raise
        if dry_run:
            session.out.done({"commit": None}, f"would create dataset {target.dataset} and put everything")
            return
        dataset = session.fabric.create(target.dataset)
    if dry_run:
        _show_plan(session, dataset, sources, target, keep=keep)
        return
    total = _Sum()
    progress = session.progress("put", [source for source in sources if source != STDIN])
    words = message or f"put {' '.join(sources)}"
    with dataset.transaction(target.ref, terminal.readable(words), metadata=pairs) as transaction:
        for source, path in _arrange(transaction, sources, target):
            if source == STDIN:
                entry = transaction.put(path, sys.stdin.buffer)
                total.files, total.size = total.files + 1, total.size + entry.size
                continue
            result = transaction.put_tree(
                source, path, delete=not keep, progress=progress, ignore=ignore, skip_unreadable=skip_unreadable
            )
            total.files, total.size = total.files + result.counts.files, total.size + result.counts.size
            total.skipped += result.skipped
    session.end_progress()
    _tell(session, transaction, total)


def _check(sources: tuple[str, ...], target: Target) -> None:
    """Refuse what cannot work before anything is opened or created."""
    if STDIN in sources:
        if len(sources) > 1:
            raise InvalidInputError("stdin is put alone", hint="put the other sources by a command of their own")
        if not target.path or target.is_directory:
            raise InvalidInputError("stdin needs the path of a file", hint=f"write {target.dataset}/NAME")
    for source in sources:
        if source != STDIN and not os.path.lexists(source):
            raise SourceError(f"there is no file or directory {source!r}", subject=source, hint="check the path")


def _is_unchanged(session: Session, sources: tuple[str, ...], target: Target, ignore: tuple[str, ...]) -> bool:
    if len(sources) > 1 or not os.path.isdir(sources[0]):
        return False
    from fabric.repo.unchanged import is_unchanged  # noqa: PLC0415 - before the engine, which takes longer to import

    settings = session.settings
    return is_unchanged(
        settings.endpoint,
        settings.state_dir,
        dataset=target.dataset,
        branch=target.ref,
        source=sources[0],
        path=target.path,
        ignore=ignore,
    )


def _arrange(transaction: "Transaction", sources: tuple[str, ...], target: Target) -> list[tuple[str, bytes]]:
    """Return (source, path) for each source."""
    if sources == (STDIN,) or (len(sources) == 1 and os.path.isdir(sources[0])):
        return [(sources[0], target.path)]
    into = len(sources) > 1 or not target.path or target.is_directory
    if not into and transaction.exists(target.path):
        into = transaction.stat(target.path).kind.name == "DIRECTORY"
    if not into:
        return [(sources[0], target.path)]
    pairs = [(source, target.child(os.path.basename(os.path.abspath(os.fsencode(source))))) for source in sources]
    seen: set[bytes] = set()
    for source, path in pairs:
        if path in seen:
            name = os.path.basename(os.path.abspath(source))
            raise InvalidInputError(f"two sources have the name {name!r}", subject=name, hint="put them by a command each")
        seen.add(path)
    return pairs


def _tell(session: Session, transaction: "Transaction", total: _Sum) -> None:
    info, seconds = transaction.result, session.elapsed()
    sent = transaction.bytes_sent
    for skipped in total.skipped[:SKIPPED_SHOWN]:
        times = f" ({skipped.count} times)" if skipped.count > 1 else ""
        session.note(f"left out: {os.fsdecode(skipped.path) or '.'}: {skipped.reason}{times}")
    if len(total.skipped) > SKIPPED_SHOWN:
        session.note(f"... and {len(total.skipped) - SKIPPED_SHOWN} more were left out")
    data = {
        "dataset": transaction.dataset.name,
        "branch": transaction.branch,
        "commit": info.id if info else None,
        "files": total.files,
        "size": total.size,
        "sent": sent,
        "seconds": round(seconds, 3),
        "skipped": [{**text.name_fields("path", one.path), "reason": one.reason} for one in total.skipped],
    }
    if info is None:
        session.out.done(data, NOTHING)
        return
    lines = (
        f"put {text.count(total.files, 'file')}, {text.size(total.size)} ({text.size(sent)} new)"
        f" in {format_seconds(seconds)}{text.rate(total.size, seconds)}\n"
        f"commit {terminal.styled(text.short(info.id), 'commit')} on {transaction.dataset.name}@{transaction.branch}"
    )
    session.out.done(data, lines)


def format_seconds(seconds: float) -> str:
    """Return a duration for people."""
    from fabric.units import format_duration  # noqa: PLC0415

    return format_duration(seconds)


def _show_plan(session: Session, dataset: "Dataset", sources: tuple[str, ...], target: Target, *, keep: bool) -> None:
    from fabric.cli import plan  # noqa: PLC0415 - only for --dry-run

    view = dataset.view(target.ref)
    rows: list[tuple[str, bytes]] = []
    if len(sources) == 1 and os.path.isdir(sources[0]):
        before = plan.in_view(view, target.path)
        found = plan.compare(before, plan.in_directory(sources[0], ignore=True), delete=not keep)
        rows = [(change, target.child(path)) for change, path in found.rows()]
    elif sources == (STDIN,):
        rows = [("modified" if view.exists(target.path) else "added", target.path)]
    else:
        with dataset.transaction(target.ref) as transaction:
            pairs = _arrange(transaction, sources, target)
            transaction.abort()
        for source, path in pairs:
            if os.path.isdir(source):
                found = plan.compare(plan.in_view(view, path), plan.in_directory(source, ignore=True), delete=not keep)
                rows += [(change, path + b"/" + below) for change, below in found.rows()]
            else:
                rows.append(("modified" if view.exists(path) else "added", path))
    show_plan(session, rows)


def show_plan(session: Session, rows: list[tuple[str, bytes]]) -> None:
    """Write what would happen to paths, by size and time; a content may prove to be the same."""
    from fabric.cli.changes import LETTERS, summary_counts  # noqa: PLC0415

    data = [{"change": change, **text.name_fields("path", path)} for change, path in rows]
    names = iter(rows)

    def line(row: Any) -> str:
        _, path = next(names)
        return terminal.styled(LETTERS[row["change"]], row["change"]) + "  " + terminal.safe(os.fsdecode(path))

    session.out.lines(data, line)
    session.note(f"nothing was done; would be: {summary_counts([change for change, _ in rows])}")
