"""Checking a fabric: everything that refs and reflogs reach is there, decodes, and is what its name says.

For each dataset: the format file; every commit that a ref or the reflog reaches; every tree node below them, each once; for
the trees of refs also that every parent is a directory. Every extent lies inside of an object that exists. With `read_data`
every content is read once and compared with its digest. Nothing is changed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fabric.errors import DataError, FabricError, NotFoundError, UnavailableError
from fabric.metastore.records import RefRecord
from fabric.model import paths, rows
from fabric.model.content import Content
from fabric.model.digest import DigestKind
from fabric.model.entry import Kind
from fabric.model.extent import Extent, ExtentKind
from fabric.model.ids import CommitId, NodeId, ObjectRef
from fabric.model.node import Child, Index, Leaf
from fabric.objects.keys import data_key, data_prefix, format_key
from fabric.progress import NoProgress, Progress
from fabric.repo.dataset import Dataset
from fabric.repo.formats import check_format
from fabric.repo.store import CommitInfo, DatasetStore

PROBLEMS_MAX = 10_000
REFLOG_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        dataset: name of the dataset.
        subject: what it is about: a ref, commit, object or path.
        message: what is wrong with it.
    """

    dataset: str
    subject: str
    message: str


@dataclass
class FsckReport:
    """What was looked at, and what is wrong. `problems` holds at most PROBLEMS_MAX."""

    problems: list[Problem] = field(default_factory=list)
    datasets: int = 0
    refs: int = 0
    commits: int = 0
    nodes: int = 0
    entries: int = 0
    objects: int = 0
    contents_read: int = 0
    bytes_read: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def fsck(datasets: list[Dataset], *, read_data: bool = False, progress: Progress | None = None) -> FsckReport:
    """Check datasets; see the module's text.

    Raises:
        UnavailableError, AccessDeniedError: the store or the metastore cannot be reached, so nothing can be said.
    """
    report = FsckReport()
    progress = progress or NoProgress()
    progress.begin("check")
    for dataset in datasets:
        check = _DatasetCheck(dataset, report, read_data=read_data, progress=progress)
        try:
            check.run()
        finally:
            check.close()
    return report


class _DatasetCheck:
    """One dataset's check."""

    def __init__(self, dataset: Dataset, report: FsckReport, *, read_data: bool, progress: Progress) -> None:
        self._dataset = dataset
        # With caches of its own: what this process read before it was damaged would hide the damage.
        store = dataset.store
        self._store = DatasetStore(store.objects, store.metastore, store.dataset, store.state)
        self._report = report
        self._read_data = read_data
        self._progress = progress
        self._sizes: dict[str, int] = {}
        self._commits: set[CommitId] = set()
        self._nodes: set[tuple[NodeId, ObjectRef]] = set()
        self._contents: set[bytes] = set()
        self._lists: set[tuple[bytes, int, int]] = set()

    def close(self) -> None:
        """Release threads and caches."""
        self._store.close()

    def _problem(self, subject: str, message: str) -> None:
        if len(self._report.problems) < PROBLEMS_MAX:
            self._report.problems.append(Problem(self._dataset.name, subject, message))

    def run(self) -> None:
        self._report.datasets += 1
        self._check_format()
        for found in self._store.objects.list(data_prefix(self._dataset.id)):
            self._sizes[found.key] = found.size
        self._report.objects += len(self._sizes)
        refs = [*self._dataset.branches(), *self._dataset.snapshots()]
        for ref in refs:
            self._report.refs += 1
            info = self._commit(ref.commit, f"{ref.kind.value} {ref.name}")
            if info is not None:
                self._check_tree(info, ref.name)
        for commit_id in self._reflogs(refs):
            self._commit(commit_id, "reflog")

    def _check_format(self) -> None:
        key = format_key(self._dataset.id)
        try:
            check_format(self._store.objects.get(key))
        except (DataError, NotFoundError) as error:
            self._problem(key, str(error))

    def _reflogs(self, refs: list[RefRecord]) -> Iterator[CommitId]:
        for ref in refs:
            before: int | None = None
            while page := self._store.metastore.refs.reflog(self._dataset.id, ref.name, before=before, limit=REFLOG_PAGE):
                for entry in page:
                    yield from (commit for commit in (entry.old, entry.new) if commit is not None)
                before = page[-1].sequence

    # -- commits

    def _commit(self, start: CommitId, what: str) -> CommitInfo | None:
        """Check a commit and all before it; return it if it can be read."""
        todo = [start]
        first: CommitInfo | None = None
        while todo:
            commit_id = todo.pop()
            if commit_id in self._commits:
                if commit_id == start:
                    first = self._read_commit(commit_id, what)
                continue
            self._commits.add(commit_id)
            info = self._read_commit(commit_id, what)
            if info is None:
                continue
            first = first or (info if commit_id == start else None)
            self._report.commits += 1
            todo.extend(info.commit.parents)
            self._walk(info.root, f"commit {commit_id[:12]}")
        return first

    def _read_commit(self, commit_id: CommitId, what: str) -> CommitInfo | None:
        try:
            return self._store.commit(commit_id)
        except UnavailableError:
            raise
        except FabricError as error:
            self._problem(f"commit {commit_id[:12]}", f"cannot be read ({what}): {error}")
            return None

    # -- nodes

    def _walk(self, root: Child, what: str) -> None:
        """Check every node below a root that was not checked before."""
        todo = [root]
        while todo:
            child = todo.pop()
            if (child.id, child.object) in self._nodes:
                continue
            self._nodes.add((child.id, child.object))
            try:
                node = self._store.nodes.node(child)
                if isinstance(node, Index):
                    self._check_levels(node)
                    todo.extend(reversed(node.children))
                else:
                    self._check_leaf(node, what)
            except UnavailableError:
                raise
            except FabricError as error:
                self._problem(f"tree node {child.id.hex()[:12]}", f"of {what}: {error}")
                continue
            self._report.nodes += 1

    def _check_levels(self, node: Index) -> None:
        first = self._store.nodes.node(node.children[0])
        level = first.level if isinstance(first, Index) else 0
        if level + 1 != node.level:
            raise DataError(f"an index node of level {node.level} stands over level {level}")

    def _check_leaf(self, leaf: Leaf, what: str) -> None:
        count = leaf.logical.num_rows
        self._report.entries += count
        values = leaf.extents.flatten()
        self._check_bounds(values, what)
        self._check_lists(values, what)
        if self._read_data:
            self._check_contents(leaf, what)
        self._progress.advance(files=count, size=leaf.size if self._read_data else 0)

    def _check_bounds(self, values: Any, what: str) -> None:
        """Check that extents end inside of objects that exist: by the last byte of each object that is used."""
        kind = values.field("kind").to_numpy(zero_copy_only=False)
        used = np.isin(kind, (ExtentKind.OBJECT, ExtentKind.LIST))
        if not used.any():
            return
        chosen = values.filter(used)
        ends = pc.add(chosen.field("offset"), chosen.field("stored")).to_numpy()
        encoded = pc.dictionary_encode(chosen.field("object"))
        names = [name.decode("ascii", "replace") for name in encoded.dictionary.to_pylist()]
        last = np.zeros(len(names), np.int64)
        np.maximum.at(last, encoded.indices.to_numpy(), ends)
        for name, end in zip(names, last.tolist(), strict=True):
            self._check_end(name, end, what)

    def _check_end(self, name: str, end: int, what: str) -> None:
        lease, _, object_id = name.partition("/")
        size = self._sizes.get(data_key(self._dataset.id, lease, object_id))
        if size is None:
            self._problem(f"object {name}", f"is missing ({what} needs it)")
        elif end > size:
            self._problem(f"object {name}", f"has {size} bytes, an extent ends at {end} ({what})")

    def _check_lists(self, values: Any, what: str) -> None:
        """Check the extents that lie in objects of their own, each list once."""
        lists = values.filter(pc.equal(values.field("kind"), pa.scalar(int(ExtentKind.LIST), pa.uint8())))
        for value in lists.to_pylist():
            extent = rows.extent_of(value)
            key = (extent.object, extent.offset, extent.stored)
            if key in self._lists:
                continue
            self._lists.add(key)
            try:
                for inner in self._store.extent_list(extent):
                    if inner.kind == ExtentKind.OBJECT:
                        self._check_end(inner.object.decode("ascii", "replace"), inner.offset + inner.stored, what)
            except UnavailableError:
                raise
            except FabricError as error:
                self._problem(f"object {extent.object.decode('ascii', 'replace')}", f"of {what}: {error}")

    # -- contents

    def _check_contents(self, leaf: Leaf, what: str) -> None:
        found = [(path, content) for path, content in contents(leaf) if content.digest not in self._contents]
        self._contents.update(content.digest for _, content in found)
        for path, content in found:
            try:
                size = sum(len(part) for part in self._store.contents.stream(content))
                if size != content.size:
                    raise DataError(f"{size} bytes instead of {content.size}")
            except UnavailableError:
                raise
            except FabricError as error:
                self._problem(paths.display(path), f"in {what}: {error}")
                continue
            self._report.contents_read += 1
            self._report.bytes_read += content.size

    # -- whole trees

    def _check_tree(self, info: CommitInfo, name: str) -> None:
        """Check that every parent in a tree is a directory, and that the commit counts it right."""
        directories = {b""}
        count = 0
        tree = self._store.tree(info)
        try:
            for leaf, start, stop in tree.spans(b"", b"\xff" * 256):
                batch = leaf.logical.slice(start, stop - start)
                count += batch.num_rows
                mask = pc.equal(batch.column("kind"), int(Kind.DIRECTORY))
                directories.update(rows.full_paths(batch.filter(mask)).to_pylist())
                for parent in pc.unique(batch.column("parent")).to_pylist():
                    if parent not in directories:
                        self._problem(paths.display(parent), f"is the parent of entries in {name}, and no directory")
        except UnavailableError:
            raise
        except FabricError as error:
            self._problem(name, str(error))
            return
        if count != info.commit.entries:
            self._problem(name, f"its tree has {count} entries, its commit says {info.commit.entries}")


def contents(leaf: Leaf) -> Iterator[tuple[bytes, Content]]:
    """Yield (path, content) of each file with bytes in a leaf, and of each large set of extended attributes."""
    extents = leaf.extents
    lookup = leaf.lookup
    for index in range(leaf.logical.num_rows):
        entry = lookup.entry(index)
        if not entry.size and not entry.xattrs_digest:
            continue
        runs: list[Extent] = rows.extents_at_leaf(extents, index)
        if entry.xattrs_digest:
            last = runs.pop()
            yield entry.path, Content(last.length, DigestKind.WHOLE, entry.xattrs_digest, [last])
        if entry.kind == Kind.FILE and entry.size:
            yield entry.path, Content(entry.size, entry.digest_kind, entry.digest, runs)
