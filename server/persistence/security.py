"""Looks for holes in who may do what: rights, roles, logins, functions, and what trials show."""

from collections.abc import Mapping
from typing import NamedTuple

from server.persistence import denials, rights, roles
from server.persistence.types import Connection


class Finding(NamedTuple):
    """Something that should not be so. about: what kind; remedy: what mends it."""

    about: str
    what: str
    remedy: str


class Reader(NamedTuple):
    """A login that may read a secret, and why."""

    secret: str
    login: str
    why: str


# Tables with a column of people that have no row-level security, and why not.
WITHOUT_ROW_SECURITY: Mapping[str, str] = {
    "session_activity": "rows are copied in, which row-level security rules out; not for the app",
    "learning_analytics": "rows are copied in, which row-level security rules out; not for the app",
    "courses": "the curriculum is for all to read; its owner is public",
    "content_versions": "the history of the curriculum, for staff alone",
    "leaderboard_scores": "ranks are for all to see",
    "mv_user_leaderboard": "ranks are for all to see",
}

UNPROTECTED = """
select distinct relname::text
from pg_class
join pg_attribute on attrelid = pg_class.oid and attnum > 0 and not attisdropped
where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'm')
    and not relispartition and not relrowsecurity and relname <> all($1::text[])
    and (
        attname in ('user_id', 'author', 'author_id', 'owner', 'owner_id', 'subject', 'email',
            'username', 'participant')
        or exists (
            select from pg_constraint
            where conrelid = attrelid and confrelid = to_regclass('users') and attnum = any(conkey)
        )
    )
order by 1
"""
LOOSE_DEFINERS = """
select pg_proc.oid::regprocedure::text
from pg_proc
join pg_namespace on pg_namespace.oid = pronamespace
where prosecdef and nspname !~ '^pg_' and nspname <> 'information_schema'
    and not exists (
        select from unnest(proconfig) as setting where setting ^@ 'search_path='
    )
order by 1
"""
# The first superuser every cluster has; it can't be given up.
SUPERUSERS = """
select rolname::text
from pg_roles
where rolsuper and rolcanlogin and oid <> 10
order by 1
"""
BYPASSING = """
select rolname::text
from pg_roles
where rolbypassrls and not rolsuper and rolname <> 'lyceum_backup'
order by 1
"""
MIGHTY_GROUPS = """
select rolname::text
from pg_roles
where rolname = any($1::text[])
    and (rolcanlogin or rolsuper or rolcreaterole or rolcreatedb or rolreplication)
order by 1
"""
# Who acts for people must not be able to turn into more.
TWO_FACED = """
select login.rolname::text, string_agg(role.rolname, ', ' order by role.rolname)
from pg_roles as login
join pg_roles as role on pg_has_role(login.oid, role.oid, 'member')
where login.rolcanlogin and not login.rolsuper
    and pg_has_role(login.oid, to_regrole('lyceum_app'), 'member')
    and not pg_has_role(login.oid, to_regrole('lyceum_owner'), 'member')
    and role.oid not in (login.oid, to_regrole('lyceum_app'))
group by 1
order by 1
"""
SECRETS = (
    "users.email",
    "user_keys.wrapped",
    "user_secrets.value",
    "auth_sessions.token_hash",
    "webhooks.secret",
)
READERS = """
select secret, rolname::text,
    case
        when rolsuper then 'superuser'
        when pg_has_role(pg_roles.oid, relowner, 'member') then 'owner'
        when pg_has_role(pg_roles.oid, to_regrole('lyceum_backup'), 'member') then 'lyceum_backup'
        when pg_has_role(pg_roles.oid, to_regrole('lyceum_server'), 'member')
            and has_column_privilege('lyceum_server', attrelid, attnum, 'select')
            then 'lyceum_server'
        when pg_has_role(pg_roles.oid, to_regrole('lyceum_app'), 'member')
            and has_column_privilege('lyceum_app', attrelid, attnum, 'select')
            then 'lyceum_app, one person at a time'
        when pg_has_role(pg_roles.oid, 'pg_read_all_data', 'member') then 'pg_read_all_data'
        else 'a grant'
    end
from unnest($1::text[]) as secret
join pg_attribute on attname = split_part(secret, '.', 2)
    and attrelid = to_regclass(split_part(secret, '.', 1))
join pg_class on pg_class.oid = attrelid
join pg_roles on rolcanlogin
    and exists (
        select from pg_roles as could_be
        where pg_has_role(pg_roles.oid, could_be.oid, 'member')
            and has_column_privilege(could_be.oid, attrelid, attnum, 'select')
    )
order by 1, 2
"""
FORESEEN = (
    "superuser",
    "owner",
    "lyceum_backup",
    "lyceum_server",
    "lyceum_app, one person at a time",
)
DATABASE = "select quote_ident(current_database())"


class Check(NamedTuple):
    """A query that should find nothing. what, remedy: told of each row, whose values they take."""

    about: str
    query: str
    what: str
    remedy: str
    known: tuple[str, ...] | None = None


CHECKS = (
    Check(
        "row-level security",
        UNPROTECTED,
        "{0} has a column of people and no row-level security",
        "alter table {0} enable row level security, with policies as other tables have",
        tuple(WITHOUT_ROW_SECURITY),
    ),
    Check(
        "functions",
        LOOSE_DEFINERS,
        "{0} runs as its owner and finds tables by the caller's search_path",
        "alter function {0} set search_path = pg_catalog, public, pg_temp",
    ),
    Check(
        "logins",
        SUPERUSERS,
        "{0} can log in and is a superuser, for whom no right counts",
        "alter role {0} nosuperuser",
    ),
    Check(
        "roles",
        BYPASSING,
        "{0} passes row-level security",
        "alter role {0} nobypassrls; for dumps there is lyceum_backup",
    ),
    Check(
        "roles",
        MIGHTY_GROUPS,
        "{0} should be a group without a login and without powers over the server",
        "alter role {0} nologin nosuperuser nocreaterole nocreatedb noreplication",
        roles.NAMES,
    ),
    Check(
        "logins",
        TWO_FACED,
        "{0} acts for people and could turn into {1}",
        "give {0} no role but lyceum_app, and the rest another login",
    ),
)


class Report(NamedTuple):
    """All that was found. tried: how many trials there were; untried: tables without a row."""

    findings: list[Finding]
    readers: list[Reader]
    tried: int
    untried: list[str]


async def inspect(connection: Connection) -> Report:
    """Look everywhere; changes nothing, as all trials are undone."""
    findings = [
        Finding("rights", what, remedy)
        for what, remedy in rights.differences(
            await rights.found(connection),
            rights.expected(),
            await connection.fetchval(DATABASE),
        )
    ]
    for about, query, what, remedy, known in CHECKS:
        arguments = [] if known is None else [list(known)]
        rows = await connection.fetch(query, *arguments)
        findings += [Finding(about, what.format(*row), remedy.format(*row)) for row in rows]
    readers = [Reader(*row) for row in await connection.fetch(READERS, list(SECRETS))]
    findings += [
        Finding(
            "secrets",
            f"{login} may read {secret} by {why}",
            f"take that from {login}: none but the owner, the server, the person and dumps need it",
        )
        for secret, login, why in readers
        if why not in FORESEEN
    ]
    trials = await denials.run(connection)
    findings += [Finding("trial", what, remedy) for what, remedy in trials.failures]
    return Report(findings, readers, trials.tried, trials.untried)
