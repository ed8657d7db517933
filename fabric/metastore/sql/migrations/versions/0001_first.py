"""The first schema."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_LIVE: dict[str, Any] = {"sqlite_where": sa.text("live = 1"), "postgresql_where": sa.text("live = 1")}


def _text(name: str, *, primary_key: bool = False, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, _TEXT, primary_key=primary_key, nullable=nullable)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False)


def _live() -> sa.Column[int]:
    return sa.Column("live", sa.SmallInteger, nullable=False)


def upgrade() -> None:
    """Make all tables."""
    _names()
    _history()
    _promises()
    op.create_table(
        "outbox",
        sa.Column("position", _SERIAL, primary_key=True, autoincrement=True),
        _text("scope"),
        _text("kind"),
        _text("key"),
        _number("sequence"),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index("outbox_row", "outbox", ["scope", "kind", "key", "sequence"], unique=True)
    op.create_index("outbox_scope", "outbox", ["scope", "position"])


def _names() -> None:
    op.create_table(
        "datasets",
        _text("id", primary_key=True),
        _text("name"),
        _text("live_name", nullable=True),
        _text("created"),
        _text("default_branch"),
        _text("metadata"),
        _text("deleted", nullable=True),
        _number("sequence"),
    )
    op.create_index("datasets_live_name", "datasets", ["live_name"], unique=True)
    op.create_table(
        "refs",
        _text("dataset", primary_key=True),
        _text("name", primary_key=True),
        _live(),
        _text("kind"),
        _text("commit_id", nullable=True),
        _number("generation"),
        _text("created"),
        _text("updated"),
        _text("message"),
        _text("expires", nullable=True),
        _text("metadata"),
        sqlite_with_rowid=False,
    )
    op.create_index("refs_live", "refs", ["dataset", "name"], **_LIVE)
    op.create_index("refs_live_kind", "refs", ["dataset", "kind", "name"], **_LIVE)


def _history() -> None:
    op.create_table(
        "reflog",
        _text("dataset", primary_key=True),
        _text("name", primary_key=True),
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        _text("kind"),
        _text("old", nullable=True),
        _text("new", nullable=True),
        _text("actor"),
        _text("time"),
        _text("reason"),
        _text("key"),
        sqlite_with_rowid=False,
    )
    op.create_index("reflog_key", "reflog", ["key"], unique=True)
    op.create_index("reflog_time", "reflog", ["dataset", "name", "time", "sequence"])
    op.create_table(
        "commits",
        _text("dataset", primary_key=True),
        _text("id", primary_key=True),
        _text("tree"),
        _text("object"),
        _text("root"),
        sqlite_with_rowid=False,
    )


def _promises() -> None:
    op.create_table(
        "leases",
        _text("id", primary_key=True),
        _text("dataset"),
        _number("epoch"),
        _number("beat"),
        _text("holder"),
        _text("state"),
        _text("created"),
        _text("bases"),
        sqlite_with_rowid=False,
    )
    op.create_index("leases_dataset_state", "leases", ["dataset", "state", "id"])
    op.create_index("leases_state", "leases", ["state", "id"])
    op.create_table(
        "pins",
        _text("id", primary_key=True),
        _live(),
        _text("dataset"),
        _text("commit_id"),
        _text("owner"),
        _text("reason"),
        _text("created"),
        _text("expires", nullable=True),
        _number("sequence"),
        sqlite_with_rowid=False,
    )
    op.create_index("pins_live", "pins", ["dataset", "id"], **_LIVE)
    op.create_table(
        "locations",
        _text("id", primary_key=True),
        _live(),
        _text("url"),
        _text("created"),
        _text("credential"),
        _number("sequence"),
        sqlite_with_rowid=False,
    )
