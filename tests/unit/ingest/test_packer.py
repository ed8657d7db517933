"""Contents into packs, and back."""

import os
import random

import pytest

from fabric.errors import NoSpaceError
from fabric.ingest.packer import BUFFERS_MAX, PackWriter
from fabric.model import pack
from fabric.model.digest import BLOCK_BYTES, DigestKind, content_digest
from fabric.model.extent import EXTENTS_INLINE_MAX, ExtentKind
from fabric.model.ids import DatasetId, LeaseId, new_ulid
from fabric.objects.memory import MemoryStore
from fabric.objects.writer import ObjectWriter


def test_contents_come_back(bench):
    rng = random.Random(1)
    data = [rng.randbytes(size) for size in (1, 10, 5_000, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 9_000_000)]
    packer = bench.packer()
    found = [packer.add(part) for part in data]
    bench.finish(packer)
    assert [bench.read(content.extents, content.digest) for content in found] == data
    assert [content.size for content in found] == [len(part) for part in data]
    assert [content.digest_kind for content in found] == [DigestKind.WHOLE] * 5 + [DigestKind.BLOCKS] * 2
    assert packer.content_bytes_sent == sum(map(len, data))


def test_empty_content_has_no_extent_and_sends_nothing(bench):
    packer = bench.packer()
    content = packer.add(b"")
    bench.finish(packer)
    assert content.extents == ()
    assert content.digest == content_digest(b"")
    assert bench.objects == []


def test_equal_contents_are_sent_once(bench):
    packer = bench.packer()
    same = os.urandom(BLOCK_BYTES)
    first, second = packer.add(b"same"), packer.add(bytearray(b"same"))
    packer.finish()
    third = packer.add(memoryview(b"same"))
    large = packer.add(same + same + b"end")
    bench.finish(packer)
    assert first == second == third
    assert large.extents[0] == large.extents[1]
    assert packer.content_bytes_sent == 4 + BLOCK_BYTES + 3


def test_a_pack_explains_itself(bench):
    packer = bench.packer()
    parts = [b"one", b"two-two", b"three"]
    for part in parts:
        packer.add(part)
    bench.finish(packer)
    (info,) = bench.objects
    raw = bytes(bench.store.get(info.key))
    records = pack.decode(raw)
    assert [raw[record.offset : record.offset + record.stored] for record in records] == parts
    assert [record.digest for record in records] == [content_digest(part) for part in parts]


def test_packs_end_where_they_should(bench):
    packer = bench.packer(pack_bytes=BLOCK_BYTES)
    parts = [os.urandom(BLOCK_BYTES // 2 + 1) for _ in range(5)]
    contents = [packer.add(part) for part in parts]
    bench.finish(packer)
    assert len(bench.objects) == 5
    assert [bench.read(content.extents, content.digest) for content in contents] == parts


def test_sixteen_blocks_fill_a_pack(bench):
    packer = bench.packer()
    rng = random.Random(5)
    for _ in range(16):
        packer.add(rng.randbytes(BLOCK_BYTES))
    assert bench.objects == []
    packer.add(b"next")
    bench.finish(packer)
    assert len(bench.objects) == 2


def test_many_tiny_contents_end_a_pack_before_its_footer_is_too_large(bench):
    packer = bench.packer()
    contents = [packer.add(b"%d" % number) for number in range(70_000)]
    bench.finish(packer)
    assert len(bench.objects) == 2
    for info in bench.objects:
        assert len(pack.decode(bench.store.get(info.key))) <= 65_536
    assert bench.read(contents[-1].extents, contents[-1].digest) == b"69999"


def test_zeros_are_holes(bench):
    packer = bench.packer()
    data = bytes(BLOCK_BYTES) + b"x" + bytes(BLOCK_BYTES - 1) + bytes(100)
    content = packer.add(data)
    bench.finish(packer)
    assert [extent.kind for extent in content.extents] == [ExtentKind.HOLE, ExtentKind.OBJECT, ExtentKind.HOLE]
    assert bench.read(content.extents, content.digest) == data


def test_long_lists_lie_in_an_object(bench):
    packer = bench.packer()
    blocks = [os.urandom(64) + bytes(BLOCK_BYTES - 64) for _ in range(EXTENTS_INLINE_MAX + 1)]
    inline = packer.add(b"".join(blocks[:-1]))
    listed, again = packer.add(b"".join(blocks)), packer.add(b"".join(blocks))
    bench.finish(packer)
    assert len(inline.extents) == EXTENTS_INLINE_MAX
    (extent,) = listed.extents
    assert extent.kind == ExtentKind.LIST
    assert extent.length == len(blocks) * BLOCK_BYTES
    assert again == listed
    assert bench.read(listed.extents, listed.digest) == b"".join(blocks)


def test_digests_are_forgotten_in_the_end(bench):
    packer = bench.packer(pack_bytes=BLOCK_BYTES)
    packer.recent._half = 2
    for _ in range(4):
        for number in range(3):
            packer.add(bytes([number]) * (BLOCK_BYTES // 2 + 1))
    bench.finish(packer)
    assert len(packer.recent.young) + len(packer.recent.old) <= 4


class FullStore(MemoryStore):
    def put(self, key, data):
        raise NoSpaceError("full")


def test_a_failed_upload_is_raised_again_and_again_and_blocks_nobody():
    writer = ObjectWriter(FullStore(), DatasetId(new_ulid()), LeaseId(new_ulid()))
    packer = PackWriter(writer, pack_bytes=BLOCK_BYTES)

    def fill():
        for _ in range(BUFFERS_MAX + 4):
            packer.add(os.urandom(BLOCK_BYTES))
        packer.finish()

    for _ in range(BUFFERS_MAX + 4):
        with pytest.raises(NoSpaceError):
            fill()
    with pytest.raises(NoSpaceError):
        writer.flush()
    writer.close()


class Log:
    is_empty = True

    def __init__(self):
        self.sealed, self.sent = [], []

    def seal(self, ref, digests, offsets, lengths):
        self.sealed.append(ref)

    def durable(self, ref):
        self.sent.append(ref)


def test_a_log_hears_of_packs_that_are_durable_only():
    log, writer = Log(), ObjectWriter(FullStore(), DatasetId(new_ulid()), LeaseId(new_ulid()))
    packer = PackWriter(writer, log=log)
    packer.add(b"x")
    packer.finish()
    with pytest.raises(NoSpaceError):
        writer.flush()
    writer.close()
    assert len(log.sealed) == 1
    assert log.sent == []
