"""One checkout at work: each row becomes a directory, a symlink, a link, or a file for the transfer."""

import os
import stat
from collections.abc import Iterable
from functools import partial
from typing import Any

from fabric.cache.contents import ContentReader
from fabric.checkout import existing
from fabric.checkout.attributes import KEEP_OWNER, SET_ID_BITS, Extra, Wanted, may_change_owners
from fabric.checkout.batches import NO_PLACE_NUMBER
from fabric.checkout.columns import Columns, windows
from fabric.checkout.destination import Destination
from fabric.checkout.directories import Directories
from fabric.checkout.failures import failure
from fabric.checkout.frames import Frame, Frames
from fabric.checkout.options import CheckoutOptions, CheckoutResult, Overwrite
from fabric.checkout.transfer import Transfer
from fabric.errors import AlreadyExistsError, DataError, FabricError, InvalidInputError, SourceError
from fabric.model import paths, xattrs
from fabric.model.content import Content
from fabric.model.digest import DigestKind
from fabric.model.entry import MODE_BITS, Kind
from fabric.model.extent import Extent, ExtentKind
from fabric.model.paths import check_name, display, join
from fabric.progress import Progress


class Run:
    """Brings rows into one destination. Used once.

    Args:
        destination: where to.
        strip: the path in the tree that becomes the destination.
        reader: where the bytes come from.
        options: what is asked.
        progress: is told what is done.
    """

    def __init__(
        self,
        destination: Destination,
        strip: bytes,
        reader: ContentReader,
        *,
        options: CheckoutOptions,
        progress: Progress,
    ) -> None:
        self.result = CheckoutResult()
        self._reader = reader
        self._options = options
        self._progress = progress
        self._made = destination.made
        self._strip = strip
        self._owner = may_change_owners() if options.owner is None else options.owner
        self._directories = Directories(destination.fd)
        self._transfer = Transfer(
            destination.fd, self._directories, reader, result=self.result, progress=progress, jobs=options.jobs
        )
        self._frames = Frames(
            Frame(b"", destination.fresh, destination.exact),
            self._directories,
            options,
            result=self.result,
            after=self._transfer.after,
            folding=destination.folding,
        )
        self._places: dict[bytes, int] = {}
        self._links: dict[tuple[int, bytes, int], bytes] = {}
        """Where the first name of a link group lies. The digest and size are in the key: a row cannot borrow bytes."""

    def run(self, batches: Iterable[Any]) -> CheckoutResult:
        """Do it all; raises FabricError, and then complete files stay and nothing else."""
        try:
            for columns in windows(batches):
                self._rows(columns)
                self._transfer.flush()
            self._frames.close()
            self._transfer.drain()
        except BaseException:
            self._transfer.abort()
            raise
        finally:
            self._directories.forget()
        return self.result

    def _rows(self, columns: Columns) -> None:
        small, places = self._transfer.small, self._places
        strip, ours = self._strip, (os.geteuid(), os.getegid())
        kept_bits = MODE_BITS if self._owner and self._options.set_ids else MODE_BITS & ~SET_ID_BITS
        current: bytes | None = None
        frame = self._frames.root
        file_kind, directory_kind = int(Kind.FILE), int(Kind.DIRECTORY)
        for index, row in enumerate(columns.rows):
            parent, name, kind, mode, uid, gid, mtime_ns, size, digest, link_group, rare, stored, offset = row
            if parent != current or not name:
                if self._is_root(parent, name):
                    self._root(columns, index, row)
                    continue
                frame = self._frames.enter(self._relative(parent, strip))
                current = parent
            check_name(name)
            if frame.names is not None or frame.folded is not None:
                self._frames.note(frame, name)
            if kind == file_kind:
                if not self._owner or (frame.exact and (uid, gid) == ours):
                    # What is created has the right owner already.
                    uid = gid = KEEP_OWNER
                wanted: Wanted = (mode & kept_bits, uid, gid, mtime_ns, None)
                if stored and frame.fresh and not link_group and not rare:
                    place = places.get(stored)
                    if place is None:
                        place = self._place(stored)
                    small((place, offset, size, digest, frame.path, name, frame.exact, wanted))
                    continue
                if rare:
                    wanted = (*wanted[:4], self._extra(columns, index))
                content = _plain(size, digest, stored, offset) if stored else columns.content(index)
                self._file(frame, name, wanted, content, link_group)
            elif kind == directory_kind:
                child = self._frames.make(frame, name)
                child.wanted = self._directory_wanted(columns, index, row)
                frame.children[name] = child
            else:
                self._symlink(frame, columns, index, row)

    def _place(self, stored: bytes) -> int:
        number = self._places[stored] = self._transfer.place(self._reader.store, self._reader.object_key(stored))
        return number

    def _is_root(self, parent: bytes, name: bytes) -> bool:
        return (parent, name) == paths.split(self._strip)

    def _relative(self, parent: bytes, strip: bytes) -> bytes:
        if not strip:
            return paths.check_path(parent)
        if parent != strip and not parent.startswith(strip + b"/"):
            raise InvalidInputError(f"a row of {display(parent)!r} is not below {display(strip)!r}", subject=display(parent))
        return paths.check_path(parent[len(strip) + 1 :])

    def _root(self, columns: Columns, index: int, row: tuple[Any, ...]) -> None:
        if row[2] != Kind.DIRECTORY:
            shown = display(self._strip)
            raise InvalidInputError(f"{shown} is no directory", subject=shown, hint="check out its parent, or it alone")
        if self._made:
            self._frames.root.wanted = self._directory_wanted(columns, index, row)

    def _directory_wanted(self, columns: Columns, index: int, row: tuple[Any, ...]) -> Wanted:
        _, _, _, mode, uid, gid, mtime_ns, _, _, _, rare, *_ = row
        extra = self._extra(columns, index) if rare else None
        owner, group = (uid, gid) if self._owner else (KEEP_OWNER, KEEP_OWNER)
        return mode & MODE_BITS, owner, group, mtime_ns, extra

    def _extra(self, columns: Columns, index: int) -> Extra:
        access, default, small = columns.acls_and_xattrs(index)
        content = columns.large_xattrs(index)
        return access, default, small if content is None else xattrs.decode(bytes(self._reader.read(content)))

    # Files

    def _file(self, frame: Frame, name: bytes, wanted: Wanted, content: Content, link_group: int) -> None:
        """Any file that is not the plain case: a link, a place where something may stand, or odd bytes."""
        path = join(frame.path, name)
        if content.digest_kind == DigestKind.DEFERRED:
            self.result.unverified += 1
        link = (link_group, content.digest, content.size)
        first = self._links.setdefault(link, path) if link_group else path
        try:
            if not frame.fresh and self._is_kept(frame, name, wanted, content, first):
                self.result.kept += 1
                self._progress.advance(files=1, size=content.size)
                return
        except OSError as error:
            raise failure(error, path) from error
        if first != path:
            self._transfer.after(partial(self._link, link, frame.path, name, wanted, content))
            return
        if not self._take_small(frame, name, wanted, content):
            self._transfer.large(frame.path, name, wanted, content)

    def _take_small(self, frame: Frame, name: bytes, wanted: Wanted, content: Content) -> bool:
        """Take a file that can be placed in one go; False for others."""
        extra = wanted[4]
        if len(content.extents) > 1 or (extra and sum(map(len, extra[2].values())) > xattrs.XATTRS_INLINE_BYTES_MAX):
            return False
        blocks = self._reader.blocks(content)
        if len(blocks) > 1 or any(block.store is None or not block.digest for block in blocks):
            return False
        place, offset, digest = NO_PLACE_NUMBER, 0, content.digest
        for block in blocks:
            assert block.store is not None
            place, offset, digest = self._transfer.place(block.store, block.key), block.offset, block.digest
        self._transfer.small((place, offset, content.size, digest, frame.path, name, frame.exact, wanted))
        return True

    def _is_kept(self, frame: Frame, name: bytes, wanted: Wanted, content: Content, first: bytes) -> bool:
        """Whether what stands there stays. If it must go first, it goes; if it must not, that is an error."""
        where = self._directories.open(frame.path)
        found = existing.look(where, name)
        if found is None:
            return False
        path = join(frame.path, name)
        if not stat.S_ISREG(found.st_mode) or not self._is_same(where, name, found, wanted, content):
            self._may_replace(where, name, found, path)
            return False
        if first != path and not self._is_link_of(found, first):
            return False
        missing = existing.adjust(where, name, found, wanted)
        self.result.leave_out([(path, what) for what in missing], len(missing))
        return True

    def _is_link_of(self, found: os.stat_result, first: bytes) -> bool:
        directory, name = paths.split(first)
        other = existing.look(self._directories.open(directory), name)
        return other is not None and os.path.samestat(found, other)

    def _is_same(self, where: int, name: bytes, found: os.stat_result, wanted: Wanted, content: Content) -> bool:
        if self._options.checksum:
            return existing.has_content(where, name, found, content)
        unchanged = (found.st_size, found.st_mtime_ns) == (content.size, wanted[3])
        return self._options.skip_unchanged and unchanged

    def _may_replace(self, where: int, name: bytes, found: os.stat_result, path: bytes) -> None:
        shown = display(path)
        if stat.S_ISDIR(found.st_mode):
            if not self._options.force:
                raise SourceError(
                    f"{shown} is a directory, and must become something else",
                    subject=shown,
                    hint="remove it, or use --force (force=True)",
                )
            existing.remove(where, name)
            self._directories.forget()
        elif self._options.overwrite == Overwrite.REFUSE:
            raise AlreadyExistsError(
                f"{shown} is there already, and differs",
                subject=shown,
                hint="remove it, or have it replaced: --force, Overwrite.REPLACE",
            )

    def _link(self, link: tuple[int, bytes, int], directory: bytes, name: bytes, wanted: Wanted, content: Content) -> None:
        """Make a further name of a file. Where that is not possible, it becomes a file of its own."""
        path, first = join(directory, name), self._links[link]
        source_directory, source = paths.split(first)
        temporary = self._transfer.temporary()
        try:
            origin = os.dup(self._directories.open(source_directory))
            try:
                where = self._directories.open(directory)
                os.link(source, temporary, src_dir_fd=origin, dst_dir_fd=where, follow_symlinks=False)
            finally:
                os.close(origin)
            self._rename_link(where, temporary, name)
        except FabricError:
            raise
        except OSError:
            # Too many links (EMLINK), or a file system or right that does not allow them: the bytes matter more.
            self._transfer.place_now(directory, name, wanted, content)
            self._links[link] = path
            return
        self.result.files += 1
        self.result.links += 1
        self._progress.advance(files=1)

    @staticmethod
    def _rename_link(where: int, temporary: bytes, name: bytes) -> None:
        os.rename(temporary, name, src_dir_fd=where, dst_dir_fd=where)
        # If both names are one file already, a rename does nothing, and leaves the temporary name.
        if existing.look(where, temporary) is not None:
            os.unlink(temporary, dir_fd=where)

    # Symlinks

    def _symlink(self, frame: Frame, columns: Columns, index: int, row: tuple[Any, ...]) -> None:
        _, name, kind, _, uid, gid, mtime_ns, *_ = row
        path = join(frame.path, name)
        if kind != Kind.SYMLINK:
            raise DataError(f"{display(path)}: unknown kind of entry {kind}", subject=display(path))
        target = columns.target(index)
        if not target or b"\x00" in target:
            raise DataError(f"{display(path)}: a symlink that points to nothing", subject=display(path))
        try:
            where = self._directories.open(frame.path)
            found = None if frame.fresh else existing.look(where, name)
            if found is not None and stat.S_ISLNK(found.st_mode) and os.readlink(name, dir_fd=where) == target:
                self.result.kept += 1
            else:
                if found is not None:
                    self._may_replace(where, name, found, path)
                    where = self._directories.open(frame.path)
                self._make_symlink(where, name, target, replace=found is not None)
            if self._owner:
                os.chown(name, uid, gid, dir_fd=where, follow_symlinks=False)
            os.utime(name, ns=(mtime_ns, mtime_ns), dir_fd=where, follow_symlinks=False)
        except OSError as error:
            raise failure(error, path) from error

    def _make_symlink(self, where: int, name: bytes, target: bytes, *, replace: bool) -> None:
        if replace:
            temporary = self._transfer.temporary()
            os.symlink(target, temporary, dir_fd=where)
            os.rename(temporary, name, src_dir_fd=where, dst_dir_fd=where)
        else:
            os.symlink(target, name, dir_fd=where)
        self.result.symlinks += 1


def _plain(size: int, digest: bytes, stored: bytes, offset: int) -> Content:
    return Content(size, DigestKind.WHOLE, digest, (Extent(ExtentKind.OBJECT, stored, offset, size, size),))
