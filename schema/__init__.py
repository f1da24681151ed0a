"""Where the SQL of the database lies."""

from pathlib import Path

MIGRATIONS = Path(__file__).parent / "migrations"
ROLES = Path(__file__).parent / "roles.sql"
