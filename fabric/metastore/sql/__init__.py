"""The metastore in a relational database: SQLite now, PostgreSQL by another URL.

    datasets.py refs.py commits.py leases.py pins.py locations.py   one part of the port each: SQL text + rules
    changes.py       how a change enters the tables, made now or recovered, and its outbox row
    outbox.py        what is not yet exported; loading a recovered metastore
    database.py      the seam to a database: one retried, serializable transaction
    sqlite.py        ... SQLite behind it: everything that only SQLite needs (sqlite_errors.py: its errors as ours)
    tables.py        the schema, in SQLAlchemy Core;  migrations/  how it came about (Alembic);  migrate.py runs them

Statements are plain SQL with `:name` parameters that SQLite and PostgreSQL read alike (plain SELECT, INSERT,
UPDATE, DELETE; nothing else). SQLAlchemy and Alembic are imported only to make or migrate a database: to import them
takes longer than a whole call of the command line (docs/decisions/0007-sql-as-text.md).
"""
