-- What is not counted yet. A batch is made in the transaction that writes its events and goes in the
-- one that counts them: none is missed or counted twice, whatever clocks say and however long a
-- transaction takes.

create table analytics_batches (
    id bigint generated always as identity,
    begun_at timestamptz not null default now(),
    constraint analytics_batches_pkey primary key (id)
);

comment on table analytics_batches is 'Transactions with events that are not counted yet.';

create function begin_event_batch() returns trigger
language plpgsql security definer
set search_path = pg_catalog, public, pg_temp
as $$
declare
    batch bigint;
begin
    if coalesce(current_setting('app.event_batch', true), '') = '' then
        insert into analytics_batches default values returning id into batch;
        perform set_config('app.event_batch', batch::text, true);
    end if;
    return null;
end
$$;
comment on function begin_event_batch is 'Gives the events of a transaction the batch by which they are counted.';

create trigger learning_analytics_batch before insert on learning_analytics
    for each statement execute function begin_event_batch();

create table analytics_activity_hours (
    id bigint generated always as identity,
    hour timestamptz not null,
    constraint analytics_activity_hours_pkey primary key (id)
);

comment on table analytics_activity_hours is 'Hours of which session_activity has rows that are not counted yet; the same one may be there often.';

create function note_activity_hours() returns trigger
language plpgsql security definer
set search_path = pg_catalog, public, pg_temp
as $$
begin
    insert into analytics_activity_hours (hour)
    select distinct date_trunc('hour', at, 'UTC') from added;
    return null;
end
$$;
comment on function note_activity_hours is 'Notes which hours have new activity.';

create trigger session_activity_hours after insert on session_activity
    referencing new table as added
    for each statement execute function note_activity_hours();

-- What is counted.

create table analytics_submissions_daily (
    course_id bigint not null,
    day date not null,
    result text not null,
    submissions bigint not null default 0,
    constraint analytics_submissions_daily_pkey primary key (course_id, day, result),
    constraint analytics_submissions_daily_result_check
        check (result in ('PASSED', 'FAILED', 'ERROR', 'TIMEOUT', 'OTHER')),
    constraint analytics_submissions_daily_submissions_check check (submissions >= 0)
);

comment on table analytics_submissions_daily is 'Code that was judged on a day, in UTC, by what came of it.';

create table analytics_active_daily (
    day date not null,
    people bigint not null default 0,
    week_change bigint not null default 0,
    month_change bigint not null default 0,
    constraint analytics_active_daily_pkey primary key (day),
    constraint analytics_active_daily_people_check check (people >= 0)
);

comment on table analytics_active_daily is 'How many people were active, in UTC.';
comment on column analytics_active_daily.people is 'On this day.';
comment on column analytics_active_daily.week_change is 'How many more than the day before were active in the 7 days that end here: the sum up to a day tells how many those are.';
comment on column analytics_active_daily.month_change is 'The same of 30 days.';

create table analytics_collaboration_hourly (
    hour timestamptz not null,
    sessions bigint not null default 0,
    participants bigint not null default 0,
    seconds numeric not null default 0,
    updates bigint not null default 0,
    messages bigint not null default 0,
    runs bigint not null default 0,
    constraint analytics_collaboration_hourly_pkey primary key (hour),
    constraint analytics_collaboration_hourly_hour_check
        check (hour = date_trunc('hour', hour, 'UTC')),
    constraint analytics_collaboration_hourly_counts_check
        check (least(sessions, participants, updates, messages, runs) >= 0 and seconds >= 0)
);

comment on table analytics_collaboration_hourly is 'What was done in live sessions in an hour.';
comment on column analytics_collaboration_hourly.participants is 'Who comes back is another.';
comment on column analytics_collaboration_hourly.seconds is 'For how long people edited, in sum.';

create table analytics_rebuilds (
    day date not null,
    constraint analytics_rebuilds_pkey primary key (day)
);

comment on table analytics_rebuilds is 'Days that are to be counted anew, from the events.';

grant select, delete on analytics_batches to lyceum_server;
grant select, insert, delete on analytics_activity_hours to lyceum_server;
grant select, insert, delete on analytics_rebuilds to lyceum_server;
grant select, insert, update, delete on
    analytics_submissions_daily, analytics_active_daily, analytics_collaboration_hourly
    to lyceum_server;
grant select on
    analytics_submissions_daily, analytics_active_daily, analytics_collaboration_hourly
    to lyceum_staff, lyceum_analyst;

-- Events have no row-level security, since rows are copied in. So people see their own through this.

create function own_events(before_at timestamptz, before_id uuid, most integer)
returns table (
    at timestamptz, event_id uuid, session_id uuid, course_id bigint, lesson_id bigint,
    event_type text, data jsonb
)
language sql stable security definer
set search_path = pg_catalog, public, pg_temp
as $$
    select distinct on (events.at, events.event_id)
        events.at, events.event_id, events.session_id, events.course_id, events.lesson_id,
        events.event_type, events.data
    from learning_analytics as events
    where events.user_id = (select current_user_id()) and events.at <= before_at
        and (events.at, events.event_id) < (before_at, before_id)
    order by events.at desc, events.event_id desc, events.batch
    limit most
$$;
comment on function own_events is 'Events of the person who asks, newest first, before one of them.';
grant execute on function own_events to lyceum_app;
