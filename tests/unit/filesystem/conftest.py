"""Fabrics for the filesystem: one a test on a local store, and one a class for fsspec's own suites, also on real S3."""

import itertools

import fsspec
import pytest

import fabric
from fabric.filesystem import FabricFileSystem

_NUMBERS = itertools.count()


@pytest.fixture
def home(tmp_path):
    """The directory of a fabric with a dataset `data`."""
    with fabric.init(tmp_path / "home") as made:
        made.create("data")
    return str(tmp_path / "home")


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
def shared_home(request, tmp_path_factory):
    """A fabric for the tests of a class, on each kind of store."""
    directory = tmp_path_factory.mktemp("fabric") / "home"
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
