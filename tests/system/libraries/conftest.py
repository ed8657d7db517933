"""A fabric on each kind of store, for the libraries that reach it by `fabric://`."""

import fsspec
import pytest

import fabric
from fabric.filesystem import FabricFileSystem


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.s3)])
def home(request, tmp_path, monkeypatch):
    """The directory of a fabric with a dataset `data`; it is the configured endpoint, too."""
    store = request.getfixturevalue("s3_url") if request.param == "s3" else None
    with fabric.init(tmp_path / "home", store=store) as made:
        made.create("data")
    monkeypatch.setenv("FABRIC_ENDPOINT", str(tmp_path / "home"))
    yield str(tmp_path / "home")
    FabricFileSystem.clear_instance_cache()


@pytest.fixture
def fs(home):
    """The filesystem, as libraries make it from a URL alone."""
    return fsspec.filesystem("fabric")


@pytest.fixture
def dataset(fs):
    """The dataset, through the engine."""
    return fs.fabric.dataset("data")
