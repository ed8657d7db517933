"""Options, instances, addresses, pickling, other processes, and that a branch is never stale."""

import io
import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import time
import traceback
import zipfile

import fsspec
import pytest
from fsspec.core import url_to_fs

import fabric
from fabric.errors import InvalidInputError, NotFoundError, ReadOnlyError
from fabric.filesystem import FabricFileSystem


def test_urls_name_datasets_not_users(fs, home):
    found, path = url_to_fs("fabric://data@main/a/b", endpoint=home)
    assert isinstance(found, FabricFileSystem)
    assert path == "data@main/a/b"
    assert FabricFileSystem._get_kwargs_from_urls("fabric://data@main/a") == {}
    assert fs.unstrip_protocol("data@main/a") == fs.unstrip_protocol("fabric://data@main/a") == "fabric://data@main/a"
    assert fs._parent("fabric://data@main/a/b") == "data@main/a"
    assert fs._parent("data@main") == ""
    assert fs._strip_protocol(["fabric://data/", "data//x/"]) == ["data", "data/x"]
    assert fs.fsid == f"fabric-{fs.fabric.id}"


def test_fsspec_open_and_chaining(fs, home, tmp_path):
    with fsspec.open("fabric://data/x.txt", "w", endpoint=home) as file:
        file.write("text")
    with fsspec.open("fabric://data@main/x.txt", "rt", endpoint=home) as file:
        assert file.read() == "text"
    options = {"fabric": {"endpoint": home}, "simplecache": {"cache_storage": str(tmp_path)}}
    with fsspec.open("simplecache::fabric://data/x.txt", **options) as file:
        assert file.read() == b"text"
    with fsspec.open("filecache::fabric://data/x.txt", **{**options, "filecache": {"cache_storage": str(tmp_path)}}) as file:
        assert file.read() == b"text"
    with fsspec.open(
        "blockcache::fabric://data/x.txt", **{**options, "blockcache": {"cache_storage": str(tmp_path)}}
    ) as file:
        assert file.read() == b"text"
    fs.pipe("data/z.zip", _zip({"in": b"side"}))
    with fsspec.open("zip://in::fabric://data/z.zip", fabric={"endpoint": home}) as file:
        assert file.read() == b"side"


def _zip(members):
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return raw.getvalue()


def test_an_option_that_does_not_exist_is_an_error(home):
    with pytest.raises(InvalidInputError, match="endpiont"):
        fsspec.filesystem("fabric", endpiont=home)
    fsspec.filesystem("fabric", endpoint=home, auto_mkdir=True, use_listings_cache=False)


def test_an_endpoint_that_is_no_fabric(tmp_path):
    fs = fsspec.filesystem("fabric", endpoint=str(tmp_path / "none"))
    with pytest.raises(NotFoundError) as caught:
        fs.exists("data/x")
    assert "fabric init" in caught.value.hint
    assert not (tmp_path / "none").exists()


def test_instances_are_named_by_what_they_mean(fs, home, folder, monkeypatch):
    assert fsspec.filesystem("fabric", endpoint=home) is fs
    assert FabricFileSystem(home) is fs
    monkeypatch.chdir(folder)
    assert fsspec.filesystem("fabric", endpoint="home") is fs
    monkeypatch.setenv("FABRIC_ENDPOINT", home)
    assert fsspec.filesystem("fabric") is fs
    with fabric.init(folder / "other") as other:
        other.create("elsewhere")
    monkeypatch.setenv("FABRIC_ENDPOINT", str(folder / "other"))
    assert fsspec.filesystem("fabric").ls("", detail=False) == ["elsewhere"]
    assert fs.ls("", detail=False) == ["data"]


def test_the_default_fabric_is_made_at_its_first_use(folder, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(folder))
    assert fsspec.filesystem("fabric").ls("") == []
    assert (folder / "fabric" / "fabric.json").exists()
    FabricFileSystem.clear_instance_cache()


def test_threads_share_one_connection(fs, home):
    other = []
    thread = threading.Thread(target=lambda: other.append(fsspec.filesystem("fabric", endpoint=home).fabric))
    thread.start()
    thread.join()
    assert other[0] is fs.fabric


def test_a_branch_is_never_stale(fs, home, dataset):
    other = fsspec.filesystem("fabric", endpoint=home, skip_instance_cache=True)
    for number in range(5):
        with dataset.transaction() as tx:
            tx.put("x", str(number).encode())
            tx.put(f"n{number}", b"")
        for each in (fs, other):
            assert each.cat("data/x") == str(number).encode()
            assert len(each.ls("data")) == number + 2
            assert len(each.glob("data/n*")) == number + 1


def test_states_of_the_past_stay(fs, dataset):
    fs.pipe("data/x", b"old")
    first = dataset.resolve().id
    dataset.create_snapshot("v1")
    dataset.create_branch("side")
    fs.pipe("data/x", b"new")
    fs.pipe("data@side/x", b"side")
    assert fs.cat("data/x") == fs.cat("data@main/x") == b"new"
    assert fs.cat("data@side/x") == b"side"
    assert (
        fs.cat("data@v1/x")
        == fs.cat(f"data@{first}/x")
        == fs.cat(f"data@{first[:10]}/x")
        == fs.cat("data@main~1/x")
        == b"old"
    )
    assert fs.find(f"data@{first}") == [f"data@{first}/x"]


def test_ref_is_the_default_of_addresses_without_one(fs, home, dataset):
    fs.pipe("data/x", b"old")
    dataset.create_snapshot("v1")
    fs.pipe("data/x", b"new")
    at = fsspec.filesystem("fabric", endpoint=home, ref="v1")
    assert at.cat("data/x") == b"old"
    assert at.cat("data@main/x") == b"new"
    with pytest.raises(ReadOnlyError):
        at.pipe("data/x", b"")


def test_ref_ttl_bounds_how_old_a_branch_may_look(home, dataset, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    fs = fsspec.filesystem("fabric", endpoint=home, ref_ttl=10)
    fs.pipe("data/x", b"1")
    assert fs.cat("data/x") == b"1"
    with dataset.transaction() as tx:
        tx.put("x", b"2")
    assert fs.cat("data/x") == b"1"
    now[0] += 11
    assert fs.cat("data/x") == b"2"
    fs.pipe("data/x", b"3")
    assert fs.cat("data/x") == b"3"
    with dataset.transaction() as tx:
        tx.put("x", b"4")
    fs.invalidate_cache()
    assert fs.cat("data/x") == b"4"


def test_pickling_keeps_the_fabric(fs, home, monkeypatch, folder):
    fs.pipe("data/x", b"1")
    monkeypatch.chdir(folder)
    copy = pickle.loads(pickle.dumps(fsspec.filesystem("fabric", endpoint="home", skip_instance_cache=True)))
    monkeypatch.chdir("/")
    assert copy.cat("data/x") == b"1"
    assert copy == fs
    assert hash(copy) == hash(fs)
    from_json = fsspec.AbstractFileSystem.from_json(fs.to_json())
    assert from_json.cat("data/x") == b"1"
    assert json.loads(fs.to_json())["protocol"] == "fabric"


def test_an_open_file_travels_by_its_commit(fs):
    fs.pipe("data/x", b"first version")
    for options in ({}, {"cache_type": "readahead"}):
        fs.pipe("data/x", b"first version")
        with fs.open("data/x", **options) as file:
            assert file.read(6) == b"first "
            fs.pipe("data/x", b"second")
            with pickle.loads(pickle.dumps(file)) as copy:
                assert copy.read() == b"version"


def _read_in_worker(fs, names, answers):
    try:
        answers.put([fs.cat(names), [fs.open(name).read() for name in names], sorted(fs.find("data"))])
    except BaseException:
        answers.put(traceback.format_exc())


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_workers_read_what_the_parent_opened(fs, method):
    """As data loaders do: an instance that was used in the parent is used by workers, many at once."""
    contents = {f"data/f{number}": os.urandom(1000 + number) for number in range(20)}
    fs.pipe(contents)
    assert fs.cat("data/f0") == contents["data/f0"]
    context = multiprocessing.get_context(method)
    answers = context.Queue()
    workers = [
        context.Process(target=_read_in_worker, args=(fs, [*contents], answers)) for _ in range(3 if method == "fork" else 1)
    ]
    for worker in workers:
        worker.start()
    for _ in workers:
        answer = answers.get(timeout=60)
        assert not isinstance(answer, str), answer
        assert answer[0] == contents
        assert answer[1] == [*contents.values()]
        assert answer[2] == sorted(contents)
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert fs.cat("data/f1") == contents["data/f1"]


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_reads_on_and_writes(fs):
    big = os.urandom(10 * 1024 * 1024)
    fs.pipe("data/big", big)
    file = fs.open("data/big")
    head = file.read(9 * 1024 * 1024)  # Now a stream reads ahead, by threads that the child will not have.
    child = os.fork()
    if not child:
        status = 1
        try:
            assert head + file.read() == big
            file.seek(5 * 1024 * 1024)
            assert file.read(100) == big[5 * 1024 * 1024 :][:100]
            fs.pipe("data/child", b"from the child")
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert head + file.read() == big
    assert fs.cat("data/child") == b"from the child"


@pytest.mark.s3
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_reads_and_writes_on_s3(s3_url, folder):
    with fabric.init(folder / "home", store=s3_url) as made:
        made.create("data")
    fs = fsspec.filesystem("fabric", endpoint=str(folder / "home"))
    fs.pipe({f"data/{number}": b"%d" % number for number in range(50)})
    assert fs.cat("data/1") == b"1"
    child = os.fork()
    if not child:
        status = 1
        try:
            assert fs.cat("data/2") == b"2"
            assert len(fs.cat("data/*")) == 50
            fs.pipe("data/child", b"from the child")
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert fs.cat("data/child") == b"from the child"
    FabricFileSystem.clear_instance_cache()


def test_the_library_does_not_import_fsspec():
    script = "import fabric, fabric.repo.fabric, sys; sys.exit('fsspec' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == 0


def test_the_entry_point_leads_here():
    script = "import fsspec; print(fsspec.get_filesystem_class('fabric').__module__)"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("fabric.filesystem")
