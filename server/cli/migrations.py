"""`lyceum db migrate`, `rollback` and `status`."""

import sys
from collections.abc import Sequence
from typing import Any

import click

from server.cli.running import connected, json_option, print_json, with_database, with_url
from server.persistence import partitions
from server.persistence.database import connect
from server.persistence.migrations import (
    Outcome,
    migrate,
    plan,
    plan_back,
    read_migrations,
    rollback,
    status,
)
from server.persistence.steps import Step

dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Print the SQL that would run; change nothing."
)


@click.command("migrate")
@click.option("--to", type=click.IntRange(0), help="Version to stop at [the newest].")
@dry_run_option
@json_option
def db_migrate(to: int | None, dry_run: bool, as_json: bool) -> None:
    """Bring the schema to this program's version.

    Where there is data, a restore point is made first, and the way back is printed.
    """
    migrations = read_migrations()
    if dry_run:
        _print_steps(with_database(lambda connection: plan(connection, migrations, to)), as_json)
        return

    async def work(url: str) -> tuple[Outcome, list[str]]:
        async with connected(url) as connection:
            outcome = await migrate(connection, migrations, to, lambda: connect(url))
            return outcome, await partitions.ensure(connection, back=partitions.BACK)

    outcome, made = with_url(work)
    version = outcome.before + len(outcome.done)
    if as_json:
        print_json({**_described(outcome, "applied", version), "partitions": made})
        return
    _print_outcome(outcome, "applied")
    for name in made:
        click.echo(f"created {name}")
    click.echo(f"the schema is at version {version}")


@click.command("rollback")
@click.option("--to", type=click.IntRange(0), required=True, help="Version to go back to.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@dry_run_option
@json_option
def db_rollback(to: int, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Undo migrations above a version; what only they held is lost."""
    migrations = read_migrations()
    if dry_run:
        _print_steps(
            with_database(lambda connection: plan_back(connection, migrations, to)), as_json
        )
        return
    if not yes:
        click.confirm(
            f"Undo all migrations above {to}, with the data in them?", abort=True, err=as_json
        )

    async def work(url: str) -> Outcome:
        async with connected(url) as connection:
            return await rollback(connection, migrations, to, lambda: connect(url))

    outcome = with_url(work)
    if as_json:
        print_json(_described(outcome, "undone", outcome.before - len(outcome.done)))
        return
    _print_outcome(outcome, "undone")
    if not outcome.done:
        click.echo(f"nothing above version {to}")


@click.command("status")
@json_option
def db_status(as_json: bool) -> None:
    """List the migrations and whether the database has them; exit code 1 if one is missing."""
    rows = with_database(lambda connection: status(connection, read_migrations()))
    if as_json:
        print_json(
            {
                "version": sum(row.applied for row in rows),
                "known": sum(row.known for row in rows),
                "migrations": [row._asdict() for row in rows],
            }
        )
    else:
        for row in rows:
            state = "applied" if row.applied else "missing"
            newer = "" if row.known else ", by a newer program"
            click.echo(f"{row.version:04}_{row.name}  {state}{newer}")
    if not all(row.applied for row in rows):
        sys.exit(1)


def _print_steps(steps: Sequence[Step], as_json: bool) -> None:
    if as_json:
        print_json({"steps": [{"name": step.name, "sql": step.script()} for step in steps]})
    else:
        click.echo("\n".join(step.script() for step in steps), nl=False)


def _described(outcome: Outcome, verb: str, version: int) -> dict[str, Any]:
    point = outcome.restore_point
    return {
        "version": version,
        verb: [migration.title for migration in outcome.done],
        "restore_point": None if point is None else point._asdict(),
        "way_back": _ways_back(outcome),
    }


def _print_outcome(outcome: Outcome, verb: str) -> None:
    point = outcome.restore_point
    if point is not None and point.name:
        click.echo(f"restore point {point.name} at {point.lsn}")
    if point is not None and point.note:
        click.echo(f"{'' if point.name else 'no restore point: '}{point.note}")
    for migration in outcome.done:
        click.echo(f"{verb} {migration.title}")
    for way in _ways_back(outcome):
        click.echo(f"the way back: {way}")


def _ways_back(outcome: Outcome) -> list[str]:
    if outcome.restore_point is None:
        return []
    version = outcome.before
    forward = outcome.done[0].version > version
    ways = [f"lyceum db {f'rollback --to {version}' if forward else f'migrate --to {version}'}"]
    if outcome.restore_point.name:
        name = outcome.restore_point.name
        ways.append(f"restore a backup with recovery_target_name = '{name}'")
    return ways
