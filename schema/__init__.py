"""Where the SQL of the database lies."""

from pathlib import Path

MIGRATIONS = Path(__file__).parent / "migrations"
ROLES = Path(__file__).parent / "roles.sql"
# A few rows of each table that a migration makes, by the migration's number and name; for trials.
SAMPLES = Path(__file__).parent / "samples"
RIGHTS = Path(__file__).parent / "rights.sql"
