"""Who may do what in the schema, as SQL: what the catalogue says, and what the migrations leave.

Each right is one statement, in one way of writing it, so that two sets of them can be compared.
"""

import re
from typing import NamedTuple

from schema import RIGHTS
from server.persistence.types import Connection


class Difference(NamedTuple):
    """A right that should not be there, or is missing; remedy: the SQL that mends it."""

    what: str
    remedy: str


# Rights of an owner are left out, and whatever an extension brought along.
GRANTS = r"""
with relation as (
    select pg_class.oid, pg_class.oid::regclass::text as name, relowner, relacl
    from pg_class
    where relnamespace = 'public'::regnamespace
        and not exists (
            select from pg_depend
            where classid = 'pg_class'::regclass and objid = pg_class.oid and deptype = 'e'
        )
),
given (privilege, columns, target, owner, grantee) as (
    select privilege_type, null, relation.name, relowner, acl.grantee
    from relation, aclexplode(relacl) as acl
    union all
    select privilege_type, string_agg(quote_ident(attname), ', ' order by attname),
        relation.name, relowner, acl.grantee
    from relation
    join pg_attribute on attrelid = relation.oid
    cross join aclexplode(attacl) as acl
    group by 1, 3, 4, 5
    union all
    select privilege_type, null, 'function ' || pg_proc.oid::regprocedure, proowner, acl.grantee
    from pg_proc
    cross join aclexplode(coalesce(proacl, acldefault('f', proowner))) as acl
    where pronamespace = 'public'::regnamespace
        and not exists (
            select from pg_depend
            where classid = 'pg_proc'::regclass and objid = pg_proc.oid and deptype = 'e'
        )
    union all
    select privilege_type, null, 'schema public', nspowner, acl.grantee
    from pg_namespace
    cross join aclexplode(coalesce(nspacl, acldefault('n', nspowner))) as acl
    where nspname = 'public'
    union all
    select privilege_type, null, 'database', datdba, acl.grantee
    from pg_database
    cross join aclexplode(coalesce(datacl, acldefault('d', datdba))) as acl
    where datname = current_database()
)
select format(
    'grant %s%s on %s to %s',
    lower(privilege),
    ' (' || columns || ')',
    target,
    case grantee when 0 then 'public' else grantee::regrole::text end
)
from given
where grantee <> owner
"""
SECURED = """
select format('alter table %s enable row level security', oid::regclass)
from pg_class
where relnamespace = 'public'::regnamespace and relrowsecurity
"""
POLICIES = r"""
select format(
    'create policy %I on %s%s for %s to %s%s%s',
    polname,
    polrelid::regclass,
    case when not polpermissive then ' as restrictive' end,
    case polcmd
        when 'r' then 'select'
        when 'a' then 'insert'
        when 'w' then 'update'
        when 'd' then 'delete'
        else 'all'
    end,
    array_to_string(
        array(
            select case role when 0 then 'public' else role::regrole::text end
            from unnest(polroles) as role
            order by 1
        ),
        ', '
    ),
    ' using (' || regexp_replace(pg_get_expr(polqual, polrelid), '\s+', ' ', 'g') || ')',
    ' with check (' || regexp_replace(pg_get_expr(polwithcheck, polrelid), '\s+', ' ', 'g') || ')'
)
from pg_policy
join pg_class on pg_class.oid = polrelid
where relnamespace = 'public'::regnamespace
"""
POLICY = re.compile(r"create policy (\S+) on (\S+)")
COLUMNS = re.compile(r"^(grant \w+) \(.*?\) on")
GRANT = re.compile(r"grant (.+) on (.+) to (\S+)")


async def found(connection: Connection) -> set[str]:
    """The rights that the database gives."""
    rows = []
    for query in (GRANTS, SECURED, POLICIES):
        rows += await connection.fetch(query)
    return {row[0] for row in rows}


def expected() -> set[str]:
    """The rights that the migrations of this program give."""
    lines = RIGHTS.read_text().splitlines()
    return {line.rstrip(";") for line in lines if line and not line.startswith("--")}


def differences(has: set[str], should: set[str], database: str) -> list[Difference]:
    """What differs, each with what mends it; database: its name, which some grants need."""
    wanted = {_key(right): right for right in should}
    extra, told = sorted(has - should), []
    for right in extra:
        if instead := wanted.get(_key(right)):
            told.append(Difference(f"changed: {right}", f"{_undo(right)}; {instead}"))
        else:
            told.append(Difference(f"not foreseen: {right}", _undo(right)))
    changed = {_key(right) for right in extra}
    told += [
        Difference(f"missing: {right}", right)
        for right in sorted(should - has)
        if _key(right) not in changed
    ]
    return [
        Difference(what, remedy.replace(" on database ", f" on database {database} "))
        for what, remedy in told
    ]


def _key(right: str) -> str:
    """What of a right stays when it changes: a policy's name, and a grant without its columns."""
    if named := POLICY.match(right):
        return named[0]
    return COLUMNS.sub(r"\1 on", right)


def _undo(right: str) -> str:
    """The statement that takes a right back."""
    if named := POLICY.match(right):
        return f"drop policy {named[1]} on {named[2]}"
    if grant := GRANT.match(right):
        return f"revoke {grant[1]} on {grant[2]} from {grant[3]}"
    return right.replace(" enable ", " disable ")
