"""Digests: known answers, so that no release ever names a content in another way."""

import pytest
from blake3 import blake3

from fabric.model import digest
from fabric.model.digest import BLOCK_BYTES, DigestKind

BLOCKS = bytes(range(256)) * (BLOCK_BYTES // 256) + b"x"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"),
        (b"abc", "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"),
        (bytes(BLOCK_BYTES), "04e52cd2da6a0e1f338b0078369130d96585c1de65057da5dd1283b12fb853e1"),
        (bytes(BLOCK_BYTES + 1), "e4f620024535795d59f8b9cc37a3e12d1059252e349f8d2478e28e35594c3700"),
        (BLOCKS, "6ec267a5543dd12ea3086b34470fd4deae230812419f82fd49a24e9c725d1017"),
    ],
    ids=["empty", "abc", "one block", "zeros and one more", "two blocks"],
)
def test_vectors(content, expected):
    assert digest.content_digest(content).hex() == expected
    assert digest.content_digest(memoryview(bytearray(content))).hex() == expected


def test_large_contents_by_hand():
    blocks = [blake3(BLOCKS[:BLOCK_BYTES]).digest(), blake3(b"x").digest()]
    by_hand = blake3(b"".join(blocks), derive_key_context="fabric 2026-11 file of blocks").digest()
    assert digest.content_digest(BLOCKS) == digest.blocks_digest(blocks) == by_hand
    # Not the digest of any content that one could store: the context is another.
    assert by_hand != digest.block_digest(b"".join(blocks))


def test_views_of_wide_items_count_in_bytes():
    wide = memoryview(bytearray(BLOCK_BYTES + 8)).cast("Q")
    assert digest.content_digest(wide) == digest.content_digest(bytes(BLOCK_BYTES + 8))


def test_kinds():
    assert [digest.kind_for(size) for size in (0, BLOCK_BYTES, BLOCK_BYTES + 1)] == [
        DigestKind.WHOLE,
        DigestKind.WHOLE,
        DigestKind.BLOCKS,
    ]


@pytest.mark.parametrize("length", [0, 1, 1000, BLOCK_BYTES])
def test_zeros(length):
    assert digest.zero_digest(length) == digest.zero_digest(length) == digest.block_digest(bytes(length))


def test_deferred():
    known = digest.deferred_digest("loc", "dir/key", "v1", 5)
    assert known.hex() == "2659ea7ea75a9ff59ff9dce15ad5399e289a6f9e599f2696e60d8f741b03a546"
    others = [
        ("lo", "cdir/key", "v1", 5),
        ("loc", "dir/key", "v", 5),
        ("loc", "dir/key", "v1", 6),
        ("loc", "dir/k", "eyv1", 5),
    ]
    assert known not in [digest.deferred_digest(*other) for other in others]
