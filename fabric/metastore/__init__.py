"""Mutable facts: which datasets there are, which commit a name points to, who writes, what must stay.

    Metastore (port.py)      the Protocol; values in records.py
      |-- memory             one process, for tests and throw-away fabrics
      |-- sql                SQLite; PostgreSQL by another URL
      `-- ExportingMetastore (export.py)   wraps one of them: no answer before the change lies in the object store too
    recover (recover.py)     an empty metastore + the object store -> the metastore as of the last answer

    caller --> ExportingMetastore --> SqlMetastore --> database     1. the change, one transaction, with its outbox row
                     `--> objects.put(<scope>/backup/...)           2. the row in the store, in order
    caller <-- the answer                                           3. only now

It must not know what is in a tree, a pack or a commit: it holds ids and where they lie. Importing the port costs nothing;
SQLAlchemy and Alembic are imported when a database is made or migrated, never by an ordinary call
(docs/decisions/0007-sql-as-text.md).
"""
