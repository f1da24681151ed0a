"""`lyceum db export-user` and `erase-user`: what a person may ask for."""

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import click

from server.cli.running import (
    check_schema,
    fail,
    json_option,
    print_json,
    read_config,
    with_database,
)
from server.config import Config
from server.domain.envelope import Keyring
from server.errors import DatabaseError, StartError
from server.persistence import privacy
from server.persistence.database import PASSING, describe
from server.persistence.key_files import keyring
from server.persistence.privacy import Erased, Whom
from server.persistence.types import Connection

FORMAT = 1  # of an export
LATE_SECONDS = 3.0  # within which running servers have ended a person's sockets


@click.command("export-user")
@click.argument("user")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A new file, for its owner alone [standard output].",
)
def db_export_user(user: str, output: Path | None) -> None:
    """Write everything that is kept of a person, as JSON.

    USER is what tokens call the person (sub), a public id, or an e-mail address. docs/privacy.md
    says what is in it. What is encrypted needs the keys (LYCEUM_KEYS_FILE).
    """
    ring = _ring(read_config())

    async def work(connection: Connection) -> dict[str, int]:
        await check_schema(connection)
        whom = await privacy.find(connection, user, ring)
        with _opened(output) as file:
            return await _write(connection, whom, ring, file)

    rows = with_database(work)
    if output is not None:
        click.echo(f"wrote {sum(rows.values())} rows of {len(rows)} tables to {output}")


async def _write(
    connection: Connection, whom: Whom, ring: Keyring | None, file: IO[str]
) -> dict[str, int]:
    """Row by row, as a person may have more than fits into memory."""
    head = {
        "format": FORMAT,
        "exported_at": datetime.now(UTC).isoformat(),
        "person": {"subject": whom.subject, "public_id": whom.public_id and str(whom.public_id)},
    }
    beginning = json.dumps(head, ensure_ascii=False)[:-1] + ', "tables": {'
    rows: dict[str, int] = {}
    async for table, row in privacy.export(connection, whom, ring):
        if table not in rows:
            file.write("\n]," if rows else beginning)
            file.write(f"\n{json.dumps(table)}: [")
        file.write(("," if table in rows else "") + f"\n{row}")
        rows[table] = rows.get(table, 0) + 1
    file.write("\n]}}\n" if rows else beginning + "}}\n")
    return rows


@contextmanager
def _opened(output: Path | None) -> Iterator[IO[str]]:
    """A new file for its owner alone, which is there whole or not at all; or standard output."""
    if output is None:
        with click.open_file("-", "w", encoding="utf-8") as stdout:
            yield stdout
        return
    try:
        handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise StartError(f"{output} can't be written: {error.strerror}") from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            yield file
    except BaseException:
        output.unlink()
        raise


@click.command("erase-user")
@click.argument("user")
@click.option("--dry-run", "dry", is_flag=True, help="Only say what would change.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def db_erase_user(user: str, dry: bool, yes: bool, as_json: bool) -> None:
    """Remove a person, for good; what has to stay stays without the person.

    USER is what tokens call the person (sub), a public id, or an e-mail address. Tokens of the
    person count no more, live sockets end within a second. While servers run, this waits until they
    have written what they hold, and removes that too.
    """
    config = read_config()
    if not (dry or yes):
        click.confirm(f"Erase the person {user}? Nobody can undo that", abort=True, err=True)

    async def work(connection: Connection) -> Erased:
        await check_schema(connection)
        whom = await privacy.find(connection, user, _ring(config))
        try:
            erased = await privacy.erase(connection, whom, dry)
        except PASSING as error:
            raise DatabaseError(f"nothing was erased: {describe(error)}") from error
        return erased if dry else await _finish(connection, whom, erased, config)

    rows = with_database(work).rows
    if as_json:
        print_json({"dry_run": dry, "rows": rows})
        return
    for table, count in sorted(rows.items()):
        click.echo(f"{table}: {count}")
    changed = f"{sum(rows.values())} rows of {len(rows)} tables"
    click.echo(f"nothing was changed; {changed} would be" if dry else f"erased: {changed}")


async def _finish(connection: Connection, whom: Whom, erased: Erased, config: Config) -> Erased:
    """Remove what others made of the person's rows before, and write after, they were erased."""
    late: dict[str, int] = {}
    try:
        await privacy.renew_ranking(connection)
        if not whom.erased and await privacy.is_served(connection):
            seconds = LATE_SECONDS + 2 * config.activity_seconds
            click.echo(f"waiting {seconds:.0f} s for what running servers still write", err=True)
            await asyncio.sleep(seconds)
            late = await privacy.sweep(connection, whom.subject, erased.pseudonym)
    except PASSING as error:
        raise DatabaseError(
            f"erased, but traces may be left in the ranking or of the last moments"
            f" ({describe(error)}); run this again"
        ) from error
    rows = {table: erased.rows.get(table, 0) + late.get(table, 0) for table in erased.rows | late}
    return erased._replace(rows=rows)


def _ring(config: Config) -> Keyring | None:
    """The keys, if any are given; a problem with them ends the command."""
    if config.keys is None and config.keys_file is None:
        return None
    try:
        return keyring(config)
    except StartError as error:
        fail(str(error))
