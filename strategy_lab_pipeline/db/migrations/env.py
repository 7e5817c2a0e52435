"""Runs the migrations over the connection, and in the transaction, that the caller opened."""

from alembic import context

from strategy_lab_pipeline.db.database import VERSION_TABLE
from strategy_lab_pipeline.db.models import Tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Tables.metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,  # SQLite can't alter a column in place
    transactional_ddl=True,  # on SQLite too: our connections begin by themselves
)
context.run_migrations()
