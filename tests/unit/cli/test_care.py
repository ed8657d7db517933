"""fsck, recover, doctor, version, and the whole life of a dataset."""

import shutil
import sqlite3

import pytest


def test_fsck_finds_nothing_in_a_whole_fabric(photos, invoke):
    result = photos("fsck", "--read-data")
    assert result.out.startswith("all is well: 1 dataset, 2 commits, ")
    assert "2.01 KiB of data read" in result.out
    data = photos("fsck", "photos", "-o", "json").data
    assert (data["ok"], data["problems"], data["counts"]["refs"]) == (True, [], 1)
    assert invoke("fsck", "nothing").code == 3
    assert invoke("fsck", "photos@main").code == 2


def test_fsck_tells_what_is_wrong(photos, invoke, home):
    for path in (home / "objects").rglob("data/*/*"):
        raw = bytearray(path.read_bytes())
        if len(raw) > 2048:
            raw[len(raw) // 2] ^= 1
            path.chmod(0o600)
            path.write_bytes(raw)
    result = invoke("fsck", "--read-data")
    assert result.code == 1
    assert "wrong  photos " in result.out
    data = invoke("fsck", "--read-data", "-o", "json").data
    assert not data["ok"]
    assert data["problems"][0]["dataset"] == "photos"


def test_a_lost_metastore_is_rebuilt(photos, invoke, home):
    photos("snapshot", "create", "photos", "v1")
    before = [photos("log", "photos", "-o", "json").data, photos("snapshot", "list", "photos", "-o", "json").data]
    refused = invoke("recover", home)
    assert refused.code == 4
    assert "--force" in refused.err
    for path in home.glob("metastore.sqlite*"):
        path.unlink()
    assert invoke("ls", "photos").code == 3
    result = photos("recover", home)
    assert result.out.startswith(f"rebuilt the metastore of {home} from ")
    assert "1 dataset, 2 refs" in result.out
    assert [photos("log", "photos", "-o", "json").data, photos("snapshot", "list", "photos", "-o", "json").data] == before
    assert photos("recover", home, "--force", "-o", "json").data["keys"]["dataset"] == 1
    assert list(home.glob("lost-*metastore.sqlite"))
    assert invoke("recover", home / "nothing").code == 3


def test_a_home_is_rebuilt_from_the_store_alone(photos, tmp_path, home):
    shutil.move(home / "objects", tmp_path / "bytes")
    photos("recover", tmp_path / "again", "--store", tmp_path / "bytes")
    assert photos("cat", "photos/a.txt", "--endpoint", tmp_path / "again").raw == b"hello\n"


def test_the_doctor_finds_all_well(photos, home):
    result = photos("doctor")
    assert all(line.split()[0] in ("ok", "warn") for line in result.lines)
    checks = {row["check"]: row for row in photos("doctor", "-o", "json").data}
    assert {"python", "libraries", "settings", "cache dir", "state dir", "endpoint", "metastore", "store: put"} <= set(
        checks
    )
    assert sqlite3.sqlite_version in checks["libraries"]["detail"]
    assert "FABRIC_ENDPOINT" in checks["endpoint"]["detail"]
    assert not any(
        name.startswith("store:") for name in {row["check"] for row in photos("doctor", "--no-probe", "-o", "json").data}
    )
    assert not list((home / "objects").glob("probe-*"))


def test_the_doctor_says_what_fails(ok, invoke, tmp_path, monkeypatch):
    result = invoke("doctor", "--endpoint", tmp_path / "nothing")
    assert result.code == 1
    assert "fail  endpoint" in result.out
    assert "fabric init" in result.out
    assert result.err.endswith("1 failed\n")
    monkeypatch.setenv("FABRIC_JOBS", "many")
    result = invoke("doctor")
    assert result.code == 1
    assert "FABRIC_JOBS" in result.out


def test_the_doctor_does_not_make_what_is_not_there(invoke, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    result = invoke("doctor")
    assert result.code == 0
    assert "is made at its first use" in result.out
    assert not (tmp_path / "data").exists()


def test_a_damaged_home_is_said_to_be_one(photos, invoke, home):
    (home / "fabric.json").write_text("{")
    assert invoke("ls", "photos").code == 1
    assert "does not decode" in invoke("doctor").out


def test_versions(invoke):
    data = invoke("version", "-o", "json").data
    assert {"fabric", "python", "system", "libraries"} == set(data)
    assert data["libraries"]["pyarrow"]
    assert invoke("version").lines[0] == f"fabric {data['fabric']}" == invoke("--version").lines[0]


@pytest.mark.s3
def test_a_fabric_on_a_bucket(invoke, tmp_path, monkeypatch, s3_server, source):
    server = s3_server
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    url = server.url(server.make_bucket(), "prefix")
    monkeypatch.setenv("FABRIC_ENDPOINT", str(tmp_path / "home"))
    assert invoke("init", tmp_path / "home", "--store", url).code == 0
    assert invoke("put", source, "photos", "--create").code == 0
    assert invoke("cat", "photos/a.txt").raw == b"hello\n"
    assert invoke("doctor").code == 0
    wrong = invoke("init", tmp_path / "other", "--store", url.replace("prefix", "x").replace("s3://", "s3://no-"))
    assert wrong.code in (1, 3)
    assert "Traceback" not in wrong.err
