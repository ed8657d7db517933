"""cat, cat_ranges, head, tail, sign; and files opened for reading."""

import io
import os
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fabric.errors import DataError, InvalidInputError, IsADirectoryInViewError
from fabric.model.digest import BLOCK_BYTES


@pytest.fixture
def big(fs):
    """A file of several blocks."""
    data = os.urandom(4 * BLOCK_BYTES + 1234)
    fs.pipe("data/big", data)
    return data


@pytest.fixture
def small(fs):
    files = {f"data/d/{number:03}": os.urandom(number * 10) for number in range(50)}
    fs.pipe(files)
    return files


@pytest.mark.parametrize(
    ("start", "end"),
    [(None, None), (0, 3), (3, None), (-3, None), (None, -3), (-5, -2), (3, 3), (5, 2), (0, 99), (99, None), (-99, 2)],
)
def test_cat_file_ranges_are_slices(fs, start, end):
    fs.pipe("data/x", b"0123456789")
    assert fs.cat_file("data/x", start, end) == b"0123456789"[start:end]
    assert fs.read_bytes("data/x", start, end) == b"0123456789"[start:end]
    assert fs.cat_ranges(["data/x"], [start], [end]) == [b"0123456789"[start:end]]


def test_cat_is_one_or_many(fs, small):
    assert fs.cat("data/d/007") == small["data/d/007"]
    assert fs.cat(["data/d/007"]) == {"data/d/007": small["data/d/007"]}
    assert fs.cat("data/d/*") == small
    assert fs.cat("data", recursive=True) == small
    assert fs.cat("data/*") == {}
    assert fs.cat(["data/d/000", "fabric://data@main/d/001"]) == {
        "data/d/000": b"",
        "data@main/d/001": small["data/d/001"],
    }


def test_cat_reads_many_with_few_requests(fs, small, monkeypatch):
    calls = []
    inner = fs.fabric.objects
    while hasattr(inner, "inner"):
        inner = inner.inner
    kind = type(inner)
    get = kind.get
    monkeypatch.setattr(kind, "get", lambda self, *args: calls.append(args) or get(self, *args))
    assert fs.cat("data/d/*") == small
    assert len(calls) < 5
    calls.clear()
    fs.cat_ranges([*small], 0, 5)
    assert len(calls) < 5


def test_cat_on_error(fs, small):
    names = ["data/d/001", "data/d/none"]
    with pytest.raises(FileNotFoundError):
        fs.cat(names)
    assert fs.cat(names, on_error="omit") == {"data/d/001": small["data/d/001"]}
    returned = fs.cat(names, on_error="return")
    assert isinstance(returned["data/d/none"], FileNotFoundError)
    with pytest.raises(IsADirectoryInViewError):
        fs.cat_file("data/d")
    with pytest.raises(IsADirectoryError):
        fs.cat("data/d")
    with pytest.raises(ValueError, match="on_error"):
        fs.cat(names, on_error="maybe")
    with pytest.raises(FileNotFoundError):
        fs.cat("data/d/none*")


def test_cat_ranges(fs, small, big):
    names = [*[*small][1:], "data/big", "data/big", "data/none"]
    starts = [1] * (len(names) - 3) + [BLOCK_BYTES - 5, -7, 0]
    ends = [None] * (len(names) - 3) + [BLOCK_BYTES + 5, None, 1]
    got = fs.cat_ranges(names, starts, ends)
    assert got[:-3] == [small[name][1:] for name in [*small][1:]]
    assert got[-3] == big[BLOCK_BYTES - 5 : BLOCK_BYTES + 5]
    assert got[-2] == big[-7:]
    assert isinstance(got[-1], FileNotFoundError)
    assert fs.cat_ranges(["data/big"] * 2, 0, [1, 2], max_gap=10) == [big[:1], big[:2]]
    with pytest.raises(FileNotFoundError):
        fs.cat_ranges(names, starts, ends, on_error="raise")
    with pytest.raises(InvalidInputError):
        fs.cat_ranges(names, [1], [2])
    with pytest.raises(TypeError):
        fs.cat_ranges("data/big", 0, 1)


def test_damaged_bytes_are_an_error_of_that_range_alone(fs, small, home):
    fs.pipe("data/other", b"o" * 5000)
    fs.fabric.dataset("data").store.contents.close()
    victim = max((path for path in _objects(home) if b"o" * 5000 in path.read_bytes()), key=lambda path: path.stat().st_size)
    raw = victim.read_bytes()
    victim.chmod(0o600)
    victim.write_bytes(raw.replace(b"o" * 5000, b"o" * 2500 + b"X" + b"o" * 2499))
    names = ["data/d/001", "data/other", "data/d/002"]
    got = fs.cat_ranges(names, None, None)
    assert (got[0], got[2]) == (small["data/d/001"], small["data/d/002"])
    assert isinstance(got[1], DataError)
    with pytest.raises(DataError):
        fs.cat("data/other")
    with pytest.raises(DataError):
        fs.open("data/other").read()
    assert fs.cat(names, on_error="omit") == {name: small[name] for name in (names[0], names[2])}


def _objects(home):
    return [path for path in Path(home, "objects").rglob("*") if path.is_file()]


def test_head_and_tail(fs, big):
    assert fs.head("data/big", 10) == big[:10]
    assert fs.tail("data/big", 10) == big[-10:]
    assert fs.tail("data/big", 0) == b""
    assert fs.read_block("data/big", 5, 10) == big[5:15]
    assert fs.read_text("data/big", encoding="latin-1") == big.decode("latin-1").replace("\r\n", "\n").replace("\r", "\n")


def test_sign_says_why_it_cannot(fs, small):
    with pytest.raises(NotImplementedError, match="holds other files too"):
        fs.sign("data/d/001")
    with pytest.raises(FileNotFoundError):
        fs.sign("data/none")
    with pytest.raises(IsADirectoryError):
        fs.sign("data/d")
    with pytest.raises(ValueError, match="seconds"):
        fs.sign("data/d/001", expiration=10**9)


# -- files


def test_an_open_file_is_a_file(fs, big):
    with fs.open("data/big") as file:
        assert isinstance(file, io.BufferedReader)
        assert (file.path, file.size, file.mode, file.full_name) == ("data/big", len(big), "rb", "fabric://data/big")
        assert file.info()["size"] == len(big)
        assert file.read(10) == big[:10]
        assert file.tell() == 10
        assert file.seek(-10, 2) == len(big) - 10
        assert file.read() == big[-10:]
        assert file.read() == b""
        file.seek(len(big) + 100)
        assert file.read(1) == b""
        with pytest.raises(ValueError, match="negative"):
            file.seek(-1)
        with pytest.raises(io.UnsupportedOperation):
            file.write(b"")
    assert file.closed


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "options", [{}, {"block_size": 1}, {"block_size": 10**9}, {"cache_type": "bytes"}, {"cache_type": "none"}]
)
def test_any_way_of_reading_gives_the_same_bytes(fs, big, options, seed):
    luck = random.Random(seed)
    with fs.open("data/big", **options) as file:
        at = 0
        for _ in range(60):
            if luck.random() < 0.5:
                at = luck.choice([0, luck.randrange(len(big)), luck.randrange(5) * BLOCK_BYTES + luck.randrange(-2, 3)])
                at = max(0, min(at, len(big)))
                file.seek(at)
            length = luck.choice([1, 100, 5000, BLOCK_BYTES, 3 * BLOCK_BYTES])
            data = file.read(length)
            assert data == big[at : at + length]
            at += len(data)
        file.seek(at // 2)
        assert file.read() == big[at // 2 :]


def test_reading_in_order(fs, big):
    with fs.open("data/big") as file:
        assert b"".join(iter(lambda: file.read(300_000), b"")) == big
    with fs.open("data/big") as file:
        assert b"".join(file) == big
    with fs.open("data/big") as file:
        assert file.read() == big


def test_jumps_within_a_block_fetch_it_once(fs, big, monkeypatch):
    with fs.open("data/big") as file:
        reads = []
        kind = type(fs._view(fs._place("data")))
        read = kind.read
        monkeypatch.setattr(kind, "read", lambda self, *args: reads.append(args) or read(self, *args))
        for _ in range(10):
            for at in (2 * BLOCK_BYTES + 5, 100, 2 * BLOCK_BYTES + 2_000_000, 1_000_000):
                file.seek(at)
                assert file.read(1000) == big[at : at + 1000]
        assert len(reads) == 2


def test_an_open_file_stays_at_its_commit(fs, big):
    with fs.open("data/big") as file:
        assert file.read(10) == big[:10]
        fs.pipe("data/big", b"short")
        assert file.read() == big[10:]
        fs.rm("data/big")
        file.seek(BLOCK_BYTES)
        assert file.read(10) == big[BLOCK_BYTES:][:10]


def test_text_and_compression(fs):
    with fs.open("data/t.csv", "w", encoding="utf-8", newline="") as file:
        file.write("ä\r\nb\n")
    assert fs.cat("data/t.csv") == "ä\r\nb\n".encode()
    with fs.open("data/t.csv", "r", encoding="utf-8") as file:
        assert [*file] == ["ä\n", "b\n"]
    for name, compression in (("x.gz", "infer"), ("x.bz2", "infer"), ("y", "gzip"), ("x.xz", "infer")):
        with fs.open(f"data/{name}", "wb", compression=compression) as file:
            file.write(b"text" * 1000)
        assert len(fs.cat(f"data/{name}")) < 500
        with fs.open(f"data/{name}", "rb", compression=compression) as file:
            assert file.read() == b"text" * 1000
    with fs.open("data/t.gz", "wt", compression="infer") as file:
        file.write("text")
    with fs.open("data/t.gz", "rt", compression="infer") as file:
        assert file.read() == "text"


@pytest.mark.parametrize("mode", ["r+b", "rw", "z", "w+"])
def test_modes_that_do_not_exist(fs, mode):
    with pytest.raises(InvalidInputError):
        fs.open("data/x", mode)


def test_threads_read_side_by_side(fs, small, big):
    with ThreadPoolExecutor(8) as pool:
        for name, data in zip([*small] * 4, pool.map(fs.cat_file, [*small] * 4), strict=True):
            assert data == small[name]
        assert [*pool.map(lambda _: fs.open("data/big").read(), range(8))] == [big] * 8
