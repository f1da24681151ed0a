"""`lyceum db migrate`, `rollback` and `status`."""

import sys

import click

from server.cli.running import with_database
from server.persistence import partitions
from server.persistence.migrations import migrate, read_migrations, rollback, status
from server.persistence.types import Connection


@click.command("migrate")
def db_migrate() -> None:
    """Bring the schema to this program's version."""

    async def work(connection: Connection) -> None:
        migrations = read_migrations()
        for migration in await migrate(connection, migrations):
            click.echo(f"applied {migration.version:04}_{migration.name}")
        for name in await partitions.ensure(connection):
            click.echo(f"created {name}")
        click.echo(f"the schema is at version {len(migrations)}")

    with_database(work)


@click.command("rollback")
@click.option("--to", type=click.IntRange(0), required=True, help="Version to go back to.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def db_rollback(to: int, yes: bool) -> None:
    """Undo migrations above a version; what only they held is lost."""
    if not yes:
        click.confirm(f"Undo all migrations above {to}, with the data in them?", abort=True)

    async def work(connection: Connection) -> None:
        undone = await rollback(connection, read_migrations(), to)
        for migration in undone:
            click.echo(f"undone {migration.version:04}_{migration.name}")
        if not undone:
            click.echo(f"nothing above version {to}")

    with_database(work)


@click.command("status")
def db_status() -> None:
    """List the migrations and whether the database has them; exit code 1 if one is missing."""

    async def work(connection: Connection) -> bool:
        rows = await status(connection, read_migrations())
        for row in rows:
            state = "applied" if row.applied else "missing"
            click.echo(f"{row.version:04}_{row.name}  {state}")
        return all(row.applied for row in rows)

    if not with_database(work):
        sys.exit(1)
