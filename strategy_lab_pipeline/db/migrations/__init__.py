"""Alembic's migrations of the results database, run by `Database.migrate`."""
