-- The AI tutor: what was asked and answered, what it cost, and what it would have people learn next.

create table tutor_threads (
    id bigint generated always as identity,
    public_id uuid not null default gen_random_uuid(),
    user_id bigint not null,
    lesson_id bigint,
    title text not null default '',
    status text not null default 'OPEN',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint tutor_threads_pkey primary key (id),
    constraint tutor_threads_public_id_key unique (public_id),
    constraint tutor_threads_id_user_id_key unique (id, user_id),
    constraint tutor_threads_user_id_fkey
        foreign key (user_id) references users (id) on delete cascade,
    constraint tutor_threads_lesson_id_fkey
        foreign key (lesson_id) references lessons (id) on delete set null,
    constraint tutor_threads_title_check check (length(title) <= 255),
    constraint tutor_threads_status_check check (status in ('OPEN', 'ARCHIVED'))
)
with (fillfactor = 80);

comment on table tutor_threads is 'Somebody''s conversations with the tutor.';
comment on column tutor_threads.lesson_id is 'What it is about; null: anything.';
comment on column tutor_threads.updated_at is 'When something was last said or changed.';

create index tutor_threads_user_id_updated_at_idx on tutor_threads (user_id, updated_at desc);
create index tutor_threads_lesson_id_idx on tutor_threads (lesson_id);

create table tutor_messages (
    id bigint generated always as identity,
    thread_id bigint not null,
    user_id bigint not null,
    role text not null,
    body text not null,
    model text,
    input_tokens integer,
    output_tokens integer,
    sent_at timestamptz not null default now(),
    constraint tutor_messages_pkey primary key (id, sent_at),
    constraint tutor_messages_thread_id_user_id_fkey
        foreign key (thread_id, user_id) references tutor_threads (id, user_id) on delete cascade,
    constraint tutor_messages_role_check check (role in ('USER', 'TUTOR')),
    constraint tutor_messages_body_check check (length(body) <= 200000),
    constraint tutor_messages_usage_iff_tutor check (
        num_nonnulls(model, input_tokens, output_tokens)
            = case role when 'TUTOR' then 3 else 0 end
    ),
    constraint tutor_messages_tokens_check check (input_tokens >= 0 and output_tokens >= 0)
) partition by range (sent_at);

comment on table tutor_messages is 'What was said in a thread, by month.';
comment on column tutor_messages.user_id is 'Whose thread it is, whoever speaks.';

create index tutor_messages_thread_id_user_id_idx
    on tutor_messages (thread_id, user_id, sent_at);

create table recommendations (
    user_id bigint not null,
    course_id bigint not null,
    score real not null,
    reason text not null,
    computed_at timestamptz not null default now(),
    dismissed_at timestamptz,
    constraint recommendations_pkey primary key (user_id, course_id),
    constraint recommendations_user_id_fkey
        foreign key (user_id) references users (id) on delete cascade,
    constraint recommendations_course_id_fkey
        foreign key (course_id) references courses (id) on delete cascade,
    constraint recommendations_score_check check (score between 0 and 1),
    constraint recommendations_reason_check check (reason in ('PREREQUISITE', 'SIMILAR', 'POPULAR'))
)
with (fillfactor = 80);

comment on table recommendations is 'What somebody might learn next, computed in the background.';
comment on column recommendations.reason is 'PREREQUISITE: what it needs was completed; SIMILAR: others who did the same took it; POPULAR: many take it.';
comment on column recommendations.dismissed_at is 'When the person did not want it; it is not shown again.';

create index recommendations_course_id_idx on recommendations (course_id);

create table ai_usage_daily (
    user_id bigint not null,
    day date not null,
    requests bigint not null default 0,
    input_tokens bigint not null default 0,
    output_tokens bigint not null default 0,
    constraint ai_usage_daily_pkey primary key (user_id, day),
    constraint ai_usage_daily_user_id_fkey
        foreign key (user_id) references users (id) on delete cascade,
    constraint ai_usage_daily_counts_check
        check (least(requests, input_tokens, output_tokens) >= 0)
)
with (fillfactor = 70);

comment on table ai_usage_daily is 'What somebody asked of the tutor in a day: limits and bills go by it.';
comment on column ai_usage_daily.day is 'In UTC.';

-- What a day cost.
create index ai_usage_daily_day_idx on ai_usage_daily (day);
