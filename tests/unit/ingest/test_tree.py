"""A directory into rows: every kind of entry, in the tree's order, with all that is kept of it."""

import os
import random
import socket
import struct
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fabric.errors import InvalidInputError, SourceError
from fabric.ingest.source import Source
from fabric.ingest.tree import ingest_file, ingest_tree
from fabric.model import paths, rows, xattrs
from fabric.model.digest import BLOCK_BYTES, NO_DIGEST, DigestKind, content_digest
from fabric.model.entry import Kind
from fabric.model.extent import ExtentKind

ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", tag, permission, who)
    for tag, permission, who in ((1, 6, 2**32 - 1), (2, 4, 1000), (4, 4, 2**32 - 1), (16, 4, 2**32 - 1), (32, 0, 2**32 - 1))
)


def write(path, data=b"", mode=None):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
    if mode is not None:
        os.chmod(path, mode)
    return path


def set_xattr(path, name, value):
    try:
        os.setxattr(path, name, value)
    except (OSError, AttributeError):
        pytest.skip("this file system has no such attributes")


def test_every_kind_of_entry(bench, source):
    write(source / "file", b"content", 0o640)
    write(source / "set-id", b"x", 0o6755)
    write(source / "directory/below/deep", b"deep")
    write(source / "empty", b"")
    (source / "empty-directory").mkdir(mode=0o1777)
    os.chmod(source / "empty-directory", 0o1777)
    os.symlink("../outside", source / "link")
    os.symlink(b"no-such-\xff", source / "broken")
    os.symlink("directory", source / "directory-link")
    os.utime(source / "file", ns=(0, -1_234_567_891))
    os.utime(source / "link", ns=(0, 987_654_321), follow_symlinks=False)
    if os.geteuid() == 0:
        os.chown(source / "file", 1234, 65_534)
    result = bench.put(source)
    tree = bench.tree(result.table)
    assert list(tree) == [
        b"", b"broken", b"directory", b"directory-link", b"empty", b"empty-directory", b"file", b"link", b"set-id",
        b"directory/below", b"directory/below/deep",
    ]  # fmt: skip
    for path, (entry, extents) in tree.items():
        status = os.lstat(os.path.join(os.fsencode(source), path))
        assert entry.mode == status.st_mode & 0o7777
        assert (entry.uid, entry.gid, entry.mtime_ns) == (status.st_uid, status.st_gid, status.st_mtime_ns)
        assert entry.link_group == 0
        if entry.kind != Kind.FILE:
            assert (entry.digest_kind, entry.digest, extents) == (DigestKind.NONE, NO_DIGEST, [])
    assert tree[b"file"][0].mtime_ns == -1_234_567_891
    assert tree[b"link"][0].target == b"../outside"
    assert tree[b"link"][0].size == len(b"../outside")
    assert tree[b"broken"][0].target == b"no-such-\xff"
    assert tree[b"directory-link"][0].kind == Kind.SYMLINK
    assert tree[b"empty"][0].digest == content_digest(b"")
    assert tree[b"empty"][0].digest_kind == DigestKind.WHOLE
    assert bench.contents(result.table) == {
        b"file": b"content", b"set-id": b"x", b"empty": b"", b"directory/below/deep": b"deep",
    }  # fmt: skip
    counts = result.counts
    assert (counts.files, counts.directories, counts.symlinks, counts.size) == (4, 4, 3, 12)
    assert result.skipped == []


def test_prefix_is_where_it_stands(bench, source):
    write(source / "a/b", b"x")
    result = bench.put(source, b"train/images")
    assert list(bench.tree(result.table)) == [b"train/images", b"train/images/a", b"train/images/a/b"]


def test_names_that_are_not_utf8(bench, source):
    names = [b"\xff\xfe", b"caf\xe9", "café".encode(), b"a\nb", b" ", b"-", b"\x01"]
    for name in names:
        write(os.path.join(os.fsencode(source), name), name)
    result = bench.put(source)
    assert bench.contents(result.table) == {name: name for name in names}


def test_source_may_be_a_symlink_what_is_in_it_is_not_followed(bench, source, tmp_path):
    write(source / "file", b"x")
    os.symlink("/etc", source / "etc")
    os.symlink(source, tmp_path / "link")
    tree = bench.tree(bench.put(tmp_path / "link").table)
    assert list(tree) == [b"", b"etc", b"file"]


NAMES = st.lists(
    st.binary(min_size=1, max_size=3).filter(lambda name: not set(name) & {0, 47} and name not in (b".", b".."))
    | st.sampled_from([b"a", b"a!", b"a-b", b"ab", b"a.", b"\xff", b"b"]),
    min_size=1, max_size=4,
)  # fmt: skip


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(NAMES, max_size=12), st.sampled_from([b"", b"p", b"p/q"]))
def test_rows_come_in_the_order_of_trees(bench, tmp_path_factory, found, prefix):
    source = os.fsencode(tmp_path_factory.mktemp("tree"))
    for parts in found:
        path = os.path.join(source, *parts)
        try:
            write(path, path)
        except OSError:
            continue  # A file stands where a directory should.
    table = bench.put(source, prefix).table
    order = list(range(table.num_rows))
    random.Random(3).shuffle(order)
    assert rows.sort(table.take(order)).equals(table)


def test_chunks_join_without_a_seam(bench, source, monkeypatch):
    monkeypatch.setattr("fabric.ingest.sink.CHUNK_ROWS", 10)
    monkeypatch.setattr("fabric.ingest.tree.BATCH", 3)
    for number in range(95):
        write(source / f"d{number % 3}" / f"{number:03}", b"%d" % number)
    result = bench.put(source, b"p")
    assert result.table.column("name").num_chunks > 5
    assert bench.contents(result.table) == {b"p/d%d/%03d" % (n % 3, n): b"%d" % n for n in range(95)}


# --- attributes ---


def test_extended_attributes(bench, source):
    write(source / "file", b"content")
    set_xattr(source / "file", "user.color", b"blue\x00")
    set_xattr(source / "file", "user.empty", b"")
    set_xattr(source, "user.top", b"1")
    (source / "directory").mkdir()
    set_xattr(source / "directory", "user.d", b"2")
    tree = bench.tree(bench.put(source).table)
    assert tree[b"file"][0].xattrs == {b"user.color": b"blue\x00", b"user.empty": b""}
    assert tree[b""][0].xattrs == {b"user.top": b"1"}
    assert tree[b"directory"][0].xattrs == {b"user.d": b"2"}
    assert len(tree[b"file"][1]) == 1


def test_a_large_set_of_attributes_is_a_content(bench, source):
    for name in ("one", "two"):
        write(source / name, b"content of " + name.encode())
        set_xattr(source / name, "user.large", b"v" * 300)
    (source / "directory").mkdir()
    set_xattr(source / "directory", "user.large", b"v" * 300)
    result = bench.put(source)
    encoded = xattrs.encode({b"user.large": b"v" * 300})
    tree = bench.tree(result.table)
    for path, extents in ((b"one", 2), (b"two", 2), (b"directory", 1)):
        entry, found = tree[path]
        assert (entry.xattrs, entry.xattrs_digest) == ({}, content_digest(encoded))
        assert len(found) == extents
        assert bench.read(found[-1:], entry.xattrs_digest) == encoded
    assert bench.contents(result.table) == {b"one": b"content of one", b"two": b"content of two"}
    assert tree[b"one"][1][-1] == tree[b"two"][1][-1]


def test_access_control_lists(bench, source):
    write(source / "file", b"x")
    (source / "directory").mkdir()
    set_xattr(source / "file", "system.posix_acl_access", ACL)
    set_xattr(source / "directory", "system.posix_acl_default", ACL)
    tree = bench.tree(bench.put(source).table)
    assert tree[b"file"][0].acl_access == ACL
    assert tree[b"file"][0].acl_default == b""
    assert tree[b"directory"][0].acl_default == ACL
    assert tree[b"directory"][0].acl_access == b""


def test_attributes_that_are_not_kept_are_listed_once(bench, source):
    for name in ("a", "b", "c"):
        write(source / name, b"x")
        set_xattr(source / name, "trusted.secret", b"1")
        set_xattr(source / name, "user.overlay.opaque", b"y")
    result = bench.put(source)
    found = {(skipped.path, skipped.count) for skipped in result.skipped}
    assert found == {(b"a", 3)}
    assert sorted(skipped.reason.split("'")[1] for skipped in result.skipped) == ["trusted.secret", "user.overlay.opaque"]
    assert bench.tree(result.table)[b"a"][0].xattrs == {}


def test_a_security_label_does_not_slow_down_nor_vanish_silently(bench, source, monkeypatch):
    for name in ("a", "b"):
        write(source / name, b"x")
    monkeypatch.setattr("fabric.ingest.plain.list_xattrs", lambda fd: ["security.selinux"])
    result = bench.put(source)
    (skipped,) = result.skipped
    assert (skipped.path, skipped.count) == (b"a", 2)
    assert result.counts.files == 2


# --- links, holes, what is no file ---


def test_hard_links_are_a_group_if_two_names_are_inside(bench, source, tmp_path):
    write(source / "d/one", b"content")
    os.link(source / "d/one", source / "a")
    os.link(source / "d/one", source / "z")
    write(source / "half", b"half")
    os.link(source / "half", tmp_path / "outside")
    write(source / "big", os.urandom(BLOCK_BYTES + 5))
    os.link(source / "big", source / "big2")
    result = bench.put(source)
    tree = bench.tree(result.table)
    groups = {path: entry.link_group for path, (entry, _) in tree.items()}
    assert groups[b"a"] == groups[b"z"] == groups[b"d/one"] != 0
    assert groups[b"big"] == groups[b"big2"] not in (0, groups[b"a"])
    assert groups[b"half"] == groups[b""] == 0
    assert tree[b"a"][1] == tree[b"d/one"][1]
    assert tree[b"big"][1] == tree[b"big2"][1]
    assert bench.put(source).table.column("link_group") == result.table.column("link_group")
    assert bench.contents(result.table)[b"z"] == b"content"


def test_sparse_files(bench, source):
    def sparse(name, size, *parts):
        with open(source / name, "wb") as file:
            file.truncate(size)
            for offset, data in parts:
                file.seek(offset)
                file.write(data)

    mib = 1024 * 1024
    sparse("hole", 3 * mib)
    sparse("end", 3 * mib, (2 * mib, b"data"))
    sparse("large", 200 * mib + 17, (50 * mib, b"in the middle"), (200 * mib, b"tail"))
    sparse("large-hole", 40 * mib)
    packer = bench.packer()
    result = bench.put(source, packer=packer)
    tree = bench.tree(result.table)
    assert [extent.kind for extent in tree[b"hole"][1]] == [ExtentKind.HOLE]
    assert [extent.kind for extent in tree[b"large-hole"][1]] == [ExtentKind.HOLE] * 10
    (listed,) = tree[b"large"][1]
    kinds = [extent.kind for extent in bench.expand(listed)]
    assert len(kinds) == 51
    assert kinds.count(ExtentKind.OBJECT) == 2
    assert packer.content_bytes_sent <= 3 * mib + BLOCK_BYTES + 17
    for path, data in bench.contents(result.table).items():
        assert data == (source / os.fsdecode(path)).read_bytes()


def test_what_is_no_file_is_left_out_and_listed(bench, source):
    write(source / "file", b"x")
    os.mkfifo(source / "fifo")
    server = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    os.chdir(source)
    server.bind("socket")
    os.chdir(here)
    try:
        result = bench.put(source)
    finally:
        server.close()
    assert list(bench.tree(result.table)) == [b"", b"file"]
    assert [(skipped.path, skipped.reason) for skipped in result.skipped] == [
        (b"fifo", "a fifo is not kept"),
        (b"socket", "a socket is not kept"),
    ]


def test_the_fabric_itself_is_not_entered(bench, source):
    write(source / "store/object", b"x")
    write(source / "file", b"x")
    status = os.stat(source / "store")
    result = bench.put(source, leave_out=[(status.st_dev, status.st_ino)])
    assert list(bench.tree(result.table)) == [b"", b"file"]
    assert [skipped.path for skipped in result.skipped] == [b"store"]


# --- large trees ---


def test_deep_trees_need_neither_recursion_nor_descriptors(bench, source):
    resource = pytest.importorskip("resource")
    depth = 1_500
    fd = os.open(source, os.O_RDONLY)
    for level in range(depth):
        os.mkdir("d", dir_fd=fd)
        if level % 100 == 0:
            os.mkdir("e", dir_fd=fd)
            os.close(os.open("e/file", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
        below = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        result = bench.put(source)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert result.counts.directories == depth + 1 + 15
    assert result.counts.files == 15
    assert rows.is_strictly_sorted(rows.sort_keys(result.table))
    # pytest would remove it by recursion, in one of the next runs, and die of it.
    subprocess.run(["rm", "-rf", source], check=True)


def test_paths_that_no_tree_holds_are_refused(bench, source):
    directory = source / ("d" * 250)
    directory.mkdir()
    write(directory / "file", b"x")
    bench.put(source, b"/".join([b"p" * 250] * 14))
    with pytest.raises(InvalidInputError, match="longer than 4096"):
        bench.put(source, b"/".join([b"p" * 250] * 16))


def test_no_descriptor_stays_open(bench, source):
    for number in range(5):
        write(source / f"{number}/file", b"x")
        os.symlink("x", source / f"{number}/link")
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    bench.put(source)
    os.mkfifo(source / "4/zz")
    os.chmod(source / "4", 0o755)
    after = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    assert after == before


# --- one file, progress ---


def test_one_file(bench, tmp_path):
    write(tmp_path / "file", b"content", 0o600)
    os.symlink(tmp_path / "file", tmp_path / "link")
    packer = bench.packer()
    result = ingest_file(Source.of(tmp_path / "link", b"a/b.txt"), packer)
    bench.finish(packer)
    assert result.counts.files == 1
    ((path, (entry, extents)),) = bench.tree(result.table).items()
    assert (path, entry.mode, entry.size) == (b"a/b.txt", 0o600, 7)
    assert bench.read(extents, entry.digest) == b"content"


@pytest.mark.parametrize(("name", "message"), [("none", "No such file"), ("directory", "is no regular file")])
def test_one_file_that_is_none(bench, tmp_path, name, message):
    (tmp_path / "directory").mkdir()
    with pytest.raises(SourceError, match=message):
        ingest_file(Source.of(tmp_path / name, b"f"), bench.packer())


def test_a_source_that_is_no_directory(bench, tmp_path):
    write(tmp_path / "file", b"")
    with pytest.raises(SourceError, match="Not a directory") as caught:
        ingest_tree(Source.of(tmp_path / "file"), bench.packer())
    assert caught.value.subject == str(tmp_path / "file")
    assert caught.value.hint == "name a directory"


class Progress:
    def __init__(self):
        self.files = self.size = 0

    def begin(self, phase, *, files=None, size=None):
        assert phase == "put"

    def advance(self, *, files=0, size=0):
        self.files += files
        self.size += size


def test_progress_adds_up(bench, source, later):
    for number in range(700):
        write(source / f"{number}", b"x" * number)
    write(source / "large", os.urandom(2 * BLOCK_BYTES + 1))
    write(source / "exact", os.urandom(BLOCK_BYTES))
    progress = Progress()
    counts = bench.put(source, progress=progress).counts
    assert (progress.files, progress.size) == (counts.files, counts.size) == (702, sum(range(700)) + 3 * BLOCK_BYTES + 1)


def test_paths_in_messages_are_readable():
    assert paths.display(b"\xff") == "\udcff"
