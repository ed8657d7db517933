"""Whatever the rows say, nothing outside of the destination is touched."""

import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabric.cache.contents import ContentReader
from fabric.checkout.checkout import checkout
from fabric.checkout.options import CheckoutOptions, Overwrite
from fabric.errors import DataError, FabricError, InvalidInputError, SourceError
from fabric.model import rows
from fabric.model.entry import Entry, Kind
from fabric.objects.memory import MemoryStore
from fabric.testing.contents import ContentMaker

SECRET = b"do not touch"


def raw_rows(tree, *items):
    """Rows as a hostile writer makes them: (parent, name, kind, target), in the order of their keys."""
    content = tree.maker.add(b"evil")
    tree.maker.close_pack()
    pairs = []
    for number, (_, _, kind, target) in enumerate(items):
        file = kind == Kind.FILE
        entry = Entry(
            b"x%d" % number,
            kind,
            0o644,
            size=4 if file else 0,
            digest=content.digest if file else bytes(32),
            digest_kind=content.digest_kind if file else 0,
            target=target,
        )
        pairs.append((entry, content.extents if file else []))
    table = rows.from_entries(pairs)
    for column, position in (("parent", 0), ("name", 1)):
        index = table.schema.get_field_index(column)
        values = rows.pa.array([item[position] for item in items], rows.pa.binary())
        table = table.set_column(index, rows.SCHEMA.field(column), values)
    return rows.sort(table)


@pytest.fixture
def arena(tmp_path):
    """A destination beside something that must stay as it is."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_bytes(SECRET)
    (tmp_path / "dest").mkdir()
    yield tmp_path / "dest"
    assert sorted(os.listdir(tmp_path)) == ["dest", "outside"]
    assert os.listdir(tmp_path / "outside") == ["secret"]
    assert (tmp_path / "outside" / "secret").read_bytes() == SECRET


@pytest.mark.parametrize("kind", [Kind.FILE, Kind.DIRECTORY, Kind.SYMLINK])
@pytest.mark.parametrize(
    ("parent", "name"),
    [
        (b"", b".."),
        (b"", b"."),
        (b"", b"../outside/secret"),
        (b"", b"/etc/passwd"),
        (b"", b"a/b"),
        (b"", b"nul\x00byte"),
        (b"", b"n" * 256),
        (b"a", b""),
        (b"..", b"outside"),
        (b"a/..", b"f"),
        (b"a//b", b"f"),
        (b"/etc", b"f"),
        (b"a/", b"f"),
        (b"a\x00b", b"f"),
        (b"d/" * 2_100 + b"e", b"f"),
    ],
)
def test_names_that_no_file_can_have(tree, arena, parent, name, kind):
    with pytest.raises(InvalidInputError):
        tree.get(arena, rows_=[raw_rows(tree, (parent, name, kind, b"t"))], jobs=0, force=True)
    assert all(path.name == "a" and path.is_dir() and not list(path.iterdir()) for path in arena.iterdir())


@pytest.mark.parametrize("jobs", [0, 1])
@pytest.mark.parametrize("force", [False, True])
def test_a_symlink_followed_by_what_lies_behind_it(tree, arena, jobs, force):
    table = raw_rows(
        tree,
        (b"", b"a", Kind.SYMLINK, os.fsencode(arena.parent / "outside")),
        (b"a", b"secret", Kind.FILE, b""),
        (b"a/deep", b"er", Kind.FILE, b""),
    )
    with pytest.raises(FabricError):
        tree.get(arena, rows_=[table], jobs=jobs, force=force, overwrite=Overwrite.REPLACE)


def test_a_file_followed_by_what_lies_below_it(tree, arena):
    table = raw_rows(tree, (b"", b"a", Kind.FILE, b""), (b"a", b"f", Kind.FILE, b""))
    with pytest.raises(FabricError):
        tree.get(arena, rows_=[table])


def test_rows_out_of_order_or_twice(tree, arena):
    table = raw_rows(tree, (b"", b"a", Kind.FILE, b""), (b"", b"b", Kind.FILE, b""))
    for bad in ([table.take([1, 0])], [table, table], [table.slice(1), table.slice(0, 1)], [table.take([0, 0])]):
        with pytest.raises(DataError, match="order"):
            tree.get(arena, rows_=bad, overwrite=Overwrite.REPLACE)


def test_what_no_row_should_say(tree, arena):
    for change in ({"kind": 9}, {"kind": 3, "target": b""}, {"kind": 3, "target": b"a\x00b"}, {"digest_kind": 7}):
        table = raw_rows(tree, (b"", b"a", Kind.FILE, b""))
        for name, value in change.items():
            field = rows.SCHEMA.field(name)
            table = table.set_column(table.schema.get_field_index(name), field, rows.pa.array([value], field.type))
        with pytest.raises(DataError):
            tree.get(arena, rows_=[table])
        assert not list(arena.iterdir())
    with pytest.raises(InvalidInputError, match="all columns"):
        tree.get(arena, rows_=[table.drop_columns(["extents"])])


def test_a_symlink_swapped_in_while_we_work(tree, arena):
    """The worst a neighbour with rights in the destination can do: put a symlink where a directory was just made."""
    tree.dir(b"d")
    for number in range(30):
        tree.file(b"d/%d" % number, b"%d" % number)
    first, rest = tree.table().slice(0, 1), tree.table().slice(1)

    def batches():
        yield first
        (arena / "d").rmdir()
        (arena / "d").symlink_to(arena.parent / "outside")
        yield rest

    with pytest.raises(SourceError):
        tree.get(arena, rows_=batches(), jobs=0)


_NAMES = st.one_of(
    st.sampled_from([b"a", b"b", b"c", b"..", b".", b"", b"a/b", b"\xff"]),
    st.binary(min_size=1, max_size=3),
)
_ROWS = st.lists(
    st.tuples(
        st.one_of(st.just(b""), _NAMES, st.builds(lambda a, b: a + b"/" + b, _NAMES, _NAMES)),
        _NAMES,
        st.sampled_from(list(Kind)),
        st.sampled_from([b"../outside", b"..", b"/", b"a", b"."]),
    ),
    max_size=8,
    unique_by=lambda row: row[:2],
)


class _Bare:
    def __init__(self):
        self.maker = ContentMaker(MemoryStore())


@settings(max_examples=150, deadline=None)
@given(items=_ROWS, force=st.booleans(), extra=st.booleans(), seed=st.integers(0, 9))
def test_any_rows_stay_inside(tmp_path_factory, items, force, extra, seed):
    base = tmp_path_factory.mktemp("any")
    (base / "outside").mkdir()
    (base / "outside" / "secret").write_bytes(SECRET)
    dest = base / "dest"
    dest.mkdir()
    for name in random.Random(seed).sample(["a", "b", "c"], seed % 3):
        (dest / name).symlink_to("../outside")
    tree = _Bare()
    reader = ContentReader(tree.maker.store, tree.maker.dataset)
    options = CheckoutOptions(jobs=0, force=force, delete_extra=extra, overwrite=Overwrite.REPLACE)
    try:
        checkout([raw_rows(tree, *items)], b"", dest, reader, options=options)
    except (InvalidInputError, DataError, SourceError):
        pass
    finally:
        reader.close()
    assert sorted(os.listdir(base)) == ["dest", "outside"]
    assert os.listdir(base / "outside") == ["secret"]
    assert (base / "outside" / "secret").read_bytes() == SECRET
