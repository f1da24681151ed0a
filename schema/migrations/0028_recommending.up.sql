-- What recommendations are computed from, and for whom that is due.

create table course_sequels (
    course_id bigint not null,
    recent integer not null,
    sequels bigint[] not null,
    shares real[] not null,
    computed_at timestamptz not null default now(),
    constraint course_sequels_pkey primary key (course_id),
    constraint course_sequels_course_id_fkey
        foreign key (course_id) references courses (id) on delete cascade,
    constraint course_sequels_recent_check check (recent >= 0),
    constraint course_sequels_shares_check check (cardinality(shares) = cardinality(sequels))
);

comment on table course_sequels is 'What those who took a course took after it: computed now and then from the newest of them.';
comment on column course_sequels.recent is 'How many took it in the last thirty days, of a thousand at most.';
comment on column course_sequels.sequels is 'Courses, the most frequent first; one may be gone by now.';
comment on column course_sequels.shares is 'Of those who went on at all, how many took each of them.';

create table recommendations_due (
    user_id bigint not null,
    since timestamptz not null default clock_timestamp(),
    constraint recommendations_due_pkey primary key (user_id),
    constraint recommendations_due_user_id_fkey
        foreign key (user_id) references users (id) on delete cascade
);

comment on table recommendations_due is 'Whose recommendations are to be computed, as something changed.';
comment on column recommendations_due.since is 'The last change.';

-- Who has waited longest.
create index recommendations_due_since_idx on recommendations_due (since, user_id);

create function recommendations_due_add() returns trigger
language plpgsql security definer
set search_path = pg_catalog, public, pg_temp
as $$
begin
    if tg_table_name = 'users' then
        insert into recommendations_due (user_id)
        select id from come;
    elsif tg_op = 'INSERT' then
        insert into recommendations_due (user_id)
        select distinct user_id from come order by user_id
        on conflict on constraint recommendations_due_pkey do update
        set since = clock_timestamp();
    else
        insert into recommendations_due (user_id)
        values (new.user_id)
        on conflict on constraint recommendations_due_pkey do update
        set since = clock_timestamp();
    end if;
    return null;
end
$$;

comment on function recommendations_due_add() is 'Notes for whom recommendations are to be computed.';

create trigger users_recommendations_due after insert on users
    referencing new table as come
    for each statement execute function recommendations_due_add();
create trigger enrollments_recommendations_due_insert after insert on enrollments
    referencing new table as come
    for each statement execute function recommendations_due_add();
create trigger enrollments_recommendations_due_update after update of status on enrollments
    for each row when (old.status is distinct from new.status)
    execute function recommendations_due_add();

revoke all on function recommendations_due_add() from public;
grant select, insert, update on course_sequels to lyceum_server;
grant select, delete on recommendations_due to lyceum_server;
alter table recommendations_due enable row level security;
create policy recommendations_due_select_server_policy on recommendations_due for select
    to lyceum_server using (true);
create policy recommendations_due_delete_server_policy on recommendations_due for delete
    to lyceum_server using (true);

insert into recommendations_due (user_id) select id from users where status <> 'DELETED';
