"""Alembic's entry: migrates over the connection that `decision_schema` hands in."""

from alembic import context

from tiergate.adapters.decision_tables import METADATA

context.configure(
    connection=context.config.attributes["connection"], target_metadata=METADATA, version_table="tiergate_migrations"
)
with context.begin_transaction():
    context.run_migrations()
