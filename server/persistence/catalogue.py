"""What a database's schema consists of, in a form that can be compared with another's.

Every object is a row: what kind it is, its name, its table, how it is defined, and the SQL that
makes and removes it. Names are as seen with `public` in the search path; objects of extensions are
left out. An owner is named only where it is not the ledger's, as every installation has its own.
"""

from typing import NamedTuple

from server.persistence.types import Connection


class Thing(NamedTuple):
    """An object of the schema.

    table: empty if it has none. make, remove: SQL, empty where one statement doesn't do. parent:
    whose partition its table is, if that comes and goes with time.
    """

    kind: str
    name: str
    table: str
    definition: str
    make: str
    remove: str
    parent: str

    @property
    def key(self) -> str:
        """What has the same one in two databases is the same thing."""
        name = self.name.replace(self.table, f"{self.parent}_*") if self.parent else self.name
        return f"{self.kind} {name}"


SEARCH_PATH = "set local search_path = public"

# The schemas' own objects, without those of extensions and of seeding, and who has rights on them:
# what was never granted or revoked has the default ones.
OURS = """
with ours as (
    select oid from pg_namespace
    where nspname !~ '^pg_' and nspname not in ('information_schema', 'seeding')
), extended as (
    select classid, objid from pg_depend where deptype = 'e'
), relations as (
    select pg_class.*, pg_class.oid::regclass::text as title
    from pg_class
    where relnamespace in (select oid from ours) and relkind in ('r', 'p', 'v', 'm', 'S', 'f')
        and not exists (
            select from extended where classid = 'pg_class'::regclass and objid = pg_class.oid
        )
), owner as (
    select coalesce(min(relowner), 0) as id from pg_class
    where oid = to_regclass('schema_migrations')
), granted as (
    select 'table' as what, title as whose, title as of_table, relowner as owner,
        coalesce(relacl, acldefault(case relkind when 'S' then 's'::"char" else 'r' end, relowner))
            as acl, '' as part
    from relations
    union all
    select 'table', title, title, relowner, attacl, quote_ident(attname)
    from relations join pg_attribute on attrelid = relations.oid and attacl is not null
    union all
    select 'routine', oid::regprocedure::text, '', proowner,
        coalesce(proacl, acldefault('f', proowner)), ''
    from pg_proc
    where pronamespace in (select oid from ours) and prokind in ('f', 'p', 'w')
        and not exists (
            select from extended where classid = 'pg_proc'::regclass and objid = pg_proc.oid)
    union all
    select 'schema', oid::regnamespace::text, '', nspowner,
        coalesce(nspacl, acldefault('n', nspowner)), ''
    from pg_namespace
    where oid in (select oid from ours)
)
"""
TABLES = """
select 'table', title, title,
    concat_ws(', ',
        case relkind when 'r' then 'table' when 'p' then 'partitioned table'
            when 'S' then 'sequence' when 'f' then 'foreign table' else 'view' end,
        case relpersistence when 'u' then 'unlogged' end,
        'partition by ' || pg_get_partkeydef(oid), array_to_string(reloptions, ', '),
        pg_get_expr(relpartbound, oid),
        case when relkind in ('v', 'm') then pg_get_viewdef(oid) end,
        'of ' || case when relowner <> owner.id then pg_get_userbyid(relowner) end),
    '', format('drop %s %s', case relkind when 'v' then 'view' when 'm' then 'materialized view'
        when 'S' then 'sequence' else 'table' end, title)
from relations, owner
where not (relkind = 'S' and exists (
    select from pg_depend where objid = relations.oid and deptype in ('i', 'a')))
"""
SECURITY = """
select 'row-level security', title, title,
    case when relrowsecurity then 'enabled' else 'disabled' end
        || case when relforcerowsecurity then ', forced' else '' end,
    format('alter table %s %s row level security, %s row level security', title,
        case when relrowsecurity then 'enable' else 'disable' end,
        case when relforcerowsecurity then 'force' else 'no force' end),
    ''
from relations
where relkind in ('r', 'p')
"""
COLUMNS = """
select 'column', title || '.' || attname, title,
    concat_ws(' ', type, 'collate ' || case when attcollation <> typcollation
            then attcollation::regcollation::text end,
        case when attnotnull then 'not null' end,
        case when attgenerated <> '' then format('generated always as (%s)', value)
            when attidentity <> '' then 'identity ' || attidentity::text
            else 'default ' || value end),
    format('alter table %s add column %I %s', title, attname, concat_ws(' ', type,
        case when attnotnull then 'not null' end, 'default ' || value)),
    format('alter table %s drop column %I', title, attname)
from relations
join pg_attribute on attrelid = relations.oid and attnum > 0 and not attisdropped
join pg_type on pg_type.oid = atttypid
left join pg_attrdef on adrelid = relations.oid and adnum = attnum
cross join pg_get_expr(adbin, adrelid) as value
cross join format_type(atttypid, atttypmod) as type
where relkind in ('r', 'p')
"""
CONSTRAINTS = """
select 'constraint', format('%s.%s', title, conname), title,
    replace(pg_get_constraintdef(pg_constraint.oid), ' NOT VALID', ''),
    format('alter table %s add constraint %I %s', title, conname,
        pg_get_constraintdef(pg_constraint.oid)),
    format('alter table %s drop constraint %I', title, conname)
from relations
join pg_constraint on conrelid = relations.oid
where contype <> 'n'
"""
INDEXES = """
select 'index', indexrelid::regclass::text, title, pg_get_indexdef(indexrelid),
    pg_get_indexdef(indexrelid), format('drop index %s', indexrelid::regclass)
from relations
join pg_index on indrelid = relations.oid
where not exists (
    select from pg_constraint where conindid = indexrelid and contype in ('p', 'u', 'x'))
"""
POLICIES = """
select 'policy', format('%s.%s', title, polname), title, definition,
    format('create policy %I on %s %s', polname, title, definition),
    format('drop policy %I on %s', polname, title)
from relations
join pg_policy on polrelid = relations.oid
cross join lateral (
    select string_agg(case when role = 0 then 'public' else role::regrole::text end, ', '
        order by role::regrole::text) as roles
    from unnest(polroles) as role
) as whom
cross join lateral concat_ws(' ',
    'as', case when polpermissive then 'permissive' else 'restrictive' end,
    'for', case polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update'
        when 'd' then 'delete' else 'all' end,
    'to', roles,
    'using (' || pg_get_expr(polqual, polrelid) || ')',
    'with check (' || pg_get_expr(polwithcheck, polrelid) || ')') as definition
"""
TRIGGERS = """
select 'trigger', format('%s.%s', title, tgname), title,
    pg_get_triggerdef(pg_trigger.oid) || case tgenabled when 'O' then '' when 'D' then ', disabled'
        else ', enabled as ' || tgenabled::text end,
    pg_get_triggerdef(pg_trigger.oid),
    format('drop trigger %I on %s', tgname, title)
from relations
join pg_trigger on tgrelid = relations.oid and not tgisinternal
"""
FUNCTIONS = """
select 'function', pg_proc.oid::regprocedure::text, '',
    pg_get_functiondef(pg_proc.oid) || coalesce(
        ', of ' || case when proowner <> owner.id then pg_get_userbyid(proowner) end, ''),
    pg_get_functiondef(pg_proc.oid), format('drop routine %s', pg_proc.oid::regprocedure)
from pg_proc, owner
where pronamespace in (select oid from ours) and prokind in ('f', 'p', 'w')
    and not exists (
        select from extended where classid = 'pg_proc'::regclass and objid = pg_proc.oid)
"""
TYPES = """
select 'type', oid::regtype::text, '',
    case typtype when 'd' then concat_ws(' ', format_type(typbasetype, typtypmod),
            case when typnotnull then 'not null' end, typdefault,
            (select string_agg(pg_get_constraintdef(pg_constraint.oid), ' ' order by conname)
                from pg_constraint where contypid = pg_type.oid and contype = 'c'))
        else (select string_agg(quote_literal(enumlabel), ', ' order by enumsortorder)
                from pg_enum where enumtypid = pg_type.oid) end,
    '', format('drop type %s', oid::regtype)
from pg_type
where typnamespace in (select oid from ours) and typtype in ('d', 'e')
    and not exists (
        select from extended where classid = 'pg_type'::regclass and objid = pg_type.oid)
"""
COMMENTS = """
select 'comment', concat_ws('.', title, attname), title, description,
    format('comment on %s is %L', whose, description), format('comment on %s is null', whose)
from relations
join pg_description on objoid = relations.oid and classoid = 'pg_class'::regclass
left join pg_attribute on attrelid = relations.oid and attnum = objsubid and objsubid > 0
cross join lateral concat_ws(' ', case when attname is not null then 'column'
    when relkind = 'v' then 'view' when relkind = 'm' then 'materialized view'
    when relkind = 'S' then 'sequence' else 'table' end,
    concat_ws('.', title, quote_ident(attname))) as whose
"""
GRANTS = """
select 'grant', format('%s on %s to %s', privilege, whose, whom), of_table,
    case when bool_or(is_grantable) then 'with grant option' else 'given' end,
    format('grant %s on %s %s to %s', privilege, what, whose, whom),
    format('revoke %s on %s %s from %s', privilege, what, whose, whom)
from granted
cross join aclexplode(acl)
cross join lateral concat(lower(privilege_type), ' (' || nullif(part, '') || ')') as privilege
cross join lateral (
    select case when grantee = 0 then 'public' else grantee::regrole::text end as whom
) as named
where grantee <> owner
group by privilege, what, whose, whom, of_table
"""
DEFAULTS = """
select 'default rights', concat_ws(' ', defaclobjtype::text, 'of',
        case when defaclrole = owner.id then 'the owner' else pg_get_userbyid(defaclrole) end,
        'in ' || nullif(defaclnamespace, 0)::regnamespace),
    '', array_to_string(array(
        select concat_ws(' ', privilege_type, 'to',
            case when grantee = 0 then 'public' else grantee::regrole::text end)
        from aclexplode(defaclacl) where grantee <> defaclrole order by 1), ', '),
    '', ''
from pg_default_acl, owner
"""
KINDS = (
    TABLES,
    SECURITY,
    COLUMNS,
    CONSTRAINTS,
    INDEXES,
    POLICIES,
    TRIGGERS,
    FUNCTIONS,
    TYPES,
    COMMENTS,
    GRANTS,
    DEFAULTS,
)

# Partitions of a range come and go with time, so they are nobody's schema.
READ = """
select things.*, coalesce(inhparent::regclass::text, '')
from ({kinds}) as things (kind, name, whose, definition, make, remove)
left join (
    pg_inherits join pg_partitioned_table on partrelid = inhparent and partstrat = 'r'
) on inhrelid = to_regclass(nullif(whose, ''))
where inhparent is null or kind = 'grant'
order by 1, 2
"""


async def read(connection: Connection) -> list[Thing]:
    """All objects of the schema; of partitions that come and go with time only who has rights."""
    async with connection.transaction():
        await connection.execute(SEARCH_PATH)
        query = OURS + READ.format(kinds="union all".join(KINDS))
        return [Thing(*row) for row in await connection.fetch(query)]
