"""From URLs to metastores."""

import contextlib

import pytest

from fabric.errors import InvalidInputError, NotFoundError
from fabric.metastore.open import open_metastore
from fabric.testing.metastore_kit import Facts


def test_sqlite_by_url(tmp_path):
    url = f"sqlite://{tmp_path}/a%20b.db"
    with pytest.raises(NotFoundError):
        open_metastore(url)
    with contextlib.closing(open_metastore(url, create=True)) as metastore:
        Facts(metastore).dataset("pets")
    assert (tmp_path / "a b.db").exists()
    with contextlib.closing(open_metastore(url)) as metastore:
        assert metastore.datasets.get("pets").name == "pets"


def test_memory_by_name():
    one, same = open_metastore("memory://one"), open_metastore("memory://one")
    Facts(one).dataset("pets")
    one.close()
    assert same.datasets.get("pets").name == "pets"
    assert open_metastore("memory://two").datasets.list() == []


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_postgresql_comes_with_the_service(scheme):
    with pytest.raises(InvalidInputError, match="service"):
        open_metastore(f"{scheme}://user:secret@host/db")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "secret",
        "/var/secret.db",
        "sqlite:secret",
        "sqlite://secret.db",
        "sqlite:///",
        "sqlite:///secret/",
        "sqlite:///a.db?mode=secret",
        "sqlite:///a%00.db",
        "mysql://user:secret@host/db",
        "memory://",
        "memory://../x",
    ],
)
def test_other_urls_are_refused_and_not_repeated(url):
    with pytest.raises(InvalidInputError) as caught:
        open_metastore(url)
    if not url.startswith("sqlite"):
        assert "secret" not in f"{caught.value} {caught.value.subject} {caught.value.hint}"
