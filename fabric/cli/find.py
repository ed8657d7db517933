"""find: everything below a directory, filtered."""

import fnmatch
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import click

from fabric.cli import terminal, text
from fabric.cli.address import ADDRESS, Target
from fabric.cli.options import Command, bytes_option, pass_session
from fabric.cli.output import Column
from fabric.cli.session import Session
from fabric.errors import InvalidInputError
from fabric.units import parse_size

_TYPES = {"f": "file", "d": "directory", "l": "symlink"}
_SIZE = re.compile(r"([+-]?)(.+)")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for; None stands for anything."""

    name: Callable[[bytes], object] | None = None
    path: Callable[[bytes], object] | None = None
    kind: str | None = None
    size: Callable[[int], bool] | None = None

    def __call__(self, path: bytes, kind: str, size: int) -> bool:
        """Whether an entry is wanted."""
        if self.kind is not None and kind != self.kind:
            return False
        if self.size is not None and not (kind == "file" and self.size(size)):
            return False
        if self.name is not None and not self.name(path.rpartition(b"/")[2]):
            return False
        return self.path is None or bool(self.path(path))


def _glob(pattern: str | None) -> Callable[[bytes], object] | None:
    # Bytes: names that are not UTF-8 match as they are.
    return None if pattern is None else re.compile(fnmatch.translate(pattern).encode("utf-8", "surrogateescape")).match


def _size_test(value: str | None) -> Callable[[int], bool] | None:
    if value is None:
        return None
    match = _SIZE.fullmatch(value)
    if match is None:
        raise InvalidInputError(f"{value!r} is not a size", subject=value, hint="write +1MiB for larger, -1MiB for smaller")
    limit = parse_size(match[2])
    tests = {"+": limit.__lt__, "-": limit.__gt__, "": limit.__eq__}
    return tests[match[1]]


@click.command("find", cls=Command)
@click.argument("target", metavar="DATASET[@REF][/PATH]", type=ADDRESS)
@click.option("--name", metavar="GLOB", help="The name matches, as in a shell: '*.jpg'.")
@click.option("--path", "path_glob", metavar="GLOB", help="The whole path matches; * matches / too.")
@click.option("--type", "kind", type=click.Choice(["f", "d", "l"]), help="Files, directories or symlinks.")
@click.option("--size", metavar="[+|-]SIZE", help="Files larger than +SIZE, smaller than -SIZE, or of SIZE.")
@click.option("-l", "--long", "is_long", is_flag=True, help="With mode, owner, size and time.")
@click.option("-0", "--null", is_flag=True, help="End each path with a NUL byte, for xargs -0.")
@bytes_option
@pass_session
def find(
    session: Session,
    *,
    target: Target,
    name: str | None,
    path_glob: str | None,
    kind: str | None,
    size: str | None,
    is_long: bool,
    null: bool,
    exact: bool,
) -> None:
    """List everything below a directory, as paths from the dataset's root.

    \b
    Examples:
      fabric find imagenet@v3/train --name '*.jpg' --size +1MiB
      fabric find imagenet --type f -0 | xargs -0 -n1 echo
    """
    wanted = Wanted(_glob(name), _glob(path_glob), _TYPES[kind] if kind else None, _size_test(size))
    view = session.dataset(target.dataset).view(target.ref)
    batches = view.to_batches(target.path, raw_paths=True)
    if is_long and session.out.is_text:
        from fabric.cli.look import shown_name  # noqa: PLC0415 - only for this form

        columns = [
            Column("MODE", lambda row: text.mode(row["kind"], row["mode"]), style="dim"),
            Column("OWNER", lambda row: f"{row['uid']}:{row['gid']}", style="dim"),
            Column(
                "SIZE", lambda row: "-" if row["kind"] == "directory" else text.size(row["size"], exact=exact), right=True
            ),
            Column("MODIFIED", lambda row: text.mtime(row["mtime_ns"])),
            Column("PATH", lambda row: shown_name(row, "path")),
        ]
        session.out.table(_rows(batches, wanted), columns)
    elif session.out.is_text or null:
        end = b"\0" if null else b"\n"
        for part in _paths(batches, wanted):
            terminal.write_bytes(_joined(part, end))
    else:
        session.out.table(map(_plain, _rows(batches, wanted)), ())


def _paths(batches: Any, wanted: Wanted) -> Iterator[list[bytes]]:
    for batch in batches:
        found = batch.column("path").to_pylist()
        if wanted != Wanted():
            kinds, sizes = batch.column("kind").to_pylist(), batch.column("size").to_pylist()
            found = [path for path, kind, size in zip(found, kinds, sizes, strict=True) if wanted(path, kind, size)]
        yield found


def _joined(found: list[bytes], end: bytes) -> bytes:
    if end == b"\n" and terminal.is_terminal(sys.stdout):
        found = [os.fsencode(terminal.safe(os.fsdecode(path))) for path in found]
    return b"".join(path + end for path in found)


def _rows(batches: Any, wanted: Wanted) -> Iterator[dict[str, Any]]:
    """Yield entries with their exact values."""
    import pyarrow as pa  # noqa: PLC0415 - loaded by the engine already

    for batch in batches:
        times = batch.column("mtime").cast(pa.int64()).to_pylist()
        columns = [
            batch.column(name).to_pylist() for name in ("path", "kind", "mode", "uid", "gid", "size", "digest", "target")
        ]
        for path, kind, mode, uid, gid, size, digest, link, mtime_ns in zip(*columns, times, strict=True):
            if wanted(path, kind, size):
                yield {
                    "raw_path": path, "kind": kind, "mode": mode, "uid": uid, "gid": gid, "mtime_ns": mtime_ns,
                    "size": size, "digest": digest, "raw_target": link,
                }  # fmt: skip


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same data as `text.entry_fields`."""
    fields: dict[str, Any] = {
        **text.name_fields("path", row["raw_path"]),
        "kind": row["kind"],
        "mode": f"{row['mode']:04o}",
        "uid": row["uid"],
        "gid": row["gid"],
        "mtime": text.iso_or_number(row["mtime_ns"]),
        "size": row["size"],
    }
    if row["kind"] == "file":
        fields["digest"] = row["digest"].hex()
    elif row["kind"] == "symlink":
        fields |= text.name_fields("target", row["raw_target"])
    return fields
