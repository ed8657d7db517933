"""Every kind of entry comes back as it was, with and without worker processes."""

import os
import random
import stat
import threading

import pyarrow as pa
import pytest

from fabric.cache.contents import ContentReader
from fabric.checkout.attributes import may_change_owners
from fabric.checkout.checkout import checkout, checkout_file
from fabric.checkout.options import CheckoutOptions, Overwrite
from fabric.errors import AlreadyExistsError, DataError, InvalidInputError, SourceError
from fabric.model.digest import BLOCK_BYTES
from fabric.model.entry import Kind
from fabric.objects.local import LocalStore
from fabric.progress import NoProgress

TIME = 1_700_000_000_123_456_789
NOISE = random.Random(3).randbytes(2 * BLOCK_BYTES + 77)
needs_root = pytest.mark.skipif(not may_change_owners(), reason="owners are restored by root alone")
jobs = pytest.mark.parametrize("jobs", [0, 2])


def some_of_all(tree):
    tree.dir(b"", 0o750).dir(b"empty", 0o711).dir(b"sub").dir(b"sub/deep").dir(b"closed", 0o500)
    tree.file(b"zero").file(b"small", b"hello").file(b"tight", b"x", 0o400).file(b"sub/run", b"#!", 0o755)
    tree.file(b"sub/deep/block", NOISE[:BLOCK_BYTES]).file(b"sub/deep/large", NOISE)
    tree.file(b"listed", content=tree.maker.add(NOISE[::-1], as_list=True))
    tree.data[b"listed"] = NOISE[::-1]
    tree.file(b"closed/in", b"inside", 0o400).file(b"sub/\xff\xfe not utf-8", b"name")
    tree.file(b"old", b"before 1970", mtime_ns=-5_000_000_001).file(b"n" * 255, b"long name")
    tree.link(b"sub/abs", b"/etc/passwd").link(b"sub/up", b"../../..").link(b"dangling", b"\xff nowhere")
    return tree


@jobs
def test_everything_comes_back(tree, tmp_path, look, jobs):
    some_of_all(tree)
    dest = tmp_path / "made" / "out"
    result = tree.get(dest, jobs=jobs)
    assert (stat.S_IMODE(dest.stat().st_mode), dest.stat().st_mtime_ns) == (0o750, TIME)
    there = look(dest)
    assert len(there) == len(tree.pairs) - 1
    for entry, _ in tree.pairs:
        if not entry.path:
            continue
        kind, mode, mtime_ns, what = there[entry.path]
        assert mtime_ns == entry.mtime_ns, entry.path
        if entry.kind == Kind.SYMLINK:
            assert (kind, what) == (stat.S_IFLNK, entry.target)
        else:
            assert mode == entry.mode, entry.path
            assert kind == (stat.S_IFDIR if entry.kind == Kind.DIRECTORY else stat.S_IFREG)
            assert what == tree.data.get(entry.path)
    assert (result.files, result.directories, result.symlinks) == (len(tree.data), 4, 3)
    assert result.size == sum(map(len, tree.data.values()))
    assert not result.left_out


@jobs
def test_a_second_run_keeps_everything(tree, tmp_path, look, jobs):
    some_of_all(tree)
    tree.get(tmp_path / "out", jobs=jobs)
    before, status = look(tmp_path / "out"), (tmp_path / "out").stat()
    inodes = {path: os.lstat(os.fsencode(tmp_path / "out") + b"/" + path).st_ino for path in before}
    result = tree.get(tmp_path / "out", jobs=jobs)
    assert look(tmp_path / "out") == before
    assert inodes == {path: os.lstat(os.fsencode(tmp_path / "out") + b"/" + path).st_ino for path in before}
    assert (result.files, result.symlinks, result.kept) == (0, 0, len(tree.data) + 3)
    assert (tmp_path / "out").stat().st_mtime_ns == status.st_mtime_ns


@jobs
def test_many_files_in_many_directories(tree, tmp_path, look, jobs):
    chooser = random.Random(5)
    tree.dir(b"")
    for number in range(40):
        tree.dir(b"d%d" % number)
        for name in range(60):
            start = chooser.randrange(5_000)
            tree.file(b"d%d/%d" % (number, name), NOISE[start : start + chooser.randrange(30_000)])
    table = tree.table()
    batches = [*table.slice(0, 1_000).to_batches(max_chunksize=300), table.slice(1_000)]
    result = tree.get(tmp_path / "out", rows_=batches, jobs=jobs)
    assert result.files == 2_400
    there = look(tmp_path / "out")
    assert {path: what for path, (*_, what) in there.items() if what is not None} == tree.data
    assert {mtime for _, _, mtime, _ in there.values()} == {TIME}


@jobs
def test_hard_links(tree, tmp_path, jobs):
    tree.dir(b"a").dir(b"b")
    for path in (b"a/1", b"a/2", b"b/3"):
        tree.file(path, b"shared", link_group=7)
    tree.file(b"b/large1", NOISE, link_group=8).file(b"b/large2", NOISE, link_group=8)
    tree.file(b"b/zero1", link_group=9).file(b"b/zero2", link_group=9)
    tree.file(b"b/liar", b"other bytes", link_group=7)
    for _ in range(2):
        result = tree.get(tmp_path, jobs=jobs)
        inode = {name: (tmp_path / name).stat().st_ino for name in ("a/1", "a/2", "b/3", "b/liar", "b/large1", "b/large2")}
        assert inode["a/1"] == inode["a/2"] == inode["b/3"] != inode["b/liar"]
        assert inode["b/large1"] == inode["b/large2"]
        assert (tmp_path / "b/zero1").samefile(tmp_path / "b/zero2")
        assert (tmp_path / "b/liar").read_bytes() == b"other bytes"
        assert (tmp_path / "b").stat().st_mtime_ns == TIME
    assert (result.links, result.kept) == (0, 8)


def test_hard_links_are_made_again(tree, tmp_path):
    tree.file(b"a", b"shared", link_group=7).file(b"b", b"shared", link_group=7)
    tree.get(tmp_path)
    (tmp_path / "b").unlink()
    (tmp_path / "b").write_bytes(b"shared")
    os.utime(tmp_path / "b", ns=(TIME, TIME))
    assert tree.get(tmp_path).links == 1
    assert (tmp_path / "a").samefile(tmp_path / "b")
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_holes_take_no_space(tree, tmp_path):
    size = 6 * BLOCK_BYTES + 5
    tree.file(b"sparse", bytes(size)).file(b"tiny", bytes(100))
    tree.file(b"mixed", NOISE[:BLOCK_BYTES] + bytes(4 * BLOCK_BYTES) + b"end")
    tree.get(tmp_path)
    for name, data in tree.data.items():
        assert (tmp_path / os.fsdecode(name)).read_bytes() == data
    assert (tmp_path / "sparse").stat().st_blocks == 0
    assert (tmp_path / "mixed").stat().st_blocks * 512 < 2 * BLOCK_BYTES


def test_rows_of_a_subtree(tree, tmp_path, look):
    tree.dir(b"").dir(b"x").dir(b"x/sub", 0o701).file(b"x/sub/f", b"1").dir(b"x/sub/y").file(b"x/sub/y/g", b"2")
    table = tree.table()
    below = table.filter(pa.compute.starts_with(table["parent"].cast(pa.string()), "x/sub"))
    own = table.filter(pa.compute.equal(table["name"], b"sub"))
    tree.get(tmp_path / "out", b"x/sub", rows_=[own, below])
    assert {path: what for path, (*_, what) in look(tmp_path / "out").items()} == {b"f": b"1", b"y": None, b"y/g": b"2"}
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o701
    with pytest.raises(InvalidInputError, match="not below"):
        tree.get(tmp_path / "other", b"x/su", rows_=[below])


def test_directories_that_no_row_names(tree, tmp_path):
    tree.file(b"a/b/c", b"deep")
    tree.get(tmp_path)
    assert (tmp_path / "a/b/c").read_bytes() == b"deep"
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o755


@pytest.mark.parametrize("large", [False, True])
def test_extended_attributes_and_acls(tree, tmp_path, large):
    value = b"v" * (3_000 if large else 20)
    # user::rw- user:1234:r-- group::r-- mask::r-- other::r--
    acl = bytes.fromhex("0200000001000600ffffffff02000400d204000004000400ffffffff10000400ffffffff20000400ffffffff")
    xattrs = {b"user.one": value, b"user.empty": b""}
    tree.file(b"f", b"data", 0o444, xattrs=xattrs, acl_access=acl)
    tree.file(b"big", NOISE, xattrs=xattrs)
    tree.dir(b"d", xattrs=xattrs, acl_default=acl).file(b"d/in", b"1", 0o604)
    result = tree.get(tmp_path, jobs=1)
    if result.left_out_count:
        pytest.skip(f"this file system does not hold them: {result.left_out}")
    for name in ("f", "big", "d"):
        assert {n: os.getxattr(tmp_path / name, n) for n in xattrs} == xattrs
    assert os.getxattr(tmp_path / "f", "system.posix_acl_access") == acl
    assert os.getxattr(tmp_path / "d", "system.posix_acl_default") == acl
    assert stat.S_IMODE((tmp_path / "d/in").stat().st_mode) == 0o604
    assert tree.get(tmp_path).kept == 3


@jobs
def test_modes_are_exact_under_a_default_acl_and_a_umask(tree, tmp_path, jobs):
    acl = bytes.fromhex("0200000001000700ffffffff04000000ffffffff20000000ffffffff")
    try:
        os.setxattr(tmp_path, "system.posix_acl_default", acl)
    except OSError as error:
        pytest.skip(f"no ACLs here: {error}")
    tree.file(b"f", b"1", 0o664).dir(b"d", 0o775).file(b"d/g", b"2", 0o666)
    before = os.umask(0o077)
    try:
        tree.get(tmp_path, jobs=jobs)
    finally:
        os.umask(before)
    modes = {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("f", "d", "d/g")}
    assert modes == {"f": 0o664, "d": 0o775, "d/g": 0o666}


@needs_root
@jobs
def test_owners_and_set_id_bits(tree, tmp_path, jobs):
    tree.dir(b"d", 0o2775, uid=12, gid=34).file(b"d/f", b"1", 0o6755, uid=56, gid=78).link(b"d/l", b"f", uid=9, gid=8)
    owned, plain, kept = tmp_path / "owned", tmp_path / "plain", tmp_path / "kept"
    tree.get(owned, jobs=jobs)
    for name, owner in (("d", (12, 34)), ("d/f", (56, 78)), ("d/l", (9, 8))):
        status = (owned / name).lstat()
        assert (status.st_uid, status.st_gid) == owner
    assert stat.S_IMODE((owned / "d/f").stat().st_mode) == 0o755
    assert stat.S_IMODE((owned / "d").stat().st_mode) == 0o2775
    tree.get(plain, jobs=jobs, owner=False, set_ids=True)
    assert (plain / "d/f").stat().st_uid == os.geteuid()
    assert stat.S_IMODE((plain / "d/f").stat().st_mode) == 0o755
    tree.get(kept, jobs=jobs, set_ids=True)
    assert stat.S_IMODE((kept / "d/f").stat().st_mode) == 0o6755


@needs_root
def test_a_set_gid_destination_does_not_leak_its_group(tree, tmp_path):
    os.chown(tmp_path, 0, 4321)
    os.chmod(tmp_path, 0o2775)
    tree.dir(b"d").file(b"d/f", b"1").file(b"g", b"2")
    tree.get(tmp_path, jobs=1)
    assert {(tmp_path / name).stat().st_gid for name in ("d", "d/f", "g")} == {0}


def test_unverified_imports_are_counted(tree, tmp_path):
    tree.file(b"f", content=tree.maker.add_deferred(b"nobody read this"))
    assert tree.get(tmp_path).unverified == 1
    assert (tmp_path / "f").read_bytes() == b"nobody read this"


def test_one_file_under_another_name(tree, tmp_path):
    tree.dir(b"a").file(b"a/long", NOISE, 0o640).link(b"a/sym", b"long")
    table, reader = tree.table(), tree.reader()
    result = checkout_file(table.slice(1, 1), tmp_path / "made" / "renamed.bin", reader)
    assert (tmp_path / "made" / "renamed.bin").read_bytes() == NOISE
    assert result.files == 1
    checkout_file(table.slice(2, 1).to_batches()[0], tmp_path / "sym2", reader)
    assert os.readlink(tmp_path / "sym2") == "long"
    for bad in (table, table.slice(0, 0)):
        with pytest.raises(InvalidInputError):
            checkout_file(bad, tmp_path / "x", reader)
    reader.close()


# What is there already


def test_a_file_that_differs_is_refused_or_replaced(tree, tmp_path):
    tree.file(b"f", b"new").file(b"g", b"new too").link(b"l", b"there")
    (tmp_path / "f").write_bytes(b"old!")
    (tmp_path / "l").symlink_to("elsewhere")
    with pytest.raises(AlreadyExistsError, match="f is there"):
        tree.get(tmp_path)
    assert (tmp_path / "f").read_bytes() == b"old!"
    result = tree.get(tmp_path, overwrite=Overwrite.REPLACE)
    assert (tmp_path / "f").read_bytes() == b"new"
    assert os.readlink(tmp_path / "l") == "there"
    assert (result.files, result.symlinks) == (2, 1)


def test_a_symlink_in_the_place_of_a_file_is_replaced_not_followed(tree, tmp_path):
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    dest = tmp_path / "dest"
    dest.mkdir()
    for name in ("small", "large"):
        (dest / name).symlink_to(outside)
    tree.file(b"small", b"new").file(b"large", NOISE)
    with pytest.raises(AlreadyExistsError):
        tree.get(dest)
    tree.get(dest, overwrite=Overwrite.REPLACE)
    assert outside.read_bytes() == b"precious"
    assert not (dest / "small").is_symlink()
    assert (dest / "large").read_bytes() == NOISE


@jobs
def test_a_directory_behind_a_symlink_is_never_written_to(tree, tmp_path, jobs):
    outside, dest = tmp_path / "outside", tmp_path / "dest"
    outside.mkdir()
    dest.mkdir()
    (dest / "d").symlink_to(outside)
    tree.dir(b"d").file(b"d/f", b"1").dir(b"d/e").file(b"d/e/g", b"2")
    with pytest.raises(SourceError, match="symlink") as caught:
        tree.get(dest, jobs=jobs)
    assert "force" in caught.value.hint
    with pytest.raises(SourceError, match="symlink"):
        tree.get(dest, jobs=jobs, overwrite=Overwrite.REPLACE)
    assert not list(outside.iterdir())
    tree.get(dest, jobs=jobs, force=True)
    assert not list(outside.iterdir())
    assert (dest / "d/e/g").read_bytes() == b"2"
    assert not (dest / "d").is_symlink()


def test_force_replaces_other_kinds(tree, tmp_path):
    (tmp_path / "f" / "deep").mkdir(parents=True)
    (tmp_path / "f" / "deep" / "x").write_bytes(b"1")
    (tmp_path / "d").write_bytes(b"a file")
    (tmp_path / "l").mkdir()
    tree.file(b"f", b"now a file").dir(b"d").file(b"d/in", b"2").link(b"l", b"f")
    for _ in range(2):
        with pytest.raises(SourceError):
            tree.get(tmp_path, overwrite=Overwrite.REPLACE)
    tree.get(tmp_path, overwrite=Overwrite.REPLACE, force=True)
    assert (tmp_path / "f").read_bytes() == b"now a file"
    assert (tmp_path / "d/in").read_bytes() == b"2"
    assert os.readlink(tmp_path / "l") == "f"


def test_checksum_sees_what_size_and_time_do_not(tree, tmp_path):
    tree.file(b"f", b"right").file(b"large", NOISE).file(b"same", b"same")
    tree.get(tmp_path)
    (tmp_path / "f").write_bytes(b"wrong")
    (tmp_path / "large").write_bytes(NOISE[:-1] + b"\x00")
    for name in ("f", "large"):
        os.utime(tmp_path / name, ns=(TIME, TIME))
    os.utime(tmp_path / "same", ns=(1, 1))
    with pytest.raises(AlreadyExistsError):
        tree.get(tmp_path, checksum=True)
    result = tree.get(tmp_path, checksum=True, overwrite=Overwrite.REPLACE)
    assert (result.files, result.kept) == (2, 1)
    assert (tmp_path / "f").read_bytes() == b"right"
    assert (tmp_path / "large").read_bytes() == NOISE
    assert (tmp_path / "same").stat().st_mtime_ns == TIME


def test_without_skip_all_is_written_again(tree, tmp_path):
    tree.file(b"f", b"right")
    tree.get(tmp_path)
    assert tree.get(tmp_path, skip_unchanged=False, overwrite=Overwrite.REPLACE).files == 1
    with pytest.raises(AlreadyExistsError):
        tree.get(tmp_path, skip_unchanged=False)


def test_kept_files_get_their_mode_back(tree, tmp_path):
    tree.file(b"f", b"right", 0o640)
    tree.get(tmp_path)
    (tmp_path / "f").chmod(0o600)
    assert tree.get(tmp_path).kept == 1
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o640


def test_delete_extra(tree, tmp_path):
    tree.dir(b"d").file(b"d/keep", b"1").dir(b"empty").file(b"top", b"2")
    tree.get(tmp_path)
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    (outside / "precious").write_bytes(b"1")
    (tmp_path / "d" / "extra").write_bytes(b"1")
    (tmp_path / "empty" / "sub").mkdir()
    (tmp_path / "empty" / "sub" / "x").write_bytes(b"1")
    (tmp_path / "escape").symlink_to(outside)
    (tmp_path / "empty" / "sub" / "escape").symlink_to(outside)
    assert tree.get(tmp_path).deleted == 0
    result = tree.get(tmp_path, delete_extra=True)
    assert result.deleted == 3
    assert sorted(os.listdir(tmp_path)) == ["d", "empty", "top"]
    assert os.listdir(tmp_path / "d") == ["keep"]
    assert os.listdir(tmp_path / "empty") == []
    assert (outside / "precious").exists()
    assert (tmp_path / "empty").stat().st_mtime_ns == TIME


def test_what_is_deeper_than_a_path_is_removed(tree, tmp_path):
    """Neither the length of a path, nor open files, nor Python's stack bound what a file system holds."""
    tree.file(b"keep", b"1")
    (tmp_path / "top").mkdir()
    fd = os.open(tmp_path / "top", os.O_RDONLY)
    for _ in range(1_100):
        os.mkdir("deeper", dir_fd=fd)
        below = os.open("deeper", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    assert tree.get(tmp_path, delete_extra=True).deleted == 1
    assert os.listdir(tmp_path) == ["keep"]


def test_a_deep_tree_comes_back(tree, tmp_path):
    path = b"/".join([b"d"] * 1_100)
    tree.file(path + b"/f", b"deep").file(path + b"/large", NOISE)
    tree.file(path + b"/one", b"linked", link_group=1).file(b"two", b"linked", link_group=1)
    result = tree.get(tmp_path / "out", jobs=1)
    assert (result.directories, result.files, result.links) == (1_100, 4, 1)
    assert tree.get(tmp_path / "out", jobs=1).kept == 4
    tree.pairs, tree.data = [], {}
    assert tree.file(b"f").get(tmp_path / "out", delete_extra=True).deleted == 2


def test_the_destination_itself(tree, tmp_path):
    tree.dir(b"", 0o700).file(b"f", b"1")
    (tmp_path / "file").write_bytes(b"")
    for bad in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(SourceError, match="not a directory"):
            tree.get(bad)
    with pytest.raises(InvalidInputError):
        tree.get(tmp_path / "nul\x00")
    (tmp_path / "there").mkdir(mode=0o755)
    (tmp_path / "alias").symlink_to("there")
    tree.get(tmp_path / "alias")
    assert (tmp_path / "there/f").read_bytes() == b"1"
    assert stat.S_IMODE((tmp_path / "there").stat().st_mode) == 0o755


# Progress, threads, forks


class Counting(NoProgress):
    def __init__(self):
        self.files = self.size = 0
        self.phases = []

    def begin(self, phase, *, files=None, size=None):
        self.phases.append(phase)

    def advance(self, *, files=0, size=0):
        self.files += files
        self.size += size


@jobs
def test_progress_adds_up(tree, tmp_path, jobs):
    some_of_all(tree).file(b"link", b"hello", link_group=5).file(b"link2", b"hello", link_group=5)
    for _ in range(2):
        progress = Counting()
        tree.get(tmp_path / "out", jobs=jobs, progress=progress)
        assert progress.phases == ["get"]
        assert progress.files == len(tree.data)
    assert progress.size == sum(map(len, tree.data.values()))


def test_two_checkouts_at_once(tree, tmp_path, look):
    some_of_all(tree)
    tree.table()
    failures = []

    def work(number):
        try:
            tree.get(tmp_path / str(number), jobs=1)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert look(tmp_path / "0") == look(tmp_path / "1") == look(tmp_path / "2")


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_in_a_forked_child(new_tree, tmp_path, look):
    tree = some_of_all(new_tree(LocalStore(tmp_path / "store", create=True)))
    table = tree.table()
    reader = ContentReader(tree.maker.store, tree.maker.dataset)
    checkout([table], b"", tmp_path / "parent", reader, options=CheckoutOptions(jobs=1))
    pid = os.fork()
    if pid == 0:
        try:
            checkout([table], b"", tmp_path / "child", reader, options=CheckoutOptions(jobs=1))
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    reader.close()
    assert look(tmp_path / "parent") == look(tmp_path / "child")


def test_no_descriptor_stays_open(tree, tmp_path):
    some_of_all(tree)
    tree.get(tmp_path / "warm", jobs=1)
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    tree.get(tmp_path / "out", jobs=1)
    tree.file(b"bad", content=tree.maker.add(NOISE, erased=True))
    with pytest.raises(DataError):
        tree.get(tmp_path / "failed", jobs=1)
    assert before == (len(os.listdir("/proc/self/fd")) if before else 0)
