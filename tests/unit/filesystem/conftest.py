"""Fabrics for the filesystem: one a test on a local store, and one a class for fsspec's own suites, also on real S3."""

import itertools
import os
import shutil
import tempfile
from pathlib import Path

import fsspec
import pytest

import fabric
from fabric.filesystem import FabricFileSystem

_NUMBERS = itertools.count()
# Commits are synced to disk; what is tested here is not that.
_MEMORY = "/dev/shm"


@pytest.fixture(scope="session")
def fast_folder():
    """A directory in memory, where there is such a thing."""
    base = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="fabric-test-", dir=base) as folder:
        yield Path(folder)


@pytest.fixture
def folder(fast_folder):
    """An empty directory of the test's own, in memory."""
    path = fast_folder / f"test{next(_NUMBERS)}"
    path.mkdir()
    yield path
    shutil.rmtree(path)


@pytest.fixture
def home(folder):
    """The directory of a fabric with a dataset `data`."""
    with fabric.init(folder / "home") as made:
        made.create("data")
    return str(folder / "home")


@pytest.fixture
def fs(home):
    """A filesystem over that fabric."""
    yield fsspec.filesystem("fabric", endpoint=home)
    FabricFileSystem.clear_instance_cache()


@pytest.fixture
def dataset(fs):
    """The dataset, through the engine."""
    return fs.fabric.dataset("data")


@pytest.fixture(scope="class", params=["local", pytest.param("s3", marks=pytest.mark.s3)])
def shared_home(request, fast_folder):
    """A fabric for the tests of a class, on each kind of store."""
    directory = fast_folder / f"home{next(_NUMBERS)}"
    with pytest.MonkeyPatch.context() as patch:
        store = None
        if request.param == "s3":
            server = request.getfixturevalue("s3_server")
            for name, value in server.environment.items():
                patch.setenv(name, value)
            store = server.url(server.make_bucket(), "store")
        with fabric.init(directory, store=store) as made:
            made.create("data")
        yield str(directory)
        FabricFileSystem.clear_instance_cache()


@pytest.fixture
def shared_path():
    """A path of its own for each test."""
    return f"data/test{next(_NUMBERS)}"
