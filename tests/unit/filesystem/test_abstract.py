"""fsspec's own suites: all of them, on a local store and on real S3, nothing skipped."""

import fsspec
import pytest
from fsspec.tests import abstract


class _Fixtures(abstract.AbstractFixtures):
    @pytest.fixture
    def fs(self, shared_home):
        return fsspec.filesystem("fabric", endpoint=shared_home)

    @pytest.fixture
    def fs_path(self, shared_path):
        return shared_path

    @pytest.fixture
    def fs_join(self):
        return lambda *parts: "/".join(parts)


class TestCopy(abstract.AbstractCopyTests, _Fixtures):
    pass


class TestGet(abstract.AbstractGetTests, _Fixtures):
    pass


class TestPut(abstract.AbstractPutTests, _Fixtures):
    pass


class TestOpen(abstract.AbstractOpenTests, _Fixtures):
    pass


class TestPipe(abstract.AbstractPipeTests, _Fixtures):
    pass
