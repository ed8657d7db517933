"""Every adapter of the object store port passes the same suite."""

import pytest

from fabric.objects.limit import Limit
from fabric.objects.local import LocalStore
from fabric.objects.memory import MemoryStore
from fabric.objects.meter import Meter
from fabric.objects.port import ObjectStore
from fabric.objects.retry import Retry
from fabric.objects.s3 import S3Store
from fabric.objects.s3_forked import ForkedS3Store
from fabric.objects.s3_settings import Credentials, S3Settings, StaticCredentials
from fabric.testing.objects import ObjectStoreConformance


def settings_of(server, prefix: str = "some/prefix") -> S3Settings:
    credentials = StaticCredentials(Credentials(server.access_key, server.secret_key))
    return S3Settings(server.make_bucket(), prefix, server.endpoint, credentials=credentials)


class TestLocal(ObjectStoreConformance):
    many = 200

    @pytest.fixture
    def store(self, tmp_path) -> ObjectStore:
        return LocalStore(tmp_path / "objects", create=True)


class TestMemory(ObjectStoreConformance):
    many = 200

    @pytest.fixture
    def store(self) -> ObjectStore:
        return MemoryStore()


class TestWrappers(ObjectStoreConformance):
    many = 200

    @pytest.fixture
    def store(self) -> ObjectStore:
        return Meter(Retry(Limit(MemoryStore(), 16)))


@pytest.mark.s3
class TestS3(ObjectStoreConformance):
    @pytest.fixture
    def store(self, s3_server) -> ObjectStore:
        return S3Store(settings_of(s3_server))


@pytest.mark.s3
class TestForkedS3(ObjectStoreConformance):
    @pytest.fixture
    def store(self, s3_server) -> ObjectStore:
        return ForkedS3Store(settings_of(s3_server))


class TestMoto(ObjectStoreConformance):
    @pytest.fixture
    def store(self, moto_server) -> ObjectStore:
        return S3Store(settings_of(moto_server, ""))
