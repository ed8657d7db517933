"""A fabric in memory, with one dataset: what these tests ask does not depend on a disk. Some need a home and make one."""

import pytest

import fabric
from fabric.config import Settings
from fabric.metastore.export import ExportingMetastore
from fabric.metastore.memory.store import MemoryMetastore
from fabric.model.ids import new_ulid
from fabric.objects.memory import MemoryStore
from fabric.repo.fabric import Fabric
from fabric.testing.faults import FaultyStore


@pytest.fixture
def settings(tmp_path):
    return Settings(state_dir=tmp_path / "state", author="tester")


@pytest.fixture
def home(tmp_path, settings):
    path = tmp_path / "fabric"
    fabric.init(path, settings=settings).close()
    return path


@pytest.fixture
def faults():
    """The store of `fab`, which fails as it is told."""
    return FaultyStore(MemoryStore())


@pytest.fixture
def fab(settings, faults):
    with Fabric("memory", settings, new_ulid(), faults, ExportingMetastore(MemoryMetastore(), faults)) as opened:
        yield opened


@pytest.fixture
def dataset(fab):
    return fab.create("d")


@pytest.fixture
def commit(dataset):
    """Commit files, given as path to content (None removes it), and return the commit."""

    def commit(files, branch=None, message="change"):
        with dataset.transaction(branch, message) as transaction:
            for path, data in files.items():
                if data is None:
                    transaction.remove(path, recursive=True)
                else:
                    transaction.put(path, data, mtime_ns=7)
        return transaction.result

    return commit


@pytest.fixture
def files(dataset):
    """Return what a ref holds, as path to content; every byte is read."""

    def files(ref=None):
        view = dataset.view(ref)
        return {entry.path.decode(): bytes(view.read(entry.path)) for entry in view.find() if entry.kind == 1}

    return files
