"""Every adapter of the object store port passes the same suite."""

import pytest

from fabric.objects.local import LocalStore
from fabric.objects.memory import MemoryStore
from fabric.objects.port import ObjectStore
from fabric.testing.objects import ObjectStoreConformance


class TestLocal(ObjectStoreConformance):
    @pytest.fixture
    def store(self, tmp_path) -> ObjectStore:
        return LocalStore(tmp_path / "objects", create=True)


class TestMemory(ObjectStoreConformance):
    @pytest.fixture
    def store(self) -> ObjectStore:
        return MemoryStore()
