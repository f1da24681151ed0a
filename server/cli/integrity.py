"""`lyceum db integrity`: whether sums, counters, ledgers and references across tables are right."""

import sys
import time
from typing import Any

import click

from server.cli.running import check_schema, json_option, print_json, with_database
from server.errors import DatabaseError
from server.persistence.database import PASSING, describe
from server.persistence.integrity import Result, check_all
from server.persistence.types import Connection

SLOW = 2.0  # seconds after which a check is named while others run


@click.command("integrity")
@json_option
def db_integrity(as_json: bool) -> None:
    """Check what no constraint can state, and name the rows that are wrong; exit code 1 if any are.

    It changes nothing and runs beside servers; on a large database it takes its time.
    """

    async def work(connection: Connection) -> list[Result]:
        await check_schema(connection)
        results = []
        told = time.monotonic()
        try:
            async for result in check_all(connection):
                results.append(result)
                if not as_json:
                    _print(result)
                elif time.monotonic() - told > SLOW:
                    told = time.monotonic()
                    click.echo(f"{len(results)} checks done, last {result.check.name}", err=True)
        except PASSING as error:
            raise DatabaseError(f"the database can't be checked: {describe(error)}") from error
        return results

    results = with_database(work)
    wrong = [result for result in results if result.found]
    if as_json:
        print_json({"checks": [_object(result) for result in results], "failed": len(wrong)})
    else:
        total = len(results)
        click.echo(
            f"{len(wrong)} of {total} checks failed" if wrong else f"all {total} checks hold"
        )
    sys.exit(1 if wrong else 0)


def _print(result: Result) -> None:
    check, found, wrong = result
    if not found:
        click.echo(f"ok      {check.name}: {check.holds}")
        return
    click.echo(f"WRONG   {check.name}: not so that {check.holds}")
    for line in wrong:
        click.echo(f"        {line}")
    if found > len(wrong):
        click.echo(f"        … and {found - len(wrong):,} more")


def _object(result: Result) -> dict[str, Any]:
    check, found, wrong = result
    return {"name": check.name, "holds": check.holds, "found": found, "wrong": wrong}
