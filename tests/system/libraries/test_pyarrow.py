"""pyarrow writes and reads datasets and files through the filesystem."""

import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset as pds
import pyarrow.fs
import pyarrow.parquet as pq
import pytest


@pytest.fixture
def table():
    return pa.table({"number": range(10_000), "key": [f"k{number % 4}" for number in range(10_000)]})


def write(table, fs, **options):
    partitioning = pds.partitioning(pa.schema([("key", pa.string())]), flavor="hive")
    pds.write_dataset(table, "data/set", filesystem=fs, format="parquet", partitioning=partitioning, **options)


def read(fs, ref="data"):
    return pds.dataset(f"{ref}/set", filesystem=fs, format="parquet", partitioning="hive")


def test_dataset(fs, table):
    write(table, fs)
    found = read(fs)
    assert len(found.files) == 4
    assert found.to_table().sort_by("number").column("number").equals(table.column("number"))
    assert found.to_table(filter=pds.field("key") == "k1", columns=["number"]).num_rows == 2500
    assert found.count_rows() == 10_000


def test_dataset_as_one_commit(fs, dataset, table):
    count = len([*dataset.log()])
    with fs.transaction:
        write(table, fs)
    assert len([*dataset.log()]) == count + 1
    dataset.create_snapshot("v1")
    with fs.transaction:
        write(table.slice(0, 10), fs, existing_data_behavior="delete_matching")
    assert read(fs).count_rows() == 10
    assert read(fs, "data@v1").count_rows() == 10_000


def test_files(fs, table):
    pq.write_table(table, "data/t.parquet", filesystem=fs)
    assert pq.read_table("data/t.parquet", filesystem=fs).equals(table)
    assert pq.read_metadata("data/t.parquet", filesystem=fs).num_rows == 10_000
    with fs.open("data/t.csv", "wb") as file:
        pyarrow.csv.write_csv(table, file)
    with fs.open("data/t.csv") as file:
        assert pyarrow.csv.read_csv(file).num_rows == 10_000
    with fs.open("data/t.arrow", "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    with fs.open("data/t.arrow") as file:
        assert pa.ipc.open_file(file).read_all().equals(table)


def test_as_a_filesystem_of_pyarrow(fs):
    arrow = pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(fs))
    arrow.create_dir("data/d/e")
    with arrow.open_output_stream("data/d/x") as file:
        file.write(b"bytes")
    with arrow.open_append_stream("data/d/x") as file:
        file.write(b"!")
    with arrow.open_input_file("data/d/x") as file:
        assert (file.size(), file.read_at(3, 2)) == (6, b"tes")
    [info] = arrow.get_file_info(["data/d/x"])
    assert (info.type, info.size, info.is_file) == (pyarrow.fs.FileType.File, 6, True)
    assert info.mtime.year >= 2024
    assert arrow.get_file_info("data/none").type == pyarrow.fs.FileType.NotFound
    arrow.copy_file("data/d/x", "data/d/y")
    arrow.move("data/d/y", "data/d/e/z")
    found = arrow.get_file_info(pyarrow.fs.FileSelector("data/d", recursive=True))
    assert sorted(info.path for info in found) == ["data/d/e", "data/d/e/z", "data/d/x"]
    arrow.delete_file("data/d/x")
    arrow.delete_dir_contents("data/d")
    assert fs.ls("data/d") == []
    arrow.delete_dir("data/d")
    assert fs.ls("data") == []
