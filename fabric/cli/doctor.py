"""doctor: is this machine, the fabric and its store as they should be?"""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from fabric.cli import terminal, text
from fabric.cli.options import Command, pass_session
from fabric.cli.session import Session
from fabric.errors import FabricError

FREE_WARN_BYTES = 1 << 30
FILES_WARN = 1_024
PYTHON_MIN, PYTHON_BEFORE = (3, 11), (3, 15)
_WIDTH = 22


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: `status` is ok, warn or fail."""

    check: str
    status: str
    detail: str


@click.command("doctor", cls=Command)
@click.option("--no-probe", is_flag=True, help="Do not write to the store to try it.")
@pass_session
def doctor(session: Session, *, no_probe: bool) -> None:
    """Check this machine, the settings, the fabric and its store. Writes and removes about 17 MiB in the store.

    Exits with 1 if something failed; a warning is something to know.

    \b
    Example:
      fabric doctor -o json
    """
    counts = {"ok": 0, "warn": 0, "fail": 0}

    def rows() -> Iterator[dict[str, Any]]:
        for finding in _findings(session, probe=not no_probe):
            counts[finding.status] += 1
            yield {"check": finding.check, "status": finding.status, "detail": finding.detail}

    session.out.lines(rows(), _line)
    session.note(f"{counts['ok']} ok, {text.count(counts['warn'], 'warning')}, {counts['fail']} failed")
    if counts["fail"]:
        raise click.exceptions.Exit(1)


def _line(row: Mapping[str, Any]) -> str:
    status = terminal.styled(row["status"].ljust(4), row["status"])
    return f"{status}  {row['check'].ljust(_WIDTH)}  {terminal.safe(row['detail'])}"


def _findings(session: Session, *, probe: bool) -> Iterator[Finding]:
    yield _try("python", _python)
    yield _try("libraries", _libraries)
    yield _try("file names", _file_names)
    yield _try("open files", _open_files)
    settings = _try("settings", lambda: _settings(session))
    yield settings
    if settings.status == "fail":
        return
    for name in ("cache_dir", "state_dir"):
        yield _try(name.replace("_", " "), lambda name=name: _directory(getattr(session.settings, name)))  # type: ignore[misc]
    yield from _fabric(session, probe=probe)


def _try(check: str, work: Callable[[], tuple[str, str]]) -> Finding:
    try:
        status, detail = work()
    except FabricError as error:
        return Finding(check, "fail", f"{error.message}; {error.hint}" if error.hint else error.message)
    except OSError as error:
        return Finding(check, "fail", str(error))
    return Finding(check, status, detail)


def _python() -> tuple[str, str]:
    import platform  # noqa: PLC0415

    shown = f"{platform.python_version()} on {platform.platform()}"
    if not PYTHON_MIN <= sys.version_info[:2] < PYTHON_BEFORE:
        return "warn", f"{shown}; this release is made for 3.11 to 3.14"
    return "ok", shown


def _libraries() -> tuple[str, str]:
    import sqlite3  # noqa: PLC0415

    from fabric.cli.about import versions  # noqa: PLC0415

    found = versions()
    libraries = found["libraries"]
    missing = [name for name, version in libraries.items() if version is None]
    if missing:
        return "fail", f"not installed: {', '.join(missing)}"
    shown = ", ".join(f"{name} {version}" for name, version in libraries.items())
    return "ok", f"fabric {found['fabric']}, {shown}, SQLite {sqlite3.sqlite_version}"


def _file_names() -> tuple[str, str]:
    encoding = sys.getfilesystemencoding()
    if encoding != "utf-8":
        return "warn", f"{encoding}: names that are not ASCII may look wrong; set LANG to a UTF-8 locale"
    return "ok", encoding


def _open_files() -> tuple[str, str]:
    import resource  # noqa: PLC0415

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < FILES_WARN:
        return "warn", f"at most {soft:,} at a time; 'ulimit -n {FILES_WARN}' allows more (up to {hard:,})"
    return "ok", f"up to {soft:,} at a time" if soft != resource.RLIM_INFINITY else "no limit"


def _settings(session: Session) -> tuple[str, str]:
    changed = [f"{key} from {source}" for key, _, source in session.settings.describe() if source != "default"]
    return "ok", ", ".join(changed) or "all defaults"


def _directory(path: Path) -> tuple[str, str]:
    """Try to write where caches and journals go; the directory itself is made by who needs it first."""
    there = path
    while not there.exists() and there != there.parent:
        there = there.parent
    if path.exists():
        with tempfile.TemporaryFile(dir=path):
            pass
    elif not os.access(there, os.W_OK | os.X_OK):
        return "fail", f"{path} cannot be made: {there} is not writable"
    free = shutil.disk_usage(there).free
    return "warn" if free < FREE_WARN_BYTES else "ok", f"{path}, {text.size(free)} free"


def _fabric(session: Session, *, probe: bool) -> Iterator[Finding]:
    endpoint = session.settings.endpoint
    is_default = session.settings.sources.get("endpoint", "default") == "default"
    if is_default and not os.path.exists(os.path.join(endpoint, "fabric.json")):
        yield Finding("endpoint", "ok", f"{endpoint} is made at its first use")
        return
    opened = _try("endpoint", lambda: _endpoint(session))
    yield opened
    if opened.status == "fail":
        return
    yield _try("metastore", lambda: _metastore(session))
    if os.path.isdir(endpoint):
        yield _try("disk of the fabric", lambda: _directory(Path(endpoint)))
    if probe:
        from fabric.objects.probe import probe as try_store  # noqa: PLC0415

        for row in try_store(session.fabric.objects):
            yield Finding(f"store: {row.name}", row.status, row.detail)


def _endpoint(session: Session) -> tuple[str, str]:
    fabric = session.fabric
    source = session.settings.sources.get("endpoint", "default")
    return "ok", f"{fabric.endpoint} ({source}), fabric {fabric.id}"


def _metastore(session: Session) -> tuple[str, str]:
    return "ok", text.count(len(session.fabric.datasets()), "dataset")
