"""DuckDB reads and writes files through the filesystem, and listings as tables."""

import pytest

duckdb = pytest.importorskip("duckdb")


@pytest.fixture
def connection(fs):
    with duckdb.connect() as made:
        made.register_filesystem(fs)
        yield made


def test_files(fs, connection):
    connection.execute("COPY (SELECT range AS number, range % 7 AS key FROM range(1000)) TO 'fabric://data/t.parquet'")
    connection.execute("COPY (SELECT range AS number FROM range(10)) TO 'fabric://data/t.csv'")
    assert connection.execute("SELECT count(*), sum(number) FROM 'fabric://data/t.parquet'").fetchone() == (1000, 499500)
    assert connection.execute("SELECT sum(number) FROM read_csv('fabric://data@main/*.csv')").fetchone() == (45,)


def test_listings(fs, dataset):
    fs.pipe({f"data/{number}": b"x" * number for number in range(100)})
    listing = dataset.view().to_arrow()
    assert listing.num_rows == 100
    [(count, size)] = duckdb.sql("SELECT count(*), sum(size) FROM listing WHERE kind = 'file'").fetchall()
    assert (count, size) == (100, 4950)
