"""`datasets` loads from and saves to `fabric://` URLs, without any network."""

import pytest


@pytest.fixture
def datasets(monkeypatch, tmp_path):
    """The library, with its cache in a directory of the test's own, and no hub: offline mode would refuse us as well."""
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    return pytest.importorskip("datasets")


def rows(datasets):
    return datasets.Dataset.from_dict({"a": [*range(100)], "b": [f"text {number}" for number in range(100)]})


@pytest.mark.parametrize("kind", ["csv", "parquet", "json"])
def test_load(datasets, fs, tmp_path, kind):
    made = rows(datasets)
    getattr(made, f"to_{kind}")(f"fabric://data/{kind}/part.{kind}")
    got = datasets.load_dataset(
        kind, data_files={"train": f"fabric://data@main/{kind}/*.{kind}"}, cache_dir=str(tmp_path / "cache"), split="train"
    )
    assert got.to_dict() == made.to_dict()


def test_streaming(datasets, fs, tmp_path):
    rows(datasets).to_csv("fabric://data/part.csv")
    got = datasets.load_dataset(
        "csv", data_files="fabric://data/part.csv", cache_dir=str(tmp_path / "cache"), split="train", streaming=True
    )
    assert [row["a"] for row in got] == [*range(100)]


def test_save_and_load_from_disk(datasets, fs):
    made = rows(datasets)
    made.save_to_disk("fabric://data/saved")
    assert datasets.load_from_disk("fabric://data/saved").to_dict() == made.to_dict()


def test_versions_and_the_cache_of_the_library(datasets, fs, dataset, tmp_path):
    """Its cache goes by URL alone unless it is told to look at etags: name a version in the URL, or tell it."""

    def load(ref):
        cache = str(tmp_path / "cache")
        config = datasets.DownloadConfig(cache_dir=cache, use_etag=True)
        url = f"fabric://{ref}/part.csv"
        return datasets.load_dataset("csv", data_files=url, cache_dir=cache, download_config=config, split="train")

    rows(datasets).to_csv("fabric://data/part.csv")
    dataset.create_snapshot("v1")
    assert len(load("data")) == 100
    rows(datasets).select(range(10)).to_csv("fabric://data/part.csv")
    assert len(load("data")) == 10
    assert len(load("data@v1")) == 100
