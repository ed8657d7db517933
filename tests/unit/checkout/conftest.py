"""A tree made by hand, and the files that a checkout made of it."""

import os
import stat

import pytest

from fabric.cache.contents import ContentReader
from fabric.checkout.checkout import checkout
from fabric.checkout.options import CheckoutOptions
from fabric.model import rows
from fabric.model.digest import NO_DIGEST
from fabric.model.entry import Entry, Kind
from fabric.model.xattrs import XATTRS_INLINE_BYTES_MAX, encode
from fabric.objects.memory import MemoryStore
from fabric.testing.contents import ContentMaker

TIME = 1_700_000_000_123_456_789


class Tree:
    """Rows and the contents behind them."""

    def __init__(self, store=None):
        self.maker = ContentMaker(store or MemoryStore())
        self.pairs = []
        self.data = {}

    def dir(self, path, mode=0o755, **more):
        extents, more = self._attributes(more)
        self.pairs.append((Entry(path, Kind.DIRECTORY, mode, **self._common(more)), extents))
        return self

    def file(self, path, data=b"", mode=0o644, content=None, **more):
        content = content or self.maker.add(data)
        extents, more = self._attributes(more)
        entry = Entry(
            path,
            Kind.FILE,
            mode,
            size=content.size,
            digest_kind=content.digest_kind,
            digest=content.digest,
            **self._common(more),
        )
        self.pairs.append((entry, [*content.extents, *extents]))
        self.data[path] = data
        return self

    def link(self, path, target, **more):
        self.pairs.append((Entry(path, Kind.SYMLINK, 0o777, target=target, size=len(target), **self._common(more)), []))
        return self

    def _common(self, more):
        return {"uid": os.geteuid(), "gid": os.getegid(), "mtime_ns": TIME, **more}

    def _attributes(self, more):
        raw = encode(more.get("xattrs", {}))
        if len(raw) <= XATTRS_INLINE_BYTES_MAX:
            return [], more
        content = self.maker.add(raw)
        return content.extents, {**more, "xattrs": {}, "xattrs_digest": content.digest}

    def table(self):
        self.maker.close_pack()
        return rows.from_entries(self.pairs)

    def reader(self, store=None):
        return ContentReader(store or self.maker.store, self.maker.dataset, parallel=4)

    def get(self, dest, strip=b"", store=None, rows_=None, progress=None, **options):
        reader = self.reader(store)
        try:
            return checkout(
                [self.table()] if rows_ is None else rows_,
                strip,
                dest,
                reader,
                options=CheckoutOptions(**options),
                progress=progress,
            )
        finally:
            reader.close()


def found(dest):
    """Return all that is below dest: {path: (kind, mode, mtime_ns, what)}, `what` being bytes or a symlink's target."""
    result = {}
    root = os.fsencode(dest)
    for where, directories, files in os.walk(root):
        for name in directories + files:
            path = os.path.join(where, name)
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                what = os.readlink(path)
            elif stat.S_ISDIR(status.st_mode):
                what = None
            else:
                with open(path, "rb") as file:
                    what = file.read()
            result[path[len(root) + 1 :]] = (
                stat.S_IFMT(status.st_mode),
                stat.S_IMODE(status.st_mode),
                status.st_mtime_ns,
                what,
            )
    return result


@pytest.fixture
def tree():
    return Tree()


@pytest.fixture
def look():
    return found


@pytest.fixture
def new_tree():
    return Tree


__all__ = ["NO_DIGEST", "TIME"]
