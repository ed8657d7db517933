"""One dataset's place in the ports: what every part of the engine that works on a dataset needs."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from fabric.cache.contents import ContentReader
from fabric.cache.nodes import NodeReader
from fabric.errors import DataError, ObjectNotFoundError
from fabric.metastore.port import Metastore
from fabric.metastore.records import CommitRecord, RefRecord
from fabric.model import commit as commits
from fabric.model import extents, paths
from fabric.model.commit import Commit
from fabric.model.extent import Extent
from fabric.model.ids import CommitId, DatasetId
from fabric.model.node import Child
from fabric.objects.keys import data_key
from fabric.objects.port import ObjectStore
from fabric.repo.tree import Tree

_COMMITS_CACHED = 4_096
ROOT_KEY = paths.path_key(paths.ROOT)


@dataclass(frozen=True, slots=True)
class CommitInfo:
    """A commit that was read.

    Attributes:
        id: its id.
        commit: what it says.
        record: where it lies.
        ref: the branch or snapshot that it was found by, if that was a plain name.
    """

    id: CommitId
    commit: Commit
    record: CommitRecord
    ref: RefRecord | None = None

    @property
    def root(self) -> Child:
        """The root of its tree, as a node that can be read."""
        return Child(ROOT_KEY, self.record.tree, self.record.root, self.commit.entries, self.commit.size)


class DatasetStore:
    """Reads one dataset's objects, with caches shared by all its views and transactions."""

    def __init__(
        self,
        objects: ObjectStore,
        metastore: Metastore,
        dataset: DatasetId,
        state: Path,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self.objects = objects
        self.metastore = metastore
        self.dataset = dataset
        self.state = state
        self.nodes = NodeReader(objects, dataset)
        self.contents = ContentReader(objects, dataset, locations=self._location)
        self._clock = clock or (lambda: datetime.now(UTC))
        self._load = lru_cache(_COMMITS_CACHED)(self._load_commit)

    def now(self) -> str:
        """Return the present as records write it."""
        return commits.now_text(self._clock())

    def _location(self, location: str) -> ObjectStore:
        from fabric.objects.open import open_store  # noqa: PLC0415

        return open_store(self.metastore.locations.get(location).url)

    def commit(self, commit_id: CommitId) -> CommitInfo:
        """Return a commit by its id.

        Raises:
            NotFoundError: the metastore does not know it.
            DataError: its object is missing or damaged.
        """
        return self._load(commit_id)

    def _load_commit(self, commit_id: CommitId) -> CommitInfo:
        record = self.metastore.commits.get(self.dataset, commit_id)
        lease, _, object_id = record.object.partition("/")
        try:
            data = self.objects.get(data_key(self.dataset, lease, object_id))
        except ObjectNotFoundError as error:
            raise DataError(
                f"commit {commit_id[:12]} is missing: there is no object {record.object}",
                subject=commit_id,
                hint="run 'fabric fsck' to see what else is affected",
            ) from error
        _, commit = commits.decode(data, commit_id)
        if commit.tree != record.tree:
            raise DataError(f"the metastore and commit {commit_id[:12]} name different trees", subject=commit_id)
        return CommitInfo(commit_id, commit, record)

    def extent_list(self, extent: Extent) -> list[Extent]:
        """Return the extents that a LIST extent stands for; raises DataError."""
        key = self.contents.object_key(extent.object)
        return extents.decode(self.objects.get(key, extent.offset, extent.stored))

    def tree(self, info: CommitInfo) -> Tree:
        """Return the tree of a commit."""
        return Tree(self.nodes, info.root)

    def close(self) -> None:
        """Release threads and caches."""
        self.nodes.close()
        self.contents.close()
