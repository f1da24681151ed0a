"""The roles that rights are given to: made when they are missing, and whose part a login takes.

Which they are is in schema/roles.sql, what each may in the migrations.
"""

import asyncpg

from schema import ROLES
from server.errors import DatabaseError
from server.persistence.types import Connection

OWNER = "lyceum_owner"
SERVER = "lyceum_server"
APP = "lyceum_app"
STAFF = "lyceum_staff"
ANALYST = "lyceum_analyst"
BACKUP = "lyceum_backup"
NAMES = (OWNER, SERVER, APP, STAFF, ANALYST, BACKUP)

MISSING = "select name from unnest($1::text[]) as name where to_regrole(name) is null"


async def missing(connection: Connection) -> list[str]:
    """The roles that the cluster lacks."""
    return [row[0] for row in await connection.fetch(MISSING, list(NAMES))]


async def ensure(connection: Connection) -> None:
    """Make the roles that the cluster lacks; raises DatabaseError if this login may not."""
    lacking = await missing(connection)
    if not lacking:
        return
    try:
        async with connection.transaction():
            await connection.execute(ROLES.read_text())
    except asyncpg.InsufficientPrivilegeError as error:
        raise DatabaseError(
            f"the roles {', '.join(lacking)} are missing and this login may not make them; let an"
            " administrator run `lyceum db roles | psql` as a superuser of this server, then try"
            " again"
        ) from error


# Everything in the schema has one owner, whoever of its members happens to migrate.
OWNED = """
select coalesce(ledger.relowner, datdba) = to_regrole('lyceum_owner')
    and pg_has_role(to_regrole('lyceum_owner'), 'usage')
from pg_database
left join pg_class as ledger on ledger.oid = to_regclass('schema_migrations')
where datname = current_database()
"""
BECOME_OWNER = "set role lyceum_owner"
BE_ONESELF = "reset role"


async def owned(connection: Connection) -> bool:
    """Whether the schema is lyceum_owner's, and this login a member of it.

    A schema without tables is whose the database is.
    """
    return bool(await connection.fetchval(OWNED))


async def become_owner(connection: Connection) -> None:
    """From here on act as lyceum_owner, if the schema is owned; others go on as who they are."""
    if await owned(connection):
        await connection.execute(BECOME_OWNER)


# Whose schema it is; without one, whoever may make it.
MAY_MIGRATE = """
select coalesce(
    (select pg_has_role(relowner, 'usage')
        from pg_class where oid = to_regclass('schema_migrations')),
    has_schema_privilege(current_schema(), 'create')
)
"""


async def may_migrate(connection: Connection) -> bool:
    """Whether this login may change the schema."""
    return bool(await connection.fetchval(MAY_MIGRATE))
