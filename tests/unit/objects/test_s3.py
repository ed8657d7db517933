"""The S3 adapters on a real server: what goes wrong there, and that nothing secret is said about it."""

import io
import os
import signal
import ssl
import subprocess
import traceback
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import minio.credentials
import obstore
import obstore.exceptions
import pytest

from fabric.errors import AccessDeniedError, DeadlineError, FabricError, NotFoundError, ObjectNotFoundError, UnavailableError
from fabric.objects import s3
from fabric.objects.open import open_store
from fabric.objects.s3 import S3Store
from fabric.objects.s3_forked import ForkedS3Store
from fabric.objects.s3_settings import Credentials, S3Settings, StaticCredentials, s3_settings
from fabric.objects.wrapper import signer
from fabric.testing.servers import MinioServer
from fabric.testing.stub import StubServer

ADAPTERS = pytest.mark.parametrize("adapter", [S3Store, ForkedS3Store])
SECRET, TOKEN = "hunter2secretkeyhunter2", "hunter2tokenhunter2token"


def settings_of(server, bucket=None, **changes):
    credentials = Credentials(server.access_key, changes.pop("secret", server.secret_key), changes.pop("token", None))
    changes.setdefault("credentials", StaticCredentials(credentials))
    return S3Settings(bucket or server.make_bucket(), "p", server.endpoint, **changes)


def every_verb(store):
    return {
        "put": lambda: store.put("a", b"x"),
        "large put": lambda: store.put("l", bytes(s3.MULTIPART_BYTES_MIN)),
        "get": lambda: store.get("a"),
        "range": lambda: store.get("a", 3, 4),
        "ranges": lambda: store.get_ranges("a", [(0, 1)]),
        "head": lambda: store.head("a"),
        "list": lambda: list(store.list("x/")),
        "delete": lambda: store.delete(["a", "b"]),
    }


def failures(store):
    for verb, call in every_verb(store).items():
        with pytest.raises(FabricError) as caught:
            call()
        yield verb, caught.value


def everything_said(error):
    return "".join(traceback.format_exception(error)) + f"{error!r} {error.subject} {error.hint} {error.__dict__}"


@pytest.mark.s3
@ADAPTERS
def test_wrong_credentials(s3_server, adapter):
    bucket = s3_server.make_bucket()
    cases = {
        "secret": settings_of(s3_server, bucket, secret=SECRET),
        "key": settings_of(s3_server, bucket, credentials=StaticCredentials(Credentials("nobody", SECRET))),
        "token": settings_of(s3_server, bucket, token=TOKEN),
    }
    for case, settings in cases.items():
        for verb, error in failures(adapter(settings)):
            assert isinstance(error, AccessDeniedError), (case, verb, error)
            assert error.hint
            assert bucket in error.message
            said = everything_said(error)
            assert not [secret for secret in (SECRET, TOKEN, s3_server.secret_key) if secret in said], (case, verb)
            assert "Signature=" not in said


@pytest.mark.s3
@ADAPTERS
def test_a_source_of_credentials_that_fails(s3_server, adapter):
    def source():
        raise ValueError(f"the vault says {SECRET}")

    settings = settings_of(s3_server, credentials=source)
    for verb, error in failures(adapter(settings)):
        assert isinstance(error, (AccessDeniedError, UnavailableError)), verb
        assert SECRET not in everything_said(error)


@pytest.mark.s3
@ADAPTERS
def test_no_bucket(s3_server, adapter):
    for verb, error in failures(adapter(settings_of(s3_server, "there-is-none"))):
        assert type(error) is NotFoundError, (verb, error)
        assert "there-is-none" in error.message
        assert "create it" in error.hint


@pytest.mark.s3
@ADAPTERS
def test_a_bucket_that_goes_away(s3_server, adapter):
    settings = settings_of(s3_server)
    store = adapter(settings)
    store.put("a", b"x")
    store.delete(["a"])
    s3_server.client().remove_bucket(settings.bucket)
    for verb, error in failures(store):
        assert type(error) is NotFoundError, (verb, error)


@ADAPTERS
@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:1", "https://127.0.0.1:1", "http://nothing.invalid:80"])
def test_nobody_there(adapter, endpoint):
    settings = S3Settings("bucket", "", endpoint, credentials=StaticCredentials(Credentials("k", SECRET)))
    for verb, error in failures(adapter(settings)):
        assert type(error) is UnavailableError, verb
        assert endpoint in error.message
        assert "endpoint" in error.hint
        assert SECRET not in everything_said(error)


@ADAPTERS
def test_no_credentials_at_all(adapter, monkeypatch):
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/credentials")
    for verb, error in failures(adapter(S3Settings("bucket", "", "http://127.0.0.1:1"))):
        assert isinstance(error, AccessDeniedError), (verb, error)
        assert "AWS_ACCESS_KEY_ID" in error.hint


@pytest.mark.s3
def test_a_server_that_stops_and_comes_back():
    with MinioServer() as server:
        store = open_store(
            f"s3://{server.address.make_bucket()}?endpoint={server.address.endpoint}",
            deadline_s=30,
            credentials=lambda: Credentials(server.address.access_key, server.address.secret_key),
        )
        store.put("a", b"x")
        server.stop()
        with pytest.raises(UnavailableError):
            store.inner.get("a")
        with ThreadPoolExecutor(2) as pool:
            waiting = [pool.submit(store.get, "a"), pool.submit(store.put, "b", b"y")]
            server.start()
            assert waiting[0].result() == b"x"
            waiting[1].result()
        server.stop()
        store.deadline_s = 0.2
        with pytest.raises(DeadlineError, match="nothing listens"):
            store.get("a")


@pytest.fixture
def temporary(s3_server):
    """Keys with a session token, from the server's STS."""
    provider = minio.credentials.AssumeRoleProvider(
        sts_endpoint=s3_server.endpoint, access_key=s3_server.access_key, secret_key=s3_server.secret_key
    )
    got = provider.retrieve()
    assert got.session_token
    return Credentials(got.access_key, got.secret_key, got.session_token)


@pytest.mark.s3
@ADAPTERS
def test_temporary_credentials(s3_server, adapter, temporary):
    store = adapter(settings_of(s3_server, credentials=StaticCredentials(temporary)))
    store.put("a", b"x")
    assert store.get("a") == b"x"
    assert urllib.request.urlopen(store.sign("a", 60)).read() == b"x"
    cut = StaticCredentials(Credentials(temporary.access_key, temporary.secret_key))
    for _, error in failures(adapter(settings_of(s3_server, credentials=cut))):
        assert isinstance(error, AccessDeniedError)


@pytest.mark.s3
@ADAPTERS
def test_a_source_is_asked_again_when_its_credentials_expire(s3_server, adapter):
    asked = []

    def source():
        asked.append(1)
        return Credentials(s3_server.access_key, s3_server.secret_key, None, datetime.now(UTC) + timedelta(microseconds=1))

    store = adapter(settings_of(s3_server, credentials=source))
    for number in range(3):
        store.put(f"a{number}", b"x")
    assert len(asked) >= 2


@pytest.fixture
def certificate(tmp_path):
    """TLS for 127.0.0.1, trusted by whoever is given tmp_path/cert.pem."""
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    made += ["-keyout", str(key), "-out", str(cert), "-subj", "/CN=stub", "-addext", "subjectAltName=IP:127.0.0.1"]
    # rustls takes no certificate authority for a server
    made += ["-addext", "basicConstraints=critical,CA:FALSE"]
    subprocess.run(made, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


@pytest.mark.s3
@ADAPTERS
def test_web_identity(s3_server, adapter, tmp_path, monkeypatch, temporary, certificate):
    """A token file is exchanged at the STS endpoint, as in a pod with a service account."""
    (tmp_path / "token").write_text(TOKEN)
    with StubServer(certificate) as sts:
        sts.answer = (
            "<AssumeRoleWithWebIdentityResponse xmlns='https://sts.amazonaws.com/doc/2011-06-15/'>"
            "<AssumeRoleWithWebIdentityResult><Credentials>"
            f"<AccessKeyId>{temporary.access_key}</AccessKeyId><SecretAccessKey>{temporary.secret_key}</SecretAccessKey>"
            f"<SessionToken>{temporary.session_token}</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration>"
            "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
        ).encode()
        for name, value in {
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"),
            "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/reader",
            "AWS_ROLE_SESSION_NAME": "test",
            "AWS_ENDPOINT_URL_STS": sts.url,
            "AWS_ENDPOINT_URL": s3_server.endpoint,
            "AWS_CA_BUNDLE": str(tmp_path / "cert.pem"),
        }.items():
            monkeypatch.setenv(name, value)
        settings = s3_settings(s3_server.make_bucket())
        assert settings.credentials is None
        store = adapter(settings)
        store.put("a", b"x")
        assert store.get("a") == b"x"
        assert len(sts.requests) == 1, "what was fetched is kept until it expires"
        assert TOKEN in sts.requests[0]
        assert "AssumeRoleWithWebIdentity" in sts.requests[0]

        sts.status, sts.answer = (
            400,
            b"<Error><Code>InvalidIdentityToken</Code><Message>bad " + TOKEN.encode() + b"</Message></Error>",
        )
        for _, error in failures(adapter(settings)):
            assert isinstance(error, AccessDeniedError)
            assert TOKEN not in everything_said(error)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "absent"))
    for _, error in failures(adapter(s3_settings("bucket"))):
        assert isinstance(error, AccessDeniedError)


@pytest.mark.s3
@ADAPTERS
def test_signed_urls(s3_server, adapter):
    store = adapter(settings_of(s3_server))
    store.put("some/key", b"hello")
    url = store.sign("some/key", 60)
    assert urllib.request.urlopen(url).read() == b"hello"
    assert s3_server.secret_key not in url
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(url.replace("some/key", "other/key"))


@pytest.mark.s3
def test_signing_through_wrappers(s3_url):
    store = open_store(s3_url)
    store.put("a", b"hello")
    assert urllib.request.urlopen(signer(store).sign("a", 60)).read() == b"hello"


@pytest.mark.s3
@ADAPTERS
def test_foreign_objects_are_not_listed(s3_server, adapter):
    settings = settings_of(s3_server)
    store = adapter(settings)
    store.put("a/b", b"x")
    client = s3_server.client()
    for key in ("p/a/with space", "p/ä", "q/a", "px", "other", "p/a/percent%41"):
        client.put_object(settings.bucket, key, io.BytesIO(b"x"), 1)
    assert [row.key for row in store.list("")] == ["a/b"]
    assert [row.key for row in store.list("a/")] == ["a/b"]


@pytest.mark.s3
def test_large_objects_go_in_parts(s3_server):
    settings = settings_of(s3_server)
    store = S3Store(settings)
    store.put("small", bytes(s3.MULTIPART_BYTES_MIN - 1))
    store.put("large", bytes(s3.MULTIPART_BYTES_MIN))
    found = {row.object_name: row.etag for row in s3_server.client().list_objects(settings.bucket, "p/")}
    assert "-" not in found["p/small"]
    assert found["p/large"].endswith("-2")


@pytest.mark.s3
def test_a_server_without_conditional_puts(s3_server, monkeypatch):
    """Once it has said so, the adapter looks before it writes."""
    real = obstore.put

    def refuse(client, key, data, **options):
        if options.get("mode") == "create":
            raise obstore.exceptions.GenericError("Server returned non-2xx status code: 501 Not Implemented: ")
        return real(client, key, data, **options)

    monkeypatch.setattr(obstore, "put", refuse)
    store = S3Store(settings_of(s3_server))
    store.put("a", b"x")
    store.put("a", b"x")
    with pytest.raises(FabricError, match="other bytes"):
        store.put("a", b"y")
    assert store.get("a") == b"x"


# Forks


def in_child(run):
    """Run in a forked child; return whether it said so. A child that hangs is ended by its alarm."""
    child = os.fork()
    if not child:
        status = 1
        try:
            signal.alarm(30)
            status = 0 if run() else 2
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1] == 0


@pytest.mark.s3
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forked_children(s3_url):
    """An old store and a new one, through all wrappers, in a child, its threads and its own child."""
    store = open_store(s3_url)
    data = os.urandom(300_000)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: store.put(f"d/{i}", data), range(4)))

    def grandchild():
        return bytes(store.get("d/3")) == data

    def child():
        with ThreadPoolExecutor(4) as pool:
            same = list(pool.map(lambda i: bytes(store.get(f"d/{i}")) == data, range(4)))
        new = open_store(s3_url)
        new.put("from/child", data)
        return all(same) and bytes(new.get("from/child", 5, 10)) == data[5:15] and in_child(grandchild)

    for _ in range(2):
        assert in_child(child)
    assert bytes(store.get("from/child")) == data
    store.close()


@pytest.mark.s3
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_large_objects_in_a_forked_child(s3_server):
    settings = settings_of(s3_server)
    store = S3Store(settings)
    store.put("first", b"x")
    data = os.urandom(s3.MULTIPART_BYTES_MIN + 5)

    def child():
        store.put("large", data)
        store.put("large", data)
        return True

    assert in_child(child)
    assert bytes(store.get("large")) == data


@pytest.mark.s3
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_may_close_and_the_parent_goes_on(s3_server):
    store = S3Store(settings_of(s3_server))
    store.put("a", b"x")

    def child():
        store.get("a")
        store.close()
        try:
            store.get("a")
        except FabricError:
            return True
        return False

    assert in_child(child)
    assert store.get("a") == b"x"


@pytest.mark.s3
@ADAPTERS
def test_absent_ranges(s3_server, adapter):
    store = adapter(settings_of(s3_server))
    for call in (
        lambda: store.get("a", 5, 5),
        lambda: store.get("a", 5),
        lambda: store.get_ranges("a", [(0, 1), (10**9, 1)]),
    ):
        with pytest.raises(ObjectNotFoundError):
            call()
