-- What a person's page asks for, as that person: for pgbench, through PgBouncer or not (docs/performance.md).
-- It fails at the first row of somebody else.
\set person random(1, :people)
begin;
select set_config('role', 'lyceum_app', true), set_config('app.current_user_id', :person::text, true),
    set_config('app.request_id', '', true), set_config('statement_timeout', '5000', true);
select count(*), max(updated_at), 1 / (count(*) filter (where user_id <> :person) = 0)::integer from user_progress;
end;
