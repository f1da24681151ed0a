"""The group `lyceum db`, with the commands that look after a running installation."""

import click

from server.cli.audit import db_verify_audit
from server.cli.integrity import db_integrity
from server.cli.keys import db_keys, db_new_key, db_rotate_keys
from server.cli.migrations import db_migrate, db_rollback, db_status
from server.cli.privacy import db_erase_user, db_export_user
from server.cli.running import fail, json_option, print_json, read_config, run, with_database
from server.cli.schema import db_schema
from server.cli.security import db_roles, db_security
from server.cli.validate import db_test_migrations, db_validate
from server.config import Config
from server.errors import DatabaseError, StartError
from server.persistence import partitions
from server.persistence.database import PASSING, describe
from server.persistence.embedded import EmbeddedPostgres
from server.persistence.partitions import Report
from server.persistence.types import Connection


@click.group(
    commands=[
        db_migrate,
        db_rollback,
        db_status,
        db_new_key,
        db_keys,
        db_rotate_keys,
        db_export_user,
        db_erase_user,
        db_roles,
        db_security,
        db_schema,
        db_validate,
        db_test_migrations,
        db_verify_audit,
        db_integrity,
    ]
)
def db() -> None:
    """Look after the database; works beside a running server or without one."""


@db.command("maintain")
@json_option
def db_maintain(as_json: bool) -> None:
    """Make the partitions of the coming months and drop expired ones.

    A running server does the same every hour. LYCEUM_ACTIVITY_RETENTION_DAYS says how long activity
    is kept.
    """
    days = read_config().activity_retention_days

    async def work(connection: Connection) -> Report:
        try:
            return await partitions.maintain(connection, days)
        except PASSING as error:
            raise DatabaseError(f"partitions can't be kept: {describe(error)}") from error

    report = with_database(work)
    if not report.ahead:
        fail("this database has no schema yet; `lyceum db migrate` makes it")
    if as_json:
        print_json(report._asdict())
        return
    for name in report.created:
        click.echo(f"created {name}")
    for name in report.dropped:
        click.echo(f"dropped {name}")
    for table, months in report.ahead.items():
        click.echo(f"{table} has partitions for this month and {months} more")


@db.command("url")
def db_url() -> None:
    """Print a connection URL for psql and other tools.

    The embedded database runs only while a server does.
    """

    async def work(config: Config) -> str:
        url = config.database_url or EmbeddedPostgres.running_url(config.data_dir)
        if url is None:
            raise StartError(
                f"no server runs on {config.data_dir}, so its database does not either;"
                " start one with `lyceum serve`"
            )
        return url

    click.echo(run(work))
