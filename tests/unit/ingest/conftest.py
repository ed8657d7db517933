"""A place to put things, and a way to read them back."""

import time
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from fabric.ingest.packer import PackWriter
from fabric.ingest.source import Source
from fabric.ingest.tree import ingest_tree
from fabric.model import checks, extent_checks, extents, rows
from fabric.model.digest import block_digest, content_digest
from fabric.model.extent import ExtentKind
from fabric.model.ids import DatasetId, LeaseId, new_ulid
from fabric.objects.keys import data_key
from fabric.objects.memory import MemoryStore
from fabric.objects.writer import ObjectWriter


@dataclass
class Bench:
    """A store with writers under a lease."""

    store: object = field(default_factory=MemoryStore)
    dataset: DatasetId = field(default_factory=lambda: DatasetId(new_ulid()))
    lease: LeaseId = field(default_factory=lambda: LeaseId(new_ulid()))
    writers: list = field(default_factory=list)

    def packer(self, **options):
        writer = ObjectWriter(self.store, self.dataset, self.lease)
        self.writers.append(writer)
        return PackWriter(writer, **options)

    def put(self, source, prefix=b"", *, ignore=(), packer=None, **options):
        """Put a directory; everything is durable when it returns, and the rows passed the checks of the format."""
        packer = packer or self.packer()
        result = ingest_tree(Source.of(source, prefix, ignore), packer, **options)
        self.finish(packer)
        self.check(result.table)
        return result

    def finish(self, packer):
        packer.finish()
        packer._writer.flush()
        packer.close()

    def check(self, table):
        if table.num_rows:
            batch = table.combine_chunks()
            checks.check_rows(batch)
            extent_checks.check_extents(batch, rows.single_chunk(batch.column("extents")))
            batch.validate(full=True)

    def object(self, extent):
        lease, _, name = extent.object.decode().partition("/")
        return bytes(self.store.get(data_key(self.dataset, lease, name)))

    def expand(self, extent):
        return extents.decode(self.object(extent))

    def read(self, found, digest):
        """Return the bytes of a content, every block verified."""
        if len(found) == 1 and found[0].kind == ExtentKind.LIST:
            found = self.expand(found[0])
        parts = []
        for extent in found:
            if extent.kind == ExtentKind.HOLE:
                part = bytes(extent.length)
            else:
                part = self.object(extent)[extent.offset : extent.offset + extent.stored]
                assert len(part) == extent.length
            assert extent.digest in (b"", block_digest(part))
            parts.append(part)
        data = b"".join(parts)
        assert content_digest(data) == digest
        return data

    def tree(self, table):
        """Return {path: (entry, extents)}."""
        return {entry.path: (entry, rows.extents_at(table, index)) for index, entry in enumerate(rows.iter_entries(table))}

    def contents(self, table):
        """Return {path: bytes} of all files."""
        found = {}
        for path, (entry, places) in self.tree(table).items():
            if entry.kind == 1:
                found[path] = self.read(places[:-1] if entry.xattrs_digest else places, entry.digest)
        return found

    @property
    def objects(self):
        return list(self.store.list(""))

    def close(self):
        for writer in self.writers:
            writer.close()


@pytest.fixture
def bench():
    bench = Bench()
    yield bench
    bench.close()


@pytest.fixture
def later(monkeypatch):
    """Let puts believe that they begin a minute from now, so that no file is too young to be trusted."""
    monkeypatch.setattr("fabric.ingest.tree.time", SimpleNamespace(time_ns=lambda: time.time_ns() + 60_000_000_000))


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source"
    path.mkdir()
    return path
