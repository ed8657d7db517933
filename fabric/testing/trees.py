"""Entries of every shape that a tree may hold, made by a random generator: for tests of what encodes, cuts and compares."""

import random

from fabric.model.digest import BLOCK_BYTES, DigestKind, block_digest, blocks_digest, deferred_digest, zero_digest
from fabric.model.entry import Entry, Kind
from fabric.model.extent import Extent, ExtentKind, external_object

Placed = tuple[Entry, list[Extent]]
_ACL = b"\x02\x00\x00\x00" + bytes.fromhex("01000700ffffffff04000500ffffffff20000500ffffffff")
_ODD_NAMES = (
    b"a",
    b"...",
    b"-",
    b" ",
    b"\x01",
    b"\xff",
    b".hidden",
    b"A",
    b"caf\xc3\xa9",
    b"new\nline",
    b"~",
    b"@",
    b"x" * 255,
)


class EntryMaker:
    """Makes entries with their extents. The same seed makes the same entries."""

    def __init__(self, seed: int = 0) -> None:
        self.random = random.Random(seed)  # noqa: S311  (not a secret: a test that can be repeated)
        self._objects = [f"0{seed % 10}".encode().ljust(26, b"k") + b"/01" + b"%024d" % number for number in range(3)]

    def tree(self, count: int) -> list[Placed]:
        """Return about `count` entries, not in order: with the root, no path twice, and every parent a directory."""
        directories = [b""]
        made = {b"": self.directory(b"")}
        while len(made) < count:
            parent = self.random.choice(directories)
            path = parent + b"/" + self.name() if parent else self.name()
            if path in made or len(path) > 1000:
                continue
            make = self.random.choices((self.file, self.directory, self.symlink), (8, 2, 1))[0]
            made[path] = make(path)
            if made[path][0].kind == Kind.DIRECTORY:
                directories.append(path)
        result = list(made.values())
        self.random.shuffle(result)
        return result

    def name(self) -> bytes:
        """Return a name, ordinary or odd."""
        if self.random.random() < 0.1:
            return self.random.choice(_ODD_NAMES)
        if self.random.random() < 0.2:
            raw = bytes(self.random.choices([*range(1, 47), *range(48, 256)], k=self.random.randint(1, 12)))
            return raw if raw not in (b".", b"..") else b"dot"
        return b"file%04d.jpg" % self.random.randrange(10_000)

    def directory(self, path: bytes) -> Placed:
        """Return a directory."""
        default = _ACL if self.random.random() < 0.1 else b""
        return Entry(
            path, Kind.DIRECTORY, 0o755, 1000, 100, self.random.randint(-(2**63), 2**63 - 1), acl_default=default
        ), []

    def symlink(self, path: bytes) -> Placed:
        """Return a symlink."""
        target = self.random.choice((b"/etc/passwd", b"../../escape", b"x", b"\xff\xfe", b"t" * 4095))
        return Entry(path, Kind.SYMLINK, 0o777, size=len(target), target=target), []

    def file(self, path: bytes) -> Placed:
        """Return a file: empty, small, large, with holes, erased, deferred, external, with a list or attributes."""
        shape = self.random.choices((self.small, self.empty, self.large, self.deferred, self.listed), (12, 2, 2, 1, 1))[0]
        size, kind, digest, extents = shape()
        xattrs: dict[bytes, bytes] = {}
        xattrs_digest = b""
        luck = self.random.random()
        if luck < 0.1:
            xattrs = {b"user.a": b"1", b"user.b": self.random.randbytes(20)}
        elif luck < 0.2:
            xattrs_digest = self.random.randbytes(32)
            extents = [*extents, self.extent(self.random.randint(257, 70_000))]
        return (
            Entry(
                path,
                Kind.FILE,
                self.random.randint(0, 0o7777),
                self.random.randint(0, 2**32 - 1),
                self.random.choice((0, 100, 2**32 - 1)),
                self.random.randint(0, 2**62),
                size,
                kind,
                digest,
                acl_access=_ACL if self.random.random() < 0.1 else b"",
                xattrs=xattrs,
                xattrs_digest=xattrs_digest,
                link_group=self.random.randint(0, 2**64 - 1) if self.random.random() < 0.1 else 0,
            ),
            extents,
        )

    def extent(self, length: int, digest: bytes = b"") -> Extent:
        """Return an extent that stores bytes: nearly always in an object, now and then in a location."""
        offset = self.random.randrange(2**30)
        if self.random.random() < 0.1:
            name = external_object("bucket-1", self.random.choice(("", '"etag"')), "a/b c/é.bin")
            return Extent(ExtentKind.EXTERNAL, name, offset, length, length, digest=digest)
        if self.random.random() < 0.05:
            return Extent(ExtentKind.OBJECT, self._objects[0], offset, length // 2 + 1, length, 7, 3, digest)
        return Extent(ExtentKind.OBJECT, self.random.choice(self._objects), offset, length, length, digest=digest)

    def empty(self) -> tuple[int, DigestKind, bytes, list[Extent]]:
        """An empty file."""
        return 0, DigestKind.WHOLE, block_digest(b""), []

    def small(self) -> tuple[int, DigestKind, bytes, list[Extent]]:
        """A content of one block."""
        size = self.random.choice((1, 10_000, self.random.randint(1, BLOCK_BYTES), BLOCK_BYTES))
        extent = self.extent(size)
        if self.random.random() < 0.1:
            extent = Extent(self.random.choice((ExtentKind.HOLE, ExtentKind.ERASED)), b"", 0, 0, size)
        return size, DigestKind.WHOLE, self.random.randbytes(32), [extent]

    def blocks(self, count: int) -> tuple[int, list[Extent]]:
        """Return the size and the extents of a content of `count` blocks."""
        last = self.random.choice((1, BLOCK_BYTES, self.random.randint(1, BLOCK_BYTES)))
        extents = []
        for length in [BLOCK_BYTES] * (count - 1) + [last]:
            digest = self.random.randbytes(32)
            luck = self.random.random()
            if luck < 0.1:
                extents.append(
                    Extent(ExtentKind.HOLE, b"", 0, 0, length, digest=zero_digest(length) if luck < 0.05 else b"")
                )
            elif luck < 0.2:
                extents.append(Extent(ExtentKind.ERASED, b"", 0, 0, length, digest=digest))
            else:
                extents.append(self.extent(length, digest))
        return sum(extent.length for extent in extents), extents

    def large(self) -> tuple[int, DigestKind, bytes, list[Extent]]:
        """A content of a few blocks."""
        size, extents = self.blocks(self.random.randint(2, 16))
        digests = [extent.digest or zero_digest(extent.length) for extent in extents]
        return size, DigestKind.BLOCKS, blocks_digest(digests), extents

    def listed(self) -> tuple[int, DigestKind, bytes, list[Extent]]:
        """A content whose extents lie in an object of their own."""
        size = self.random.randint(BLOCK_BYTES + 1, 2**44)
        listed = Extent(ExtentKind.LIST, self._objects[1], 0, self.random.randint(1, 2**20), size)
        return size, DigestKind.BLOCKS, self.random.randbytes(32), [listed]

    def deferred(self) -> tuple[int, DigestKind, bytes, list[Extent]]:
        """A content that was imported without being read."""
        size = self.random.choice((1, 10 * BLOCK_BYTES, 2**45))
        name = external_object("bucket-1", "v7", "some/key")
        extents = [Extent(ExtentKind.EXTERNAL, name, 0, size, size)]
        return size, DigestKind.DEFERRED, deferred_digest("bucket-1", "some/key", "v7", size), extents
