"""Looking after a fabric: fsck, recover."""

import click

from fabric.cli import terminal, text
from fabric.cli.address import DATASET, Target
from fabric.cli.datasets import whole
from fabric.cli.options import Command, pass_session
from fabric.cli.session import Session
from fabric.errors import NotFoundError
from fabric.units import format_duration

PROBLEMS_SHOWN = 100


@click.command("fsck", cls=Command)
@click.argument("targets", metavar="[DATASET]...", nargs=-1, type=DATASET)
@click.option("--read-data", is_flag=True, help="Read every content and compare it with its digest.")
@pass_session
def fsck(session: Session, *, targets: tuple[Target, ...], read_data: bool) -> None:
    """Verify what is stored: all that refs and reflogs reach is there and is what its name says. Changes nothing.

    Exits with 1 if something is wrong.

    \b
    Example:
      fabric fsck imagenet --read-data
    """
    names = [whole(target) for target in targets] or [record.name for record in session.fabric.datasets()]
    datasets = [session.dataset(name) for name in names]
    from fabric.repo.fsck import fsck as check  # noqa: PLC0415 - the engine, only now

    report = check(datasets, read_data=read_data, progress=session.progress("check"))
    session.end_progress()
    problems = [
        {"dataset": problem.dataset, "subject": terminal.readable(problem.subject), "message": problem.message}
        for problem in report.problems
    ]
    counts = {
        name: getattr(report, name)
        for name in ("datasets", "refs", "commits", "nodes", "entries", "objects", "contents_read", "bytes_read")
    }

    def lines() -> str:
        shown = [
            f"{terminal.styled('wrong', 'fail')}  {terminal.safe(row['dataset'] + ' ' + row['subject'])}: {row['message']}"
            for row in problems[:PROBLEMS_SHOWN]
        ]
        if len(problems) > PROBLEMS_SHOWN:
            shown.append(f"... and {len(problems) - PROBLEMS_SHOWN} more: '-o json' shows all")
        read = f", {text.size(report.bytes_read)} of data read" if read_data else ""
        looked = (
            f"{text.count(report.datasets, 'dataset')}, {text.count(report.commits, 'commit')},"
            f" {text.count(report.entries, 'entry', 'entries')}, {text.count(report.objects, 'object')}{read}"
            f" in {format_duration(session.elapsed())}"
        )
        verdict = terminal.styled(f"{len(problems)} wrong", "fail") if problems else terminal.styled("all is well", "ok")
        return "\n".join([*shown, f"{verdict}: {looked}"])

    session.out.one({"ok": report.is_clean, "counts": counts, "problems": problems}, lines)
    if problems:
        raise click.exceptions.Exit(1)


@click.command("recover", cls=Command)
@click.argument("directory", type=click.Path())
@click.option("--store", metavar="URL", help="Where the objects are, if DIRECTORY cannot say it.")
@click.option("--force", is_flag=True, help="Move a metastore that is there aside, and build a new one.")
@pass_session
def recover(session: Session, *, directory: str, store: str | None, force: bool) -> None:
    """Rebuild a lost metastore from the object store: datasets, branches, snapshots, up to the last acknowledged change.

    Refuses if there is a metastore. Nobody should write to the fabric meanwhile.

    \b
    Examples:
      fabric recover /srv/fabric
      fabric recover /srv/fabric-again --store s3://bucket/prefix
    """
    session.log()
    from fabric.repo.rebuild import recover as rebuild  # noqa: PLC0415 - the engine, only now

    try:
        report = rebuild(directory, store=store, force=force, settings=session.settings)
    except NotFoundError as error:
        if store is None:
            error.hint = "name the directory of a fabric, or say with --store where its objects are"
        raise
    data = {"directory": terminal.readable(directory), "keys": dict(report.keys), "changes": dict(report.changes)}
    found = (
        ", ".join(text.count(number, kind) for kind, number in report.keys.items() if number) or "nothing: an empty fabric"
    )
    changes = text.count(sum(report.changes.values()), "change")
    session.out.done(data, f"rebuilt the metastore of {directory} from {changes}: {found}\ncheck it: 'fabric fsck'")
