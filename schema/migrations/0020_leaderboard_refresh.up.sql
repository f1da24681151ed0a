-- Makes mv_user_leaderboard anew beside the old one, and swaps them: readers see the old one or the
-- new one, and wait for no more than the swap itself. With a million people `refresh` locks them out
-- for seconds, and `refresh concurrently` writes each row that moved, for half a minute.

create function refresh_leaderboard() returns bigint
language plpgsql security definer
set search_path = pg_catalog, public, pg_temp
set lock_timeout = '10min'
as $$
declare
    attempts constant integer := 400;
    old regclass;
    found_rows bigint;
    made record;
begin
    perform pg_advisory_xact_lock(hashtextextended('refresh_leaderboard', 0));
    old := 'mv_user_leaderboard';
    execute 'create materialized view public.mv_user_leaderboard_next as '
        || rtrim(pg_get_viewdef(old), ';');
    get diagnostics found_rows = row_count;

    -- Whatever an index, a comment or a right of the old one was given by, the new one has it too.
    for made in
        select replace(
            replace(pg_get_indexdef(indexrelid), relname || ' ON', relname || '_next ON'),
            'mv_user_leaderboard USING', 'mv_user_leaderboard_next USING'
        ) as statement
        from pg_index
        join pg_class on pg_class.oid = indexrelid
        where indrelid = old
        union all
        select format(
            'comment on %s %s is %L',
            case objsubid when 0 then 'materialized view' else 'column' end,
            'mv_user_leaderboard_next' || coalesce('.' || quote_ident(attname), ''),
            description
        )
        from pg_description
        left join pg_attribute on attrelid = objoid and attnum = objsubid and objsubid > 0
        where objoid = old and classoid = 'pg_class'::regclass
        union all
        select format(
            'grant %s%s on mv_user_leaderboard_next to %s%s',
            privilege_type,
            '(' || quote_ident(attname) || ')',
            case grantee when 0 then 'public' else grantee::regrole::text end,
            case when is_grantable then ' with grant option' else '' end
        )
        from (
            select null::name as attname, relacl as acl
            from pg_class
            where oid = old
            union all
            select attname, attacl
            from pg_attribute
            where attrelid = old
        ) as rights
        cross join aclexplode(acl)
        where grantee <> (select relowner from pg_class where oid = old)
    loop
        execute made.statement;
    end loop;
    analyze mv_user_leaderboard_next;

    -- Who reads the old one holds the swap up, and who comes meanwhile waits behind the swap: hence
    -- only for a moment, again and again.
    perform set_config('lock_timeout', '20ms', true);
    for attempt in 1..attempts loop
        begin
            drop materialized view mv_user_leaderboard;
            exit;
        exception
            when lock_not_available then
                if attempt = attempts then
                    raise;
                end if;
        end;
        perform pg_sleep(0.05);
    end loop;
    alter materialized view mv_user_leaderboard_next rename to mv_user_leaderboard;
    for made in
        select format('alter index %I rename to %I', relname, regexp_replace(relname, '_next$', ''))
            as statement
        from pg_index
        join pg_class on pg_class.oid = indexrelid
        where indrelid = 'mv_user_leaderboard'::regclass
    loop
        execute made.statement;
    end loop;
    return found_rows;
end
$$;

comment on function refresh_leaderboard() is 'Makes mv_user_leaderboard anew without keeping its readers waiting; returns how many people are on it.';

revoke all on function refresh_leaderboard() from public;
grant execute on function refresh_leaderboard() to lyceum_server;
