"""Paths: what may be one, and the order in which a tree keeps them."""

import os
from operator import itemgetter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.errors import InvalidInputError
from fabric.model import paths

names = st.binary(min_size=1, max_size=6).filter(lambda name: not set(name) & {0, 47} and name not in (b".", b".."))
# Few letters, so that one path is often the beginning of another.
close_names = (
    st.text("ab\x01\xff!.", min_size=1, max_size=3)
    .map(lambda t: t.encode("latin-1"))
    .filter(lambda name: name not in (b".", b".."))
)
some_paths = st.lists(close_names | names, max_size=4).map(b"/".join)


@given(st.lists(some_paths, max_size=40, unique=True))
def test_keys_sort_as_parent_and_name_do(some):
    def by_words(path):
        parent, name = paths.split(path)
        return parent.replace(b"/", b"\0"), name

    assert sorted(some, key=paths.path_key) == sorted(some, key=by_words)
    assert len({paths.path_key(path) for path in some}) == len(some)


@given(st.lists(some_paths, max_size=40, unique=True), some_paths)
def test_children_are_one_range(some, directory):
    low, high = paths.children_range(directory)
    inside = {path for path in some if low <= paths.path_key(path) < high}
    assert inside == {path for path in some if path and paths.split(path)[0] == directory}


@given(st.lists(some_paths, max_size=40, unique=True), some_paths)
def test_a_subtree_is_one_range(some, directory):
    low, high = paths.subtree_range(directory)
    inside = {path for path in some if low <= paths.path_key(path) < high}
    assert inside == {path for path in some if path and (not directory or path.startswith(directory + b"/"))}


def test_ranges_hold_the_extreme_names():
    for name in (b"\x01", b"\xff" * 255, b"\xff"):
        for path in (name, b"d/" + name, name + b"/" + name):
            for directory in {b"", *paths.ancestors(path)}:
                low, high = paths.subtree_range(directory)
                assert low <= paths.path_key(path) < high
            low, high = paths.children_range(paths.split(path)[0])
            assert low <= paths.path_key(path) < high


@given(some_paths)
def test_split_and_join(path):
    assert paths.join(*paths.split(path)) == path
    assert paths.check_path(path) == path
    assert paths.parse_path(path) == path
    assert paths.parse_path(paths.display(path)) == path
    above = paths.ancestors(path)
    assert all(path.startswith(one + b"/") for one in above)
    assert len(above) == path.count(b"/")


@pytest.mark.parametrize(
    "path",
    [
        b"/",
        b"/a",
        b"a/",
        b"a//b",
        b".",
        b"..",
        b"a/..",
        b"./a",
        b"a/./b",
        b"\0",
        b"a\0b",
        b"n" * 256,
        b"a/" * 2048 + b"a",
        b"a/../b",
    ],
)
def test_what_is_no_path(path):
    with pytest.raises(InvalidInputError):
        paths.check_path(path)


@pytest.mark.parametrize("name", [b"", b".", b"..", b"/", b"a/b", b"\0", b"a\0", b"n" * 256])
def test_what_is_no_name(name):
    with pytest.raises(InvalidInputError):
        paths.check_name(name)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", b""),
        ("/", b""),
        ("a", b"a"),
        ("/a//b/", b"a/b"),
        ("caf\u00e9", b"caf\xc3\xa9"),
        ("\udcff", b"\xff"),
        (b"//x", b"x"),
    ],
)
def test_what_a_person_writes(text, path):
    assert paths.parse_path(text) == path


@pytest.mark.parametrize("text", ["\ud800", "a/\udfff", "..", "a/../b", "./a", "a\0b", "x" * 256])
def test_what_no_person_can_mean(text):
    with pytest.raises(InvalidInputError):
        paths.parse_path(text)


@given(st.text() | st.binary())
def test_any_text_is_a_path_or_refused(text):
    try:
        path = paths.parse_path(text)
    except InvalidInputError:
        return
    assert paths.check_path(path) == path
    os.fsdecode(path)


def test_longest():
    path = b"/".join([b"d" * 255] * 16)
    assert len(path) == 4095
    paths.check_path(path)
    with pytest.raises(InvalidInputError):
        paths.check_path(path + b"/a")


def test_order_of_a_small_tree():
    tree = [b"", b"a", b"b", b"b c", b"a/x", b"a/x/1", b"b/x", b"b c/x"]
    keyed = sorted(((paths.path_key(path), path) for path in tree), key=itemgetter(0))
    assert [path for _, path in keyed] == tree
