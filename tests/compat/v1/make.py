"""Made the objects beside it, with release 0.1. Kept to say what is in them; running it anew would prove nothing.

    python tests/compat/v1/make.py

tests/compat/test_v1.py reads them with every later release, and checks that the values below still get the same ids.
"""

import json
from pathlib import Path

from fabric.model import commit, extents, node, pack, rows
from fabric.model.digest import BLOCK_BYTES, NO_DIGEST, DigestKind, block_digest, blocks_digest, deferred_digest, zero_digest
from fabric.model.entry import Entry, Kind
from fabric.model.extent import Extent, ExtentKind, external_object
from fabric.model.ids import CommitId, NodeId, ObjectRef
from fabric.model.node import Child

HERE = Path(__file__).parent
PACK = b"01jdf3kq000000000000000000/01jdf3kq010000000000000000"
LIST = b"01jdf3kq000000000000000000/01jdf3kq020000000000000000"
ACL = bytes.fromhex("0200000001000700ffffffff02000600e803000004000500ffffffff10000700ffffffff20000500ffffffff")
BLOCKS = [
    Extent(ExtentKind.OBJECT, PACK, 4096, BLOCK_BYTES, BLOCK_BYTES, digest=block_digest(b"not really this block")),
    Extent(ExtentKind.HOLE, b"", 0, 0, BLOCK_BYTES, digest=zero_digest(BLOCK_BYTES)),
    Extent(ExtentKind.ERASED, b"", 0, 0, BLOCK_BYTES, digest=bytes(range(32))),
    Extent(ExtentKind.OBJECT, PACK, 2**33, 700, 1000, codec=1, key=9, digest=bytes(range(32, 64))),
]
LARGE = 3 * BLOCK_BYTES + 1000
LISTED = [BLOCKS[number % 3] for number in range(40)] + [BLOCKS[3]]
CONTENTS = [b"hello", b"a second content", bytes(1000)]


def file(
    path: bytes, size: int, kind: DigestKind, digest: bytes, *places: Extent, **more: object
) -> tuple[Entry, list[Extent]]:
    return Entry(path, Kind.FILE, 0o644, 1000, 100, 1_790_000_000_123_456_789, size, kind, digest, **more), list(places)


def entries() -> list[tuple[Entry, list[Extent]]]:
    """A row of every shape that version 1 knows."""
    whole, blocks, deferred = DigestKind.WHOLE, DigestKind.BLOCKS, DigestKind.DEFERRED
    digests = [extent.digest for extent in BLOCKS]
    external = Extent(ExtentKind.EXTERNAL, external_object("lab-bucket", '"etag-1"', "raw/2026/é.bin"), 0, 2**41, 2**41)
    return [
        (Entry(b"", Kind.DIRECTORY, 0o700, 26, 26, -1), []),
        (Entry(b"dir", Kind.DIRECTORY, 0o2775, 1000, 100, 0, acl_access=ACL, acl_default=ACL, xattrs={b"user.d": b""}), []),
        (Entry(b"dir/deep", Kind.DIRECTORY, 0o755), []),
        file(b"dir/deep/empty", 0, whole, block_digest(b"")),
        file(
            b"dir/deep/small", 5, whole, block_digest(CONTENTS[0]), Extent(ExtentKind.OBJECT, PACK, 24, 5, 5), link_group=7
        ),
        file(b"dir/hard link", 5, whole, block_digest(CONTENTS[0]), Extent(ExtentKind.OBJECT, PACK, 24, 5, 5), link_group=7),
        file(b"dir/large", LARGE, blocks, blocks_digest(digests), *BLOCKS, acl_access=ACL),
        file(
            b"dir/listed",
            sum(extent.length for extent in LISTED),
            blocks,
            blocks_digest([extent.digest for extent in LISTED]),
            Extent(ExtentKind.LIST, LIST, 0, 1234, sum(extent.length for extent in LISTED)),
        ),
        file(b"dir/not read", 2**41, deferred, deferred_digest("lab-bucket", "raw/2026/é.bin", '"etag-1"', 2**41), external),
        file(b"dir/zeros", 1000, whole, block_digest(bytes(1000)), Extent(ExtentKind.HOLE, b"", 0, 0, 1000)),
        file(
            b"\x01\xff odd \n name",
            1,
            whole,
            block_digest(b"?"),
            Extent(ExtentKind.ERASED, b"", 0, 0, 1),
            Extent(ExtentKind.OBJECT, PACK, 99, 300, 300),
            xattrs_digest=block_digest(b"a large set"),
        ),
        file(
            b"caf\xc3\xa9",
            1,
            whole,
            block_digest(b"!"),
            Extent(ExtentKind.OBJECT, PACK, 5, 1, 1),
            xattrs={b"user.k": b"v", b"user.a": b"\0"},
        ),
        (Entry(b"link", Kind.SYMLINK, 0o777, 0, 0, 5, 14, target=b"../outside/\xff/x"), []),
    ]


def children() -> list[Child]:
    places = [ObjectRef(f"01jdf3kq000000000000000000/01jdf3kq1{number}0000000000000000") for number in range(3)]
    keys = [b"\0\0", b"dir\0deep\0\0small", b"dir\0\0zeros"]
    keys.sort()
    return [
        Child(key, NodeId(block_digest(key)), place, 8000 + number, 2**50)
        for number, (key, place) in enumerate(zip(keys, places, strict=True))
    ]


def the_commit(tree: NodeId) -> commit.Commit:
    return commit.Commit(
        tree,
        (CommitId("ab" * 32), CommitId("cd" * 32)),
        "Ada <ada@example.org>",
        "2026-11-24T03:00:00.000001Z",
        'why: \u20ac \U0001f642 "quoted"\n',
        {"run": "7", "\u00e9": "", "a\U0001f642": "x", "a\ufb33": "y"},
        13,
        2**42,
    )


def the_pack() -> bytes:
    records, at = [], pack.CONTENT_START
    for content in CONTENTS:
        records.append((block_digest(content), at, len(content)))
        at += len(content)
    return pack.header() + b"".join(CONTENTS) + pack.footer(records)


def make() -> tuple[dict[str, bytes], dict[str, str]]:
    """Return the objects by name, and their ids."""
    leaf_id, leaf = node.encode_leaf(rows.from_entries(entries()))
    index_id, index = node.encode_index(2, children())
    commit_id, commit_object = commit.encode(the_commit(leaf_id))
    objects = {"leaf": leaf, "index": index, "commit": commit_object, "extents": extents.encode(LISTED), "pack": the_pack()}
    return objects, {"leaf": leaf_id.hex(), "index": index_id.hex(), "commit": commit_id}


if __name__ == "__main__":
    assert bytes(32) == NO_DIGEST
    made, ids = make()
    for name, data in made.items():
        (HERE / f"{name}.bin").write_bytes(data)
    (HERE / "ids.json").write_text(json.dumps(ids, indent=2, sort_keys=True) + "\n")
