"""What a base holds is not sent again."""

import os

import numpy as np
import pytest

from fabric.ingest.known import Base, DigestIndex
from fabric.model import rows
from fabric.model.digest import BLOCK_BYTES, DigestKind, content_digest
from fabric.model.entry import Entry, Kind
from fabric.model.extent import Extent, ExtentKind


def test_digests_are_found_and_others_are_not():
    digests = np.frombuffer(b"".join(content_digest(b"%d" % n) for n in range(1000)), np.uint8).reshape(-1, 32).copy()
    digests[7, :8] = digests[8, :8]
    index = DigestIndex(digests, np.arange(0, 1000, 2))
    assert all(index.find(digests[n].tobytes()) == n for n in range(0, 1000, 2))
    assert all(index.find(digests[n].tobytes()) == -1 for n in range(1, 1000, 2))
    assert DigestIndex(digests, np.empty(0, np.int64)).find(bytes(32)) == -1


def test_a_put_over_the_same_rows_sends_nothing(bench, source):
    for number in range(50):
        (source / f"{number}").write_bytes(os.urandom(100))
    (source / "large").write_bytes(os.urandom(3 * BLOCK_BYTES))
    (source / "empty").write_bytes(b"")
    first = bench.put(source)
    packer = bench.packer()
    second = bench.put(source, base=lambda: first.table, packer=packer)
    assert packer.content_bytes_sent == 0
    assert second.table.equals(first.table)


def test_a_moved_file_sends_nothing(bench, source):
    (source / "old").write_bytes(b"content")
    first = bench.put(source)
    os.rename(source / "old", source / "new")
    packer = bench.packer()
    second = bench.put(source, b"elsewhere", base=lambda: first.table, packer=packer)
    assert packer.content_bytes_sent == 0
    assert bench.contents(second.table) == {b"elsewhere/new": b"content"}


@pytest.mark.parametrize("blocks", [3, 20])
def test_a_changed_block_is_all_that_is_sent(bench, source, blocks):
    (source / "file").write_bytes(os.urandom(blocks * BLOCK_BYTES + 10))
    first = bench.put(source)
    with open(source / "file", "r+b") as file:
        file.seek(BLOCK_BYTES + 5)
        file.write(b"new")
        file.seek(0, 2)
        file.write(b"more")
    packer = bench.packer()
    second = bench.put(source, base=lambda: first.table, expand=bench.expand, packer=packer)
    assert packer.content_bytes_sent == BLOCK_BYTES + 14
    assert bench.contents(second.table) == {b"file": (source / "file").read_bytes()}


def test_a_list_that_nobody_expands_costs_the_file(bench, source):
    (source / "file").write_bytes(os.urandom(17 * BLOCK_BYTES))
    first = bench.put(source)
    with open(source / "file", "r+b") as file:
        file.write(b"new")
    packer = bench.packer()
    second = bench.put(source, base=lambda: first.table, packer=packer)
    assert packer.content_bytes_sent == 17 * BLOCK_BYTES
    assert bench.contents(second.table) == {b"file": (source / "file").read_bytes()}


def test_erased_and_unread_contents_are_sent(bench, source):
    (source / "erased").write_bytes(b"erased")
    (source / "deferred").write_bytes(b"deferred")
    digests = {name: content_digest(name) for name in (b"erased", b"deferred")}
    base = rows.from_entries(
        [
            (Entry(b"", Kind.DIRECTORY, 0o755), []),
            (
                Entry(b"erased", Kind.FILE, 0o644, size=6, digest_kind=DigestKind.WHOLE, digest=digests[b"erased"]),
                [Extent(ExtentKind.ERASED, b"", 0, 0, 6)],
            ),
            (
                Entry(b"deferred", Kind.FILE, 0o644, size=8, digest_kind=DigestKind.DEFERRED, digest=digests[b"deferred"]),
                [Extent(ExtentKind.EXTERNAL, b"place\x00v1\x00key", 0, 8, 8)],
            ),
        ]
    )
    packer = bench.packer()
    result = bench.put(source, base=lambda: base, packer=packer)
    assert packer.content_bytes_sent == 14
    assert bench.contents(result.table) == {b"erased": b"erased", b"deferred": b"deferred"}


def test_a_base_may_be_a_slice_of_a_table(bench, source):
    for number in range(10):
        (source / f"{number}").write_bytes(b"%d" % number)
    table = bench.put(source).table.combine_chunks()
    found = Base(table.slice(3, 4))
    place = found.place(content_digest(b"4"), 1)
    assert found.extents_of(-2 - place) == rows.extents_at(table, 5)
    assert found.place(content_digest(b"9"), 1) is None
    assert found.place(content_digest(b"4"), 2) is None
    packer = bench.packer()
    result = bench.put(source, base=lambda: table.slice(3, 4), packer=packer)
    assert packer.content_bytes_sent == 6
    assert bench.contents(result.table) == {b"%d" % number: b"%d" % number for number in range(10)}
