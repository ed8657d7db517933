"""The local adapter beyond the port's contract: durability, crashes, full and broken disks, symlinks, leftovers."""

import errno
import fcntl
import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from fabric.errors import (
    AccessDeniedError,
    DataError,
    InvalidInputError,
    NoSpaceError,
    NotFoundError,
    ObjectNotFoundError,
    UnavailableError,
)
from fabric.objects import folders, local
from fabric.objects.local import LocalStore

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a file system needs root")
needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="names of descriptors are read from /proc")
NOBODY = 65534


@pytest.fixture
def store(tmp_path):
    return LocalStore(tmp_path / "objects", create=True)


def files_below(store):
    return sorted(os.path.join(path, name) for path, _, names in os.walk(store.root) for name in names)


# Opening


def test_an_absent_directory_is_not_made(tmp_path):
    with pytest.raises(NotFoundError) as caught:
        LocalStore(tmp_path / "absent")
    assert "mounted" in caught.value.hint
    assert not (tmp_path / "absent").exists()
    LocalStore(tmp_path / "deep" / "absent", create=True)
    assert (tmp_path / "deep" / "absent").is_dir()


def test_a_file_is_no_store(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for create in (False, True):
        with pytest.raises((NotFoundError, InvalidInputError)):
            LocalStore(tmp_path / "file", create=create)
    with pytest.raises(InvalidInputError):
        LocalStore(tmp_path / "file" / "below", create=True)


def test_a_store_whose_directory_goes_away(store):
    store.put("a/b", b"x")
    os.rename(store.root, store.root + ".gone")
    for call in (
        lambda: store.put("a/c", b"x"),
        lambda: store.put("c", b"x"),
        lambda: store.get("a/b"),
        lambda: store.head("a/b"),
        lambda: list(store.list("")),
        lambda: store.delete(["a/b"]),
    ):
        with pytest.raises(UnavailableError) as caught:
            call()
        assert caught.value.subject == store.root
    assert not os.path.exists(store.root), "a store must not come back empty where a disk was mounted"
    os.rename(store.root + ".gone", store.root)
    assert store.get("a/b") == b"x"


# Durability


@needs_proc
def test_what_is_synced_before_put_returns(store, monkeypatch):
    """The order of system calls is the promise: data, then name, then directory, then new parents."""
    events = []
    real_fsync, real_link = os.fsync, os.link

    def note_fsync(fd):
        kind = "dir" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file"
        events.append((kind, os.path.relpath(os.readlink(f"/proc/self/fd/{fd}"), store.root).split("~")[0]))
        real_fsync(fd)

    def note_link(source, target, **options):
        events.append(("link", os.path.relpath(target, store.root)))
        real_link(source, target, **options)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "link", note_link)
    store.put("d/data/lease/o1", b"x")
    first = [("file", "d/data/lease/o1"), ("link", "d/data/lease/o1"), ("dir", "d/data/lease")]
    assert events == [*first, ("dir", "d/data"), ("dir", "d"), ("dir", ".")]
    events.clear()
    store.put("d/data/lease/o2", b"x")
    assert [kind for kind, _ in events] == ["file", "link", "dir"]
    events.clear()
    store.put("d/data/lease/o2", b"x")
    assert events[-2:] == [("file", "d/data/lease/o2"), ("dir", "d/data/lease")], "what another wrote is synced too"
    events.clear()
    LocalStore(store.root).put("d/data/lease/o3", b"x")
    assert len(events) == 6, "another process cannot know whether the parents were synced"


def test_concurrent_writers_share_directory_syncs(store, monkeypatch):
    """Each put is covered by an fsync that began after its link, and there are fewer of them than puts."""
    store.put("d/first", b"x")
    syncs, lock = [], threading.Lock()
    gate = threading.Event()
    real = folders.sync_file

    def slow(fd):
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            with lock:
                syncs.append(set(os.listdir(f"{store.root}/d")))
            gate.wait(30)
        real(fd)

    monkeypatch.setattr(folders, "sync_file", slow)
    names = [f"o{i}" for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(store.put, f"d/{name}", b"x") for name in names]
        while len(os.listdir(f"{store.root}/d")) < 9 or any("~" in name for name in os.listdir(f"{store.root}/d")):
            time.sleep(0.001)  # until all are linked and wait for the one sync that has begun
        gate.set()
        for future in futures:
            future.result()
    assert len(syncs) <= 3
    assert set(names) <= syncs[-1]


def test_a_failed_sync_is_final(store, monkeypatch):
    def fail(fd):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(DataError, match="lost what was written"):
        store.put("a/b", b"x")
    monkeypatch.undo()
    assert files_below(store) == []


def test_a_failed_directory_sync_is_final(store, monkeypatch):
    real = os.fsync

    def fail(fd):
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(fd)

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(DataError, match="lost what was written"):
        store.put("a/b", b"x")


# Crashes


@pytest.mark.crash
def test_a_killed_writer_leaves_nothing_visible(store):
    """SIGKILL at a random moment of a stream of puts: only whole objects are there, and the leftovers can be swept."""
    code = (
        "import sys; from fabric.objects.local import LocalStore; s = LocalStore(sys.argv[1]); print('go', flush=True)\n"
        "for i in range(10**6): s.put(f'd/data/l/{i:07d}', bytes([i % 256]) * 3_000_000)"
    )
    for round_ in range(4):
        child = subprocess.Popen([sys.executable, "-c", code, store.root], stdout=subprocess.PIPE)
        child.stdout.read(3)
        while len(files_below(store)) < 2 + round_:
            time.sleep(0.0005)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        for row in store.list(""):
            assert row.size == 3_000_000
            assert store.get(row.key) == bytes([int(row.key[-7:]) % 256]) * 3_000_000
    leftovers = [path for path in files_below(store) if "~" in path]
    assert store.sweep() == len(leftovers)
    assert not [path for path in files_below(store) if "~" in path]


def test_leftovers_are_invisible_and_go_with_the_directory(store):
    store.put("d/a", b"x")
    with open(f"{store.root}/d/b~0123", "wb") as file:
        file.write(b"half")
    assert [row.key for row in store.list("")] == ["d/a"]
    with pytest.raises(InvalidInputError):
        store.get("d/b~0123")
    store.put("d/b", b"whole")
    assert store.get("d/b") == b"whole"
    store.delete(["d/a", "d/b"])
    assert os.listdir(store.root) == []


def test_sweep_leaves_a_living_writer_alone(store):
    store.put("d/a", b"x")
    living, dead = f"{store.root}/d/living~01", f"{store.root}/d/dead~01"
    with open(living, "wb") as file, open(dead, "wb"):
        fcntl.flock(file, fcntl.LOCK_SH)
        assert store.sweep("d/") == 1
        assert os.path.exists(living)
        assert not os.path.exists(dead)
    assert store.sweep() == 1


def test_a_put_whose_file_is_swept_begins_anew(store, monkeypatch):
    real, strikes = local._publish, []

    def swept(temporary, final):
        if not strikes:
            strikes.append(os.unlink(temporary))
        real(temporary, final)

    monkeypatch.setattr(local, "_publish", swept)
    store.put("a/b", b"x")
    assert strikes
    assert store.get("a/b") == b"x"


@needs_proc
def test_a_put_whose_directory_is_removed_begins_anew(store, monkeypatch):
    real, strikes = local.sync_file, []
    store.put("a/b/c", b"x")

    def removed(fd):
        if not strikes:
            strikes.append(1)
            LocalStore(store.root).delete(["a/b/c"])
            os.unlink(os.readlink(f"/proc/self/fd/{fd}"))
            os.rmdir(f"{store.root}/a/b")
        real(fd)

    monkeypatch.setattr(local, "sync_file", removed)
    store.put("a/b/d", b"y")
    assert [row.key for row in store.list("")] == ["a/b/d"]


def test_puts_and_deletes_of_one_directory_do_not_disturb_each_other(store):
    other = LocalStore(store.root)

    def churn(index):
        mine = store if index % 2 else other
        for turn in range(40):
            key = f"a/b/c/{index}-{turn}"
            mine.put(key, b"x" * 100)
            assert mine.get(key) == b"x" * 100
            mine.delete([key])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(churn, range(4)))
    assert list(store.list("")) == []
    assert os.listdir(store.root) == []


# Disks that refuse


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one MiB."""
    if sys.platform != "linux":
        pytest.skip("tmpfs is Linux's")
    point = tmp_path / "small"
    point.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(point)], check=True)
    yield point
    subprocess.run(["umount", "-l", str(point)], check=True)


@needs_root
def test_a_full_disk(small_disk):
    store = LocalStore(small_disk)
    store.put("a/small", b"x" * 100_000)
    with pytest.raises(NoSpaceError) as caught:
        store.put("a/large", b"x" * 2_000_000)
    assert caught.value.subject == "a/large"
    assert caught.value.hint
    assert [row.key for row in store.list("")] == ["a/small"]
    assert len(files_below(store)) == 1, "the part that was written gives its space back"
    store.put("a/other", b"x" * 500_000)
    store.delete(["a/other"])
    store.put("a/again", b"x" * 800_000)


@needs_root
def test_a_read_only_disk(small_disk):
    store = LocalStore(small_disk)
    store.put("a/b", b"x")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for call in (lambda: store.put("a/c", b"x"), lambda: store.put("d/c", b"x"), lambda: store.delete(["a/b"])):
        with pytest.raises(AccessDeniedError, match="read-only"):
            call()
    assert store.get("a/b") == b"x"


@pytest.fixture
def ordinary_user():
    """A directory of one's own, and nobody's rights: root is refused nothing."""
    with tempfile.TemporaryDirectory() as directory:
        if os.geteuid():
            yield directory
            return
        os.chown(directory, NOBODY, NOBODY)
        os.seteuid(NOBODY)
        try:
            yield directory
        finally:
            os.seteuid(0)


def test_a_directory_that_may_not_be_written(ordinary_user):
    store = LocalStore(ordinary_user)
    store.put("a/b", b"x")
    os.chmod(f"{store.root}/a", 0o555)
    for call in (lambda: store.put("a/c", b"x"), lambda: store.put("a/c/d", b"x"), lambda: store.delete(["a/b"])):
        with pytest.raises(AccessDeniedError) as caught:
            call()
        assert "mode" in caught.value.hint
    assert store.get("a/b") == b"x"
    os.chmod(f"{store.root}/a", 0o000)
    for call in (lambda: store.get("a/b"), lambda: store.head("a/b"), lambda: list(store.list(""))):
        with pytest.raises(AccessDeniedError):
            call()
    os.chmod(f"{store.root}/a", 0o755)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.ENOSPC, NoSpaceError),
        (errno.EDQUOT, NoSpaceError),
        (errno.EACCES, AccessDeniedError),
        (errno.EROFS, AccessDeniedError),
        (errno.EIO, UnavailableError),
        (errno.ESTALE, UnavailableError),
        (errno.EMFILE, UnavailableError),
    ],
)
def test_errors_of_the_system(store, monkeypatch, code, kind):
    store.put("a/b", b"x")

    def fail(*args, **options):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "open", fail)
    for call in (lambda: store.put("a/c", b"x"), lambda: store.get("a/b"), lambda: store.get_ranges("a/b", [(0, 1)])):
        with pytest.raises(kind) as caught:
            call()
        assert type(caught.value) is kind
        assert caught.value.subject in ("a/b", "a/c")
        assert isinstance(caught.value.__cause__, OSError)


def test_a_file_that_shrinks_is_noticed(store):
    store.put("a", b"x" * 1000)
    os.truncate(f"{store.root}/a", 500)
    with pytest.raises(DataError):
        store.get("a", 0, 1000)


def test_reads_that_stop_early_go_on(store, monkeypatch):
    store.put("a", bytes(range(200)))
    real = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, length, offset: real(fd, min(length, 7), offset))
    assert store.get("a") == bytes(range(200))
    assert store.get("a", 13, 50) == bytes(range(13, 63))


def test_without_hard_links(store, monkeypatch):
    def refuse(*args, **options):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    store.put("a/b", b"x")
    store.put("a/b", b"x")
    assert store.get("a/b") == b"x"
    assert files_below(store) == [f"{store.root}/a/b"]


# Symlinks and foreign files


def test_symlinks_are_not_followed(store, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    store.put("a/b", b"x")
    os.symlink(outside / "secret", f"{store.root}/a/link")
    os.symlink(outside, f"{store.root}/dir")
    for call in (
        lambda: store.get("a/link"),
        lambda: store.put("a/link", b"y"),
        lambda: store.get("dir/secret"),
        lambda: store.head("dir/secret"),
        lambda: store.put("dir/new", b"y"),
        lambda: store.delete(["dir/secret"]),
        lambda: list(store.list("dir/")),
    ):
        with pytest.raises((DataError, ObjectNotFoundError)):
            call()
    assert [row.key for row in store.list("")] == ["a/b"]
    assert sorted(os.listdir(outside)) == ["secret"]
    assert (outside / "secret").read_bytes() == b"secret"


def test_a_root_that_is_a_symlink(tmp_path):
    (tmp_path / "real").mkdir()
    os.symlink(tmp_path / "real", tmp_path / "link")
    store = LocalStore(tmp_path / "link")
    store.put("a", b"x")
    assert (tmp_path / "real" / "a").read_bytes() == b"x"


def test_foreign_files_are_no_objects(store):
    store.put("a", b"x")
    os.mkdir(f"{store.root}/lost+found")
    os.mkfifo(f"{store.root}/pipe")
    for name in ("with space", "ümlaut", "tilde~"):
        with open(f"{store.root}/{name}", "wb"):
            pass
    assert [row.key for row in store.list("")] == ["a"]
    with pytest.raises(ObjectNotFoundError):
        store.head("pipe")


def test_objects_and_directories_of_one_name(store):
    store.put("a/b", b"x")
    with pytest.raises(InvalidInputError):
        store.put("a", b"x")
    with pytest.raises(InvalidInputError):
        store.put("a/b/c", b"x")
    with pytest.raises(InvalidInputError):
        store.put("x" * 300, b"x")
    assert store.get("a/b") == b"x"
