"""zarr writes and reads arrays through its FsspecStore."""

import numpy as np
import pytest

zarr = pytest.importorskip("zarr")


@pytest.fixture
def values():
    return np.arange(10_000, dtype="i4").reshape(100, 100)


def store(path, **options):
    return zarr.storage.FsspecStore.from_url(f"fabric://{path}", **options)


def test_write_and_read(fs, values):
    array = zarr.create_array(store("data/array"), shape=values.shape, chunks=(50, 50), dtype="i4")
    array[:] = values
    again = zarr.open_array(store("data@main/array", read_only=True), mode="r")
    assert (again[:] == values).all()
    assert (again[10:20, 90:] == values[10:20, 90:]).all()
    array[0, 0] = 77
    assert again[0, 0] == 77


def test_groups_as_one_commit(fs, dataset, values):
    count = len([*dataset.log()])
    with fs.transaction:
        root = zarr.create_group(zarr.storage.FsspecStore(_wrapped(fs), path="data/group"))
        for name in ("one", "two"):
            array = root.create_array(name, shape=values.shape, chunks=(25, 25), dtype="i4")
            array[:] = values
        root.attrs["said"] = "so"
        assert (root["one"][:] == values).all()
    assert len([*dataset.log()]) == count + 1
    dataset.create_snapshot("v1")
    found = zarr.open_group(store("data@v1/group", read_only=True), mode="r")
    assert sorted(found.keys()) == ["one", "two"]
    assert found.attrs["said"] == "so"
    assert (found["two"][:] == values).all()


def _wrapped(fs):
    from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper  # noqa: PLC0415

    return AsyncFileSystemWrapper(fs, asynchronous=True)


def test_deleting(fs, values):
    root = zarr.create_group(store("data/group"))
    root.create_array("one", shape=(4,), chunks=(2,), dtype="i4")[:] = 1
    root.create_array("two", shape=(4,), chunks=(2,), dtype="i4")[:] = 2
    del root["one"]
    assert sorted(root.keys()) == ["two"]
    assert fs.find("data/group/one") == []
