"""`lyceum db load-test`: many people at once on a seeded database."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from server.cli.keys import read_keys
from server.cli.running import fail, json_option, print_json, read_config, with_url
from server.persistence.performance.load import Load, Tally, is_local, put, table
from server.persistence.performance.measure import quantile
from server.persistence.performance.use_cases import USE_CASES


@click.command("load-test")
@click.option("--users", type=click.IntRange(1), default=50, show_default=True)
@click.option("--seconds", type=click.FloatRange(0.1), default=30.0, show_default=True)
@click.option(
    "--think",
    type=click.FloatRange(0),
    default=1.0,
    show_default=True,
    help="Seconds between two things that a person does, on average.",
)
@click.option(
    "--only",
    multiple=True,
    metavar="WHAT",
    type=click.Choice([case.name for case in USE_CASES]),
    help="Only this, such as “complete a lesson”; may be given several times.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Who does what.")
@click.option("--pool", type=click.IntRange(1), default=10, help="Connections of each pool.")
@click.option("--pgbouncer", metavar="URL", help="Go through this PgBouncer.")
@click.option("--elsewhere", is_flag=True, help="Also on a database of another machine.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Where a report goes.")
@json_option
def db_load_test(
    users: int,
    seconds: float,
    think: float,
    only: tuple[str, ...],
    seed: int,
    pool: int,
    pgbouncer: str | None,
    elsewhere: bool,
    out: Path | None,
    as_json: bool,
) -> None:
    """Have people sign in, learn, read and write at once on a database of `lyceum db seed`.

    What they do stays. Each answer is looked at: whether it is that of who asked. Exit code 1 if
    one was not, or if anything failed.
    """
    cases = [case for case in USE_CASES if not only or case.name in only]
    load = Load(users, seconds, think, seed, pool, cases)
    config = read_config()
    ring = read_keys() if config.keys is not None or config.keys_file is not None else None

    if not (elsewhere or (is_local(config.database_url or "") and is_local(pgbouncer or ""))):
        fail("this database is on another machine; if it may have that load, say --elsewhere")

    async def work(url: str) -> Sequence[Tally]:
        return await put(url, load, ring, pgbouncer, _tell)

    tallies = with_url(work, quiet=True)
    report = table(tallies, load)
    if out is not None:
        way = "through PgBouncer" if pgbouncer else "with pools of our own"
        head = f"{users} people for {seconds:g} s, pauses of {think:g} s on average, {way}."
        out.write_text(f"# Load\n\n{head}\n\n{report}")
    if as_json:
        print_json({"use_cases": [_object(tally) for tally in tallies], "seconds": seconds})
    else:
        click.echo(report, nl=False)
    sys.exit(1 if any(tally.failed for tally in tallies) else 0)


def _tell(done: int, seconds: float) -> None:
    click.echo(f"{seconds:.0f} s: {done:,} done, {done / seconds:,.0f} a second", err=True)


def _object(tally: Tally) -> dict[str, object]:
    return {
        "name": tally.name,
        "done": len(tally.times),
        "failed": tally.failed,
        "p50": quantile(tally.times, 0.5),
        "p95": quantile(tally.times, 0.95),
        "p99": quantile(tally.times, 0.99),
        "errors": tally.errors,
    }
