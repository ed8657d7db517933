"""Putting a local directory into a transaction: what ingest finds, onto what the branch has."""

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blake3 import blake3

from fabric.errors import SourceError
from fabric.ingest.journal import Journal
from fabric.ingest.result import Counts, IngestResult
from fabric.ingest.source import Source
from fabric.ingest.statcache import Recorder, StatCache
from fabric.ingest.tree import ingest_file, ingest_tree
from fabric.model import rows
from fabric.model.extent import Extent
from fabric.progress import Progress
from fabric.repo.session import WriteSession
from fabric.repo.staging import Staging, subtree
from fabric.repo.store import CommitInfo, DatasetStore
from fabric.repo.tree import Tree
from fabric.repo.unchanged import STAT_CACHES

JOURNALS = "journals"


@dataclass(frozen=True, slots=True)
class PutContext:
    """What a put needs of its transaction."""

    store: DatasetStore
    session: WriteSession
    staging: Staging
    base: CommitInfo | None
    state: Path
    scope: str
    leave_out: Collection[tuple[int, int]] = ()


def put_tree(
    context: PutContext,
    source: str | os.PathLike[str],
    path: bytes,
    *,
    delete: bool,
    progress: Progress,
    ignore: Sequence[str] = (),
    skip_unreadable: bool = False,
) -> tuple[IngestResult, Recorder | None]:
    """Stage a directory (or one file) at `path`. Returns what was found, and what remembers it once it is committed.

    Args:
        context: the transaction's parts.
        source: a directory, or a file.
        path: where it goes.
        delete: as Transaction.put_tree.
        progress: told of files and bytes.
        ignore: patterns in gitignore syntax, besides those of `.fabricignore` files.
        skip_unreadable: leave out what may not be read, and list it, instead of failing.

    Raises:
        SourceError, ChangedWhileReadError, InvalidInputError: nothing is staged then.
    """
    where = Source.of(source, path, ignore)
    if os.path.isdir(where.path):
        return _put_directory(context, where, delete=delete, progress=progress, skip_unreadable=skip_unreadable)
    result = ingest_file(where, context.session.packs, progress=progress)
    entry, extents = rows.entry_at(result.table, 0), rows.extents_at(result.table, 0)
    context.staging.put(entry, extents)
    return result, None


def _put_directory(
    context: PutContext, source: Source, *, delete: bool, progress: Progress, skip_unreadable: bool
) -> tuple[IngestResult, Recorder | None]:
    cache = StatCache(context.state / STAT_CACHES, context.scope, source)
    base = context.base
    untouched = not context.session.is_begun and not context.staging.is_changed
    if delete and base is not None and untouched and cache.matches(base.record.tree):
        return IngestResult(rows.empty(), counts=Counts()), None
    if untouched:
        _resume(context, source)
    result = ingest_tree(
        source,
        context.session.packs,
        base=_base_rows(context, source) if base is not None else None,
        expand=lambda extent: _expand(context.store, extent),
        stat_cache=cache,
        journal=context.session.journal,
        leave_out=context.leave_out,
        skip_unreadable=skip_unreadable,
        progress=progress,
    )
    try:
        context.staging.replace_tree(source.prefix, result.table, delete=delete)
    except BaseException:
        result.forget()
        raise
    return result, result.recorder


def _resume(context: PutContext, source: Source) -> None:
    name = blake3(b"\x00".join([context.scope.encode(), source.path, source.prefix])).hexdigest(16)
    try:
        journal = Journal.open(context.state / JOURNALS / f"{name}.journal")
    except SourceError:
        # Without a state directory (a read-only home in a container) an interrupted put begins anew, that is all.
        return
    if journal is not None:
        try:
            context.session.resume(journal)
        except BaseException:
            # Else its lock would stay with this process.
            journal.close()
            raise


def _base_rows(context: PutContext, source: Source) -> Any:
    """Return a function that gives the rows at and below the prefix in the base, whose commit the lease pins."""
    base = context.base
    assert base is not None

    def read() -> Any:
        tree = Tree(context.store.nodes, base.root)
        found = tree.locate(source.prefix)
        return rows.empty() if found is None else subtree(tree, source.prefix)

    return read


def _expand(store: DatasetStore, extent: Extent) -> Sequence[Extent]:
    return store.extent_list(extent)
