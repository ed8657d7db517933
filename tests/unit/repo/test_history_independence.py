"""The same entries give the same tree id, whatever was done in what order; and an edit writes few nodes."""

import random
from contextlib import contextmanager
from dataclasses import replace

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabric.cache.nodes import NodeReader
from fabric.model import cuts, paths, rows
from fabric.model.digest import DigestKind, block_digest
from fabric.model.entry import Entry, Kind, implicit_directory
from fabric.model.extent import Extent, ExtentKind
from fabric.model.ids import DatasetId, LeaseId, new_ulid
from fabric.model.node import Index
from fabric.objects.memory import MemoryStore
from fabric.objects.writer import ObjectWriter
from fabric.repo.edit import Edits, apply_edits

OBJECT = b"0" * 26 + b"/" + b"1" * 26
# Each example makes dozens of trees.
EXAMPLES = settings().max_examples // 5


@pytest.fixture(scope="module", autouse=True)
def small_nodes():
    """A few rows a leaf, so that small trees have several levels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cuts, "LEAF_RULE", cuts.Rule(minimum=2, target=5, maximum=9, odds_before=8, odds_after=2))
        patch.setattr(cuts, "INDEX_RULE", cuts.Rule(minimum=2, target=3, maximum=5, odds_before=4, odds_after=2))
        yield


@contextmanager
def a_store():
    store, dataset = MemoryStore(), DatasetId(new_ulid())
    writer = ObjectWriter(store, dataset, LeaseId(new_ulid()), uploads_max=1)
    nodes = NodeReader(store, dataset)
    nodes.attach(writer)
    try:
        yield nodes, writer
        writer.flush()
    finally:
        writer.close()
        nodes.close()


def file(path, version=0):
    digest = block_digest(b"%s %d" % (path, version))
    entry = Entry(path, Kind.FILE, 0o644, size=5, digest_kind=DigestKind.WHOLE, digest=digest)
    return entry, [Extent(ExtentKind.OBJECT, OBJECT, 24, 5, 5)]


def all_rows(nodes, root):
    node = nodes.node(root)
    if not isinstance(node, Index):
        return [node.table]
    return [table for child in node.children for table in all_rows(nodes, child)]


def all_ids(nodes, root):
    node = nodes.node(root)
    below = [all_ids(nodes, child) for child in node.children] if isinstance(node, Index) else []
    return {root.id}.union(*below)


def random_edit(rng, tree):
    """Change `tree` (path to entry with extents) and return the edits that say so."""
    names = [b"d%d/f%02d" % (rng.randrange(4), rng.randrange(60)) for _ in range(rng.choice((1, 1, 1, 5, 30)))]
    upserts, removed, cleared = [], [], []
    if rng.random() < 0.15:
        directory = b"d%d" % rng.randrange(4)
        cleared = [paths.subtree_range(directory)]
        for path in [path for path in tree if path.startswith(directory + b"/")]:
            del tree[path]
    for path in sorted(set(names), key=paths.path_key):
        if rng.random() < 0.4:
            removed.append(paths.path_key(path))
            tree.pop(path, None)
        else:
            upserts.append(file(path, rng.randrange(3)))
            tree[path] = upserts[-1]
    return Edits(upserts=rows.from_entries(upserts), removed=removed, cleared=cleared)


@settings(max_examples=EXAMPLES)
@given(st.integers(0, 2**32))
def test_any_way_to_the_same_entries_gives_the_same_tree(seed):
    rng = random.Random(seed)
    tree = {path: (implicit_directory(path), []) for path in (b"", b"d0", b"d1", b"d2", b"d3")}
    with a_store() as (nodes, writer):
        root = apply_edits(nodes, writer, None, Edits(upserts=rows.from_entries(tree.values())))
        for _ in range(rng.randint(1, 12)):
            root = apply_edits(nodes, writer, root, random_edit(rng, tree))
            fresh = apply_edits(nodes, writer, None, Edits(upserts=rows.from_entries(tree.values())))
            assert (root.id, root.key, root.rows, root.size) == (fresh.id, fresh.key, fresh.rows, fresh.size)
        assert pa.concat_tables(all_rows(nodes, root)).equals(rows.from_entries(tree.values()))


@settings(max_examples=EXAMPLES)
@given(st.integers(0, 2**32))
def test_a_change_of_one_file_moves_no_boundary(seed):
    rng = random.Random(seed)
    names = [b"f%03d" % number for number in range(300)]
    entries = [(implicit_directory(b""), []), *map(file, names)]
    with a_store() as (nodes, writer):
        before = apply_edits(nodes, writer, None, Edits(upserts=rows.from_entries(entries)))
        entry, extents = file(rng.choice(names))
        changed = replace(entry, mtime_ns=rng.randrange(2**40) + 1)
        after = apply_edits(nodes, writer, before, Edits(upserts=rows.from_entries([(changed, extents)])))
        levels = nodes.node(before).level + 1
        assert len(all_ids(nodes, after) - all_ids(nodes, before)) == levels
