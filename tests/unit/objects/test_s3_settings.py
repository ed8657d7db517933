"""Where the S3 adapter gets endpoint, region and credentials from, in which order."""

import pytest

from fabric.errors import AccessDeniedError, InvalidInputError
from fabric.objects.s3_settings import (
    Credentials,
    ProfileCredentials,
    S3Settings,
    StaticCredentials,
    no_source,
    s3_settings,
)

KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "hunter2secret"}


def settings(options=None, **environment):
    return s3_settings("bucket", "p", options or {}, environment={"HOME": "/nowhere", **environment})


def test_aws_itself_by_default():
    found = settings(**KEYS)
    assert (found.endpoint, found.region, found.virtual_host) == ("", "us-east-1", True)
    assert found.host_url == "https://bucket.s3.us-east-1.amazonaws.com"
    assert not found.plain_http


def test_the_order_of_endpoints():
    variables = {"AWS_ENDPOINT": "http://c", "AWS_ENDPOINT_URL": "http://b", "AWS_ENDPOINT_URL_S3": "http://a"}
    assert settings({"endpoint": "https://o:1"}, **KEYS, **variables).endpoint == "https://o:1"
    for name, expected in (
        ("AWS_ENDPOINT_URL_S3", "http://a"),
        ("AWS_ENDPOINT_URL", "http://b"),
        ("AWS_ENDPOINT", "http://c"),
    ):
        found = settings(**KEYS, **variables)
        assert found.endpoint == expected
        assert found.plain_http
        assert found.host_url == expected
        del variables[name]


def test_the_order_of_regions():
    assert settings({"region": "r1"}, **KEYS, AWS_REGION="r2", AWS_DEFAULT_REGION="r3").region == "r1"
    assert settings(**KEYS, AWS_REGION="r2", AWS_DEFAULT_REGION="r3").region == "r2"
    assert settings(**KEYS, AWS_DEFAULT_REGION="r3").region == "r3"


def test_addressing():
    assert not settings({"endpoint": "http://h:1"}, **KEYS).virtual_host
    found = settings({"endpoint": "http://h:1", "addressing": "virtual"}, **KEYS)
    assert found.host_url == "http://bucket.h:1"
    assert settings({"addressing": "path"}, **KEYS).host_url == "https://s3.us-east-1.amazonaws.com"
    assert not s3_settings("a.b", environment=KEYS).virtual_host
    with pytest.raises(InvalidInputError):
        settings({"addressing": "odd"}, **KEYS)


@pytest.mark.parametrize("endpoint", ["host:9000", "ftp://h", "http://", "http://h/path", "http://h?x=1", "http://u:p@h"])
def test_endpoints_that_are_none(endpoint):
    with pytest.raises(InvalidInputError):
        settings({"endpoint": endpoint}, **KEYS)


def test_keys():
    assert S3Settings("b").full_key("a/b") == "a/b"
    assert settings(**KEYS).full_key("a/b") == "p/a/b"
    with pytest.raises(InvalidInputError):
        s3_settings("", environment=KEYS)


def test_static_credentials_and_their_repr():
    source = settings(**KEYS, AWS_SESSION_TOKEN="hunter2token").credentials
    assert isinstance(source, StaticCredentials)
    assert source() == Credentials("key", "hunter2secret", "hunter2token")
    assert "hunter2" not in repr(source())
    assert "hunter2" not in repr(settings(**KEYS))


def test_the_callers_source_comes_first():
    def source():
        return Credentials("mine", "x")

    assert s3_settings("bucket", credentials=source, environment=KEYS).credentials is source


@pytest.mark.parametrize("name", ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI"])
def test_what_the_client_library_fetches_itself(name):
    found = settings(**{name: "x"})
    assert found.credentials is None
    assert found.web_identity == (name == "AWS_WEB_IDENTITY_TOKEN_FILE")


def test_a_web_identity_token_is_not_sent_in_the_clear():
    with pytest.raises(InvalidInputError):
        settings(AWS_WEB_IDENTITY_TOKEN_FILE="x", AWS_ENDPOINT_URL_STS="http://sts")
    assert settings(AWS_WEB_IDENTITY_TOKEN_FILE="x", AWS_ENDPOINT_URL_STS="https://sts").sts_endpoint == "https://sts"


def test_an_instance_is_asked_only_if_allowed():
    assert settings().credentials is None
    assert settings(AWS_EC2_METADATA_DISABLED="true").credentials is no_source
    with pytest.raises(AccessDeniedError):
        no_source()


@pytest.fixture
def profiles(tmp_path, monkeypatch):
    pytest.importorskip("boto3", reason="the extra aws is not installed")
    home = tmp_path / "home"
    (home / ".aws").mkdir(parents=True)
    (home / ".aws" / "credentials").write_text(
        "[default]\naws_access_key_id = dkey\naws_secret_access_key = hunter2d\n"
        "[team]\naws_access_key_id = tkey\naws_secret_access_key = hunter2t\naws_session_token = hunter2s\n"
    )
    (home / ".aws" / "config").write_text("[profile team]\nregion = eu-central-1\n[profile bare]\nregion = x\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(home / ".aws" / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(home / ".aws" / "config"))
    return {"HOME": str(home)}


def test_profiles(profiles):
    for found in (
        s3_settings("b", options={"profile": "team"}, environment={**profiles, **KEYS}),
        s3_settings("b", environment={**profiles, "AWS_PROFILE": "team"}),
    ):
        assert isinstance(found.credentials, ProfileCredentials)
        assert found.region == "eu-central-1"
        got = found.credentials()
        assert (got.access_key, got.secret_key, got.session_token) == ("tkey", "hunter2t", "hunter2s")
        assert got.expires_at.tzinfo is not None
    default = s3_settings("b", environment=profiles)
    assert default.credentials().access_key == "dkey"
    assert s3_settings("b", environment={**profiles, **KEYS}).credentials().access_key == "key"


def test_profiles_that_fail(profiles):
    with pytest.raises(AccessDeniedError) as caught:
        s3_settings("b", options={"profile": "absent"}, environment=profiles)
    assert caught.value.subject == "profile absent"
    source = s3_settings("b", options={"profile": "bare"}, environment=profiles).credentials
    with pytest.raises(AccessDeniedError):
        source()


def test_profiles_without_the_extra(profiles, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InvalidInputError) as caught:
        s3_settings("b", options={"profile": "team"}, environment=profiles)
    assert "datafabric[aws]" in caught.value.hint
    assert s3_settings("b", environment={**profiles, "AWS_EC2_METADATA_DISABLED": "true"}).credentials is no_source
