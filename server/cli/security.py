"""`lyceum db roles` and `lyceum db security`: who may do what in the database."""

import sys

import click

from schema import ROLES
from server.cli.running import json_option, print_json, with_database
from server.errors import DatabaseError
from server.persistence.database import PASSING, describe
from server.persistence.security import Report, inspect
from server.persistence.types import Connection


@click.command("roles")
def db_roles() -> None:
    """Print the SQL that makes the roles, for an administrator to run.

    `lyceum db migrate` does it by itself where its login may. docs/database-access.md says what
    each role is for.
    """
    click.echo(ROLES.read_text(), nl=False)


@click.command("security")
@json_option
def db_security(as_json: bool) -> None:
    """Look for holes in who may do what; exit code 1 if there is one.

    Compares rights with those that this version gives, tries row-level security as somebody else
    and as nobody, and tells who may read a secret. Changes nothing. Needs a superuser, or a member
    of lyceum_owner.
    """

    async def work(connection: Connection) -> Report:
        try:
            return await inspect(connection)
        except PASSING as error:
            raise DatabaseError(f"security can't be looked at: {describe(error)}") from error

    report = with_database(work)
    if as_json:
        print_json(
            {
                "findings": [finding._asdict() for finding in report.findings],
                "readers": [reader._asdict() for reader in report.readers],
                "tried": report.tried,
                "untried": report.untried,
            }
        )
    else:
        _tell(report)
    if report.findings:
        sys.exit(1)


def _tell(report: Report) -> None:
    for finding in report.findings:
        click.echo(f"{finding.about}: {finding.what}")
        click.echo(f"    {finding.remedy}")
    for secret, login, why in report.readers:
        click.echo(f"{secret} can be read by {login} ({why})")
    if report.untried:
        click.echo(f"without a row to try with: {', '.join(report.untried)}")
    click.echo(f"{report.tried} trials, {len(report.findings)} findings")
