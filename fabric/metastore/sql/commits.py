"""Commits in the database."""

from collections.abc import Iterable, Sequence

from fabric.metastore import checks, rules
from fabric.metastore.port import LIST_LIMIT_MAX
from fabric.metastore.records import CommitRecord
from fabric.metastore.sql import rows
from fabric.metastore.sql.database import Database, Session
from fabric.model.ids import CommitId, DatasetId, parse_commit_id, parse_dataset_id

_GET = "SELECT id, tree, object, root FROM commits WHERE dataset = :dataset AND id = :id"
_BY_PREFIX = """
SELECT id, tree, object, root FROM commits
WHERE dataset = :dataset AND id >= :first AND id < :last ORDER BY id LIMIT :limit
"""
_LIST = """
SELECT id, tree, object, root FROM commits WHERE dataset = :dataset AND id > :after ORDER BY id LIMIT :limit
"""


def known_commits(session: Session, dataset: DatasetId, ids: Iterable[CommitId]) -> set[CommitId]:
    """Return those of `ids` that are commits of the dataset."""
    return {commit for commit in ids if session.one(_GET, dataset=dataset, id=commit)}


def require_commits(session: Session, dataset: DatasetId, ids: Sequence[CommitId]) -> None:
    """Raise NotFoundError unless all `ids` are commits of the dataset."""
    known = known_commits(session, dataset, ids)
    for commit in ids:
        if commit not in known:
            rules.require_commit(None, commit)


class SqlCommits:
    """Fulfils fabric.metastore.port.Commits."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, dataset: DatasetId, id: CommitId) -> CommitRecord:
        """See Commits.get."""
        parse_dataset_id(dataset)
        parse_commit_id(id)
        row = self._database.read(lambda session: session.one(_GET, dataset=dataset, id=id))
        return rules.require_commit(rows.commit(row) if row else None, id)

    def by_prefix(self, dataset: DatasetId, prefix: str, limit: int = 2) -> Sequence[CommitRecord]:
        """See Commits.by_prefix."""
        parse_dataset_id(dataset)
        checks.check_commit_prefix(prefix)
        checks.check_limit(limit)
        # "g" sorts after all hex digits, so the range holds exactly the ids that start with the prefix.
        values = {"dataset": dataset, "first": prefix, "last": prefix + "g", "limit": limit}
        return [rows.commit(row) for row in self._database.read(lambda session: session.all(_BY_PREFIX, **values))]

    def list(self, dataset: DatasetId, after: str = "", limit: int = LIST_LIMIT_MAX) -> Sequence[CommitRecord]:
        """See Commits.list."""
        parse_dataset_id(dataset)
        checks.check_page(after, limit)
        values = {"dataset": dataset, "after": after, "limit": limit}
        return [rows.commit(row) for row in self._database.read(lambda session: session.all(_LIST, **values))]
