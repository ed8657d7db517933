"""The conformance suite of the metastore port. An adapter's own test is a subclass with one fixture:

    class TestMyMetastore(MetastoreConformance):
        @pytest.fixture
        def metastore(self, clock) -> Iterator[Metastore]:
            yield MyMetastore(clock=clock)          # empty, and a fresh one for each test

The clock is injected, so that `at` and the order of times can be tested. An adapter that keeps an outbox is also tested by
`OutboxConformance` of `fabric.testing.metastore_outbox`.
"""

from fabric.testing.metastore_facts import DatasetTests, LeaseTests, LocationTests, PinTests
from fabric.testing.metastore_refs import CommitTests, LogTests, RaceTests, RefTests


class MetastoreConformance(DatasetTests, RefTests, LogTests, CommitTests, LeaseTests, PinTests, LocationTests, RaceTests):
    """What the docstrings of `fabric.metastore.port` promise, as tests."""
