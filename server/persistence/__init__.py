"""Postgres: the journal, snapshots and migrations, each statement beside its function."""
