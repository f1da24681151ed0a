"""The group `lyceum db`, with the commands that look after a running installation."""

import click

from server.cli.audit import db_verify_audit
from server.cli.integrity import db_integrity
from server.cli.keys import db_keys, db_new_key, db_rotate_keys
from server.cli.load_test import db_load_test
from server.cli.maintain import db_maintain
from server.cli.migrations import db_migrate, db_rollback, db_status
from server.cli.performance import db_performance
from server.cli.privacy import db_erase_user, db_export_user
from server.cli.running import run
from server.cli.schema import db_schema
from server.cli.security import db_roles, db_security
from server.cli.seed import db_seed
from server.cli.validate import db_test_migrations, db_validate
from server.config import Config
from server.errors import StartError
from server.persistence.embedded import EmbeddedPostgres


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
        db_maintain,
        db_seed,
        db_performance,
        db_load_test,
    ]
)
def db() -> None:
    """Look after the database; works beside a running server or without one."""


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
