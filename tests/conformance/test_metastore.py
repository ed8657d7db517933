"""Every adapter of the metastore port passes the same suite, alone and with its changes exported."""

import contextlib

import pytest

from fabric.metastore.export import ExportingMetastore
from fabric.metastore.memory.store import MemoryMetastore
from fabric.metastore.open import open_sqlite
from fabric.metastore.port import Metastore
from fabric.objects.local import LocalStore
from fabric.objects.memory import MemoryStore
from fabric.testing.metastore import MetastoreConformance
from fabric.testing.metastore_outbox import OutboxConformance


class TestMemory(MetastoreConformance, OutboxConformance):
    @pytest.fixture
    def metastore(self, clock) -> Metastore:
        return MemoryMetastore(clock)

    @pytest.fixture
    def another(self):
        return MemoryMetastore


class TestSqlite(MetastoreConformance, OutboxConformance):
    @pytest.fixture
    def metastore(self, clock, tmp_path):
        with contextlib.closing(open_sqlite(str(tmp_path / "metastore.db"), create=True, clock=clock)) as metastore:
            yield metastore

    @pytest.fixture
    def another(self, tmp_path):
        with contextlib.ExitStack() as stack:
            yield lambda: stack.enter_context(contextlib.closing(open_sqlite(str(tmp_path / "another.db"), create=True)))


class TestMemoryExporting(MetastoreConformance):
    @pytest.fixture
    def metastore(self, clock) -> Metastore:
        return ExportingMetastore(MemoryMetastore(clock), MemoryStore())


class TestSqliteExporting(MetastoreConformance):
    @pytest.fixture
    def metastore(self, clock, tmp_path):
        inner = open_sqlite(str(tmp_path / "metastore.db"), create=True, clock=clock)
        with contextlib.closing(ExportingMetastore(inner, LocalStore(tmp_path / "objects", create=True))) as metastore:
            yield metastore
