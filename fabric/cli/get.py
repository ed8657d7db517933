"""get and cat: from a dataset to files, and to stdout."""

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from fabric.cli import terminal, text
from fabric.cli.address import ADDRESS, Target
from fabric.cli.options import Command, dry_run_option, pass_session, yes_option
from fabric.cli.session import Session
from fabric.errors import InvalidInputError
from fabric.units import format_duration, parse_size

if TYPE_CHECKING:
    from fabric.checkout.options import CheckoutResult
    from fabric.repo.view import View

READ_BYTES = 4 << 20
LEFT_OUT_SHOWN = 10


@click.command("get", cls=Command)
@click.argument("target", metavar="DATASET[@REF][/PATH]", type=ADDRESS)
@click.argument("destination", metavar="DEST", type=click.Path())
@click.option("-f", "--force", is_flag=True, help="Replace files in DEST that differ.")
@click.option("--delete", is_flag=True, help="Delete what is in DEST and not in the dataset. Asks first.")
@click.option("--checksum", is_flag=True, help="Read files in DEST to see whether they differ, not only size and time.")
@click.option("--owner/--no-owner", default=None, help="Restore owner and group; on by default for root.")
@yes_option
@dry_run_option
@pass_session
def get(
    session: Session,
    *,
    target: Target,
    destination: str,
    force: bool,
    delete: bool,
    checksum: bool,
    owner: bool | None,
    yes: bool,
    dry_run: bool,
) -> None:
    """Write what is at PATH as the directory (or file) DEST, every byte verified.

    A file is written as DEST, or into DEST if that is a directory. What is there and the same is kept, so that a get that
    was interrupted goes on where it was. What differs is an error, unless --force replaces it.

    \b
    Examples:
      fabric get imagenet@v3/train ./train
      fabric get imagenet@v4 ./imagenet --force --delete
    """
    view = session.dataset(target.dataset).view(target.ref)
    entry = view.stat(target.path)
    is_directory = entry.kind.name == "DIRECTORY"
    if not is_directory and (destination.endswith("/") or os.path.isdir(destination)):
        destination = os.path.join(destination, os.fsdecode(entry.name))
    if delete and not is_directory:
        raise InvalidInputError(f"{target} is not a directory: --delete has no meaning", subject=str(target))
    looks = dry_run or delete
    if looks and not _may(session, view, target, destination, delete=delete, yes=yes, dry_run=dry_run):
        return
    from fabric.checkout.options import Overwrite  # noqa: PLC0415 - the engine is imported by now

    result = view.get(
        target.path,
        destination,
        overwrite=Overwrite.REPLACE if force else Overwrite.REFUSE,
        force=force,
        delete_extra=delete,
        checksum=checksum,
        owner=owner,
        progress=session.progress("get"),
    )
    session.end_progress()
    _tell(session, view, result, destination)


def _may(
    session: Session, view: "View", target: Target, destination: str, *, delete: bool, yes: bool, dry_run: bool
) -> bool:
    """Show what would happen, or ask before files are deleted; return whether to go on."""
    from fabric.cli import plan  # noqa: PLC0415 - only for these options

    local = plan.in_directory(destination, ignore=False)
    found = plan.compare(local, plan.in_view(view, target.path), delete=delete)
    if dry_run:
        from fabric.cli.put import show_plan  # noqa: PLC0415

        show_plan(session, list(found.rows()))
        return False
    if found.removed:
        shown = ", ".join(os.fsdecode(path) for path in plan.topmost(found.removed)[:3])
        more = ", ..." if len(found.removed) > 3 else ""
        what = text.count(len(found.removed), "path")
        session.confirm(f"Delete {what} in {destination} that {target} does not have ({shown}{more})?", yes=yes)
    return True


def _tell(session: Session, view: "View", result: "CheckoutResult", destination: str) -> None:
    seconds = session.elapsed()
    for path, what in result.left_out[:LEFT_OUT_SHOWN]:
        session.note(f"not restored: {os.fsdecode(path)}: {what}")
    if result.left_out_count > LEFT_OUT_SHOWN:
        session.note(f"... and {result.left_out_count - LEFT_OUT_SHOWN} more were not restored")
    if result.unverified:
        session.note(f"{text.count(result.unverified, 'file')} of an import could not be verified: nobody has read them yet")
    data: dict[str, Any] = {
        "dataset": view.dataset.name,
        "ref": view.ref,
        "commit": view.id,
        "destination": terminal.readable(destination),
        "files": result.files,
        "directories": result.directories,
        "symlinks": result.symlinks,
        "kept": result.kept,
        "deleted": result.deleted,
        "size": result.size,
        "unverified": result.unverified,
        "seconds": round(seconds, 3),
    }
    parts = [f"got {text.count(result.files + result.symlinks, 'file')}, {text.size(result.size)}"]
    parts += [f"kept {result.kept:,}"] if result.kept else []
    parts += [f"deleted {result.deleted:,}"] if result.deleted else []
    done = f"{', '.join(parts)} in {format_duration(seconds)}{text.rate(result.size, seconds)}"
    session.out.done(data, f"{done}\n{view.dataset.name}@{view.ref} ({text.short(view.id)}) is in {destination}")


def parse_range(value: str | None) -> tuple[int, int | None]:
    """Return (start, length) of `START:END`, `START:` or `:END`; sizes as people write them.

    Raises:
        InvalidInputError: it is none.
    """
    if value is None:
        return 0, None
    begin, colon, end = value.partition(":")
    if not colon:
        raise InvalidInputError(f"{value!r} is not a range", subject=value, hint="write START:END, such as 0:1KiB or 4MiB:")
    start = parse_size(begin) if begin else 0
    if not end:
        return start, None
    stop = parse_size(end)
    if stop < start:
        raise InvalidInputError(f"{value!r} ends before it starts", subject=value)
    return start, stop - start


@click.command("cat", cls=Command)
@click.argument("targets", metavar="DATASET[@REF]/PATH...", nargs=-1, required=True, type=ADDRESS)
@click.option("--range", "part", metavar="START:END", help="Only these bytes of each file: 0:1KiB, 4MiB:.")
@pass_session
def cat(session: Session, *, targets: tuple[Target, ...], part: str | None) -> None:
    """Write files to stdout, verified and as they come.

    \b
    Examples:
      fabric cat imagenet@v3/labels.csv | head
      fabric cat imagenet/train.tar --range 0:512
    """
    start, length = parse_range(part)
    for target in targets:
        view = session.dataset(target.dataset).view(target.ref)
        with view.open(target.path) as file:
            file.seek(start)
            left = sys.maxsize if length is None else length
            while left > 0 and (piece := file.read(min(left, READ_BYTES))):
                terminal.write_bytes(piece)
                left -= len(piece)
