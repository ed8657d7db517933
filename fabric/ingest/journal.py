"""What an interrupted put had sent already, so that the next run of it sends the rest only.

A local file, appended to whenever a pack is durable: which contents lie in it, by digest, and which files had which digest
when they had which stat. Records say nothing about paths. They hold for one lease: as long as it lives its objects stay, so
the next run may refer to them if it goes on with that lease; under another lease the records are dropped.

    batch = magic, length, BLAKE3-128, payload; a batch that is cut short or damaged ends the journal

No fsync: a batch is written after its pack is durable, and one that is lost costs an upload, not data.
"""

import fcntl
import os
import struct
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from blake3 import blake3

from fabric.errors import InvalidInputError, SourceError
from fabric.ingest.known import DigestIndex
from fabric.ingest.rowbuilder import CTIME, DEVICE, INODE, MTIME, SIZE
from fabric.ingest.source import source_error
from fabric.ingest.statcache import COARSE_GRANULE_NS, GRANULE_NS
from fabric.model.digest import DIGEST_BYTES
from fabric.model.ids import LeaseId, ObjectRef, parse_lease_id, parse_object_ref

_HEADER = struct.Struct("<4sI16s")
_MAGIC = b"FBJ1"
_BATCH_BYTES_MAX = 1 << 30
_LEASE, _PACK = 1, 2
_CONTENT = np.dtype([("digest", "V32"), ("offset", "<u8"), ("length", "<u8")])
_FILE = np.dtype([("stat", "<i8", (5,)), ("digest", "V32"), ("blocks", "<u4")])
_COUNTS = struct.Struct("<B53sIII")
_STAT = [DEVICE, INODE, SIZE, MTIME, CTIME]
StatKey = tuple[int, int, int, int, int]


def stat_key(status: os.stat_result) -> StatKey:
    """Return the numbers by which a file is found again: device, inode, size, mtime, ctime."""
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


class _Known:
    """The records of earlier runs, in arrays."""

    def __init__(self, packs: list[tuple[ObjectRef, Any, Any, Any]]) -> None:
        self.refs = [ref for ref, *_ in packs]
        contents = [contents for _, contents, _, _ in packs]
        self.pack = np.repeat(np.arange(len(packs)), [len(part) for part in contents])
        self.contents = np.concatenate(contents) if contents else np.empty(0, _CONTENT)
        self.files = np.concatenate([files for _, _, files, _ in packs]) if packs else np.empty(0, _FILE)
        self.blocks = b"".join(blocks for _, _, _, blocks in packs)
        self.first_block = np.cumsum(self.files["blocks"]) - self.files["blocks"]
        digests = np.ascontiguousarray(self.contents["digest"]).view(np.uint8).reshape(-1, DIGEST_BYTES)
        self.by_digest = DigestIndex(digests, np.arange(len(digests)))
        order = np.argsort(self.files["stat"][:, 1], kind="stable")
        self.inodes = self.files["stat"][order, 1]
        self.by_inode = order


class Journal:
    """The journal of one put. `seal` and `durable` fulfil `fabric.ingest.packer.PackLog`.

    Thread-safe where upload threads call it.
    """

    def __init__(self, path: Path, fd: int) -> None:
        """Use `open`."""
        self.path = path
        self._fd = fd
        self._lock = threading.Lock()
        self.lease: tuple[LeaseId, int] | None = None
        """Lease and epoch of the interrupted run, or of this one once it has begun."""
        self._known = _Known([])
        self._files: list[Any] = []
        self._blocks: list[bytes] = []
        self._sealed: list[list[Any]] = []
        self._end = 0
        self._read()

    @classmethod
    def open(cls, path: str | Path) -> "Journal | None":
        """Open the journal at `path`; made if it is missing. None if another process has it open: go without.

        Raises:
            SourceError: the state directory cannot be written.
        """
        path = Path(path)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise source_error(error, os.fsencode(path)) from None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_current = os.path.samestat(os.fstat(fd), os.stat(path))
        except OSError:
            is_current = False
        if not is_current:
            os.close(fd)
            return None
        return cls(path, fd)

    # --- what an earlier run left ---

    def _read(self) -> None:
        packs: list[tuple[ObjectRef, Any, Any, Any]] = []
        with os.fdopen(os.dup(self._fd), "rb") as file:
            while len(header := file.read(_HEADER.size)) == _HEADER.size:
                magic, length, digest = _HEADER.unpack(header)
                if magic != _MAGIC or length > _BATCH_BYTES_MAX:
                    break
                payload = file.read(length)
                if len(payload) != length or blake3(payload).digest(16) != digest:
                    break
                try:
                    self._decode(payload, packs)
                except (ValueError, struct.error, InvalidInputError):
                    break
                self._end = file.tell()
        if self.lease is None:
            packs.clear()
        self._known = _Known(packs)

    def _decode(self, payload: bytes, packs: list[tuple[ObjectRef, Any, Any, Any]]) -> None:
        if payload[0] == _LEASE:
            lease, epoch = parse_lease_id(payload[9:].decode("ascii")), struct.unpack_from("<q", payload, 1)[0]
            if self.lease is None or self.lease[0] != lease:
                packs.clear()
            self.lease = (lease, epoch)
            return
        kind, raw_ref, contents, files, blocks = _COUNTS.unpack_from(payload)
        ref = parse_object_ref(raw_ref.decode("ascii"))
        if (
            kind != _PACK
            or len(payload) != _COUNTS.size + contents * _CONTENT.itemsize + files * _FILE.itemsize + blocks * 32
        ):
            raise ValueError("a batch does not add up")
        start = _COUNTS.size
        content_rows = np.frombuffer(payload, _CONTENT, contents, start)
        start += content_rows.nbytes
        file_rows = np.frombuffer(payload, _FILE, files, start)
        if int(file_rows["blocks"].sum()) != blocks:
            raise ValueError("a batch does not add up")
        packs.append((ref, content_rows, file_rows, payload[start + file_rows.nbytes :]))

    @property
    def is_empty(self) -> bool:
        """Whether no earlier run left anything that may be used."""
        return len(self._known.contents) == 0

    def find(self, digest: bytes) -> tuple[ObjectRef, int] | None:
        """Return object and offset of a content of at most one block that the earlier run sent."""
        if self.is_empty:
            return None
        row = self._known.by_digest.find(digest)
        if row < 0:
            return None
        return self._known.refs[self._known.pack[row]], int(self._known.contents["offset"][row])

    def find_file(self, status: os.stat_result) -> tuple[bytes, list[bytes]] | None:
        """Return digest and block digests (none for a single block) of a file that has the stat which it had then."""
        known, key = self._known, stat_key(status)
        row = int(np.searchsorted(known.inodes, key[1]))
        while row < len(known.inodes) and known.inodes[row] == key[1]:
            index = known.by_inode[row]
            if tuple(known.files["stat"][index].tolist()) == key:
                start, count = int(known.first_block[index]), int(known.files["blocks"][index])
                blocks = [known.blocks[32 * i : 32 * i + 32] for i in range(start, start + count)]
                return known.files["digest"][index].tobytes(), blocks
            row += 1
        return None

    # --- what this run does ---

    def begin(self, lease: LeaseId, epoch: int) -> None:
        """This run writes under `lease`. What was known is kept if the earlier run had the same one, else dropped."""
        if self.lease is None or self.lease[0] != lease:
            self._known = _Known([])
            self._end = 0
        with self._lock:
            # After the last whole batch: a tail that was cut short goes.
            os.ftruncate(self._fd, self._end)
            os.lseek(self._fd, self._end, os.SEEK_SET)
            self._append(bytes([_LEASE]) + struct.pack("<q", epoch) + lease.encode("ascii"))
        self.lease = (lease, epoch)

    def add_files(self, stats: npt.NDArray[np.int64], digests: npt.NDArray[np.uint8], started_ns: int) -> None:
        """Note files of at most one block whose contents are in packs up to the next one sealed; racy ones are left out."""
        mtime, ctime = stats[:, MTIME], stats[:, CTIME]
        coarse = (mtime % 1_000_000_000 == 0) & (ctime % 1_000_000_000 == 0)
        old = ctime < started_ns - GRANULE_NS - coarse * (COARSE_GRANULE_NS - GRANULE_NS)
        rows = np.zeros(int(old.sum()), _FILE)
        rows["stat"] = stats[old][:, _STAT]
        rows["digest"] = np.ascontiguousarray(digests[old]).view("V32").reshape(-1)
        self._files.append(rows)

    def add_large_file(self, key: StatKey, digest: bytes, blocks: Sequence[bytes]) -> None:
        """Note a file of more blocks, all of which are in packs up to the next one sealed (or are zeros)."""
        rows = np.zeros(1, _FILE)
        try:
            rows["stat"][0] = key
        except OverflowError:
            return
        rows["digest"] = np.frombuffer(digest, "V32")
        rows["blocks"] = len(blocks)
        self._files.append(rows)
        self._blocks.append(b"".join(blocks))

    def seal(
        self, ref: ObjectRef, digests: Sequence[bytes], offsets: npt.NDArray[np.uint64], lengths: npt.NDArray[np.uint64]
    ) -> None:
        """A pack is full; what was noted up to now counts once it and all before it are durable."""
        table = np.zeros(len(digests), _CONTENT)
        table["digest"] = np.frombuffer(b"".join(digests), "V32")
        table["offset"], table["length"] = offsets, lengths
        files = np.concatenate(self._files) if self._files else np.empty(0, _FILE)
        blocks = b"".join(self._blocks)
        self._files, self._blocks = [], []
        counts = _COUNTS.pack(_PACK, ref.encode("ascii"), len(table), len(files), len(blocks) // 32)
        with self._lock:
            self._sealed.append([ref, False, counts + table.tobytes() + files.tobytes() + blocks])

    def durable(self, ref: ObjectRef) -> None:
        """A sealed pack is in the store; from any thread, in any order."""
        with self._lock:
            for entry in self._sealed:
                if entry[0] == ref:
                    entry[1] = True
            while self._sealed and self._sealed[0][1]:
                self._append(self._sealed.pop(0)[2])

    def _append(self, payload: bytes) -> None:
        if self._fd < 0:
            return
        batch = _HEADER.pack(_MAGIC, len(payload), blake3(payload).digest(16)) + payload
        try:
            view = memoryview(batch)
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError:
            # A full disk costs the journal, not the put. What follows a torn batch would not be read: stop here.
            self._close()

    def finish(self) -> None:
        """The put has ended well: remove the journal."""
        with self._lock:
            try:
                self.path.unlink(missing_ok=True)
            except OSError as error:
                raise SourceError(f"cannot remove {str(self.path)!r}: {error.strerror}", subject=str(self.path)) from None
            finally:
                self._close()

    def close(self) -> None:
        """The put has failed: leave the journal for the next run. May be called twice."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
