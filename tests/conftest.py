"""What holds for all tests: nothing of the user's own configuration or credentials, and no luck.

Hypothesis draws the same examples in every run (profile "default"); HYPOTHESIS_PROFILE=soak draws new and many more.
"""

import os

import pytest
from hypothesis import HealthCheck, settings

# Timings on a shared machine say nothing about an example, so no example has a deadline.
settings.register_profile("default", deadline=None, derandomize=True, database=None)
settings.register_profile("soak", deadline=None, max_examples=20_000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(scope="session", autouse=True)
def _no_configuration_of_the_user(tmp_path_factory):
    """Hide FABRIC_* (FABRIC_TEST_* stay), AWS_* and the user's directories, for subprocesses as well."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("FABRIC_", "AWS_")) and not name.startswith("FABRIC_TEST_"):
                patch.delenv(name)
        patch.setenv("FABRIC_CONFIG", os.devnull)
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        # Without it a missing credential waits for a metadata service that is not there.
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
            patch.setenv(name, str(home / name.lower()))
        yield


@pytest.fixture(scope="session")
def s3_server():
    """A real S3 server on loopback (`fabric.testing.servers.S3Server`), one for each process that tests run in.

    Mark the tests that use it `s3`. Each makes a bucket of its own: `s3_server.make_bucket()`.
    """
    # Here, so that tests without a server do not pay for its client.
    from fabric.testing.servers import MinioServer, ServerMissingError  # noqa: PLC0415

    try:
        server = MinioServer()
    except ServerMissingError as missing:
        if os.environ.get("CI"):
            pytest.fail(f"in CI the server must be there: {missing}")
        pytest.skip(str(missing))
    with server:
        yield server.address


@pytest.fixture
def s3_url(s3_server, monkeypatch):
    """The URL of an empty store on the real S3 server; its credentials are in the environment. Mark the test `s3`."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return s3_server.url(s3_server.make_bucket(), "store")


@pytest.fixture(scope="session")
def moto_server():
    """moto's S3 (`fabric.testing.servers.S3Server`): always there, in this process, checks no signatures."""
    from fabric.testing.servers import moto_server as serve  # noqa: PLC0415

    with serve() as server:
        yield server
