"""What a shell is offered; how it asks is in test_process.py."""

import pytest
from click.shell_completion import ZshComplete, split_arg_string

from fabric.cli import completion
from fabric.cli.root import cli
from fabric.cli.session import Session


def _offered(line):
    words = split_arg_string(line)[1:]
    begun = "" if line.endswith(" ") else words.pop()
    with Session() as session:
        found = ZshComplete(cli, {"obj": session}, "fabric", completion.VARIABLE).get_completions(words, begun)
    return [item.value for item in found]


@pytest.fixture
def tagged(photos):
    photos("snapshot", "create", "photos", "v1")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("fabric sn", ["snapshot"]),
        ("fabric snapshot cr", ["create"]),
        ("fabric ls ph", ["photos"]),
        ("fabric ls ", ["photos"]),
        ("fabric ls x", []),
        ("fabric ls photos@", ["photos@main", "photos@v1"]),
        ("fabric ls photos@v", ["photos@v1"]),
        ("fabric ls photos@v1/", ["photos@v1/a.txt", "photos@v1/empty/", "photos@v1/sub/"]),
        ("fabric ls photos/su", ["photos/sub/"]),
        ("fabric ls photos/sub/", ["photos/sub/b.bin", "photos/sub/link"]),
        ("fabric ls photos/nothing/", []),
        ("fabric ls photos@nothing/", []),
        ("fabric ls nothing@", []),
        ("fabric ls 'photos@ma in", []),
        ("fabric diff photos v", ["v1"]),
        ("fabric merge photos@main ", ["main", "v1"]),
        ("fabric snapshot delete photos ", ["main", "v1"]),
        ("fabric restore photos/a --from m", ["main"]),
        ("fabric snapshot create photos x --ref v", ["v1"]),
        ("fabric log photos/", ["photos/a.txt", "photos/empty/", "photos/sub/"]),
        ("fabric reflog photos/", []),
        ("fabric --endpoint /nothing ls ph", []),
        ("fabric -o j", ["json"]),
        ("fabric ls photos -o y", ["yaml"]),
        ("fabric log --one", ["--oneline"]),
        ("fabric --dry", []),
    ],
)
def test_what_is_offered(tagged, line, expected):
    assert _offered(line) == expected


def test_names_that_a_line_cannot_hold_are_not_offered(photos, source):
    (source / "new\nline").touch()
    photos("put", source, "photos")
    assert _offered("fabric ls photos/") == ["photos/a.txt", "photos/empty/", "photos/sub/"]
