-- Who may do what: grants by role, row-level security by person. Roles are in schema/roles.sql.
--
-- Partitions have neither grants nor policies: whoever goes through the table is held by the
-- table's, and nobody but the owner may go to a partition itself.

-- Nothing is everybody's, neither what is here nor what will come.

do $$
begin
    execute format('revoke all on database %I from public', current_database());
    execute format(
        'grant connect on database %I'
        ' to lyceum_server, lyceum_app, lyceum_staff, lyceum_analyst, lyceum_backup',
        current_database()
    );
end
$$;
revoke all on schema public from public;
revoke all on all tables in schema public from public;
revoke all on all sequences in schema public from public;
revoke all on all functions in schema public from public;
alter default privileges revoke execute on functions from public;
grant usage on schema public
    to lyceum_server, lyceum_app, lyceum_staff, lyceum_analyst, lyceum_backup;

-- Who asks. The application says so for each transaction; whoever says nothing is nobody.

create function current_user_id() returns bigint
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
return (
    select case when setting ~ '^[1-9][0-9]{0,17}$' then setting::bigint end
    from (select current_setting('app.current_user_id', true)) as told (setting)
);
comment on function current_user_id is 'The person that app.current_user_id names; null if it is missing, empty or no number. Never an error, as policies call it.';

create function current_subject() returns text
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
return (select subject from public.users where id = public.current_user_id());
comment on function current_subject is 'What tokens call that person, by which the live server''s tables know people.';

grant execute on function current_user_id, current_subject to lyceum_app;

-- Partitions belong to the owner, but the server needs new ones while it runs.

create function make_partition(parent regclass, month date) returns text
language plpgsql security definer
set search_path = pg_catalog, public, pg_temp
set lock_timeout = '2s'
as $$
declare
    name text;
begin
    select format('%s_%s', relname, to_char(month, 'YYYY_MM'))
    into name
    from pg_class
    join pg_partitioned_table on partrelid = pg_class.oid and partstrat = 'r'
    where pg_class.oid = parent and relnamespace = 'public'::regnamespace
        and relowner = (select oid from pg_roles where rolname = current_user);
    if name is null
        or extract(day from month) <> 1
        or month not between now() - interval '2 months' and now() + interval '2 years'
    then
        raise invalid_parameter_value
            using message = format('%s gets no partition for %s', parent, month);
    end if;
    execute format(
        'create table public.%I (like %s including all excluding identity)', name, parent
    );
    execute format(
        'alter table %s attach partition public.%I for values from (%L) to (%L)',
        parent, name, month || ' 00:00:00+00', (month + interval '1 month')::date || ' 00:00:00+00'
    );
    return name;
end
$$;
comment on function make_partition is 'Makes the partition of a month that is about to come, without keeping writers waiting.';

create function drop_partitions(parent regclass, before timestamptz) returns setof text
language plpgsql security definer
set search_path = pg_catalog, public, pg_temp
set lock_timeout = '100ms'
set datestyle = 'ISO'
set timezone = 'UTC'
as $$
declare
    partition text;
begin
    if parent not in ('session_activity'::regclass, 'learning_analytics'::regclass)
        or before > now()
    then
        raise invalid_parameter_value
            using message = format('%s keeps its partitions before %s', parent, before);
    end if;
    select inhrelid::regclass::text
    into partition
    from pg_inherits
    join pg_class on pg_class.oid = inhrelid
    where inhparent = parent
        and substring(pg_get_expr(relpartbound, inhrelid) from 'TO \(''([^'']+)''')::timestamptz
            <= before
    order by inhrelid
    limit 1;
    if partition is not null then
        execute format('drop table %s', partition);
        return next partition;
    end if;
end
$$;
comment on function drop_partitions is 'Drops a partition whose rows are all older; only of tables that the server keeps for a time that is set. Others wait 100 ms for it at most.';

grant execute on function make_partition, drop_partitions to lyceum_server;

-- What is there for all: the curriculum, what can be earned, and who stands where.

grant execute on function search_config to lyceum_server, lyceum_app, lyceum_staff;
grant select on
    courses, course_prerequisites, modules, lessons, quizzes, badges, achievements,
    leaderboard_periods, permissions
    to lyceum_server, lyceum_app, lyceum_staff, lyceum_analyst;
grant select on leaderboard_scores, xp_histogram, mv_user_leaderboard, search_vocabulary
    to lyceum_server, lyceum_app, lyceum_staff;

-- lyceum_server: documents, sessions, chat, activity and webhooks; and what it finds out about
-- people itself, such as grades and points, which they may see but not write.

grant select on schema_migrations to lyceum_server;
grant select, insert, update, delete on
    documents, journal_writers, collaboration_sessions, session_participants, deleted_sessions,
    webhooks, webhook_deliveries
    to lyceum_server;
grant select, insert, delete on
    document_updates, document_snapshots, document_versions, chat_keys
    to lyceum_server;
grant select, insert, update on chat_messages, chat_counters, revocations to lyceum_server;
grant select, insert on session_activity, learning_analytics to lyceum_server;
-- It registers people and finds them by e-mail address, which nobody can do as themselves.
grant select (
    id, public_id, subject, username, email_key_id, email_blind, role, status, level, xp, streak,
    last_active_at, created_at, updated_at
) on users to lyceum_server;
grant insert (id, public_id, subject, username, email, email_key_id, email_blind, role),
    update (email, email_key_id, email_blind, level, xp, streak, last_active_at, updated_at)
    on users to lyceum_server;
grant usage on sequence users_id_seq to lyceum_server;
grant select, insert on user_keys to lyceum_server;
grant select, insert (id, fingerprint) on encryption_keys to lyceum_server;
grant select on
    user_profiles, role_grants, user_badges, user_achievements, quiz_questions, quiz_attempts,
    code_submissions
    to lyceum_server;
grant update (answers, points, max_points, passed, submitted_at) on quiz_attempts to lyceum_server;
grant update (status, tests_passed, tests_total, gas_used, result, judged_at)
    on code_submissions to lyceum_server;
grant select, update on enrollments, user_progress to lyceum_server;
grant insert on user_badges, user_achievements, leaderboard_periods to lyceum_server;
grant select, insert on xp_events, tutor_messages to lyceum_server;
grant select, update (title, updated_at) on tutor_threads to lyceum_server;
grant select, insert, update on user_stats, streaks, ai_usage_daily, analytics_watermarks
    to lyceum_server;
grant select, insert, update, delete on
    xp_event_keys, xp_histogram, leaderboard_scores, recommendations, search_vocabulary,
    rate_limits, analytics_course_daily, analytics_lesson_daily, analytics_type_hourly,
    analytics_user_daily
    to lyceum_server;
grant select, update (status, score, comments) on posts to lyceum_server;
grant select, update (status, score) on comments to lyceum_server;
grant select on votes to lyceum_server;
grant select, insert, update on credentials to lyceum_server;

-- lyceum_app: what somebody may do to their own rows.

grant select on
    users, role_grants, collaboration_sessions, session_participants, chat_messages, user_badges,
    user_achievements, xp_events, user_stats, streaks, ai_usage_daily, credentials,
    analytics_user_daily, encryption_keys
    to lyceum_app;
grant update (username, last_active_at, updated_at) on users to lyceum_app;
grant select, insert, update on user_profiles, user_progress to lyceum_app;
grant select, update (updated_at) on user_keys to lyceum_app;
grant select, insert, update, delete on user_secrets to lyceum_app;
grant select, insert, update (last_seen_at, address, revoked_at), delete
    on auth_sessions to lyceum_app;
grant select, insert (user_id, course_id), update (status) on enrollments to lyceum_app;
grant select (id, public_id, quiz_id, position, kind, prompt, choices, points)
    on quiz_questions to lyceum_app;
grant select, insert (public_id, user_id, quiz_id, number, answers), update (answers)
    on quiz_attempts to lyceum_app;
grant select,
    insert (public_id, user_id, course_id, lesson_id, language, source, submitted_at)
    on code_submissions to lyceum_app;
grant select, insert (public_id, user_id, lesson_id, title), update (title, status, updated_at),
    delete
    on tutor_threads to lyceum_app;
grant select, insert (thread_id, user_id, role, body, sent_at) on tutor_messages to lyceum_app;
grant select, update (dismissed_at) on recommendations to lyceum_app;
grant select (
    id, public_id, author_id, course_id, lesson_id, kind, status, title, body, language, score,
    comments, created_at, edited_at, moderated_at, moderation_reason, search_vector
) on posts to lyceum_app;
grant insert (public_id, author_id, course_id, lesson_id, kind, title, body, language),
    update (status, title, body, language, edited_at)
    on posts to lyceum_app;
grant select (
    id, public_id, post_id, parent_id, author_id, status, body, score, created_at, edited_at,
    moderated_at, moderation_reason
) on comments to lyceum_app;
grant insert (public_id, post_id, parent_id, author_id, body), update (status, body, edited_at)
    on comments to lyceum_app;
grant select, insert (user_id, post_id, comment_id, value), update (value, voted_at), delete
    on votes to lyceum_app;

-- lyceum_staff: everybody's rows, to help, to teach and to moderate; no secret, and no word of a
-- document. What the live server keeps it changes itself, over its API.

grant select on
    collaboration_sessions, session_participants, chat_messages, session_activity, deleted_sessions,
    revocations, user_badges, user_achievements, xp_events, user_stats, streaks, enrollments,
    user_progress, quiz_attempts, code_submissions, recommendations, ai_usage_daily, posts,
    comments, votes, credentials, learning_analytics, analytics_course_daily,
    analytics_lesson_daily, analytics_type_hourly, analytics_user_daily, analytics_watermarks
    to lyceum_staff;
grant select (
    id, public_id, owner, url, sessions, events, status, reason, failures, version, created_at,
    updated_at, last_delivered_at
) on webhooks to lyceum_staff;
grant select (
    id, public_id, subject, username, role, status, level, xp, streak, last_active_at, created_at,
    updated_at
) on users to lyceum_staff;
grant update (role, status, updated_at) on users to lyceum_staff;
grant select, update on user_profiles to lyceum_staff;
grant select (id, public_id, user_id, user_agent, created_at, last_seen_at, expires_at, revoked_at)
    on auth_sessions to lyceum_staff;
grant update (revoked_at) on auth_sessions to lyceum_staff;
grant select, insert, update (reason, expires_at, revoked_by, revoked_at)
    on role_grants to lyceum_staff;
grant insert, update, delete on
    courses, course_prerequisites, modules, lessons, quizzes
    to lyceum_staff;
grant select, insert, update, delete on quiz_questions to lyceum_staff;
grant insert, update on badges, achievements to lyceum_staff;
grant insert, delete on user_badges to lyceum_staff;
grant select, insert, update on content_items to lyceum_staff;
grant select, insert on content_versions to lyceum_staff;
grant update (status, title, body, moderated_by, moderated_at, moderation_reason)
    on posts to lyceum_staff;
grant update (status, body, moderated_by, moderated_at, moderation_reason)
    on comments to lyceum_staff;

-- lyceum_analyst: columns that count, none that tells who somebody is. A user_id stays: it says
-- what one person did without saying who, as nothing here leads from it to a name. So posts and
-- credentials, which anybody may read with their author's, come without it.

grant select (id, type, language, status, capacity, created_at, updated_at, expires_at)
    on collaboration_sessions to lyceum_analyst;
grant select (session_id, role, first_seen_at, last_seen_at)
    on session_participants to lyceum_analyst;
grant select (session_id, seq, reply_to, sent_at, edited_at, deleted_at)
    on chat_messages to lyceum_analyst;
grant select (at, session_id, participant, kind, seconds, updates, inserted, deleted)
    on session_activity to lyceum_analyst;
grant select (id, role, status, created_at) on users to lyceum_analyst;
grant select (user_id, language, time_zone, visibility, created_at)
    on user_profiles to lyceum_analyst;
grant select (user_id, role, granted_at, expires_at, revoked_at) on role_grants to lyceum_analyst;
grant select on
    enrollments, user_achievements, user_stats, streaks, recommendations, ai_usage_daily,
    analytics_course_daily, analytics_lesson_daily, analytics_type_hourly, analytics_user_daily,
    analytics_watermarks
    to lyceum_analyst;
grant select (
    user_id, course_id, lesson_id, status, percent, seconds, started_at, updated_at, completed_at
) on user_progress to lyceum_analyst;
grant select (
    id, user_id, quiz_id, number, points, max_points, passed, started_at, submitted_at
) on quiz_attempts to lyceum_analyst;
grant select (
    id, user_id, course_id, lesson_id, language, status, tests_passed, tests_total, gas_used,
    submitted_at, judged_at
) on code_submissions to lyceum_analyst;
grant select (user_id, badge_id, awarded_at) on user_badges to lyceum_analyst;
grant select (id, user_id, amount, reason, course_id, at) on xp_events to lyceum_analyst;
grant select (id, user_id, lesson_id, status, created_at, updated_at)
    on tutor_threads to lyceum_analyst;
grant select (id, thread_id, user_id, role, model, input_tokens, output_tokens, sent_at)
    on tutor_messages to lyceum_analyst;
grant select (id, course_id, lesson_id, kind, status, language, score, comments, created_at)
    on posts to lyceum_analyst;
grant select (id, post_id, parent_id, status, score, created_at) on comments to lyceum_analyst;
grant select (post_id, comment_id, value) on votes to lyceum_analyst;
grant select (id, course_id, status, chain_id, created_at, confirmed_at, revoked_at)
    on credentials to lyceum_analyst;
grant select (at, received_at, event_id, user_id, course_id, lesson_id, event_type)
    on learning_analytics to lyceum_analyst;

-- Row-level security follows from the grants: what a role may do to a table of people's rows, it
-- has a policy for. lyceum_app does it to the rows of the person who asks, the others to all.
--
-- Conditions compare a column with something that is computed once a statement, in a subquery of
-- its own, so that indexes are used. A table without a condition here has its own policies below.
--
-- session_activity and learning_analytics have none: rows are copied into them, which row-level
-- security rules out. No role that acts for a person may do anything to them.

do $$
declare
    personal record;
    may record;
begin
    for personal in select * from (values
        ('users', 'id = (select current_user_id())'),
        ('user_profiles', 'user_id = (select current_user_id())'),
        ('user_keys', 'user_id = (select current_user_id())'),
        ('user_secrets', 'user_id = (select current_user_id())'),
        ('auth_sessions', 'user_id = (select current_user_id())'),
        ('role_grants', 'user_id = (select current_user_id())'),
        ('enrollments', 'user_id = (select current_user_id())'),
        ('user_progress', null),
        ('quiz_attempts', null),
        ('code_submissions', 'user_id = (select current_user_id())'),
        ('user_badges', 'user_id = (select current_user_id())'),
        ('user_achievements', 'user_id = (select current_user_id())'),
        ('xp_events', 'user_id = (select current_user_id())'),
        ('xp_event_keys', null),
        ('user_stats', 'user_id = (select current_user_id())'),
        ('streaks', 'user_id = (select current_user_id())'),
        ('tutor_threads', 'user_id = (select current_user_id())'),
        ('tutor_messages', null),
        ('recommendations', 'user_id = (select current_user_id())'),
        ('ai_usage_daily', 'user_id = (select current_user_id())'),
        ('posts', null),
        ('comments', null),
        ('votes', 'user_id = (select current_user_id())'),
        ('credentials', 'user_id = (select current_user_id())'),
        ('analytics_user_daily', 'user_id = (select current_user_id())'),
        ('collaboration_sessions', null),
        ('session_participants', 'user_id = (select current_subject())'),
        ('chat_messages', 'user_id = (select current_subject())'),
        ('chat_keys', null),
        ('document_versions', null),
        ('revocations', null),
        ('webhooks', null)
    ) as personal (name, own) loop
        execute format('alter table %I enable row level security', personal.name);
        for may in
            select
                role,
                command,
                case role when 'lyceum_app' then personal.own else 'true' end as condition,
                case role when 'lyceum_app' then '' else substr(role, 7) end as whose
            from unnest(array['select', 'insert', 'update', 'delete']) as command
            cross join unnest(
                array['lyceum_app', 'lyceum_staff', 'lyceum_server', 'lyceum_analyst']
            ) as role
            where (
                has_table_privilege(role, personal.name, command)
                or command <> 'delete' and has_any_column_privilege(role, personal.name, command)
            )
            and (role <> 'lyceum_app' or personal.own is not null)
        loop
            execute format(
                'create policy %I on %I for %s to %I %s',
                format('%s_%s%s_policy', personal.name, may.command, may.whose),
                personal.name,
                may.command,
                may.role,
                case may.command
                    when 'insert' then format('with check (%s)', may.condition)
                    when 'update' then format('using (%1$s) with check (%1$s)', may.condition)
                    else format('using (%s)', may.condition)
                end
            );
        end loop;
    end loop;
end
$$;

create policy user_progress_policy on user_progress to lyceum_app
    using (user_id = (select current_user_id()))
    with check (user_id = (select current_user_id()));

-- Once it was handed in, an attempt stays as it is.
create policy quiz_attempts_select_policy on quiz_attempts for select to lyceum_app
    using (user_id = (select current_user_id()));
create policy quiz_attempts_insert_policy on quiz_attempts for insert to lyceum_app
    with check (user_id = (select current_user_id()));
create policy quiz_attempts_update_policy on quiz_attempts for update to lyceum_app
    using (user_id = (select current_user_id()) and submitted_at is null)
    with check (user_id = (select current_user_id()) and submitted_at is null);

-- Answers are written by the server: nobody puts words into the tutor's mouth.
create policy tutor_messages_select_policy on tutor_messages for select to lyceum_app
    using (user_id = (select current_user_id()));
create policy tutor_messages_insert_policy on tutor_messages for insert to lyceum_app
    with check (user_id = (select current_user_id()) and role = 'USER');

-- What was hidden only its author still sees; what was flagged stays as it is until staff saw it.
create policy posts_select_policy on posts for select to lyceum_app
    using (
        (select current_user_id()) is not null
        and (status <> 'HIDDEN' or author_id = (select current_user_id()))
    );
create policy posts_insert_policy on posts for insert to lyceum_app
    with check (author_id = (select current_user_id()) and status = 'VISIBLE');
create policy posts_update_policy on posts for update to lyceum_app
    using (author_id = (select current_user_id()) and status = 'VISIBLE')
    with check (author_id = (select current_user_id()) and status in ('VISIBLE', 'DELETED'));

create policy comments_select_policy on comments for select to lyceum_app
    using (
        (select current_user_id()) is not null
        and (status <> 'HIDDEN' or author_id = (select current_user_id()))
    );
create policy comments_insert_policy on comments for insert to lyceum_app
    with check (author_id = (select current_user_id()) and status = 'VISIBLE');
create policy comments_update_policy on comments for update to lyceum_app
    using (author_id = (select current_user_id()) and status = 'VISIBLE')
    with check (author_id = (select current_user_id()) and status in ('VISIBLE', 'DELETED'));

-- Sessions that somebody owns, or takes part in and was not removed from.
create policy collaboration_sessions_select_policy on collaboration_sessions for select
    to lyceum_app
    using (
        owner = (select current_subject())
        or id = any ((
            select array(
                select session_id
                from session_participants
                where user_id = (select current_subject()) and role is distinct from 'none'
            )
        )::bigint[])
    );
