"""Each kind of damage is found, named, and found in a process that read the objects before they were damaged."""

import os

import pytest

from fabric.objects.keys import data_key, format_key
from fabric.repo.fsck import fsck
from fabric.repo.publish import head_of


@pytest.fixture
def damaged(tmp_path, settings):
    """A fabric in a home: files can be damaged there. Returns dataset, and a function from object reference to its file."""
    import fabric  # noqa: PLC0415

    with fabric.init(tmp_path / "fabric", settings=settings) as fab:
        dataset = fab.create("d")
        with dataset.transaction(message="one") as tx:
            tx.put("a", b"contents of a")
            tx.put("l", b"x", attributes={b"user.large": b"y" * 999})

        def at(ref):
            return tmp_path / "fabric" / "objects" / data_key(dataset.id, *ref.split("/"))

        yield dataset, at


def extent(dataset, path):
    leaf, index = dataset.view().tree.locate(path)
    return leaf.extents[index].as_py()[-1]


def problems(dataset, **options):
    return [(problem.subject, problem.message) for problem in fsck([dataset], **options).problems]


def victim(dataset, what):
    head = head_of(dataset.store, "main")
    if what == "commit":
        return head.record.object
    if what == "node":
        return head.record.root
    return extent(dataset, b"a")["object"].decode()


def test_nothing_wrong(damaged):
    dataset, _ = damaged
    report = fsck([dataset], read_data=True)
    assert report.is_clean
    assert (report.datasets, report.refs, report.commits, report.entries) == (1, 1, 2, 4)
    assert report.contents_read == 3


@pytest.mark.parametrize("what", ["commit", "node", "pack"])
def test_missing(damaged, what):
    dataset, at = damaged
    dataset.view().read("a")
    at(victim(dataset, what)).unlink()
    found = problems(dataset)
    assert found
    assert any("missing" in message for _, message in found)


@pytest.mark.parametrize("what", ["commit", "node", "pack"])
def test_truncated(damaged, what):
    dataset, at = damaged
    path = at(victim(dataset, what))
    path.chmod(0o600)
    os.truncate(path, 30)
    assert problems(dataset)


@pytest.mark.parametrize("what", ["commit", "node", "pack"])
def test_altered(damaged, what):
    dataset, at = damaged
    dataset.view().read("a")
    path = at(victim(dataset, what))
    path.chmod(0o600)
    data = bytearray(path.read_bytes())
    data[extent(dataset, b"a")["offset"] if what == "pack" else len(data) // 2] ^= 1
    path.write_bytes(data)
    assert problems(dataset, read_data=True)
    if what == "pack":
        assert [subject for subject, _ in problems(dataset, read_data=True)] == ["a"]


def test_attributes_that_are_altered(damaged):
    dataset, at = damaged
    found = extent(dataset, b"l")
    path = at(found["object"].decode())
    path.chmod(0o600)
    data = bytearray(path.read_bytes())
    data[found["offset"] + 5] ^= 1
    path.write_bytes(data)
    assert [subject for subject, _ in problems(dataset, read_data=True)] == ["l"]


def test_a_pack_that_only_a_list_of_extents_names(damaged):
    """Over 16 blocks the extents lie in an object of their own; a missing pack behind it is found without reading data."""
    dataset, at = damaged
    block = os.urandom(1 << 20)
    with dataset.transaction(message="large") as tx:
        tx.put("large", b"".join(bytes([number]) * 4 + block * 4 for number in range(17)))
    [listed] = dataset.view().content("large").extents
    inner = dataset.store.extent_list(listed)
    assert len(inner) > 16
    at(inner[0].object.decode()).unlink()
    assert any("missing" in message for _, message in problems(dataset))


def test_the_format_file(damaged, tmp_path):
    dataset, _ = damaged
    path = tmp_path / "fabric" / "objects" / format_key(dataset.id)
    path.unlink()
    assert [subject for subject, _ in problems(dataset)] == [format_key(dataset.id)]


def test_damage_of_one_commit_does_not_hide_the_others(damaged):
    dataset, at = damaged
    at(victim(dataset, "node")).unlink()
    with dataset.transaction() as tx:
        dataset.store.nodes.close()
        tx.abort()
    dataset.create_branch("old", "main~1")
    report = fsck([dataset])
    assert report.refs == 2
    assert report.commits == 2
    assert {problem.dataset for problem in report.problems} == {"d"}
