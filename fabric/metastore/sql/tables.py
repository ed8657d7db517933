"""The schema, in SQLAlchemy Core: the truth that migrations must arrive at (a test compares) and PostgreSQL is made from.

Rows that are deleted stay as tombstones (`live` = 0, `live_name` NULL): their `generation` or `sequence` goes on when the
name comes back. Every listing and every look-up of the port is one range of one index, so its cost does not grow with what
else is in the database. Texts compare by bytes.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, SmallInteger, Table, Text, text

metadata = MetaData()

_TEXT = Text().with_variant(Text(collation="C"), "postgresql")
# SQLite numbers rows by itself only where the type is exactly INTEGER.
_SERIAL = BigInteger().with_variant(Integer(), "sqlite")


def _text(name: str, *, primary_key: bool = False, nullable: bool = False) -> Column[str]:
    return Column(name, _TEXT, primary_key=primary_key, nullable=nullable)


datasets = Table(
    "datasets",
    metadata,
    _text("id", primary_key=True),
    _text("name"),
    _text("live_name", nullable=True),
    _text("created"),
    _text("default_branch"),
    _text("metadata"),
    _text("deleted", nullable=True),
    Column("sequence", BigInteger, nullable=False),
    Index("datasets_live_name", "live_name", unique=True),
)

refs = Table(
    "refs",
    metadata,
    _text("dataset", primary_key=True),
    _text("name", primary_key=True),
    Column("live", SmallInteger, nullable=False),
    _text("kind"),
    _text("commit_id", nullable=True),
    Column("generation", BigInteger, nullable=False),
    _text("created"),
    _text("updated"),
    _text("message"),
    _text("expires", nullable=True),
    _text("metadata"),
    sqlite_with_rowid=False,
)
Index(
    "refs_live",
    refs.c.dataset,
    refs.c.name,
    sqlite_where=text("live = 1"),
    postgresql_where=text("live = 1"),
)
Index(
    "refs_live_kind",
    refs.c.dataset,
    refs.c.kind,
    refs.c.name,
    sqlite_where=text("live = 1"),
    postgresql_where=text("live = 1"),
)

reflog = Table(
    "reflog",
    metadata,
    _text("dataset", primary_key=True),
    _text("name", primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    _text("kind"),
    _text("old", nullable=True),
    _text("new", nullable=True),
    _text("actor"),
    _text("time"),
    _text("reason"),
    _text("key"),
    Index("reflog_key", "key", unique=True),
    Index("reflog_time", "dataset", "name", "time", "sequence"),
    sqlite_with_rowid=False,
)

commits = Table(
    "commits",
    metadata,
    _text("dataset", primary_key=True),
    _text("id", primary_key=True),
    _text("tree"),
    _text("object"),
    _text("root"),
    sqlite_with_rowid=False,
)

leases = Table(
    "leases",
    metadata,
    _text("id", primary_key=True),
    _text("dataset"),
    Column("epoch", BigInteger, nullable=False),
    Column("beat", BigInteger, nullable=False),
    _text("holder"),
    _text("state"),
    _text("created"),
    _text("bases"),
    Index("leases_dataset_state", "dataset", "state", "id"),
    Index("leases_state", "state", "id"),
    sqlite_with_rowid=False,
)

pins = Table(
    "pins",
    metadata,
    _text("id", primary_key=True),
    Column("live", SmallInteger, nullable=False),
    _text("dataset"),
    _text("commit_id"),
    _text("owner"),
    _text("reason"),
    _text("created"),
    _text("expires", nullable=True),
    Column("sequence", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index("pins_live", pins.c.dataset, pins.c.id, sqlite_where=text("live = 1"), postgresql_where=text("live = 1"))

locations = Table(
    "locations",
    metadata,
    _text("id", primary_key=True),
    Column("live", SmallInteger, nullable=False),
    _text("url"),
    _text("created"),
    _text("credential"),
    Column("sequence", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

outbox = Table(
    "outbox",
    metadata,
    Column("position", _SERIAL, primary_key=True, autoincrement=True),
    _text("scope"),
    _text("kind"),
    _text("key"),
    Column("sequence", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("outbox_row", "scope", "kind", "key", "sequence", unique=True),
    Index("outbox_scope", "scope", "position"),
)
