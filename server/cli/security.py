"""`lyceum db roles`: who may do what in the database."""

import click

from schema import ROLES


@click.command("roles")
def db_roles() -> None:
    """Print the SQL that makes the roles, for an administrator to run.

    `lyceum db migrate` does it by itself where its login may. docs/database-access.md says what
    each role is for.
    """
    click.echo(ROLES.read_text(), nl=False)
