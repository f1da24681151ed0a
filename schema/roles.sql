-- The roles of Lyceum, for the whole cluster: groups that nobody logs in as. Logins are members.
-- May be run again; needs a superuser. docs/database-access.md tells how to make logins.

do $$
declare
    name text;
begin
    foreach name in array array[
        'lyceum_owner',    -- owns the schema, and migrates it
        'lyceum_server',   -- the live server: documents, chat, activity, sessions, webhooks
        'lyceum_app',      -- applications on behalf of a person: row-level security applies
        'lyceum_staff',    -- people who help others: all rows, but no secrets
        'lyceum_analyst',  -- reads numbers; nothing that tells who somebody is
        'lyceum_backup'    -- reads everything, for dumps
    ] loop
        begin
            if to_regrole(name) is null then
                execute format('create role %I nologin', name);
            end if;
        exception
            when duplicate_object or unique_violation then
                null;  -- made by somebody else at the same moment
        end;
    end loop;

    -- A dump is of all rows, or it is none.
    if not (select rolbypassrls from pg_roles where rolname = 'lyceum_backup') then
        alter role lyceum_backup bypassrls;
    end if;
    if not pg_has_role('lyceum_backup', 'pg_read_all_data', 'usage') then
        grant pg_read_all_data to lyceum_backup;
    end if;

    -- The owner tries what each of them may; it gains nothing, as all of it is its own.
    if not pg_has_role('lyceum_owner', 'lyceum_app', 'usage') then
        grant lyceum_server, lyceum_app, lyceum_staff, lyceum_analyst to lyceum_owner;
    end if;
end
$$;
