"""A source that changes, vanishes or cannot be read while it is put. Each race is made to happen at one chosen call."""

import errno
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from fabric.errors import ChangedWhileReadError, NoSpaceError, SourceError
from fabric.ingest.source import Source
from fabric.ingest.tree import ingest_tree
from fabric.model.digest import BLOCK_BYTES
from fabric.objects.memory import MemoryStore


@pytest.fixture
def after_read(monkeypatch):
    """`after_read(times, act)`: after each of the first `times` reads of a file, `act()` happens."""

    def install(times, act):
        real, left = os.readv, [times]

        def readv(fd, buffers):
            got = real(fd, buffers)
            if left[0]:
                left[0] -= 1
                act()
            return got

        monkeypatch.setattr(os, "readv", readv)

    return install


@pytest.mark.parametrize("size", [5_000, BLOCK_BYTES + 5])
def test_a_file_that_changes_once_is_read_anew(bench, source, after_read, size):
    (source / "file").write_bytes(b"a" * size)
    (source / "other").write_bytes(b"other")
    after_read(1, lambda: (source / "file").write_bytes(b"b" * size + b"more"))
    result = bench.put(source)
    assert bench.contents(result.table) == {b"file": b"b" * size + b"more", b"other": b"other"}
    assert bench.tree(result.table)[b"file"][0].mtime_ns == os.stat(source / "file").st_mtime_ns


@pytest.mark.parametrize("size", [5_000, BLOCK_BYTES + 5])
def test_a_file_that_goes_on_changing_is_an_error_that_names_it(bench, source, after_read, size):
    (source / "file").write_bytes(b"a" * size)

    def grow():
        with open(source / "file", "ab") as file:
            file.write(b"more")

    after_read(100, grow)
    with pytest.raises(ChangedWhileReadError, match="changed while it was read") as caught:
        bench.put(source)
    assert caught.value.subject == str(source / "file")
    assert caught.value.hint


def test_a_change_that_keeps_the_size_is_seen_by_its_time(bench, source, after_read):
    (source / "file").write_bytes(b"old")
    os.utime(source / "file", ns=(1, 1))

    def rewrite():
        (source / "file").write_bytes(b"new")
        os.utime(source / "file", ns=(2, 2))

    after_read(1, rewrite)
    assert bench.contents(bench.put(source).table) == {b"file": b"new"}


def test_a_file_cut_short_while_it_is_read(bench, source, after_read):
    (source / "file").write_bytes(os.urandom(2 * BLOCK_BYTES))
    after_read(1, lambda: os.truncate(source / "file", 10))
    assert bench.tree(bench.put(source).table)[b"file"][0].size == 10


def test_attributes_are_those_of_the_content_that_was_kept(bench, source, after_read):
    (source / "file").write_bytes(b"old")

    def rewrite():
        (source / "file").write_bytes(b"newer")
        os.setxattr(source / "file", "user.state", b"new")

    try:
        os.setxattr(source / "file", "user.state", b"old")
    except OSError:
        pytest.skip("no attributes here")
    after_read(1, rewrite)
    entry, _ = bench.tree(bench.put(source).table)[b"file"]
    assert entry.xattrs == {b"user.state": b"new"}
    assert entry.size == 5


# --- swaps between the listing and the open ---


@pytest.fixture
def before_open(monkeypatch):
    """`before_open(name, act)`: right before `name` is opened for the first time, `act()` happens."""

    def install(name, act):
        real, waiting = os.open, [True]

        def open_(path, flags, *args, **options):
            if path == name and waiting[0]:
                waiting[0] = False
                act()
            return real(path, flags, *args, **options)

        monkeypatch.setattr(os, "open", open_)

    return install


def swap(path, make):
    def act():
        os.rename(path, f"{path}.old")
        make(path)

    return act


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda path: os.symlink("/etc/hostname", path), id="symlink"),
        pytest.param(os.mkfifo, id="fifo"),
        pytest.param(os.mkdir, id="directory"),
    ],
)
def test_what_is_put_in_the_place_of_a_file_is_not_followed_nor_waited_for(bench, source, before_open, make):
    (source / "file").write_bytes(b"x")
    before_open(b"file", swap(source / "file", make))
    with pytest.raises(ChangedWhileReadError, match="it was replaced") as caught:
        bench.put(source)
    assert caught.value.subject == str(source / "file")


def test_a_symlink_in_the_place_of_a_directory_is_not_followed(bench, source, before_open):
    (source / "directory").mkdir()
    before_open(b"directory", swap(source / "directory", lambda path: os.symlink("/etc", path)))
    with pytest.raises(SourceError) as caught:
        bench.put(source)
    assert caught.value.subject == str(source / "directory")


def test_another_directory_in_the_place_of_one_is_noticed(bench, source, monkeypatch):
    (source / "a").mkdir()
    (source / "b").mkdir()
    (source / "b" / "file").write_bytes(b"x")
    real = os.scandir
    seen = []

    def scandir(fd):
        seen.append(fd)
        if len(seen) == 2:  # In a, before b is entered.
            os.rename(source / "b", source / "c")
            os.mkdir(source / "b")
        return real(fd)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(ChangedWhileReadError, match="replaced") as caught:
        bench.put(source)
    assert caught.value.subject == str(source / "b")


def test_a_source_that_vanishes(bench, source, before_open):
    for name in ("a", "b"):
        (source / name).mkdir()
        (source / name / "file").write_bytes(b"x")
    before_open(b"file", lambda: shutil.rmtree(source / "a"))
    with pytest.raises(SourceError) as caught:
        bench.put(source)
    assert caught.value.errno == errno.ENOENT
    assert caught.value.subject == str(source / "a" / "file")
    assert "went away" in caught.value.hint


def test_a_source_that_is_not_there(bench, tmp_path):
    with pytest.raises(SourceError, match="No such file") as caught:
        bench.put(tmp_path / "none")
    assert caught.value.hint == "check the name"


def test_a_disk_that_cannot_be_read(bench, source, monkeypatch):
    (source / "file").write_bytes(b"x")

    def readv(fd, buffers):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "readv", readv)
    with pytest.raises(SourceError, match="Input/output error") as caught:
        bench.put(source)
    assert (caught.value.errno, caught.value.subject) == (errno.EIO, str(source / "file"))


def test_links_with_two_contents_are_an_error(bench, source, before_open):
    (source / "a").write_bytes(b"old")
    os.link(source / "a", source / "b")
    before_open(b"b", lambda: (source / "a").write_bytes(b"newer"))
    with pytest.raises(ChangedWhileReadError, match="another name of it"):
        bench.put(source)


def test_a_link_made_meanwhile_is_no_change_of_content(bench, source, before_open, tmp_path):
    (source / "a").write_bytes(b"same")
    os.link(source / "a", source / "b")
    before_open(b"b", lambda: os.link(source / "a", tmp_path / "outside"))
    result = bench.put(source)
    assert bench.contents(result.table) == {b"a": b"same", b"b": b"same"}


# --- rights ---


@pytest.fixture
def as_nobody():
    """A directory that is not root's, entered as a user without rights."""
    path = Path(tempfile.mkdtemp(prefix="ingest-"))
    path.chmod(0o755)
    switched = []

    def switch():
        if os.geteuid() == 0:
            os.seteuid(65_534)
            switched.append(True)

    yield path, switch
    if switched:
        os.seteuid(0)
    for directory, _, _ in os.walk(path):
        os.chmod(directory, 0o755)
    shutil.rmtree(path)


def test_an_unreadable_file_is_an_error_with_a_hint(bench, as_nobody):
    path, switch = as_nobody
    (path / "secret").write_bytes(b"x")
    (path / "secret").chmod(0)
    switch()
    with pytest.raises(SourceError, match="Permission denied") as caught:
        bench.put(path)
    assert caught.value.subject == str(path / "secret")
    assert ".fabricignore" in caught.value.hint


def test_unreadable_things_may_be_skipped_and_are_listed(bench, as_nobody):
    path, switch = as_nobody
    (path / "open").write_bytes(b"x")
    (path / "secret").write_bytes(b"x")
    (path / "secret").chmod(0)
    (path / "closed").mkdir()
    (path / "closed" / "inside").write_bytes(b"x")
    (path / "closed").chmod(0)
    switch()
    result = bench.put(path, skip_unreadable=True)
    assert list(bench.tree(result.table)) == [b"", b"closed", b"open"]
    assert [skipped.path for skipped in result.skipped] == [b"closed", b"secret"]


# --- the store ---


class FailingStore(MemoryStore):
    def put(self, key, data):
        raise NoSpaceError("the disk of the store is full", hint="make room")


def test_a_store_that_fails_is_not_blamed_on_the_source(bench, source):
    for name in ("a", "b", "c"):
        (source / name).write_bytes(os.urandom(3 * 1024 * 1024))
    (source / "d").write_bytes(os.urandom(BLOCK_BYTES * 9))
    bench.store = FailingStore()
    packer = bench.packer(pack_bytes=BLOCK_BYTES)
    # Nine packs and three buffers: some pack waits for one that failed.
    with pytest.raises(NoSpaceError, match="store is full"):
        ingest_tree(Source.of(source), packer)
