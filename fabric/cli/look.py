"""Looking at files without reading them: ls, stat, du."""

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from fabric.cli import terminal, text
from fabric.cli.address import ADDRESS, Target
from fabric.cli.options import Command, bytes_option, pass_session
from fabric.cli.output import Column, cell_width
from fabric.cli.session import Session

if TYPE_CHECKING:
    from fabric.model.entry import Entry
    from fabric.repo.view import View

SIDE_BY_SIDE_MAX = 1_000
"""Directories of more names are listed one a line: laying them out would take longer than reading them."""
_SIGNS = {"directory": "/", "symlink": "@", "file": ""}
_SHOWN_BESIDE = {"permissions": "mode", "digest_kind": "digest"}
"""Facts that a person reads in parentheses after another one."""
_STYLES = {"directory": "directory", "symlink": "symlink", "file": None}


def long_columns(*, exact: bool, key: str = "name") -> list[Column]:
    """Return the columns of a long listing of `text.entry_fields`; `key` is what stands last."""
    return [
        Column("MODE", lambda row: text.mode(row["kind"], int(row["mode"], 8)), style="dim"),
        Column("OWNER", lambda row: f"{row['uid']}:{row['gid']}", style="dim"),
        Column("SIZE", lambda row: "-" if row["kind"] == "directory" else text.size(row["size"], exact=exact), right=True),
        Column("MODIFIED", lambda row: text.mtime(row["mtime_ns"])),
        Column(key.upper(), lambda row: shown_name(row, key), style=lambda row: _STYLES[row["kind"]]),
    ]


def shown_name(row: Mapping[str, Any], key: str) -> str:
    """Return an entry's name with a slash after directories and the target after symlinks."""
    name = os.fsdecode(row[f"raw_{key}"])
    if row["kind"] == "symlink":
        return f"{name} -> {os.fsdecode(row['raw_target'])}"
    return name + _SIGNS[row["kind"]]


class EntryRow(dict[str, Any]):
    """The plain data of an entry, which remembers the entry for its text."""

    def __init__(self, entry: "Entry") -> None:
        super().__init__(text.entry_fields(entry))
        self.entry = entry

    def __missing__(self, key: str) -> Any:
        # What people are shown comes from the exact values, and is not among the data.
        exact = {
            "mtime_ns": self.entry.mtime_ns,
            "raw_path": self.entry.path,
            "raw_name": self.entry.name or b".",
            "raw_target": self.entry.target,
        }
        return exact[key]


@click.command("ls", cls=Command)
@click.argument("targets", metavar="[DATASET[@REF][/PATH]]...", nargs=-1, type=ADDRESS)
@click.option("-l", "--long", "is_long", is_flag=True, help="With mode, owner, size and time.")
@click.option("-R", "--recursive", is_flag=True, help="Directories below as well.")
@click.option("-d", "--directory", "itself", is_flag=True, help="Directories themselves, not what is in them.")
@bytes_option
@pass_session
def ls(session: Session, *, targets: tuple[Target, ...], is_long: bool, recursive: bool, itself: bool, exact: bool) -> None:
    """List directories; without a path the root, without an argument the datasets.

    \b
    Examples:
      fabric ls imagenet@v3/train
      fabric ls -l imagenet
    """
    if not targets:
        from fabric.cli.datasets import datasets  # noqa: PLC0415 - only for this form

        click.get_current_context().invoke(datasets, is_long=is_long)
        return
    listings = [listing for target in targets for listing in _listings(session, target, recursive=recursive, itself=itself)]
    if not session.out.is_text:
        rows = (row for _, entries in listings for row in map(EntryRow, entries))
        session.out.table(rows, ())
        return
    for number, (title, entries) in enumerate(listings):
        if len(listings) > 1:
            terminal.write(("\n" if number else "") + terminal.styled(terminal.safe(title), "head") + ":\n")
        if is_long:
            session.out.table(map(EntryRow, entries), long_columns(exact=exact))
        else:
            _names(entries)


def _listings(session: Session, target: Target, *, recursive: bool, itself: bool) -> Iterator[tuple[str, Iterator["Entry"]]]:
    """Yield (title, entries) of each directory to list."""
    view = session.dataset(target.dataset).view(target.ref)
    entry = view.stat(target.path)
    if itself or not (entry.kind.name == "DIRECTORY" or view.is_dir(target.path)):
        yield str(target), iter([entry])
        return
    yield str(target), view.iter_list(target.path)
    if recursive:
        for below in view.find(target.path):
            if below.kind.name == "DIRECTORY":
                yield str(Target(target.dataset, target.ref, below.path, True)), view.iter_list(below.path)


def _names(entries: Iterator["Entry"]) -> None:
    if not terminal.is_terminal(sys.stdout):
        terminal.write("".join(os.fsdecode(entry.name or b".") + "\n" for entry in entries))
        return
    found = list(entries)
    kinds = [entry.kind.name.lower() for entry in found]
    names = [terminal.safe(os.fsdecode(entry.name or b".")) + _SIGNS[kind] for entry, kind in zip(found, kinds, strict=True)]
    widths = [cell_width(name) for name in names]
    width = shutil.get_terminal_size().columns
    lines = text.columns(widths, width) if len(names) <= SIDE_BY_SIDE_MAX else [[at] for at in range(len(names))]
    across = max(map(len, lines), default=1)
    spread = [max((widths[line[at]] for line in lines if at < len(line)), default=0) for at in range(across)]
    for line in lines:
        cells = [
            terminal.styled(names[at], _STYLES[kinds[at]]) + " " * (spread[place] - widths[at])
            for place, at in enumerate(line)
        ]
        terminal.write("  ".join(cells).rstrip() + "\n")


@click.command("stat", cls=Command)
@click.argument("targets", metavar="DATASET[@REF][/PATH]...", nargs=-1, required=True, type=ADDRESS)
@pass_session
def stat(session: Session, *, targets: tuple[Target, ...]) -> None:
    """Show all that is known of a path; with -v also where its bytes lie.

    \b
    Example:
      fabric stat -v imagenet@v3/train/0001.jpg
    """

    def rows() -> Iterator[dict[str, Any]]:
        for target in targets:
            view = session.dataset(target.dataset).view(target.ref)
            yield _facts(view, view.stat(target.path), with_extents=session.verbose > 0)

    session.out.lines(rows(), _fact_lines)


def _facts(view: "View", entry: "Entry", *, with_extents: bool) -> dict[str, Any]:
    facts: dict[str, Any] = {"dataset": view.dataset.name, "ref": view.ref, "commit": view.id}
    facts |= EntryRow(entry)
    facts["permissions"] = text.mode(facts["kind"], entry.mode)
    if facts["kind"] == "file":
        facts["digest_kind"] = entry.digest_kind.name.lower()
    if facts["kind"] == "directory":
        facts["below_entries"], facts["below_size"] = view.usage(entry.path)
    if entry.link_group:
        facts["link_group"] = entry.link_group
    for name in ("acl_access", "acl_default"):
        if getattr(entry, name):
            facts[name] = getattr(entry, name).hex()
    found = view.xattrs(entry.path)
    if found:
        facts["xattrs"] = {os.fsdecode(name): _value(value) for name, value in found.items()}
    if with_extents and facts["kind"] == "file":
        facts["extents"] = [
            {
                "kind": extent.kind.name.lower(),
                "object": extent.object.decode("utf-8", "backslashreplace"),
                "offset": extent.offset,
                "stored": extent.stored,
                "length": extent.length,
                "codec": int(extent.codec),
                "key": extent.key,
                **({"digest": extent.digest.hex()} if extent.digest else {}),
            }
            for extent in view.content(entry.path).extents
        ]
    return facts


def _value(value: bytes) -> str:
    """Return an attribute's value as text where it is text, else as getfattr shows it."""
    try:
        shown = value.decode()
    except UnicodeDecodeError:
        return "0x" + value.hex()
    return shown if shown.isprintable() else "0x" + value.hex()


def _fact_lines(facts: Mapping[str, Any]) -> str:
    lines = []
    width = max(len(key) for key in facts if key not in _SHOWN_BESIDE)
    for key, value in facts.items():
        if key in _SHOWN_BESIDE:
            continue
        beside = next((facts[other] for other, first in _SHOWN_BESIDE.items() if first == key and other in facts), None)
        if beside is not None:
            value = f"{value} ({beside})"  # noqa: PLW2901 - both are one fact
        shown = f"{value:,} ({text.size(value)})" if key in ("size", "below_size") and value >= 1024 else str(value)
        if key == "xattrs":
            shown = "\n".join(f"{' ' * (width + 3)}{name} = {each}" for name, each in value.items()).lstrip()
        elif key == "extents":
            shown = "".join(f"\n  {_extent_line(extent)}" for extent in value) or "none"
        lines.append(
            f"{terminal.styled(key.rjust(width), 'dim')}: {terminal.safe(shown, lines=key in ('xattrs', 'extents'))}"
        )
    return "\n".join(lines)


def _extent_line(extent: Mapping[str, Any]) -> str:
    place = f"in {extent['object']} at {extent['offset']:,}" if extent["object"] else ""
    return f"{extent['kind']} of {extent['length']:,} bytes {place} {extent.get('digest', '')[:16]}".rstrip()


@click.command("du", cls=Command)
@click.argument("targets", metavar="DATASET[@REF][/PATH]...", nargs=-1, required=True, type=ADDRESS)
@click.option("-d", "--depth", type=click.IntRange(0), default=1, show_default=True, help="Levels of directories to show.")
@click.option("-s", "--summarize", is_flag=True, help="Only the sum: --depth 0.")
@bytes_option
@pass_session
def du(session: Session, *, targets: tuple[Target, ...], depth: int, summarize: bool, exact: bool) -> None:
    """Sum up entries and sizes by directory. Quick: sums are kept in the tree.

    \b
    Example:
      fabric du -d 2 imagenet@v3
    """

    def rows() -> Iterator[dict[str, Any]]:
        for target in targets:
            view = session.dataset(target.dataset).view(target.ref)
            yield from _usage(view, target.path, 0 if summarize else depth)

    session.out.table(
        rows(),
        [
            Column("SIZE", lambda row: text.size(row["size"], exact=exact), right=True),
            Column("ENTRIES", lambda row: f"{row['entries']:,}", right=True),
            Column("PATH", lambda row: row["path"] or "/", style="directory"),
        ],
    )


def _usage(view: "View", path: bytes, depth: int) -> Iterator[dict[str, Any]]:
    if depth and view.stat(path).kind.name == "DIRECTORY":
        for entry in view.iter_list(path):
            if entry.kind.name == "DIRECTORY":
                yield from _usage(view, entry.path, depth - 1)
    entries, size = view.usage(path)
    yield {**text.name_fields("path", path), "entries": entries, "size": size}
