-- What people flagged, and whom moderators suspended.

create table flags (
    id bigint generated always as identity,
    user_id bigint not null,
    post_id bigint,
    comment_id bigint,
    reason text not null default '',
    flagged_at timestamptz not null default now(),
    constraint flags_pkey primary key (id),
    constraint flags_post_id_user_id_key unique (post_id, user_id),
    constraint flags_comment_id_user_id_key unique (comment_id, user_id),
    constraint flags_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
    constraint flags_post_id_fkey foreign key (post_id) references posts (id) on delete cascade,
    constraint flags_comment_id_fkey
        foreign key (comment_id) references comments (id) on delete cascade,
    constraint flags_on_one_thing check ((post_id is null) <> (comment_id is null)),
    constraint flags_reason_check check (length(reason) <= 1000)
);

comment on table flags is 'Who wants moderators to look at a post or a comment, and why.';

create index flags_user_id_idx on flags (user_id);

create table suspensions (
    id bigint generated always as identity,
    user_id bigint not null,
    reason text not null,
    suspended_by bigint,
    suspended_at timestamptz not null default now(),
    lifted_by bigint,
    lifted_at timestamptz,
    lift_reason text not null default '',
    constraint suspensions_pkey primary key (id),
    constraint suspensions_user_id_fkey
        foreign key (user_id) references users (id) on delete cascade,
    constraint suspensions_suspended_by_fkey
        foreign key (suspended_by) references users (id) on delete set null,
    constraint suspensions_lifted_by_fkey
        foreign key (lifted_by) references users (id) on delete set null,
    constraint suspensions_reason_check check (length(reason) between 1 and 1000),
    constraint suspensions_lifted_at_check check (lifted_at >= suspended_at),
    constraint suspensions_lifted_by_check check (lifted_by is null or lifted_at is not null),
    constraint suspensions_lift_reason_check
        check (length(lift_reason) <= 1000 and (lift_reason = '' or lifted_at is not null))
);

comment on table suspensions is 'Who was suspended by whom, why and until when; users.status says what is so now.';

-- Once at a time.
create unique index suspensions_user_id_key on suspensions (user_id) where lifted_at is null;
create index suspensions_user_id_idx on suspensions (user_id, suspended_at desc);
create index suspensions_suspended_by_idx on suspensions (suspended_by);
create index suspensions_lifted_by_idx on suspensions (lifted_by);

-- Since when something waits for moderators; without flags, as long as it is there.
alter table posts add column flagged_at timestamptz;
alter table comments add column flagged_at timestamptz;
comment on column posts.flagged_at is 'When it last became FLAGGED.';
drop index posts_flagged_idx;
drop index comments_flagged_idx;
create index posts_flagged_idx on posts (coalesce(flagged_at, created_at), id)
    where status = 'FLAGGED';
create index comments_flagged_idx on comments (coalesce(flagged_at, created_at), id)
    where status = 'FLAGGED';

-- Nobody but its author may change a post: hence by the owner.
create function raise_flag() returns trigger
language plpgsql security definer
set search_path = pg_catalog, public, pg_temp
as $$
begin
    update posts set status = 'FLAGGED', flagged_at = now()
    where id = new.post_id and status = 'VISIBLE';
    update comments set status = 'FLAGGED', flagged_at = now()
    where id = new.comment_id and status = 'VISIBLE';
    return null;
end
$$;
comment on function raise_flag is 'Puts what somebody flagged into the moderators'' queue.';
revoke all on function raise_flag() from public;

create trigger flags_raised after insert on flags for each row execute function raise_flag();

create trigger suspensions_audit after insert or delete or update on suspensions
    for each row execute function audit_row('id', 'reason lift_reason', '');
create trigger suspensions_audit_truncate after truncate on suspensions
    for each statement execute function audit_row();

alter table flags enable row level security;
alter table suspensions enable row level security;

grant select, insert (user_id, post_id, comment_id, reason), update (reason) on flags to lyceum_app;
create policy flags_select_policy on flags for select to lyceum_app
    using (user_id = (select current_user_id()));
create policy flags_insert_policy on flags for insert to lyceum_app
    with check (user_id = (select current_user_id()));
create policy flags_update_policy on flags for update to lyceum_app
    using (user_id = (select current_user_id()))
    with check (user_id = (select current_user_id()));
grant select on flags to lyceum_staff;
create policy flags_select_staff_policy on flags for select to lyceum_staff using (true);

grant select on suspensions to lyceum_app;
create policy suspensions_select_policy on suspensions for select to lyceum_app
    using (user_id = (select current_user_id()));
grant select, insert (user_id, reason, suspended_by),
    update (lifted_by, lifted_at, lift_reason)
    on suspensions to lyceum_staff;
create policy suspensions_select_staff_policy on suspensions for select to lyceum_staff
    using (true);
create policy suspensions_insert_staff_policy on suspensions for insert to lyceum_staff
    with check (true);
create policy suspensions_update_staff_policy on suspensions for update to lyceum_staff
    using (true) with check (true);

-- Whoever is suspended leaves live sessions, too.
grant insert (user_id, issued_before), update (id, issued_before, created_at)
    on revocations to lyceum_staff;
create policy revocations_insert_staff_policy on revocations for insert to lyceum_staff
    with check (user_id is not null);
create policy revocations_update_staff_policy on revocations for update to lyceum_staff
    using (user_id is not null) with check (user_id is not null);
