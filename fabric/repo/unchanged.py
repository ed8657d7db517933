"""Whether a directory still is what a branch has, asked before anything heavy is imported.

To put an unchanged tree again is the most frequent put of all: by a cron job, in a loop, to be sure. It needs the home, the
metastore and the stat cache, none of which imports NumPy or Arrow; opening the engine would take longer than the answer.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from fabric.errors import FabricError
from fabric.ingest.source import Source
from fabric.ingest.statcache import StatCache
from fabric.metastore.open import open_metastore
from fabric.metastore.records import RefKind
from fabric.model.ids import DatasetId
from fabric.repo import home

STAT_CACHES = "stat"
"""Where stat caches lie in the state directory."""


def scope(fabric_id: str, dataset: DatasetId, branch: str) -> str:
    """Return what the stat cache of a put to this branch belongs to."""
    return f"{fabric_id}/{dataset}/{branch}"


def is_unchanged(
    endpoint: str,
    state: Path,
    *,
    dataset: str,
    branch: str | None,
    source: str | os.PathLike[str],
    path: bytes,
    ignore: Sequence[str] = (),
) -> bool:
    """Whether `Dataset.put_tree` of the directory `source` at `path` would certainly find nothing to do.

    False says nothing: the put itself finds out, and says what is wrong if something is.

    Args:
        endpoint: the fabric's home; of anything else the answer is False.
        state: the state directory of the settings.
        dataset: a dataset's name.
        branch: a branch of it; None for its default branch.
        source: the local directory.
        path: where it goes.
        ignore: patterns of the put.
    """
    if "://" in endpoint:
        return False
    directory = Path(endpoint)
    try:
        found = home.read(directory)
        url = found.metastore_url(directory)
        if not url.startswith("sqlite://"):
            return False
        where = Source.of(source, path, ignore)
        metastore = open_metastore(url)
        try:
            # What is not exported yet was not acknowledged: the engine exports it first.
            if metastore.pending(limit=1):
                return False
            record = metastore.datasets.get(dataset)
            ref = metastore.refs.get(record.id, branch or record.default_branch)
            tree = metastore.commits.get(record.id, ref.commit).tree
        finally:
            metastore.close()
    except FabricError:
        return False
    if ref.kind != RefKind.BRANCH:
        return False
    return StatCache(state / STAT_CACHES, scope(found.id, record.id, ref.name), where).matches(tree, may_fork=True)
