"""What ls, info, find and walk say of an entry, in the form that fsspec's users know from local files."""

import stat
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pyarrow as pa

from fabric.metastore.records import DatasetRecord
from fabric.model.entry import Entry, Kind
from fabric.model.paths import display

Info = dict[str, Any]
"""name, size, type (file, directory, other), mode (as stat gives it), uid, gid, mtime and created (the same: a fabric keeps
one time of a file), islink; of files digest (hex), also as etag, by which `datasets` and others tell versions apart in their
caches; of symlinks destination. A symlink is described by what it leads to, and
is "other" if it leads nowhere."""

_TYPES = {Kind.FILE: "file", Kind.DIRECTORY: "directory", Kind.SYMLINK: "other"}
_FORMATS = {Kind.FILE: stat.S_IFREG, Kind.DIRECTORY: stat.S_IFDIR, Kind.SYMLINK: stat.S_IFLNK}
_NANOSECONDS = 1e-9


def of_entry(name: str, entry: Entry, leads_to: Entry | None = None) -> Info:
    """Return the info of an entry; `leads_to` is where a symlink ends, None if nowhere."""
    described = leads_to or entry
    owner = described.mode, described.uid, described.gid
    info = _info(name, described.kind, *owner, described.mtime_ns, described.size, described.digest)
    if entry.kind == Kind.SYMLINK:
        info["islink"] = True
        info["destination"] = display(entry.target)
    return info


def _info(  # noqa: PLR0917 - the columns of a listing, in their order
    name: str, kind: Kind, mode: int, uid: int, gid: int, mtime_ns: int, size: int, digest: bytes
) -> Info:
    mtime = mtime_ns * _NANOSECONDS
    info: Info = {
        "name": name,
        "size": size if kind == Kind.FILE else 0,
        "type": _TYPES[kind],
        "created": mtime,
        "islink": False,
        "mode": mode | _FORMATS[kind],
        "uid": uid,
        "gid": gid,
        "mtime": mtime,
    }
    if kind == Kind.FILE:
        info["digest"] = info["etag"] = digest.hex()
    return info


def of_batch(batch: Any, *, detail: bool) -> Iterator[tuple[bytes, Kind, Info]]:
    """Yield (path, kind, info with an empty name) of each row of a raw listing (`View.to_batches(raw_paths=True)`).

    Several times faster than an entry at a time. Infos of symlinks are to be replaced; without `detail` all are empty.
    """
    names = batch.column("kind").dictionary.to_pylist()
    kinds = [Kind[names[index].upper()] for index in batch.column("kind").indices.to_pylist()]
    found = batch.column("path").to_pylist()
    if not detail:
        yield from ((path, kind, {}) for path, kind in zip(found, kinds, strict=True))
        return
    columns = [batch.column(name).to_pylist() for name in ("mode", "uid", "gid")]
    columns.append(batch.column("mtime").cast(pa.int64()).to_pylist())
    columns += [batch.column(name).to_pylist() for name in ("size", "digest")]
    for path, kind, *rest in zip(found, kinds, *columns, strict=True):
        yield path, kind, _info("", kind, *rest)


def of_dataset(record: DatasetRecord) -> Info:
    """Return the info of a dataset as the root lists it."""
    created = datetime.fromisoformat(record.created).timestamp()
    return {"name": record.name, "size": 0, "type": "directory", "created": created, "mtime": created, "islink": False}


def of_root() -> Info:
    """Return the info of the root."""
    return {"name": "", "size": 0, "type": "directory", "islink": False}
