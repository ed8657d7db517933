"""The hot loops: small ordinary files of one directory, one after the other, with nothing looked up twice.

An ordinary file is regular, has one name, 1 to BLOCK_BYTES bytes without holes, no extended attributes, and does not
change while it is read. Nearly all are; the loop stops at the first that is not, with nothing kept of it, and the caller
takes that one in the way that knows all cases. What is one call a file there is written out here: it saves a fifth of the
time of a put of many small files. The other loop is for files that a stat cache and the base know, of any size.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from blake3 import blake3

from fabric.errors import FabricError
from fabric.ingest import attributes
from fabric.ingest.packer import PackWriter
from fabric.ingest.places import OFFSET_BITS, Place
from fabric.ingest.source import FILE_FLAGS
from fabric.ingest.statcache import RememberedDirectory
from fabric.model.digest import BLOCK_BYTES

_S_IFMT, _S_IFREG = 0o170000, 0o100000
_ONLY_LABEL = [attributes.LABEL]
list_xattrs: Callable[[int], list[str]] = getattr(os, "listxattr", attributes.names_of)

Lookup = Callable[[bytes, int], Place | None]


@dataclass(slots=True)
class Plain:
    """Ordinary files, column by column.

    Attributes:
        stats: mode, inode, device, links, uid, gid, size, mtime_ns, ctime_ns of each.
        digests: of their contents.
        places: of their contents.
        size: bytes of content of all.
        labelled: files with a security label, which is left out.
    """

    stats: list[int] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    size: int = 0
    labelled: int = 0


def take_plain(directory: int, names: Sequence[bytes], packer: PackWriter, base: Lookup | None) -> Plain:
    """Take files from the front of `names` (at most 1,024) until one is not ordinary, or the open pack is full.

    Args:
        directory: descriptor of the directory.
        names: files in it.
        packer: takes what is new.
        base: says where else a content of a digest and a size lies.

    Raises:
        FabricError: an earlier pack could not be written.
    """
    result = Plain()
    add_stats, add_digest, add_place = result.stats.extend, result.digests.append, result.places.append
    open_file, fstat, readv, close = os.open, os.fstat, os.readv, os.close
    pack, recent = packer.room_for(1), packer.recent.young
    buffer, number, position, end = pack.buffer, pack.number << OFFSET_BITS, pack.position, pack.position + pack.room
    looks_further = packer.looks_further or base is not None
    kept: list[bytes] = []
    lengths: list[int] = []
    try:
        for name in names:
            fd = open_file(name, FILE_FLAGS, dir_fd=directory)
            try:
                status = fstat(fd)
                head = status[:7]
                mode, _, _, links, _, _, size = head
                stop = position + size
                if mode & _S_IFMT != _S_IFREG or links != 1 or not 0 < size <= BLOCK_BYTES or stop > end:
                    break
                listed = list_xattrs(fd)
                if status.st_blocks * 512 < size or (listed and listed != _ONLY_LABEL):
                    break
                view = buffer[position:stop]
                got = readv(fd, (view,))
                digest: bytes = blake3(view).digest()
                mtime, ctime, after = status.st_mtime_ns, status.st_ctime_ns, fstat(fd)
                if got != size or after.st_size != size or after.st_ctime_ns != ctime or after.st_mtime_ns != mtime:
                    break
            finally:
                close(fd)
            place: Place | None = recent.get(digest)
            if place is None and looks_further:
                place = _find(digest, size, packer, base)
            if place is None:
                place = number | position
                lengths.append(size)
                kept.append(digest)
                recent[digest] = place
                position = stop
            add_stats((*head, mtime, ctime))
            add_digest(digest)
            add_place(place)
            result.labelled += bool(listed)
    except OSError as error:
        if isinstance(error, FabricError):
            raise
    finally:
        pack.keep_many(kept, lengths[: len(kept)])
    result.size = sum(result.stats[6::9])
    return result


def _find(digest: bytes, size: int, packer: PackWriter, base: Lookup | None) -> Place | None:
    place = packer.find(digest)
    return base(digest, size) if place is None and base is not None else place


def take_unchanged(directory: int, names: Sequence[bytes], remembered: RememberedDirectory, base: Lookup) -> Plain:
    """Take files from the front of `names` that are as they were, until one is not, or is not ordinary, but for its size.

    Args:
        directory: descriptor of the directory.
        names: files in it.
        remembered: what they were.
        base: says where a content of a digest and a size lies.
    """
    result = Plain()
    add_stats, add_digest, add_place = result.stats.extend, result.digests.append, result.places.append
    row_of, digest_of, stat_of = remembered.rows.get, remembered.digest, os.stat
    for name in names:
        row = row_of(name)
        if row is None or remembered.has_attributes(row):
            break
        try:
            status = stat_of(name, dir_fd=directory, follow_symlinks=False)
        except OSError:
            break
        digest = digest_of(row, status)
        head = status[:7]
        mode, _, _, links, _, _, size = head
        if digest is None or mode & _S_IFMT != _S_IFREG or links != 1 or size == 0:
            break
        place = base(digest, size)
        if place is None:
            break
        add_stats((*head, status.st_mtime_ns, status.st_ctime_ns))
        add_digest(digest)
        add_place(place)
    result.size = sum(result.stats[6::9])
    return result
