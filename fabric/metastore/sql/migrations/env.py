"""Where Alembic comes in: runs the migrations on the connection that `fabric.metastore.sql.migrate` hands over."""

from alembic import context

from fabric.metastore.sql.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
