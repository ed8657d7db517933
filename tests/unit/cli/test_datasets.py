"""init, create, datasets, delete."""

import re


def test_a_fabric_is_made_and_says_how_to_use_it(invoke, tmp_path):
    result = invoke("init", tmp_path / "new")
    assert result.code == 0
    assert result.out == f"fabric made in {tmp_path / 'new'}\nuse it: export FABRIC_ENDPOINT={tmp_path / 'new'}\n"
    again = invoke("init", tmp_path / "new")
    assert again.code == 4
    assert "is a fabric already" in again.err


def test_a_fabric_can_have_its_objects_elsewhere(invoke, tmp_path):
    (tmp_path / "bytes").mkdir()
    result = invoke("init", tmp_path / "new", "--store", tmp_path / "bytes", "-o", "json")
    assert result.code == 0
    assert set(result.data) == {"id", "endpoint"}
    assert invoke("create", "photos", "--endpoint", tmp_path / "new").code == 0
    assert any((tmp_path / "bytes").rglob("format.json"))


def test_the_default_endpoint_is_made_at_first_use(invoke, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    result = invoke("datasets")
    assert result.code == 0
    assert result.err == "no datasets yet: 'fabric create NAME' makes one\n"


def test_an_endpoint_that_was_named_must_be_there(invoke, tmp_path):
    result = invoke("datasets", "--endpoint", tmp_path / "nothing")
    assert result.code == 3
    assert f"fabric init {tmp_path / 'nothing'}" in result.err


def test_datasets_are_created_and_listed(ok):
    assert ok("create", "photos", "--metadata", "owner=ada").out == "created dataset photos, branch main\n"
    ok("create", "letters")
    listed = ok("datasets")
    assert listed.lines[0].split() == ["NAME", "CREATED", "METADATA"]
    assert [line.split()[0] for line in listed.lines[1:]] == ["letters", "photos"]
    assert listed.lines[2].endswith("  owner=ada")
    rows = ok("datasets", "--long", "-o", "json").data
    assert [row["name"] for row in rows] == ["letters", "photos"]
    assert rows[1]["metadata"] == {"owner": "ada"}
    assert rows[1]["entries"] == 1
    assert re.fullmatch(r"[0-9a-f]{64}", rows[1]["commit"])
    assert "ENTRIES" in ok("datasets", "-l").lines[0]


def test_names_are_checked(ok, invoke):
    assert invoke("create", "Photos").code == 2
    assert invoke("create", "photos/sub").code == 2
    assert invoke("create", "photos@v1").code == 2
    assert invoke("create", "photos", "--metadata", "nothing").code == 2
    ok("create", "photos")
    taken = invoke("create", "photos")
    assert taken.code == 4
    assert "photos" in taken.err


def test_an_unknown_dataset_says_what_to_do(ok, invoke):
    ok("create", "photos")
    assert "did you mean 'photos'?" in invoke("ls", "phtos").err
    assert "'fabric create letters'" in invoke("ls", "letters").err


def test_a_dataset_is_deleted_after_a_question(photos, invoke):
    plan = photos("delete", "photos", "--dry-run")
    assert plan.out == "would delete dataset photos with 1 branch and 0 snapshots\n"
    refused = invoke("delete", "photos")
    assert refused.code == 2
    assert "--yes" in refused.err
    kept = invoke("delete", "photos", stdin=b"n\n", terminal=True)
    assert (kept.code, photos("datasets", "-o", "json").data[0]["name"]) == (1, "photos")
    assert "nothing was done" in kept.err
    photos("delete", "photos", stdin=b"y\n", terminal=True)
    assert photos("datasets", "-o", "json").data == []
    assert invoke("delete", "photos", "--yes").code == 3
