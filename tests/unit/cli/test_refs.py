"""branch and snapshot."""

from datetime import UTC, datetime

import pytest

from fabric.cli.refs import expires_at
from fabric.errors import InvalidInputError

NOW = datetime(2026, 11, 24, 3, tzinfo=UTC)


def test_branches(photos, invoke):
    assert photos("branch", "create", "photos", "wip").out.startswith("created branch wip at ")
    photos("branch", "create", "photos@main~1", "old")
    photos("branch", "create", "photos", "older", "--ref", "main~1")
    lines = [line.split() for line in photos("branch", "list", "photos").lines]
    assert [line[0] for line in lines] == ["NAME", "main", "old", "older", "wip"]
    assert lines[1][-1] == "default"
    assert lines[2][1] == lines[3][1] != lines[1][1]
    assert invoke("branch", "create", "photos", "wip").code == 4
    assert invoke("branch", "create", "photos@main", "x", "--ref", "main").code == 2
    assert photos("branch", "delete", "photos", "wip", "-n").out.startswith(
        "would delete branch wip of photos, which is at "
    )
    assert invoke("branch", "delete", "photos", "wip").code == 2
    photos("branch", "delete", "photos", "wip", "--yes")
    assert invoke("branch", "delete", "photos", "wip", "--yes").code == 3
    assert invoke("branch", "delete", "photos", "main", "--yes").code == 2
    assert len(photos("reflog", "photos@wip").lines) == 3


def test_snapshots(photos, invoke):
    assert photos("snapshot", "list", "photos").err == ("no snapshots yet: 'fabric snapshot create photos NAME' makes one\n")
    made = photos("snapshot", "create", "photos", "v1", "-m", "for the paper", "--expires", "30d", "--metadata", "a=b")
    assert made.out.startswith("created snapshot photos@v1 at ")
    assert ", expires 20" in made.out
    photos("snapshot", "create", "photos", "v0", "--ref", "main~1")
    rows = photos("snapshot", "list", "photos", "-o", "json").data
    assert [(row["name"], row["message"], row["expires"] is None) for row in rows] == [
        ("v0", "", True),
        ("v1", "for the paper", False),
    ]
    lines = photos("snapshot", "list", "photos").lines
    assert lines[0].split() == ["NAME", "COMMIT", "UPDATED", "EXPIRES", "MESSAGE"]
    assert " never" in lines[1]
    text = photos("snapshot", "show", "photos", "v1").out
    assert text.startswith("snapshot photos@v1\nMade:    20")
    assert "\na:       b\n" in text
    assert "\n    for the paper\n\ncommit " in text
    assert "\n    first\n" in text
    data = photos("snapshot", "show", "photos", "v1", "-o", "json").data
    assert data["of"]["message"] == "first"
    assert invoke("snapshot", "create", "photos", "v1").code == 4
    assert invoke("snapshot", "show", "photos", "v2").code == 3
    assert invoke("snapshot", "create", "photos", "V2").code == 2


def test_a_snapshot_is_deleted_after_a_question(photos, invoke):
    photos("snapshot", "create", "photos", "v1")
    assert invoke("snapshot", "delete", "photos", "v1", stdin=b"\n", terminal=True).code == 1
    assert photos("snapshot", "delete", "photos", "v1", "--dry-run", "-o", "json").data["deleted"] is False
    photos("snapshot", "delete", "photos", "v1", stdin=b"y\n", terminal=True)
    assert photos("snapshot", "list", "photos", "-o", "json").data == []


def test_branches_are_no_snapshots(photos, invoke):
    photos("snapshot", "create", "photos", "v1")
    result = invoke("branch", "delete", "photos", "v1", "--yes")
    assert result.code == 2
    assert "use 'fabric snapshot'" in result.err
    assert invoke("snapshot", "show", "photos", "main").code == 2


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("30d", "2026-12-24T03:00:00.000000Z"),
        ("12h", "2026-11-24T15:00:00.000000Z"),
        ("2026-12-31", "2026-12-31T23:59:59.999999Z"),
        ("2027-01-01T00:00:00+01:00", "2026-12-31T23:00:00.000000Z"),
    ],
)
def test_an_expiry_is_an_age_or_a_date(value, expected):
    assert expires_at(value, NOW) == expected


@pytest.mark.parametrize("value", ["30", "soon", "2026-01-01", "0s", "200000d", "2026-13-01"])
def test_an_expiry_lies_in_the_future(value):
    with pytest.raises(InvalidInputError):
        expires_at(value, NOW)
