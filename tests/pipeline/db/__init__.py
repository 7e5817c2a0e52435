"""Tests of the results database, on SQLite and on PostgreSQL."""
