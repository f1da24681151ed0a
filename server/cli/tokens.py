"""`lyceum token` and `lyceum revoke`."""

import click

from server.cli.running import check_schema, fail, read_config, with_database
from server.domain.roles import Role
from server.persistence import revocations
from server.persistence.types import Connection


@click.command()
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
    from server.sessions.tokens import make_token  # late: a server's start need not wait for it

    config = read_config()
    if config.auth_secret is None:
        fail("LYCEUM_AUTH_SECRET is not set; `openssl rand -hex 32` makes one")
    grants: dict[str, Role] | None = None
    if sessions or role:
        grants = {session: Role.named(role or "editor") for session in sessions or ("*",)}
    click.echo(make_token(config.auth_secret, user, name, grants, ttl))


@click.command()
@click.option("--user", help="Revoke all tokens of this user (sub) that were issued until now.")
@click.option("--token", "token_id", help="Revoke the token with this id (jti).")
def revoke(user: str | None, token_id: str | None) -> None:
    """Let tokens count no more; servers act on it within a second, on live sockets too.

    It can't be undone; a user's new tokens are good again.
    """
    if (user is None) == (token_id is None):
        fail("revoke needs either --user or --token")
    if token_id is not None and token_id.count(".") == 2 and token_id.startswith("ey"):
        fail("--token takes a token's id (its jti), not the token itself")

    async def work(connection: Connection) -> None:
        await check_schema(connection)
        if token_id is not None:
            await revocations.revoke_token(connection, token_id)
            click.echo(f"revoked the token {token_id}")
        elif user is not None:
            moment = await revocations.revoke_user(connection, user)
            click.echo(f"revoked the tokens of {user} issued until {moment:%Y-%m-%d %H:%M:%S} UTC")

    with_database(work)
