"""The command `lyceum`."""

import asyncio
import json
import os
import sys
from collections.abc import Coroutine, Sequence
from typing import Any, BinaryIO, NoReturn, get_args

import click
import uvloop

from server import telemetry
from server.config import Config
from server.documents.exchange import Format, export
from server.domain.roles import Role
from server.errors import DatabaseError, LyceumError, StartError
from server.ids import SessionName
from server.persistence import collaboration, documents, partitions, revocations
from server.persistence.database import PASSING, connect, describe, wait_until_up
from server.persistence.embedded import EmbeddedPostgres
from server.persistence.migrations import Migration, migrate, read_migrations, rollback, status
from server.persistence.partitions import Report
from server.persistence.types import Connection
from server.sessions.document import Document
from server.sessions.tokens import make_token
from server.store import database_url


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lyceum")
def main() -> None:
    """Lyceum, a real-time collaboration server for Yjs editors.

    Configuration comes from the environment (LYCEUM_…); README.md has the table.
    """


@main.command()
@click.option("--host", help="Address to listen on [LYCEUM_HOST, 127.0.0.1].")
@click.option("--port", type=click.IntRange(0, 65535), help="Port [LYCEUM_PORT, 8000].")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes.")
def serve(host: str | None, port: int | None, workers: int) -> None:
    """Serve sessions until SIGTERM or Ctrl-C."""
    from server import app  # a second's worth of imports that no other command has to wait for

    if workers > 1:
        _fail(
            f"--workers {workers}: several processes need a bus between them (LYCEUM_REDIS_URL),"
            " which does not exist yet; one process serves a whole school"
        )
    sys.exit(_run(lambda config: app.serve(config), host, port))


@main.group()
def db() -> None:
    """Look after the database; works beside a running server or without one."""


@db.command("migrate")
def db_migrate() -> None:
    """Bring the schema to this program's version."""

    async def work(connection: Connection, migrations: Sequence[Migration]) -> None:
        done = await migrate(connection, migrations)
        for migration in done:
            click.echo(f"applied {migration.version:04}_{migration.name}")
        for name in await partitions.ensure(connection):
            click.echo(f"created {name}")
        click.echo(f"the schema is at version {len(migrations)}")

    _with_database(work)


@db.command("rollback")
@click.option("--to", type=click.IntRange(0), required=True, help="Version to go back to.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def db_rollback(to: int, yes: bool) -> None:
    """Undo migrations above a version; what only they held is lost."""
    if not yes:
        click.confirm(f"Undo all migrations above {to}, with the data in them?", abort=True)

    async def work(connection: Connection, migrations: Sequence[Migration]) -> None:
        undone = await rollback(connection, migrations, to)
        for migration in undone:
            click.echo(f"undone {migration.version:04}_{migration.name}")
        if not undone:
            click.echo(f"nothing above version {to}")

    _with_database(work)


@db.command("status")
def db_status() -> None:
    """List the migrations and whether the database has them; exit code 1 if one is missing."""

    async def work(connection: Connection, migrations: Sequence[Migration]) -> bool:
        rows = await status(connection, migrations)
        for row in rows:
            state = "applied" if row.applied else "missing"
            click.echo(f"{row.version:04}_{row.name}  {state}")
        return all(row.applied for row in rows)

    if not _with_database(work):
        sys.exit(1)


@db.command("maintain")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def db_maintain(as_json: bool) -> None:
    """Make the partitions of the coming months and drop expired ones.

    A running server does the same every hour. LYCEUM_ACTIVITY_RETENTION_DAYS says how long activity
    is kept.
    """
    days = _config().activity_retention_days

    async def work(connection: Connection, _: Sequence[Migration]) -> Report:
        try:
            return await partitions.maintain(connection, days)
        except PASSING as error:
            raise DatabaseError(f"partitions can't be kept: {describe(error)}") from error

    report: Report = _with_database(work)
    if not report.ahead:
        _fail("this database has no schema yet; `lyceum db migrate` makes it")
    if as_json:
        click.echo(json.dumps(report._asdict()))
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

    click.echo(_run(work))


@main.command()
@click.option("--user", required=True, help="User id (sub).")
@click.option("--name", help="Name that others see.")
@click.option("--session", "sessions", multiple=True, help="Session name or prefix*; repeatable.")
@click.option(
    "--role",
    type=click.Choice([role.name.lower() for role in Role]),
    help="Role in these sessions [editor].",
)
@click.option("--ttl", type=click.IntRange(1), default=3600, show_default=True, help="Seconds.")
def token(
    user: str, name: str | None, sessions: tuple[str, ...], role: str | None, ttl: int
) -> None:
    """Print a token signed with LYCEUM_AUTH_SECRET.

    Without --session it is for all sessions; without --role as well, each session's own
    permissions decide what its user is there.
    """
    config = _config()
    if config.auth_secret is None:
        _fail("LYCEUM_AUTH_SECRET is not set; `openssl rand -hex 32` makes one")
    grants: dict[str, Role] | None = None
    if sessions or role:
        grants = {session: Role.named(role or "editor") for session in sessions or ("*",)}
    click.echo(make_token(config.auth_secret, user, name, grants, ttl))


@main.command("export")
@click.argument("session")
@click.option(
    "--format",
    "form",
    type=click.Choice([*get_args(Format), "update"]),
    default="text",
    show_default=True,
    help="What it is to be; update: a Yjs update, with which it can be made anew.",
)
@click.option("--field", help="The shared type's name; without it, the one that it can be.")
@click.option("--output", type=click.File("wb"), default="-", help="Where to [standard output].")
def export_document(session: str, form: str, field: str | None, output: BinaryIO) -> None:
    """Write a session's document as it is saved; docs/export.md says in which forms.

    Works beside a running server or without one.
    """

    async def work(connection: Connection, _: Sequence[Migration]) -> list[bytes]:
        name = SessionName(session)
        await collaboration.read(connection, name)
        stored = await documents.find(connection, name)
        return [] if stored is None else stored.parts

    encoded = Document.load(_with_database(work)).encode()
    try:
        written = encoded if form == "update" else export(encoded, form, field).encode()  # type: ignore[arg-type]
    except LyceumError as error:
        _fail(str(error))
    output.write(written)


@main.command()
@click.option("--user", help="Revoke all tokens of this user (sub) that were issued until now.")
@click.option("--token", "token_id", help="Revoke the token with this id (jti).")
def revoke(user: str | None, token_id: str | None) -> None:
    """Let tokens count no more; servers act on it within a second, on live sockets too.

    It can't be undone; a user's new tokens are good again.
    """
    if (user is None) == (token_id is None):
        _fail("revoke needs either --user or --token")
    if token_id is not None and token_id.count(".") == 2 and token_id.startswith("ey"):
        _fail("--token takes a token's id (its jti), not the token itself")

    async def work(connection: Connection, migrations: Sequence[Migration]) -> None:
        if not all(row.applied for row in await status(connection, migrations)):
            raise StartError("the schema is older than this program; run `lyceum db migrate` first")
        if token_id is not None:
            await revocations.revoke_token(connection, token_id)
            click.echo(f"revoked the token {token_id}")
        elif user is not None:
            moment = await revocations.revoke_user(connection, user)
            click.echo(f"revoked the tokens of {user} issued until {moment:%Y-%m-%d %H:%M:%S} UTC")

    _with_database(work)


def _config(host: str | None = None, port: int | None = None) -> Config:
    try:
        return Config.read(os.environ, host, port)
    except LyceumError as error:
        _fail(str(error))


def _run(work: Any, host: str | None = None, port: int | None = None) -> Any:
    """Run asynchronous work with the configuration; errors that users can mend get one line."""
    config = _config(host, port)
    telemetry.configure_logging(config.log_format)
    try:
        coroutine: Coroutine[Any, Any, Any] = work(config)
        return uvloop.run(coroutine)
    except LyceumError as error:
        _fail(str(error))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(130)


def _with_database(work: Any) -> Any:
    """Run work with a connection; the embedded database runs meanwhile if none does."""

    async def connected(config: Config) -> Any:
        running = config.database_url or EmbeddedPostgres.running_url(config.data_dir)
        if running is not None:
            return await _work_on(running, work)
        async with database_url(config) as url:
            return await _work_on(url, work)

    return _run(connected)


async def _work_on(url: str, work: Any) -> Any:
    await wait_until_up(url)
    connection = await connect(url)
    try:
        return await work(connection, read_migrations())
    finally:
        await connection.close()


def _fail(message: str) -> NoReturn:
    click.echo(f"lyceum: {message}", err=True)
    sys.exit(1)
