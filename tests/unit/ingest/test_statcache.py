"""What is remembered of a source: trusted only when it must be right."""

import os
import subprocess
import sys
import warnings
from types import SimpleNamespace

import pytest

from fabric.errors import InvalidInputError
from fabric.ingest import statcache
from fabric.ingest.source import Source
from fabric.ingest.statcache import StatCache
from fabric.model import rows
from fabric.model.digest import BLOCK_BYTES


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state"


def cache(state, source, scope="fabric/dataset", prefix=b"", ignore=()):
    return StatCache(state, scope, Source.of(source, prefix, ignore))


def put(bench, state, source, token=b"token", **options):
    found = cache(state, source, ignore=options.get("ignore", ()))
    result = bench.put(source, stat_cache=found, **options)
    result.remember(token)
    return result


def make(source):
    for name in ("a", "b", "d/one", "d/two", "d/deep/three", "e/four"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    os.symlink("a", source / "link")


def make_many(source):
    for number in range(60):
        path = source / f"d{number % 4}" / f"{number:02}"
        path.parent.mkdir(exist_ok=True)
        path.write_text(str(number))


def test_an_unchanged_source_matches_its_token(bench, source, state, later):
    make(source)
    assert cache(state, source).is_empty
    assert not cache(state, source).matches(b"token")
    put(bench, state, source)
    assert cache(state, source).matches(b"token")
    assert not cache(state, source).matches(b"other")
    assert [path.suffix for path in state.iterdir()] == [".stat"]


def change_content(source):
    status = os.stat(source / "d/one")
    (source / "d/one").write_text("D/ONE")
    os.utime(source / "d/one", ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(change_content, id="content, time set back"),
        pytest.param(lambda source: os.chmod(source / "a", 0o600), id="mode"),
        pytest.param(lambda source: os.utime(source / "d/deep/three"), id="time"),
        pytest.param(lambda source: (source / "d/deep/new").write_text(""), id="new file"),
        pytest.param(lambda source: (source / "d/deep/three").unlink(), id="removed"),
        pytest.param(lambda source: os.rename(source / "e/four", source / "e/five"), id="renamed"),
        pytest.param(lambda source: (source / "e/empty").mkdir(), id="new directory"),
        pytest.param(lambda source: os.link(source / "a", source / "a2"), id="link"),
        pytest.param(lambda source: os.chmod(source, 0o700), id="mode of the source"),
        pytest.param(lambda source: (os.unlink(source / "link"), os.symlink("b", source / "link")), id="target"),
        pytest.param(lambda source: os.rename(source, f"{source}.away"), id="vanished"),
    ],
)
def test_any_change_is_seen(bench, source, state, later, change):
    make(source)
    put(bench, state, source)
    change(source)
    assert not cache(state, source).matches(b"token")


def test_scope_prefix_rules_and_place_are_part_of_the_key(bench, source, state, later, tmp_path):
    make(source)
    put(bench, state, source)
    assert cache(state, source).matches(b"token")
    assert cache(state, source, scope="fabric/other").is_empty
    assert cache(state, source, prefix=b"p").is_empty
    assert cache(state, source, ignore=["*.tmp"]).is_empty
    assert cache(state, source / "d").is_empty
    os.symlink(source, tmp_path / "link")
    assert cache(state, tmp_path / "link").matches(b"token")
    with pytest.raises(InvalidInputError, match="another source"):
        bench.put(source, b"elsewhere", stat_cache=cache(state, source))


@pytest.mark.parametrize("name", ["d0/00", "d3/59"])
def test_two_processes_see_the_same(bench, source, state, later, monkeypatch, name):
    monkeypatch.setattr("fabric.ingest.sink.CHUNK_ROWS", 7)
    monkeypatch.setattr("fabric.ingest.tree.BATCH", 3)
    make_many(source)
    put(bench, state, source)
    forks = []
    real = os.fork

    def fork():
        forks.append(1)
        # The parent of a test has threads of its own; the child does nothing but look at files.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return real()

    monkeypatch.setattr(os, "fork", fork)
    assert cache(state, source).matches(b"token", may_fork=True)
    (source / name).write_text("changed")
    assert not cache(state, source).matches(b"token", may_fork=True)
    assert len(forks) == 2


# --- the racy rule ---


@pytest.mark.parametrize(("after_ns", "trusted"), [(10_000_000, False), (100_000_000, True)])
def test_what_was_written_right_before_is_not_trusted(bench, source, state, monkeypatch, after_ns, trusted):
    (source / "file").write_text("x")
    newest = max(os.stat(path).st_ctime_ns for path in (source, source / "file"))
    monkeypatch.setattr("fabric.ingest.tree.time", SimpleNamespace(time_ns=lambda: newest + after_ns))
    monkeypatch.setattr(statcache.time, "time_ns", lambda: newest + after_ns)
    put(bench, state, source)
    found = cache(state, source)
    assert found.matches(b"token") is trusted
    remembered = found.directories().find(b"")
    digest = remembered.digest(remembered.rows[b"file"], os.stat(source / "file"))
    assert (digest is not None) is trusted


def test_whole_seconds_count_as_coarse_clocks():
    def status(mtime, ctime):
        return SimpleNamespace(st_mtime_ns=mtime, st_ctime_ns=ctime)

    second = 1_000_000_000
    now = 1_000 * second
    assert statcache.is_racy(status(999 * second, 999 * second), now)
    assert not statcache.is_racy(status(997 * second, 997 * second), now)
    assert not statcache.is_racy(status(999 * second + 1, 999 * second + 1), now)
    assert statcache.is_racy(status(now - 1, now - 1), now)
    assert statcache.is_racy(status(0, now + 5 * second), now)
    assert not statcache.is_racy(status(10**19, 0), now), "a time that somebody set in the future says nothing"


# --- use in the next put ---


def test_unchanged_files_are_not_read_again(bench, source, state, later, monkeypatch):
    make(source)
    first = put(bench, state, source)
    (source / "d/one").write_text("changed")
    (source / "new").write_text("new")
    read = []
    real = os.readv
    monkeypatch.setattr(os, "readv", lambda fd, buffers: (read.append(fd), real(fd, buffers))[1])
    packer = bench.packer()
    second = put(bench, state, source, b"second", base=lambda: first.table, packer=packer)
    assert len(read) == 2
    assert second.counts.files_reused == 5
    assert packer.content_bytes_sent == len("changed") + len("new")
    assert bench.contents(second.table)[b"d/one"] == b"changed"
    assert bench.contents(second.table)[b"d/deep/three"] == b"d/deep/three"
    assert second.table.equals(bench.put(source, base=lambda: second.table).table)
    assert cache(state, source).matches(b"second")


def test_progress_adds_up_when_little_is_read(bench, source, state, later):
    make(source)
    (source / "large").write_bytes(os.urandom(2 * BLOCK_BYTES))
    (source / "large-too").write_bytes(os.urandom(BLOCK_BYTES + 1))
    os.link(source / "large", source / "link-of-large")
    seen = SimpleNamespace(files=0, size=0, begin=lambda phase: None)

    def advance(files, size):
        seen.files += files
        seen.size += size

    seen.advance = advance
    first = put(bench, state, source, progress=seen)
    assert (seen.files, seen.size) == (first.counts.files, first.counts.size)
    (source / "large-too").write_bytes(os.urandom(BLOCK_BYTES + 2))
    seen.files = seen.size = 0
    second = put(bench, state, source, base=lambda: first.table, progress=seen)
    assert (seen.files, seen.size) == (second.counts.files, second.counts.size) == (9, first.counts.size + 1)
    assert second.counts.size_reused == first.counts.size - BLOCK_BYTES - 1


def test_a_change_of_mode_is_read_again_and_sends_nothing(bench, source, state, later):
    make(source)
    first = put(bench, state, source)
    os.chmod(source / "a", 0o600)
    packer = bench.packer()
    second = put(bench, state, source, base=lambda: first.table, packer=packer)
    assert second.counts.files_reused == 5
    assert packer.content_bytes_sent == 0
    assert bench.tree(second.table)[b"a"][0].mode == 0o600


def test_what_the_base_does_not_have_is_read(bench, source, state, later):
    make(source)
    put(bench, state, source)
    second = put(bench, state, source, base=rows.empty)
    assert second.counts.files_reused == 0
    assert len(bench.contents(second.table)) == 6


def test_attributes_are_read_again(bench, source, state, later):
    make(source)
    try:
        os.setxattr(source / "a", "user.small", b"1")
        os.setxattr(source / "b", "user.large", b"x" * 400)
    except OSError:
        pytest.skip("no attributes here")
    first = put(bench, state, source)
    packer = bench.packer()
    second = put(bench, state, source, base=lambda: first.table, packer=packer)
    assert second.table.equals(first.table)
    assert second.counts.files_reused == 6
    assert packer.content_bytes_sent == 0


def test_hard_links_keep_their_groups(bench, source, state, later):
    make(source)
    os.link(source / "a", source / "d/a2")
    first = put(bench, state, source)
    second = put(bench, state, source, base=lambda: first.table)
    assert second.table.equals(first.table)
    assert second.counts.files_reused == 7
    assert bench.tree(second.table)[b"a"][0].link_group != 0


def test_directories_that_span_chunks(bench, source, state, later, monkeypatch):
    monkeypatch.setattr("fabric.ingest.sink.CHUNK_ROWS", 7)
    monkeypatch.setattr("fabric.ingest.tree.BATCH", 3)
    make_many(source)
    first = put(bench, state, source)
    assert cache(state, source).matches(b"token")
    second = put(bench, state, source, base=lambda: first.table)
    assert second.counts.files_reused == 60
    assert second.table.equals(first.table)


def test_a_put_that_was_not_committed_is_not_remembered(bench, source, state, later):
    make(source)
    result = bench.put(source, stat_cache=cache(state, source))
    result.forget()
    result.forget()
    assert cache(state, source).is_empty
    assert list(state.iterdir()) == []


def test_a_put_that_failed_leaves_nothing(bench, source, state, monkeypatch):
    make(source)
    monkeypatch.setattr(os, "readlink", lambda *_, **__: (_ for _ in ()).throw(OSError(5, "I/O error")))
    with pytest.raises(OSError, match="I/O error"):
        bench.put(source, stat_cache=cache(state, source))
    assert list(state.iterdir()) == []


# --- rules ---


def test_rules_that_are_left_out_themselves_are_watched(bench, source, state, later):
    make(source)
    (source / ".fabricignore").write_text(".fabricignore\na\n")
    put(bench, state, source)
    assert cache(state, source).matches(b"token")
    with open(source / ".fabricignore", "r+") as file:
        file.write(".fabricignore\nb\n")
    assert not cache(state, source).matches(b"token")


# --- damage ---


def test_damage_is_as_if_there_were_nothing(bench, source, state, later):
    make(source)
    put(bench, state, source)
    (path,) = state.iterdir()
    whole = path.read_bytes()
    for position in range(0, len(whole), 7):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1 :])
        assert cache(state, source).is_empty
    for length in range(0, len(whole), 11):
        path.write_bytes(whole[:length])
        assert cache(state, source).is_empty
    path.write_bytes(whole)
    assert cache(state, source).matches(b"token")


def test_a_file_of_another_key_is_ignored(bench, source, state, later):
    make(source)
    put(bench, state, source)
    other = cache(state, source, scope="other")
    os.rename(cache(state, source).path, other.path)
    assert cache(state, source, scope="other").is_empty


def test_a_state_directory_that_cannot_be_written_costs_the_cache_only(bench, source, tmp_path, later):
    make(source)
    (tmp_path / "file").write_text("")
    result = put(bench, tmp_path / "file", source)
    assert result.counts.files == 6
    assert cache(tmp_path / "file", source).is_empty


def test_what_a_killed_put_left_is_cleaned_up(bench, source, state, later):
    make(source)
    put(bench, state, source)
    (state / f"{cache(state, source).path.stem}.abcdefgh.tmp").write_text("left")
    put(bench, state, source)
    assert [path.suffix for path in state.iterdir()] == [".stat"]


def test_the_question_is_cheap_to_ask():
    code = (
        "import fabric.ingest.statcache, sys;"
        "sys.exit(any(name in sys.modules for name in ('numpy', 'pyarrow', 'fabric.model.rows', 'fabric.ingest.tree')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
