"""Reads of contents: the bytes that were put, whatever their shape, or an error that says which object is to blame."""

import os
import random
import threading
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabric.cache.blocks import Block
from fabric.cache.contents import ContentReader
from fabric.cache.spans import coalesce
from fabric.errors import DataError, InvalidInputError, ObjectNotFoundError, UnsupportedFormatError
from fabric.model.content import Content
from fabric.model.digest import BLOCK_BYTES, DigestKind, zero_digest
from fabric.model.extent import Extent, ExtentKind
from fabric.objects.local import LocalStore
from fabric.objects.memory import MemoryStore
from fabric.objects.meter import Meter
from fabric.objects.wrapper import Wrapper
from fabric.testing.contents import EMPTY, NOTHING, ContentMaker

_RANDOM = random.Random(7)
_NOISE = _RANDOM.randbytes(3 * BLOCK_BYTES)


def noise(size: int, seed: int = 0) -> bytes:
    start = seed * 977 % (len(_NOISE) - size + 1)
    return _NOISE[start : start + size]


@pytest.fixture
def maker():
    return ContentMaker(MemoryStore())


@pytest.fixture
def reader(maker):
    with_reader = ContentReader(maker.store, maker.dataset)
    yield with_reader
    with_reader.close()


class Lying(Wrapper):
    """Alters the bodies of some gets."""

    def __init__(self, inner, alter):
        super().__init__(inner)
        self.alter, self.gets = alter, 0

    def get(self, key, start=0, length=None):
        data = super().get(key, start, length)
        self.gets += 1
        return self.alter(self.gets, bytes(data))


def flipped(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:] if data else data


# Every shape, every range


def _shape(draw_blocks: list[int], tail: int) -> bytes:
    parts = [bytes(BLOCK_BYTES) if kind == 0 else noise(BLOCK_BYTES, kind) for kind in draw_blocks]
    return b"".join(parts) + (noise(tail, 5) if tail else b"")


_SHAPES = [
    b"",
    b"x",
    noise(10_000),
    bytes(5_000),
    noise(BLOCK_BYTES - 1),
    noise(BLOCK_BYTES),
    noise(BLOCK_BYTES + 1),
    bytes(BLOCK_BYTES),
    bytes(2 * BLOCK_BYTES + 3),
    _shape([1, 0, 2], 17),
    _shape([0, 1, 0, 0, 3], 1),
]


@pytest.fixture(scope="module")
def shaped():
    maker = ContentMaker(MemoryStore(), pack_bytes=9 * 1024 * 1024)
    result = []
    with maker:
        for data in _SHAPES:
            result.append((data, maker.add(data)))
            maker.gap(300)
            result.append((data, maker.add(data, holes=False)))
            result.append((data, maker.add_deferred(data)))
            if len(data) > BLOCK_BYTES:
                result.append((data, maker.add(data, as_list=True)))
    reader = ContentReader(maker.store, maker.dataset, parallel=4)
    yield reader, result
    reader.close()


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_range_of_any_shape(shaped, data):
    reader, contents = shaped
    expected, content = data.draw(st.sampled_from(contents))
    near = [0, 1, content.size, *(b + d for b in range(0, content.size, BLOCK_BYTES) for d in (-1, 0, 1))]
    point = st.one_of(st.integers(0, content.size), st.sampled_from([p for p in near if 0 <= p <= content.size]))
    low, high = sorted((data.draw(point), data.draw(point)))
    assert reader.read(content, low, high - low) == expected[low:high]
    assert b"".join(reader.stream(content, low, high)) == expected[low:high]


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_many_ranges_in_any_order(shaped, data):
    reader, contents = shaped
    ranges = []
    for _ in range(data.draw(st.integers(0, 30))):
        expected, content = data.draw(st.sampled_from(contents))
        low = data.draw(st.integers(0, content.size))
        length = data.draw(st.one_of(st.none(), st.integers(0, min(content.size - low, 100_000))))
        ranges.append((expected, content, low, length))
    found = list(reader.read_ranges((content, low, length) for _, content, low, length in ranges))
    wanted = [e[low : None if length is None else low + length] for e, _, low, length in ranges]
    assert found == wanted


def test_stream_gives_blocks(shaped):
    reader, contents = shaped
    for expected, content in contents:
        views = list(reader.stream(content))
        assert b"".join(views) == expected
        assert all(0 < len(view) <= BLOCK_BYTES for view in views)


def test_range_outside_is_refused(maker, reader):
    content = maker.add(noise(100))
    maker.close_pack()
    for start, length in ((-1, 2), (0, 101), (101, None), (50, -1), (101, 0)):
        with pytest.raises(InvalidInputError):
            reader.read(content, start, length)
    assert reader.read(content, 100) == b""


def test_empty_content_has_its_digest(reader):
    assert reader.read(EMPTY) == b""
    with pytest.raises(DataError):
        reader.read(replace(EMPTY, digest=b"\x01" * 32))
    with pytest.raises(DataError):
        reader.read(NOTHING)


# How many requests


def test_neighbours_come_in_one_get_and_order_is_free(maker):
    data = [noise(5_000, seed) for seed in range(400)]
    contents = [maker.add(part) for part in data]
    maker.close_pack()
    order = list(range(400))
    _RANDOM.shuffle(order)
    meter = Meter(maker.store)
    reader = ContentReader(meter, maker.dataset)
    assert list(reader.read_many(contents[i] for i in order)) == [data[i] for i in order]
    assert meter.snapshot()["get"].requests < 10
    reader.close()


def test_the_same_content_twice_is_fetched_once(maker):
    content = maker.add(noise(5_000))
    maker.close_pack()
    meter = Meter(maker.store)
    reader = ContentReader(meter, maker.dataset)
    assert list(reader.read_many([content] * 40)) == [noise(5_000)] * 40
    assert meter.snapshot()["get"].requests == 1
    reader.close()


def test_a_range_of_a_large_content_fetches_the_blocks_touched(maker):
    content = maker.add(_NOISE, holes=False)
    maker.close_pack()
    meter = Meter(maker.store)
    reader = ContentReader(meter, maker.dataset)
    assert reader.read(content, BLOCK_BYTES + 5, 10) == _NOISE[BLOCK_BYTES + 5 : BLOCK_BYTES + 15]
    assert meter.snapshot()["get"].bytes == BLOCK_BYTES
    reader.close()


def test_coalesce_respects_gap_size_and_object():
    store = MemoryStore()

    def block(key, offset, length):
        return Block(0, length, store, key, offset, b"")

    blocks = [block("a", 0, 10), block("a", 15, 10), block("a", 90, 10), block("b", 100, 50), block("b", 150, 51)]
    spans = list(coalesce(blocks, span_bytes_max=100, gap_bytes_max=5))
    assert [(s.key, s.offset, s.length) for s in spans] == [("a", 0, 25), ("a", 90, 10), ("b", 100, 50), ("b", 150, 51)]
    assert [b for s in spans for b in s.blocks] == blocks


def test_an_extent_list_is_read_once(maker):
    content = maker.add(_NOISE, as_list=True)
    maker.close_pack()
    meter = Meter(maker.store)
    reader = ContentReader(meter, maker.dataset)
    for _ in range(3):
        reader.read(content, 0, 1)
    assert meter.snapshot()["get"].requests == 4
    reader.close()


# What is damaged


def test_a_lie_of_the_network_is_asked_again(maker):
    contents = [maker.add(noise(1_000, seed)) for seed in range(10)]
    large = maker.add(_NOISE, holes=False)
    maker.close_pack()
    once = Lying(maker.store, lambda n, data: flipped(data) if n == 1 else data)
    reader = ContentReader(once, maker.dataset)
    assert reader.read(contents[0]) == noise(1_000)
    once.gets = 0
    assert list(reader.read_many(contents)) == [noise(1_000, seed) for seed in range(10)]
    once.gets = 0
    assert b"".join(reader.stream(large)) == _NOISE
    reader.close()


@pytest.mark.parametrize("how", ["read", "read_many", "stream"])
def test_altered_bytes_are_an_error_that_names_the_object(maker, how):
    data = noise(BLOCK_BYTES + 100)
    contents = [maker.add(noise(500)), maker.add(data, holes=False)]
    maker.close_pack()
    for content in contents:
        extent = content.extents[-1]
        reader = ContentReader(_altered(maker, extent), maker.dataset)
        with pytest.raises(DataError, match=f"{extent.offset}\\+{extent.length}") as caught:
            _consume(reader, content, how)
        assert caught.value.subject == maker.key(extent)
        assert "fsck" in caught.value.hint
        reader.close()


def _altered(maker, extent):
    copy = MemoryStore()
    for info in maker.store.list(""):
        data = bytearray(maker.store.get(info.key))
        if info.key == maker.key(extent):
            data[extent.offset + extent.length // 2] ^= 0x10
        copy.put(info.key, bytes(data))
    return copy


def _consume(reader, content, how):
    if how == "read":
        return reader.read(content)
    return list(reader.read_many([content])) if how == "read_many" else list(reader.stream(content))


@pytest.mark.parametrize("how", ["read", "read_many", "stream"])
def test_a_missing_object_and_a_truncated_one(maker, how):
    content = maker.add(noise(BLOCK_BYTES + 100), holes=False)
    maker.close_pack()
    key = maker.key(content.extents[-1])
    data = bytes(maker.store.get(key))
    maker.store.delete([key])
    reader = ContentReader(maker.store, maker.dataset)
    with pytest.raises(ObjectNotFoundError) as missing:
        _consume(reader, content, how)
    assert missing.value.subject == key
    maker.store.put(key, data[: content.extents[-1].offset + 50])
    with pytest.raises(DataError) as truncated:
        _consume(reader, content, how)
    assert truncated.value.subject == key
    reader.close()


def test_a_short_answer_is_never_passed_on(maker):
    content = maker.add(noise(5_000))
    maker.close_pack()
    reader = ContentReader(Lying(maker.store, lambda _, data: data[:-1]), maker.dataset)
    for how in ("read", "read_many", "stream"):
        with pytest.raises(DataError):
            _consume(reader, content, how)
    reader.close()


def test_erased_bytes_say_so_and_the_rest_can_be_read(maker, reader):
    whole = maker.add(noise(100), erased=True)
    large = maker.add(_NOISE, holes=False)
    gone = replace(large.extents[1], kind=ExtentKind.ERASED, object=b"")
    partly = replace(large, extents=[large.extents[0], gone, large.extents[2]])
    maker.close_pack()
    for read in (
        lambda: reader.read(whole),
        lambda: list(reader.read_many([whole])),
        lambda: list(reader.stream(partly)),
        lambda: reader.read(partly, BLOCK_BYTES - 1, 2),
    ):
        with pytest.raises(DataError, match="erased on purpose"):
            read()
    assert reader.read(partly, 5, 100) == _NOISE[5:105]


def _contradictions(good: Content, large: Content) -> list[Content]:
    one, many = good.extents[0], list(large.extents)
    return [
        replace(good, size=good.size + 1),
        replace(good, extents=[replace(one, length=one.length - 1, stored=one.stored - 1)]),
        replace(good, extents=[replace(one, stored=one.stored - 1)]),
        replace(good, extents=[replace(one, offset=-1)]),
        replace(good, extents=[replace(one, object=b"../../../etc/passwd")]),
        replace(good, extents=[replace(one, object=b"\xff")]),
        replace(good, extents=[replace(one, kind=ExtentKind.LIST)]),
        replace(good, extents=[replace(one, digest=b"\x05" * 32)]),
        replace(good, extents=[replace(one, kind=ExtentKind.HOLE)]),
        replace(good, extents=[replace(one, kind=ExtentKind.EXTERNAL, object=b"a\0b")]),
        replace(good, extents=[replace(one, kind=ExtentKind.EXTERNAL, object=b"a\0b\0c")]),
        replace(good, digest_kind=DigestKind.BLOCKS),
        replace(large, digest_kind=DigestKind.WHOLE),
        replace(large, extents=many[::-1]),
        replace(large, extents=[many[0], many[0], many[2]]),
        replace(large, extents=[replace(e, digest=b"") for e in many]),
        replace(large, extents=[replace(many[0], kind=ExtentKind.HOLE, digest=zero_digest(BLOCK_BYTES)), *many[1:]]),
        replace(large, extents=[replace(many[0], kind=ExtentKind.HOLE), *many[1:]]),
    ]


@pytest.mark.parametrize("number", range(18))
def test_contradictions_are_refused(maker, reader, number):
    good, large = maker.add(noise(1_000)), maker.add(_NOISE, holes=False)
    maker.close_pack()
    bad = _contradictions(good, large)[number]
    for how in ("read", "read_many", "stream"):
        with pytest.raises(DataError):
            _consume(reader, bad, how)


@pytest.mark.parametrize("change", [{"codec": 9}, {"key": 1}])
def test_what_this_release_cannot_decode_is_a_clean_refusal(maker, reader, change):
    content, listed = maker.add(noise(1_000)), maker.add(_NOISE, as_list=True)
    maker.close_pack()
    for bad in (content, listed):
        with pytest.raises(UnsupportedFormatError, match="codec"):
            reader.read(replace(bad, extents=[replace(bad.extents[0], **change)]))


def test_extent_lists_are_checked(maker, reader):
    content = maker.add(_NOISE, as_list=True)
    other = maker.add(_NOISE[::-1], holes=False)
    foreign = maker.add_list(list(other.extents))
    good = content.extents[0]
    not_a_list = replace(good, object=other.extents[0].object, stored=100)
    maker.close_pack()
    for bad in (
        foreign,
        not_a_list,
        replace(good, stored=0),
        replace(good, stored=good.stored - 1),
        replace(good, length=good.length - 1),
        replace(good, offset=1),
    ):
        with pytest.raises(DataError):
            reader.read(replace(content, extents=[bad]))
    once = Lying(maker.store, lambda n, data: flipped(data) if n == 1 else data)
    assert ContentReader(once, maker.dataset).read(content, 3, 3) == _NOISE[3:6]


# Places outside


def test_external_extents_go_through_their_location(maker):
    outside = MemoryStore()
    outside.put("set/a.bin", _NOISE)
    known = maker.add(_NOISE, holes=False)
    outsider = [
        Extent(ExtentKind.EXTERNAL, b"lake\0v1\0set/a.bin", i * BLOCK_BYTES, e.stored, e.length, digest=e.digest)
        for i, e in enumerate(known.extents)
    ]
    asked = []

    def locations(name):
        asked.append(name)
        return outside

    reader = ContentReader(maker.store, maker.dataset, locations=locations)
    imported = replace(known, extents=outsider)
    assert reader.read(imported) == _NOISE
    assert reader.is_verified(imported)
    deferred = maker.add_deferred(_NOISE, location="lake", key="set/a.bin")
    assert not reader.is_verified(deferred)
    assert b"".join(reader.stream(deferred)) == _NOISE
    assert reader.read(deferred, 100, 50) == _NOISE[100:150]
    assert set(asked) == {"lake"}
    outside.delete(["set/a.bin"])
    outside.put("set/a.bin", flipped(_NOISE))
    with pytest.raises(DataError, match=r"set/a\.bin"):
        reader.read(imported)
    reader.close()


# Threads, processes


def test_many_threads_share_a_reader(shaped):
    reader, contents = shaped
    failures = []

    def work(seed):
        chooser = random.Random(seed)
        try:
            for _ in range(15):
                expected, content = chooser.choice(contents)
                assert reader.read(content) == expected
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_works_in_a_forked_child(tmp_path):
    maker = ContentMaker(LocalStore(tmp_path))
    contents = [maker.add(noise(9_000, seed)) for seed in range(50)] + [maker.add(_NOISE, as_list=True)]
    maker.close_pack()
    reader = ContentReader(maker.store, maker.dataset)
    before = [bytes(data) for data in reader.read_many(contents)]
    pid = os.fork()
    if pid == 0:
        same = [bytes(data) for data in reader.read_many(contents)] == before
        os._exit(0 if same else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert [bytes(data) for data in reader.read_many(contents)] == before
    reader.close()


def test_an_abandoned_read_ahead_stops(maker):
    contents = [maker.add(noise(200_000, seed), holes=False) for seed in range(300)]
    maker.close_pack()
    meter = Meter(maker.store)
    reader = ContentReader(meter, maker.dataset, read_ahead_bytes_max=2_000_000)
    results = reader.read_many(contents)
    assert next(results) == noise(200_000)
    results.close()
    reader.close()
    assert meter.snapshot()["get"].bytes < 40_000_000
