"""`lyceum db seed`: a made-up school of any size, the same from the same seed."""

import asyncio
import sys
import time
from datetime import UTC, datetime
from typing import Any

import click

from server.cli.keys import read_keys
from server.cli.running import (
    check_schema,
    connected,
    json_option,
    print_json,
    read_config,
    with_url,
)
from server.domain.envelope import Keyring
from server.errors import DatabaseError
from server.persistence.database import PASSING, describe
from server.persistence.seeding.plan import BATCH, LEAST_PEOPLE, PROFILES, Plan
from server.persistence.seeding.runner import Result, seed
from server.persistence.seeding.runs import Run
from server.persistence.seeding.work import Progress

BAR = 24  # characters
EVERY = 10.0  # seconds between lines where there is no terminal to draw on


@click.command("seed")
@click.option("--users", type=click.IntRange(min=LEAST_PEOPLE), help="How many people.")
@click.option("--events", type=click.IntRange(min=0), help="How many learning events.")
@click.option("--months", type=click.IntRange(1, 60), help="How far back learning goes.")
@click.option("--seed", "number", type=int, default=1, show_default=True, help="Any number.")
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The day before which all of it was [today, or that of the run to go on with].",
)
@click.option(
    "--profile",
    type=click.Choice(list(PROFILES)),
    default="small",
    show_default=True,
    help="Gives the sizes that are not named.",
)
@click.option("--batch", type=click.IntRange(min=1), default=BATCH, help="Rows of a transaction.")
@json_option
def db_seed(
    users: int | None,
    events: int | None,
    months: int | None,
    number: int,
    until: datetime | None,
    profile: str,
    batch: int,
    as_json: bool,
) -> None:
    """Fill an empty database with a made-up school, to try and to measure on.

    The same arguments give the same data. It may be ended at any time; the same command goes on
    with what is missing. A database with anything else in it is refused. With LYCEUM_KEYS_FILE
    people have encrypted e-mail addresses: learner1@seed.example, ….
    """
    sizes = PROFILES[profile]
    plan = Plan(
        users or sizes.users,
        sizes.events if events is None else events,
        number,
        (until or datetime.now(UTC)).date(),
        months or sizes.months,
    )
    config = read_config()
    ring = read_keys() if config.keys is not None or config.keys_file is not None else None
    bar = _Bar()

    async def work(url: str) -> Result:
        try:
            return await _seed(url, Run(plan, batch), ring, bar, until)
        except asyncio.CancelledError:
            bar.end("stopped; the same command goes on from here")
            raise

    started = time.monotonic()
    result = with_url(work, quiet=True)
    bar.end()
    _report(result, time.monotonic() - started, as_json)


async def _seed(
    url: str, run: Run, ring: Keyring | None, bar: "_Bar", until: datetime | None
) -> Result:
    async with connected(url) as connection:
        await check_schema(connection)
    try:
        return await seed(url, run, ring, bar.show, until.date() if until else None)
    except PASSING as error:
        raise DatabaseError(f"seeding ended, and may be gone on with: {describe(error)}") from error


class _Bar:
    """Progress on standard error: one line that changes on a terminal, else a line now and then."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._told = time.monotonic()

    def show(self, progress: Progress) -> None:
        now = time.monotonic()
        if not self._terminal and now - self._told < EVERY:
            return
        self._told = now
        filled = int(progress.share * BAR)
        line = f"{'█' * filled}{'·' * (BAR - filled)} {progress.share:4.0%}  {progress.step}"
        if progress.rate is not None:
            left = f"about {progress.seconds_left:,.0f} s left"
            line += f": {progress.rate:,.0f} rows/s, {left}"
        click.echo(f"\r\033[K{line}" if self._terminal else line, nl=not self._terminal, err=True)

    def end(self, message: str = "") -> None:
        if self._terminal:
            click.echo("\r\033[K", nl=False, err=True)
        if message:
            click.echo(message, err=True)


def _report(result: Result, seconds: float, as_json: bool) -> None:
    plan = result.run.plan
    rows = sum(made.rows for made in result.made.values())
    if as_json:
        print_json(_object(result, seconds, rows))
        return
    if not result.made:
        click.echo("all of this is there already")
        return
    for name, made in result.made.items():
        rate = made.rows / made.seconds
        click.echo(f"{name:18} {made.rows:>13,} rows {made.seconds:>9.1f} s {rate:>12,.0f} rows/s")
    click.echo(
        f"{rows:,} rows in {seconds:.0f} s:"
        f" {plan.users:,} people, {plan.events:,} events, {plan.months} months until {plan.until}"
    )
    if not result.run.triggers:
        click.echo(
            "The audit log has a row on this run, and none on the rows that it made: triggers were"
            " left out."
        )


def _object(result: Result, seconds: float, rows: int) -> dict[str, Any]:
    plan = result.run.plan
    return {
        "users": plan.users,
        "events": plan.events,
        "seed": plan.seed,
        "until": plan.until,
        "months": plan.months,
        "rows": rows,
        "seconds": seconds,
        "triggers": result.run.triggers,
        "steps": {name: made._asdict() for name, made in result.made.items()},
    }
