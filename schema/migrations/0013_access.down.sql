do $$
declare
    policy record;
begin
    for policy in select * from pg_policies where schemaname = 'public' loop
        execute format('drop policy %I on %I', policy.policyname, policy.tablename);
        execute format('alter table %I disable row level security', policy.tablename);
    end loop;
end
$$;

drop function drop_partitions, make_partition, current_subject, current_user_id;

revoke all on all tables in schema public
    from lyceum_server, lyceum_app, lyceum_staff, lyceum_analyst;
revoke all on all sequences in schema public
    from lyceum_server, lyceum_app, lyceum_staff, lyceum_analyst;
revoke all on all functions in schema public
    from lyceum_server, lyceum_app, lyceum_staff, lyceum_analyst;
revoke all on schema public
    from lyceum_server, lyceum_app, lyceum_staff, lyceum_analyst, lyceum_backup;

grant usage on schema public to public;
grant execute on all functions in schema public to public;
alter default privileges grant execute on functions to public;

do $$
begin
    execute format(
        'revoke all on database %I'
        ' from lyceum_server, lyceum_app, lyceum_staff, lyceum_analyst, lyceum_backup',
        current_database()
    );
    execute format('grant connect, temporary on database %I to public', current_database());
end
$$;
