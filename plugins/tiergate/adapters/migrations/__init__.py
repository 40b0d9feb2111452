"""Migrations of the decision log's tables, run by Alembic when the log is opened."""
