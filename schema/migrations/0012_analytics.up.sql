-- What people did, event by event, and what it comes to by day and hour. Nothing here refers to
-- other tables by key: events are taken as they come, late, twice, of what is gone since.

create table learning_analytics (
    at timestamptz not null,
    received_at timestamptz not null default now(),
    event_id uuid not null,
    user_id bigint,
    session_id uuid,
    course_id bigint,
    lesson_id bigint,
    event_type text not null,
    data jsonb,
    batch bigint not null
        default coalesce(nullif(current_setting('app.event_batch', true), ''), '0')::bigint,
    constraint learning_analytics_event_type_check check (length(event_type) between 1 and 64)
) partition by range (at);

comment on table learning_analytics is 'What people did, by month of doing. It has no primary key, which would cost a third of the speed at which events are taken; one that came twice is counted once, by its moment and event_id.';
comment on column learning_analytics.at is 'When it happened, as its sender says.';
comment on column learning_analytics.received_at is 'When it came.';
comment on column learning_analytics.event_id is 'Chosen by the sender, the same when it is sent again.';
comment on column learning_analytics.user_id is 'Of users; null for a visitor; negative for somebody who was erased.';
comment on column learning_analytics.session_id is 'A visit: what one browser did without a longer pause.';
comment on column learning_analytics.event_type is 'What happened: «lesson.completed».';
comment on column learning_analytics.data is 'What else there is to it, by type.';
comment on column learning_analytics.batch is 'Of analytics_batches, until it is counted: all of one transaction have the same. 0: written past the table, to be counted by a rebuild.';

-- Somebody's timeline.
create index learning_analytics_user_id_at_idx on learning_analytics (user_id, at);
-- A stretch of time: rows come nearly in its order.
create index learning_analytics_at_idx on learning_analytics using brin (at);
-- What is not counted yet. It only grows at its end and holds each batch once: it costs little.
create index learning_analytics_batch_idx on learning_analytics (batch);

create table analytics_course_daily (
    course_id bigint not null,
    day date not null,
    events bigint not null default 0,
    people bigint not null default 0,
    enrolled bigint not null default 0,
    lessons_started bigint not null default 0,
    lessons_completed bigint not null default 0,
    quizzes_passed bigint not null default 0,
    submissions bigint not null default 0,
    submissions_passed bigint not null default 0,
    completed bigint not null default 0,
    seconds bigint not null default 0,
    constraint analytics_course_daily_pkey primary key (course_id, day),
    constraint analytics_course_daily_counts_check check (
        least(
            events, people, enrolled, lessons_started, lessons_completed, quizzes_passed,
            submissions, submissions_passed, completed, seconds
        ) >= 0
    ),
    constraint analytics_course_daily_people_check check (people <= events)
);

comment on table analytics_course_daily is 'Events of a course on a day, in UTC.';
comment on column analytics_course_daily.people is 'How many different ones.';
comment on column analytics_course_daily.completed is 'How many completed the whole course.';

create index analytics_course_daily_day_idx on analytics_course_daily (day);

create table analytics_lesson_daily (
    lesson_id bigint not null,
    day date not null,
    course_id bigint not null,
    events bigint not null default 0,
    people bigint not null default 0,
    started bigint not null default 0,
    completed bigint not null default 0,
    seconds bigint not null default 0,
    constraint analytics_lesson_daily_pkey primary key (lesson_id, day),
    constraint analytics_lesson_daily_counts_check
        check (least(events, people, started, completed, seconds) >= 0),
    constraint analytics_lesson_daily_people_check check (people <= events)
);

comment on table analytics_lesson_daily is 'Events of a lesson on a day, in UTC: where people stop.';

-- A course's funnel.
create index analytics_lesson_daily_course_id_day_idx on analytics_lesson_daily (course_id, day);

create table analytics_type_hourly (
    event_type text not null,
    hour timestamptz not null,
    events bigint not null default 0,
    people bigint not null default 0,
    constraint analytics_type_hourly_pkey primary key (event_type, hour),
    constraint analytics_type_hourly_hour_check
        check (hour = date_trunc('hour', hour, 'UTC')),
    constraint analytics_type_hourly_counts_check check (events >= people and people >= 0)
);

comment on table analytics_type_hourly is 'Events of a type in an hour.';

create index analytics_type_hourly_hour_idx on analytics_type_hourly (hour);

create table analytics_user_daily (
    user_id bigint not null,
    day date not null,
    events bigint not null default 0,
    lessons_completed bigint not null default 0,
    submissions bigint not null default 0,
    xp bigint not null default 0,
    seconds bigint not null default 0,
    constraint analytics_user_daily_pkey primary key (user_id, day),
    constraint analytics_user_daily_counts_check
        check (least(events, lessons_completed, submissions, seconds) >= 0)
);

comment on table analytics_user_daily is 'What somebody did on a day, in UTC.';

-- Who was active on a day, in a week, in a month.
create index analytics_user_daily_day_user_id_idx on analytics_user_daily (day, user_id);

create table analytics_watermarks (
    rollup text not null,
    received_until timestamptz not null default '-infinity',
    events bigint not null default 0,
    updated_at timestamptz not null default now(),
    constraint analytics_watermarks_pkey primary key (rollup),
    constraint analytics_watermarks_rollup_check check (length(rollup) between 1 and 64),
    constraint analytics_watermarks_events_check check (events >= 0)
);

comment on table analytics_watermarks is 'How far each rollup has come.';
comment on column analytics_watermarks.received_until is 'When the newest event came that is in it.';
comment on column analytics_watermarks.events is 'How many those are.';
