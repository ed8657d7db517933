"""Store URLs: what they mean, what is refused, and that no secret is repeated."""

import pytest

from fabric.errors import InvalidInputError, NotFoundError
from fabric.objects.limit import Limit
from fabric.objects.local import LocalStore
from fabric.objects.memory import MemoryStore
from fabric.objects.open import StoreUrl, describe, open_store, parse_store_url
from fabric.objects.retry import Retry
from fabric.objects.s3 import S3Store
from fabric.objects.s3_settings import Credentials
from fabric.objects.wrapper import innermost, signer


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/srv/objects", StoreUrl("file", "/srv/objects", "", {})),
        ("/srv//objects/", StoreUrl("file", "/srv/objects", "", {})),
        ("/srv/with space?and#", StoreUrl("file", "/srv/with space?and#", "", {})),
        ("file:///srv/objects", StoreUrl("file", "/srv/objects", "", {})),
        ("file://localhost/srv/a%20b", StoreUrl("file", "/srv/a b", "", {})),
        ("memory://", StoreUrl("memory", "", "", {})),
        ("memory://test/one", StoreUrl("memory", "test/one", "", {})),
        ("s3://bucket", StoreUrl("s3", "bucket", "", {})),
        ("s3://bucket/some/prefix/", StoreUrl("s3", "bucket", "some/prefix", {})),
        (
            "s3://bucket/p?endpoint=http://h:9000&region=eu-west-1",
            StoreUrl("s3", "bucket", "p", {"endpoint": "http://h:9000", "region": "eu-west-1"}),
        ),
    ],
)
def test_urls(url, expected):
    assert parse_store_url(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "relative/path",
        "./here",
        "file://relative/path",
        "file:///a?b=c",
        "memory://a?b=c",
        "gs://bucket",
        "http://host/bucket",
        "s3://bucket/../x",
        "s3://bucket/a b",
        "s3://bucket/a//b",
        "s3://bucket#fragment",
        "s3://bucket?typo=1",
    ],
)
def test_urls_that_are_refused(url):
    with pytest.raises(InvalidInputError):
        open_store(url)
    with pytest.raises(InvalidInputError):
        describe(url)


@pytest.mark.parametrize(
    "url",
    [
        "s3://KEYID:hunter2secret@bucket/x",
        "s3://hunter2secret@bucket/x",
        "s3://bucket/x?secret_access_key=hunter2secret",
        "s3://bucket/x?session_token=hunter2secret&region=x",
        "s3://bucket/x?endpoint=http://user:hunter2secret@host:1",
        "file://user:hunter2secret@host/x",
        "ftp://user:hunter2secret@host/x",
    ],
)
def test_secrets_in_urls_are_refused_and_not_repeated(url):
    with pytest.raises(InvalidInputError) as caught:
        open_store(url)
    assert "hunter2secret" not in f"{caught.value} {caught.value.subject} {caught.value.hint}"


def test_unknown_schemes_say_what_there_is():
    with pytest.raises(InvalidInputError) as caught:
        open_store("gs://bucket/prefix")
    assert "'gs'" in caught.value.message
    assert "s3://bucket/prefix" in caught.value.hint


def test_a_directory(tmp_path):
    with pytest.raises(NotFoundError):
        open_store(str(tmp_path / "new"))
    store = open_store(f"file://{tmp_path}/new", create=True, deadline_s=7, calls_max=3)
    assert isinstance(store, Retry)
    assert store.deadline_s == 7
    assert isinstance(store.inner, Limit)
    assert isinstance(innermost(store), LocalStore)
    assert signer(store) is None
    store.put("a", b"x")
    assert open_store(str(tmp_path / "new")).get("a") == b"x"


def test_memory_is_shared_by_name():
    one, two, other = open_store("memory://shared"), open_store("memory://shared"), open_store("memory://other")
    assert isinstance(innermost(one), MemoryStore)
    one.put("a", b"x")
    one.close()
    assert two.get("a") == b"x"
    assert list(other.list("")) == []


def test_s3(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2secret")
    store = open_store("s3://bucket/prefix?endpoint=http://127.0.0.1:1")
    adapter = innermost(store)
    assert isinstance(adapter, S3Store)
    assert signer(store) is adapter
    url = adapter.sign("a/b", 60)
    assert url.startswith("http://127.0.0.1:1/bucket/prefix/a/b?")
    assert "hunter2secret" not in url
    assert "hunter2secret" not in repr(store)


def test_credentials_are_for_s3_only():
    with pytest.raises(InvalidInputError):
        open_store("memory://", credentials=lambda: Credentials("a", "b"))


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("/srv/x", "directory /srv/x"),
        ("memory://n", "memory of this process (n)"),
        ("s3://b/p?endpoint=https://h", "S3 bucket b, prefix p at https://h"),
        ("s3://b", "S3 bucket b"),
    ],
)
def test_describe(url, text):
    assert describe(url) == text
