"""What a source looked like when it was last put, so that an unchanged file is not read and an unchanged tree costs stats.

One file for each (scope, source, prefix, rules) in a state directory. It is a cache: damaged, foreign or missing is as if
the source had never been put. Only the standard library and blake3 are needed to ask `matches`, since starting NumPy and
Arrow would cost as much as the question.

    magic, chunks (as the rows were found), footer (token, key, where the chunks lie), length and digest of the footer

An entry counts as unchanged if all of its numbers are the same (`stat`: mode, inode, device, links, owner, size, mtime,
ctime). Only ctime cannot be set by users, so an entry whose ctime was so young when it was read that a later write could
have left the same one is never trusted (the racy rule).
"""

import contextlib
import mmap
import os
import struct
import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from blake3 import blake3

from fabric.ingest.source import DIRECTORY_FLAGS, Source

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from fabric.ingest.rowbuilder import Chunk

GRANULE_NS = 20_000_000
"""The kernel's clock for time stamps moves in steps of up to 10 ms."""
COARSE_GRANULE_NS = 2_000_000_000
"""... and some file systems keep whole seconds, or two."""
FORK_CHUNKS_MIN = 3
"""From some 50,000 entries on, half of the question pays for a process."""
_MAGIC = b"FABSTAT1"
_CHUNK = struct.Struct("<IIII")
_TAIL = struct.Struct("<Q16s")
_STAT = struct.Struct("<9q")
_STAT_BYTES = _STAT.size
_OWN_ROW = 0xFFFFFFFF
_ATTRIBUTED = 1
_INODE = 1


def stat_bytes(status: os.stat_result) -> bytes:
    """Return the numbers that are compared; b"" if they do not fit, which equals nothing."""
    try:
        return _STAT.pack(*status[:7], status.st_mtime_ns, status.st_ctime_ns)
    except struct.error:
        return b""


@dataclass(slots=True)
class RememberedDirectory:
    """The entries of one directory at the last put.

    Attributes:
        rows: name -> position.
        stats: what `stat_bytes` returned, one after the other.
        digests: 32 bytes each.
        flags: a byte each.
    """

    rows: dict[bytes, int] = field(default_factory=dict)
    stats: bytes = b""
    digests: bytes = b""
    flags: bytes = b""

    def digest(self, row: int, status: os.stat_result) -> bytes | None:
        """Return the digest of an entry, if it is as it was."""
        start = row * _STAT_BYTES
        if self.stats[start : start + _STAT_BYTES] != stat_bytes(status):
            return None
        return self.digests[row * 32 : row * 32 + 32]

    def has_attributes(self, row: int) -> bool:
        """Whether it had attributes or an ACL, which are not remembered themselves."""
        return bool(self.flags[row] & _ATTRIBUTED)


class _Chunk:
    """One chunk as it lies in the file."""

    def __init__(self, raw: memoryview) -> None:
        rows, runs, directory_bytes, name_bytes = _CHUNK.unpack_from(raw)
        start = _CHUNK.size
        numbers = struct.unpack_from(f"<{2 * runs}I", raw, start)
        start += 8 * runs
        directories = bytes(raw[start : start + directory_bytes])
        start += directory_bytes
        self.names = bytes(raw[start : start + name_bytes]).split(b"\x00")[:-1]
        start += name_bytes
        self.stats = raw[start : start + rows * _STAT_BYTES]
        start += rows * _STAT_BYTES
        self.digests = raw[start : start + rows * 32]
        self.flags = raw[start + rows * 32 : start + rows * 33]
        if len(self.flags) != rows or len(self.names) != rows or sum(numbers[:runs]) != rows:
            raise ValueError("a chunk of a stat cache does not add up")
        self.runs: list[tuple[bytes | None, int]] = []
        position = 0
        for count, length in zip(numbers[:runs], numbers[runs:], strict=True):
            if length == _OWN_ROW:
                self.runs.append((None, count))
            else:
                self.runs.append((directories[position : position + length], count))
                position += length


def _encode_chunk(chunk: "Chunk", stats: "npt.NDArray[np.int64]") -> bytes:
    directories = b"".join(directory or b"" for directory, _ in chunk.runs)
    counts = [count for _, count in chunk.runs]
    lengths = [_OWN_ROW if directory is None else len(directory) for directory, _ in chunk.runs]
    names = b"".join(name + b"\x00" for name in chunk.names)
    flags = bytearray(len(chunk.names))
    for row in chunk.attributed:
        flags[row] |= _ATTRIBUTED
    return b"".join(
        [
            _CHUNK.pack(len(chunk.names), len(chunk.runs), len(directories), len(names)),
            struct.pack(f"<{2 * len(counts)}I", *counts, *lengths),
            directories,
            names,
            stats.tobytes(),
            chunk.digests.tobytes(),
            flags,
        ]
    )


class StatCache:
    """What is remembered of one source.

    Args:
        directory: the state directory; made if it is missing.
        scope: what the rows belong to: ids of fabric and dataset.
        source: the directory, the prefix and the rules of what is left out.
    """

    def __init__(self, directory: str | Path, scope: str, source: Source) -> None:
        self.source = source
        parts = [scope.encode(), source.path, source.prefix, *(os.fsencode(rule) for rule in source.ignore)]
        self._key = b"".join(struct.pack("<I", len(part)) + part for part in parts)
        self._directory = Path(directory)
        self.path = self._directory / f"{blake3(self._key).hexdigest(16)}.stat"
        self._chunks: list[memoryview] = []
        self._token: bytes | None = None
        self._racy = False
        self._watched: list[tuple[bytes, bytes]] = []
        with contextlib.suppress(OSError, ValueError, struct.error):
            self._load()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is remembered."""
        return self._token is None

    def _load(self) -> None:
        with open(self.path, "rb") as file:
            raw = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        length, digest = _TAIL.unpack_from(raw, len(raw) - _TAIL.size)
        footer = raw[len(raw) - _TAIL.size - length : len(raw) - _TAIL.size]
        if raw[:8] != _MAGIC or blake3(footer).digest(16) != digest:
            return
        position = 0

        def take(count: int) -> bytes:
            nonlocal position
            position += count
            return bytes(footer[position - count : position])

        def text() -> bytes:
            return take(struct.unpack("<I", take(4))[0])

        if text() != self._key:
            return
        token = text()
        racy, watched, chunks = struct.unpack("<BII", take(9))
        self._watched = [(text(), text()) for _ in range(watched)]
        for _ in range(chunks):
            start, size, digest = struct.unpack("<QQ16s", take(32))
            self._chunks.append(raw[start : start + size])
            if blake3(self._chunks[-1]).digest(16) != digest:
                self._chunks.clear()
                return
        self._racy, self._token = bool(racy), token

    # --- the fast question ---

    def matches(self, token: bytes, *, may_fork: bool = False) -> bool:
        """Whether the source is exactly as it was when `token` was saved: to put it again would give the same rows.

        About 2.5 us an entry. False whenever that is not certain.

        Args:
            token: what the rows must be known as.
            may_fork: a second process may look at half of a large source. For callers that have no other thread.
        """
        if token != self._token or self._racy:
            return False
        try:
            top = os.open(self.source.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            if not may_fork or len(self._chunks) < FORK_CHUNKS_MIN:
                return self._all_match(top, self._chunks)
            child = os.fork()
            if child == 0:
                same = False
                try:
                    same = self._all_match(top, self._chunks[::2])
                finally:
                    os._exit(not same)
            same = self._all_match(top, self._chunks[1::2])
            return os.waitpid(child, 0)[1] == 0 and same
        finally:
            os.close(top)

    def _all_match(self, top: int, chunks: list[memoryview]) -> bool:
        try:
            return all(self._chunk_matches(top, raw) for raw in chunks) and all(
                stat_bytes(os.stat(path, dir_fd=top, follow_symlinks=False)) == expected for path, expected in self._watched
            )
        except (OSError, OverflowError, ValueError, struct.error):
            return False

    def _chunk_matches(self, top: int, raw: memoryview) -> bool:
        chunk = _Chunk(raw)
        row = 0
        for directory, count in chunk.runs:
            expected = chunk.stats[row * _STAT_BYTES : (row + count) * _STAT_BYTES]
            names = chunk.names[row : row + count]
            row += count
            if directory is None:
                if stat_bytes(os.fstat(top)) != expected:
                    return False
            elif not _directory_matches(top, directory, names, expected):
                return False
        return True

    # --- the next put ---

    def directories(self) -> "Cursor":
        """Return what looks up directories in tree order."""
        return Cursor(self._runs())

    def _runs(self) -> Iterator[tuple[bytes, _Chunk, int, int]]:
        for raw in self._chunks:
            chunk = _Chunk(raw)
            row = 0
            for directory, count in chunk.runs:
                if directory is not None:
                    yield directory, chunk, row, row + count
                row += count

    def recorder(self, started_ns: int) -> "Recorder":
        """Return what takes the rows of a put that began to look at the source at `started_ns`."""
        return Recorder(self._directory, self.path, self._key, started_ns)


def _directory_matches(top: int, directory: bytes, names: list[bytes], expected: memoryview) -> bool:
    fd = os.open(directory, DIRECTORY_FLAGS, dir_fd=top) if directory else os.dup(top)
    try:
        numbers: list[int] = []
        extend, append, status_of = numbers.extend, numbers.append, os.stat
        for name in names:
            status = status_of(name, dir_fd=fd, follow_symlinks=False)
            extend(status[:7])
            append(status.st_mtime_ns)
            append(status.st_ctime_ns)
        return array("q", numbers).tobytes() == expected
    finally:
        os.close(fd)


class Cursor:
    """Looks up directories, asked for in tree order: both sides are walked once."""

    def __init__(self, runs: Iterator[tuple[bytes, _Chunk, int, int]]) -> None:
        self._runs = runs
        self._next = next(runs, None)

    def find(self, directory: bytes) -> RememberedDirectory | None:
        """Return what is remembered of a directory; None if it was not there."""
        wanted = directory.replace(b"/", b"\x00")
        parts = []
        while self._next is not None:
            found = self._next[0].replace(b"/", b"\x00")
            if found > wanted:
                break
            if found == wanted:
                parts.append(self._next[1:])
            self._next = next(self._runs, None)
        if not parts:
            return None
        names = [name for chunk, low, high in parts for name in chunk.names[low:high]]
        return RememberedDirectory(
            dict(zip(names, range(len(names)), strict=True)),
            b"".join(chunk.stats[low * _STAT_BYTES : high * _STAT_BYTES] for chunk, low, high in parts),
            b"".join(chunk.digests[low * 32 : high * 32] for chunk, low, high in parts),
            b"".join(chunk.flags[low:high] for chunk, low, high in parts),
        )


class Recorder:
    """Writes what a put finds, chunk by chunk; it counts once `save` was called. A full disk only costs the cache."""

    def __init__(self, directory: Path, path: Path, key: bytes, started_ns: int) -> None:
        self._path = path
        self._key = key
        self._started_ns = started_ns
        self._racy = False
        self._watched: list[tuple[bytes, bytes]] = []
        self._chunks: list[bytes] = []
        self._file: BinaryIO | None = None
        self._temporary = ""
        with contextlib.suppress(OSError):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for left in directory.glob(path.stem + ".*.tmp"):
                # Of a killed put; if it is of one under way, that one goes without.
                left.unlink(missing_ok=True)
            self._temporary = str(directory / f"{path.stem}.{os.urandom(8).hex()}.tmp")
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
            self._file = open(os.open(self._temporary, flags, 0o600), "wb")  # noqa: SIM115
            self._file.write(_MAGIC)

    def is_racy(self, status: os.stat_result) -> bool:
        """Whether a later write to this entry could leave the same stat."""
        return is_racy(status, self._started_ns)

    def add(self, chunk: "Chunk") -> None:
        """Remember the rows of a chunk, but for racy ones."""
        if self._file is None:
            return
        stats = chunk.stats.copy()
        mtime, ctime = stats[:, 7], stats[:, 8]
        coarse = (mtime % 1_000_000_000 == 0) & (ctime % 1_000_000_000 == 0)
        limit = self._started_ns - GRANULE_NS - coarse * (COARSE_GRANULE_NS - GRANULE_NS)
        racy = (ctime >= limit) | ((mtime >= limit) & (mtime <= time.time_ns()))
        stats[racy, _INODE] = -1
        self._racy = self._racy or bool(racy.any())
        raw = _encode_chunk(chunk, stats)
        with self._giving_up():
            self._chunks.append(struct.pack("<QQ16s", self._file.tell(), len(raw), blake3(raw).digest(16)))
            self._file.write(raw)

    def watch(self, path: bytes, status: os.stat_result) -> None:
        """Remember a file that is no row, yet says which are: rules that are left out by themselves."""
        self._watched.append((path, stat_bytes(status)))
        self._racy = self._racy or self.is_racy(status)

    def save(self, token: bytes) -> None:
        """Let what was added count from now on, as what `token` names."""
        if self._file is None:
            return
        parts = [self._key, token]
        texts = b"".join(struct.pack("<I", len(part)) + part for part in parts)
        watched = b"".join(struct.pack("<I", len(part)) + part for pair in self._watched for part in pair)
        counts = struct.pack("<BII", self._racy, len(self._watched), len(self._chunks))
        footer = texts + counts + watched + b"".join(self._chunks)
        with self._giving_up():
            self._file.write(footer + _TAIL.pack(len(footer), blake3(footer).digest(16)))
            self._file.close()
            os.replace(self._temporary, self._path)
            self._file = None

    def discard(self) -> None:
        """Forget what was added. May be called after save, and twice."""
        if self._file is not None:
            file, self._file = self._file, None
            with contextlib.suppress(OSError):
                file.close()
            with contextlib.suppress(OSError):
                os.unlink(self._temporary)

    @contextlib.contextmanager
    def _giving_up(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            # Nothing is lost but time: the next put reads all files again.
            self.discard()


def is_racy(status: os.stat_result, started_ns: int) -> bool:
    """Whether an entry was so young at `started_ns` that a later write could leave the same stat."""
    coarse = status.st_mtime_ns % 1_000_000_000 == 0 and status.st_ctime_ns % 1_000_000_000 == 0
    limit = started_ns - (COARSE_GRANULE_NS if coarse else GRANULE_NS)
    return status.st_ctime_ns >= limit or limit <= status.st_mtime_ns <= time.time_ns()
