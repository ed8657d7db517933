"""polars reads and writes through open files, and listings as frames."""

import pytest

polars = pytest.importorskip("polars")


def test_files(fs):
    frame = polars.DataFrame({"a": range(1000), "b": ["text"] * 1000})
    with fs.open("data/t.parquet", "wb") as file:
        frame.write_parquet(file)
    with fs.open("data/t.csv", "wb") as file:
        frame.write_csv(file)
    with fs.open("data/t.parquet") as file:
        assert polars.read_parquet(file).equals(frame)
    with fs.open("data/t.csv") as file:
        assert polars.read_csv(file).equals(frame)


def test_listings(fs, dataset):
    fs.pipe({f"data/{number}": b"x" * number for number in range(100)})
    listing = polars.from_arrow(dataset.view().to_arrow())
    assert listing.filter(polars.col("kind") == "file")["size"].sum() == 4950
    assert set(listing["path"]) == {str(number) for number in range(100)}
