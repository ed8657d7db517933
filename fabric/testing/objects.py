# ruff: noqa: D102, S311  (a test's name says what it tests; random is right where repeatable bytes are wanted)
"""The conformance suite of the object store port. An adapter's own test is a subclass with one fixture:

    class TestMyStore(ObjectStoreConformance):
        @pytest.fixture
        def store(self) -> Iterator[ObjectStore]:
            yield MyStore(...)          # empty, and a fresh one for each test

`large_bytes` and `many` may be lowered for an adapter that has no parts or pages. Each test begins with an empty store.
"""

import os
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import pytest

from fabric.errors import AlreadyExistsError, DataError, InvalidInputError, ObjectNotFoundError
from fabric.objects.port import ObjectInfo, ObjectStore
from fabric.objects.wrapper import signer

DATASET = "01hzx3v9k2m4n6p8q0r2s4t6v8"
BAD_KEYS = ("", "/a", "a/", "a//b", "..", "a/../b", "./a", "a/.", "a b", "a\x00b", "ä", "a%2fb", "a\\b", "a:b", "x" * 513)


def pattern(size: int, seed: int = 0) -> bytes:
    """Return `size` bytes that look random and are the same each time."""
    return random.Random(seed).randbytes(size)


class ObjectStoreConformance:
    """What the docstrings of `fabric.objects.port` promise, as tests."""

    large_bytes: ClassVar[int] = 20 * 1024 * 1024 + 7
    """Beyond the adapter's threshold for uploads in parts."""
    detects_overwrite: ClassVar[bool] = True
    """Whether other bytes under an existing key are refused, which the port asks only of adapters that can tell."""

    many: ClassVar[int] = 1_010
    """Objects beyond what one request lists or deletes."""

    @pytest.fixture
    def store(self) -> ObjectStore:
        """The store under test."""
        raise NotImplementedError("a subclass gives the store")

    # put and get

    @pytest.mark.parametrize("size", [0, 1, 4095, 4096, 100_000, 5 * 1024 * 1024 + 1])
    def test_what_is_put_is_got(self, store: ObjectStore, size: int) -> None:
        data = pattern(size)
        store.put("d/data/l/o", data)
        assert bytes(store.get("d/data/l/o")) == data
        assert store.head("d/data/l/o") == ObjectInfo("d/data/l/o", size)

    def test_large_object(self, store: ObjectStore) -> None:
        data = pattern(self.large_bytes)
        store.put("d/data/l/large", data)
        assert store.head("d/data/l/large").size == len(data)
        assert bytes(store.get("d/data/l/large", 5_000_000, 9_000_000)) == data[5_000_000:14_000_000]
        assert bytes(store.get("d/data/l/large", len(data) - 3)) == data[-3:]
        assert bytes(store.get("d/data/l/large")) == data
        store.put("d/data/l/large", data)  # again: the answer may have been lost

    def test_large_put_again_with_other_bytes(self, store: ObjectStore) -> None:
        data = bytearray(pattern(self.large_bytes))
        store.put("large", data)
        data[-1] ^= 1
        if self.detects_overwrite:
            with pytest.raises(AlreadyExistsError):
                store.put("large", data)

    @pytest.mark.parametrize("make", [bytes, bytearray, memoryview, lambda b: memoryview(bytearray(b))[:]])
    def test_any_contiguous_buffer(
        self, store: ObjectStore, make: Callable[[bytes], bytes | bytearray | memoryview]
    ) -> None:
        data = make(pattern(1000))
        store.put("a", data)
        assert bytes(store.get("a")) == bytes(data)

    def test_a_slice_of_a_buffer_and_wide_items(self, store: ObjectStore) -> None:
        data = pattern(1000)
        store.put("slice", memoryview(data)[10:20])
        store.put("wide", memoryview(data).cast("Q"))
        assert bytes(store.get("slice")) == data[10:20]
        assert bytes(store.get("wide")) == data

    def test_scattered_bytes_are_refused(self, store: ObjectStore) -> None:
        with pytest.raises(InvalidInputError):
            store.put("a", memoryview(pattern(100))[::2])
        assert list(store.list("")) == []

    def test_the_buffer_is_free_after_put(self, store: ObjectStore) -> None:
        data = bytearray(pattern(100_000))
        store.put("a", data)
        data[:] = bytes(len(data))
        data.clear()  # raises BufferError if somebody holds on to it
        assert bytes(store.get("a")) == pattern(100_000)

    def test_put_again_with_the_same_bytes(self, store: ObjectStore) -> None:
        for size in (0, 100, 5_000_000):
            store.put(f"k{size}", pattern(size))
            store.put(f"k{size}", pattern(size))
            assert bytes(store.get(f"k{size}")) == pattern(size)

    def test_put_again_with_other_bytes(self, store: ObjectStore) -> None:
        store.put("a", b"first")
        for other in (b"other", b"firs", b"first!", b""):
            if self.detects_overwrite:
                with pytest.raises(AlreadyExistsError) as caught:
                    store.put("a", other)
                assert caught.value.subject == "a"
                assert bytes(store.get("a")) == b"first"

    # ranges

    @pytest.mark.parametrize(
        ("start", "length"), [(0, 1), (0, 1000), (1, 998), (999, 1), (500, None), (0, None), (1000, None)]
    )
    def test_exact_ranges(self, store: ObjectStore, start: int, length: int | None) -> None:
        data = pattern(1000)
        store.put("a", data)
        expected = data[start:] if length is None else data[start : start + length]
        assert bytes(store.get("a", start, length)) == expected

    @pytest.mark.parametrize(("start", "length"), [(0, 1001), (999, 2), (1000, 1), (5000, 10), (1001, None)])
    def test_a_range_past_the_end_is_an_error(self, store: ObjectStore, start: int, length: int | None) -> None:
        store.put("a", pattern(1000))
        with pytest.raises(DataError) as caught:
            store.get("a", start, length)
        assert caught.value.subject == "a"
        if length is not None:
            with pytest.raises(DataError):
                store.get_ranges("a", [(0, 10), (start, length)])

    @pytest.mark.parametrize(("start", "length"), [(-1, 1), (0, -1), (-5, None)])
    def test_impossible_ranges(self, store: ObjectStore, start: int, length: int | None) -> None:
        store.put("a", b"abc")
        with pytest.raises(InvalidInputError):
            store.get("a", start, length)
        with pytest.raises(InvalidInputError):
            store.get_ranges("a", [(start, -1 if length is None else length)])

    def test_a_range_of_an_empty_object(self, store: ObjectStore) -> None:
        store.put("empty", b"")
        assert bytes(store.get("empty", 0, None)) == b""
        with pytest.raises(DataError):
            store.get("empty", 0, 1)

    def test_no_bytes_need_no_object(self, store: ObjectStore) -> None:
        assert store.get("missing", 0, 0) == b""
        assert store.get("missing", 17, 0) == b""
        assert store.get_ranges("missing", []) == []
        assert store.get_ranges("missing", [(3, 0)]) == [b""]

    def test_many_ranges_in_the_order_asked(self, store: ObjectStore) -> None:
        data = pattern(3_000_000)
        store.put("a", data)
        rng = random.Random(5)
        ranges = [(rng.randrange(2_900_000), rng.choice([0, 1, 100, 50_000])) for _ in range(60)]
        ranges += [(0, 10), (10, 10), (5, 10), (5, 10), (2_999_999, 1)]
        got = store.get_ranges("a", ranges)
        assert [bytes(piece) for piece in got] == [data[start : start + length] for start, length in ranges]

    # absence

    def test_missing_objects(self, store: ObjectStore) -> None:
        store.put("d/e", b"x")
        for key in ("missing", "d", "d/missing", "d/e/f", "other/missing"):
            for call in (
                lambda k=key: store.get(k),
                lambda k=key: store.head(k),
                lambda k=key: store.get_ranges(k, [(0, 1)]),
            ):
                with pytest.raises(ObjectNotFoundError) as caught:
                    call()
                assert caught.value.subject == key

    @pytest.mark.parametrize("key", BAD_KEYS)
    def test_keys_that_are_none(self, store: ObjectStore, key: str) -> None:
        for call in (
            lambda: store.put(key, b"x"),
            lambda: store.get(key),
            lambda: store.get(key, 0, 0),
            lambda: store.get_ranges(key, [(0, 1)]),
            lambda: store.head(key),
            lambda: store.delete(["good", key]),
        ):
            with pytest.raises(InvalidInputError):
                call()

    def test_a_bad_key_deletes_nothing(self, store: ObjectStore) -> None:
        store.put("good", b"x")
        with pytest.raises(InvalidInputError):
            store.delete(["good", "../x"])
        assert store.head("good").size == 1

    # list

    def test_listing_is_sorted_by_bytes(self, store: ObjectStore) -> None:
        keys = ["b", "a/b", "a-b", "a.b", "a/b-c/d", "a/b/c", "aa", "A", "a0", "_", "a/B", "a/0/0", "a/a/z"]
        keys = [key for key in keys if not any(other.startswith(key + "/") for other in keys)]
        for index, key in enumerate(keys):
            store.put(key, pattern(index))
        rows = list(store.list(""))
        assert [row.key for row in rows] == sorted(keys)
        assert {row.key: row.size for row in rows} == {key: index for index, key in enumerate(keys)}

    def test_listing_a_prefix_means_whole_segments(self, store: ObjectStore) -> None:
        for key in ("a/b/c", "a/bc/d", "a/b/e/f", "ab/c", "a-b"):
            store.put(key, b"x")
        assert [row.key for row in store.list("a/b/")] == ["a/b/c", "a/b/e/f"]
        assert [row.key for row in store.list("a/")] == ["a/b/c", "a/b/e/f", "a/bc/d"]
        assert list(store.list("a/b/c/")) == []
        assert list(store.list("nothing/")) == []

    @pytest.mark.parametrize("prefix", ["a", "/", "a//", "../", "a/../"])
    def test_prefixes_that_are_none(self, store: ObjectStore, prefix: str) -> None:
        with pytest.raises(InvalidInputError):
            list(store.list(prefix))

    def test_listing_after_any_key(self, store: ObjectStore) -> None:
        keys = sorted(f"p/{d}{sep}{f}" for d in ("a", "b", "b-", "c") for sep in ("/", "-", ".") for f in ("1", "2/3"))
        for key in keys:
            store.put(key, b"x")
        for after in ["", "p", "p/", "p/a", "p/a/", "p/a/1", "p/b/2", "p/b/2/3", "p/zz", "q", "a", *keys]:
            assert [row.key for row in store.list("p/", after)] == [key for key in keys if key > after], after
        assert [row.key for row in store.list("", "p/b/1")] == [key for key in keys if key > "p/b/1"]

    def test_more_than_one_page(self, store: ObjectStore) -> None:
        keys = sorted(f"d/{i % 7}/{i:05d}" for i in range(self.many))
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda key: store.put(key, b"x"), keys))
        assert [row.key for row in store.list("d/")] == keys
        assert [row.key for row in store.list("d/", keys[100])] == keys[101:]
        assert next(store.list("d/")).key == keys[0]
        store.delete(keys[:-1])
        assert [row.key for row in store.list("")] == keys[-1:]

    # delete

    def test_delete(self, store: ObjectStore) -> None:
        for key in ("a/b/c", "a/b/d", "a/e"):
            store.put(key, b"x")
        store.delete(["a/b/c", "a/b/missing", "missing", "a/b/c"])
        assert [row.key for row in store.list("")] == ["a/b/d", "a/e"]
        store.delete(["a/b/c"])
        store.delete([])
        with pytest.raises(ObjectNotFoundError):
            store.get("a/b/c")

    def test_delete_of_a_part_of_a_key(self, store: ObjectStore) -> None:
        store.put("a/b/c", b"x")
        store.delete(["a/b", "a", "a/b/c/d"])
        assert [row.key for row in store.list("")] == ["a/b/c"]

    def test_delete_all_and_put_again(self, store: ObjectStore) -> None:
        store.put("a/b/c", b"x")
        store.delete(["a/b/c"])
        assert list(store.list("")) == []
        store.put("a/b/c", b"other")
        assert bytes(store.get("a/b/c")) == b"other"

    # concurrency

    def test_threads_share_a_store(self, store: ObjectStore) -> None:
        def work(index: int) -> None:
            key = f"{DATASET}/data/l{index % 3}/o{index}"
            store.put(key, pattern(10_000, index))
            assert bytes(store.get(key)) == pattern(10_000, index)
            assert bytes(store.get(key, 100, 50)) == pattern(10_000, index)[100:150]

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(work, range(100)))
        assert sum(1 for _ in store.list("")) == 100

    def test_the_same_put_from_many_threads(self, store: ObjectStore) -> None:
        data = pattern(200_000)
        barrier = threading.Barrier(8)

        def work(_: int) -> None:
            barrier.wait()
            store.put("a/b/c/same", data)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))
        assert bytes(store.get("a/b/c/same")) == data
        assert [row.key for row in store.list("")] == ["a/b/c/same"]

    def test_readers_see_all_or_nothing(self, store: ObjectStore) -> None:
        data = pattern(2_000_000)
        done = threading.Event()
        seen: set[int] = set()

        def watch() -> None:
            while not done.is_set():
                try:
                    seen.add(len(store.get("whole")))
                except ObjectNotFoundError:
                    seen.add(-1)

        with ThreadPoolExecutor(2) as pool:
            watchers = [pool.submit(watch) for _ in range(2)]
            store.put("whole", data)
            done.set()
            for watcher in watchers:
                watcher.result()
        assert seen <= {-1, len(data)}

    # fork, sign, close

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
    @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
    def test_a_forked_child_goes_on(self, store: ObjectStore) -> None:
        store.put("before", pattern(1000))
        assert bytes(store.get("before")) == pattern(1000)
        child = os.fork()
        if not child:
            status = 1
            try:
                ok = bytes(store.get("before", 10, 20)) == pattern(1000)[10:30]
                store.put("child", b"from the child")
                ok = ok and bytes(store.get("child")) == b"from the child" and store.head("child").size == 14
                ok = ok and [row.key for row in store.list("")] == ["before", "child"]
                store.delete(["child"])
                status = 0 if ok else 2
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        assert bytes(store.get("before")) == pattern(1000)
        store.put("after", b"x")

    def test_signing_refuses_odd_times(self, store: ObjectStore) -> None:
        found = signer(store)
        if found is None:
            pytest.skip("this store does not sign URLs")
        for expires_s in (0, -1, 8 * 24 * 3600):
            with pytest.raises(InvalidInputError):
                found.sign("a", expires_s)
        with pytest.raises(InvalidInputError):
            found.sign("../a", 60)

    def test_closed(self, store: ObjectStore) -> None:
        store.put("a", b"x")
        store.close()
        store.close()
        for call in (
            lambda: store.put("b", b"x"),
            lambda: store.get("a"),
            lambda: store.get_ranges("a", [(0, 1)]),
            lambda: store.head("a"),
            lambda: list(store.list("")),
            lambda: store.delete(["a"]),
        ):
            with pytest.raises(InvalidInputError, match="closed"):
                call()
