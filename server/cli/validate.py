"""`lyceum db validate` and `lyceum db test-migrations`."""

import sys

import click

from server.cli.running import connected, json_option, print_json, with_url
from server.persistence.migration_trial import Trouble, try_migrations
from server.persistence.migrations import read_migrations
from server.persistence.validation import Finding, validate


@click.command("validate")
@json_option
def db_validate(as_json: bool) -> None:
    """Compare the schema with what the migrations make; exit code 1 if anything is found.

    They are applied to a scratch database on the same server, which is dropped at the end. Remedies
    are SQL or a command: read before you run them.
    """

    async def work(url: str) -> list[Finding]:
        async with connected(url) as connection:
            return await validate(connection, url, read_migrations())

    findings = with_url(work, quiet=True)  # what is done to the scratch database is no news
    if as_json:
        print_json({"findings": [finding._asdict() for finding in findings]})
    else:
        for finding in findings:
            _print(finding)
        if not findings:
            click.echo("the schema is what the migrations make, and all of it is valid")
    if findings:
        sys.exit(1)


def _print(finding: Finding) -> None:
    click.echo(f"{finding.problem}: {finding.kind} {finding.name}")
    if finding.expected:
        click.echo(f"  expected: {finding.expected}")
    if finding.found:
        click.echo(f"  found: {finding.found}")
    if finding.remedy:
        click.echo(f"  remedy: {finding.remedy}")


@click.command("test-migrations")
@json_option
def db_test_migrations(as_json: bool) -> None:
    """Try each migration forward, back and forward again, with rows; exit code 1 on trouble.

    All of it happens in scratch databases on the same server, which are dropped at the end.
    """

    async def work(url: str) -> list[Trouble]:
        async with connected(url) as connection:
            tell = None if as_json else click.echo
            return await try_migrations(connection, url, read_migrations(), tell=tell)

    troubles = with_url(work, quiet=True)
    if as_json:
        print_json({"troubles": [trouble._asdict() for trouble in troubles]})
    else:
        for trouble in troubles:
            click.echo(f"{trouble.migration}: {trouble.what}")
        if not troubles:
            click.echo("every migration goes forward, back and forward again")
    if troubles:
        sys.exit(1)
