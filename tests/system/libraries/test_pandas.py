"""pandas reads and writes `fabric://` URLs."""

import pandas as pd
import pytest


@pytest.fixture
def frame():
    return pd.DataFrame({"a": range(1000), "b": [f"text {number}" for number in range(1000)]})


def test_csv(home, frame):
    frame.to_csv("fabric://data/tables/t.csv", index=False)
    pd.testing.assert_frame_equal(pd.read_csv("fabric://data/tables/t.csv"), frame, check_dtype=False)
    frame.to_csv("fabric://data/tables/t.csv.gz", index=False)
    pd.testing.assert_frame_equal(pd.read_csv("fabric://data@main/tables/t.csv.gz"), frame, check_dtype=False)
    parts = pd.read_csv("fabric://data/tables/t.csv", chunksize=100)
    assert sum(len(part) for part in parts) == 1000


def test_parquet(home, frame):
    frame.to_parquet("fabric://data/t.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet("fabric://data/t.parquet"), frame)
    pd.testing.assert_frame_equal(pd.read_parquet("fabric://data/t.parquet", columns=["a"]), frame[["a"]])
    frame.assign(k=frame["a"] % 3).to_parquet("fabric://data/parts", partition_cols=["k"])
    found = pd.read_parquet("fabric://data/parts", filters=[("k", "==", 1)])
    assert sorted(found["a"]) == [*range(1, 1000, 3)]


def test_json_pickle_feather(home, frame):
    frame.to_json("fabric://data/t.json")
    assert len(pd.read_json("fabric://data/t.json")) == 1000
    frame.to_pickle("fabric://data/t.pkl")
    pd.testing.assert_frame_equal(pd.read_pickle("fabric://data/t.pkl"), frame)
    frame.to_feather("fabric://data/t.feather")
    pd.testing.assert_frame_equal(pd.read_feather("fabric://data/t.feather"), frame)


def test_versions(home, frame, fs, dataset):
    frame.to_csv("fabric://data/t.csv", index=False)
    dataset.create_snapshot("v1")
    frame.head(10).to_csv("fabric://data/t.csv", index=False)
    assert len(pd.read_csv("fabric://data/t.csv")) == 10
    assert len(pd.read_csv("fabric://data@v1/t.csv", storage_options={"endpoint": home})) == 1000
    with pytest.raises(OSError, match="does not change"):
        frame.to_csv("fabric://data@v1/t.csv")
    with pytest.raises(FileNotFoundError):
        pd.read_csv("fabric://data/none.csv")


def test_what_fails_half_way_is_not_published(home, fs):
    class Broken:
        def __str__(self):
            raise RuntimeError("cannot be written")

    frame = pd.DataFrame({"a": [*range(100_000), Broken()]}, dtype=object)
    with pytest.raises(RuntimeError, match="cannot be written"):
        frame.to_csv("fabric://data/broken.csv")
    assert not fs.exists("data/broken.csv")


def test_a_transaction_of_frames(home, frame, fs, dataset):
    count = len([*dataset.log()])
    with fs.transaction:
        frame.to_csv("fabric://data/a.csv")
        frame.to_parquet("fabric://data/b.parquet")
        assert len(pd.read_csv("fabric://data/a.csv")) == 1000
    assert len([*dataset.log()]) == count + 1
