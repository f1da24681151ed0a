-- What learning earns: experience points, achievements, badges, streaks and ranks.

create table badges (
    id bigint generated always as identity,
    public_id uuid not null default gen_random_uuid(),
    slug text not null,
    title text not null,
    description text not null default '',
    tier text not null default 'BRONZE',
    image_url text,
    created_at timestamptz not null default now(),
    constraint badges_pkey primary key (id),
    constraint badges_public_id_key unique (public_id),
    constraint badges_slug_key unique (slug),
    constraint badges_slug_check check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and length(slug) <= 100),
    constraint badges_title_check check (length(title) between 1 and 255),
    constraint badges_tier_check check (tier in ('BRONZE', 'SILVER', 'GOLD', 'PLATINUM')),
    constraint badges_image_url_check check (image_url ~ '^https://' and length(image_url) <= 2048)
);

comment on table badges is 'What people can wear.';

create table user_badges (
    user_id bigint not null,
    badge_id bigint not null,
    awarded_by bigint,
    reason text not null default '',
    awarded_at timestamptz not null default now(),
    constraint user_badges_pkey primary key (user_id, badge_id),
    constraint user_badges_user_id_fkey
        foreign key (user_id) references users (id) on delete cascade,
    constraint user_badges_badge_id_fkey
        foreign key (badge_id) references badges (id) on delete restrict,
    constraint user_badges_awarded_by_fkey
        foreign key (awarded_by) references users (id) on delete set null,
    constraint user_badges_reason_check check (length(reason) <= 1000)
);

comment on table user_badges is 'Who wears which badge.';
comment on column user_badges.awarded_by is 'Null: it came with an achievement.';

create index user_badges_badge_id_idx on user_badges (badge_id);
create index user_badges_awarded_by_idx on user_badges (awarded_by);

create table achievements (
    id bigint generated always as identity,
    public_id uuid not null default gen_random_uuid(),
    slug text not null,
    title text not null,
    description text not null default '',
    status text not null default 'ACTIVE',
    criteria jsonb not null,
    xp integer not null default 0,
    badge_id bigint,
    created_at timestamptz not null default now(),
    constraint achievements_pkey primary key (id),
    constraint achievements_public_id_key unique (public_id),
    constraint achievements_slug_key unique (slug),
    constraint achievements_badge_id_fkey
        foreign key (badge_id) references badges (id) on delete restrict,
    constraint achievements_slug_check
        check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and length(slug) <= 100),
    constraint achievements_title_check check (length(title) between 1 and 255),
    constraint achievements_status_check check (status in ('ACTIVE', 'RETIRED')),
    constraint achievements_criteria_check check (jsonb_typeof(criteria) = 'object'),
    constraint achievements_xp_check check (xp >= 0)
);

comment on table achievements is 'What can be achieved. A retired one stays with those who have it.';
comment on column achievements.criteria is 'What must be reached: names of user_stats, and how much of each.';

create index achievements_badge_id_idx on achievements (badge_id);

create table user_achievements (
    user_id bigint not null,
    achievement_id bigint not null,
    earned_at timestamptz not null default now(),
    constraint user_achievements_pkey primary key (user_id, achievement_id),
    constraint user_achievements_user_id_fkey
        foreign key (user_id) references users (id) on delete cascade,
    constraint user_achievements_achievement_id_fkey
        foreign key (achievement_id) references achievements (id) on delete restrict
);

comment on table user_achievements is 'Who achieved what.';

-- How rare it is, and who was first.
create index user_achievements_achievement_id_idx on user_achievements (achievement_id, earned_at);

create table xp_events (
    id bigint generated always as identity,
    user_id bigint not null,
    amount integer not null,
    reason text not null,
    course_id bigint,
    key text not null,
    at timestamptz not null default now(),
    constraint xp_events_pkey primary key (id, at),
    constraint xp_events_user_id_fkey
        foreign key (user_id) references users (id) on delete cascade,
    constraint xp_events_course_id_fkey
        foreign key (course_id) references courses (id) on delete restrict,
    constraint xp_events_amount_check check (amount <> 0),
    constraint xp_events_reason_check check (
        reason in ('LESSON', 'QUIZ', 'SUBMISSION', 'ACHIEVEMENT', 'STREAK', 'COMMUNITY', 'CORRECTION')
    ),
    constraint xp_events_only_corrections_take check (amount > 0 or reason = 'CORRECTION'),
    constraint xp_events_key_check check (length(key) between 1 and 128)
) partition by range (at);

comment on table xp_events is 'The ledger of experience points, by month: only added to. Somebody''s xp is the sum.';
comment on column xp_events.course_id is 'For a course''s leaderboard; null if it was for none.';
comment on column xp_events.key is 'What it was given for («lesson:17»), as in xp_event_keys.';

-- A person's own ledger.
create index xp_events_user_id_at_idx on xp_events (user_id, at desc);
-- A course's leaderboard, counted again; and whether a course may be deleted.
create index xp_events_course_id_idx on xp_events (course_id, at) where course_id is not null;

create table xp_event_keys (
    user_id bigint not null,
    key text not null,
    at timestamptz not null default now(),
    constraint xp_event_keys_pkey primary key (user_id, key),
    constraint xp_event_keys_user_id_fkey
        foreign key (user_id) references users (id) on delete cascade,
    constraint xp_event_keys_key_check check (length(key) between 1 and 128)
);

comment on table xp_event_keys is 'What somebody was given points for already: nothing counts twice, however often it is tried.';

create table user_stats (
    user_id bigint not null,
    lessons_completed bigint not null default 0,
    courses_completed bigint not null default 0,
    quizzes_passed bigint not null default 0,
    submissions bigint not null default 0,
    submissions_passed bigint not null default 0,
    achievements bigint not null default 0,
    posts bigint not null default 0,
    comments bigint not null default 0,
    reputation bigint not null default 0,
    seconds bigint not null default 0,
    updated_at timestamptz not null default now(),
    constraint user_stats_pkey primary key (user_id),
    constraint user_stats_user_id_fkey
        foreign key (user_id) references users (id) on delete cascade,
    constraint user_stats_counts_check check (
        least(
            lessons_completed, courses_completed, quizzes_passed, submissions,
            submissions_passed, achievements, posts, comments, seconds
        ) >= 0
    ),
    constraint user_stats_submissions_passed_check check (submissions_passed <= submissions)
)
-- Counters change in place.
with (fillfactor = 70);

comment on table user_stats is 'What somebody has done, counted: what achievements go by.';
comment on column user_stats.reputation is 'Votes for what the person wrote, less those against.';
comment on column user_stats.seconds is 'Time on task over all lessons.';

create table xp_histogram (
    width integer not null,
    bucket bigint not null,
    shard smallint not null,
    people bigint not null default 0,
    constraint xp_histogram_pkey primary key (width, bucket, shard),
    constraint xp_histogram_width_check check (width >= 1),
    constraint xp_histogram_bucket_check check (bucket >= 0),
    constraint xp_histogram_shard_check check (shard >= 0),
    constraint xp_histogram_people_check check (people >= 0)
)
with (fillfactor = 50);

comment on table xp_histogram is 'How many people have how many points, in wide buckets and in narrow ones: somebody''s rank is the sum of the buckets above, and few rows of the own one.';
comment on column xp_histogram.width is 'Points that a bucket spans.';
comment on column xp_histogram.bucket is 'xp divided by width.';
comment on column xp_histogram.shard is 'Follows from the person: those who move at the same moment rarely wait for one row.';

create table streaks (
    user_id bigint not null,
    current integer not null default 0,
    longest integer not null default 0,
    last_day date,
    days datemultirange not null default '{}',
    updated_at timestamptz not null default now(),
    constraint streaks_pkey primary key (user_id),
    constraint streaks_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
    constraint streaks_current_check check (0 <= current and current <= longest),
    constraint streaks_begun_iff_day check ((longest > 0) = (last_day is not null)),
    constraint streaks_days_check check (upper(days) is not distinct from last_day + 1)
)
with (fillfactor = 70);

comment on table streaks is 'Days in a row on which somebody learned.';
comment on column streaks.current is 'Those of the last run; 0 once it is over, which a job finds out.';
comment on column streaks.last_day is 'The last such day, by the person''s own time zone then.';
comment on column streaks.days is 'The days in a row, run by run: the newest hundred of them. So a day that comes late falls in its place.';

-- Which may be over.
create index streaks_last_day_idx on streaks (last_day) where current > 0;

create table leaderboard_periods (
    id bigint generated always as identity,
    kind text not null,
    course_id bigint,
    starts_at timestamptz not null default '-infinity',
    ends_at timestamptz not null default 'infinity',
    constraint leaderboard_periods_pkey primary key (id),
    constraint leaderboard_periods_kind_course_id_starts_at_key
        unique nulls not distinct (kind, course_id, starts_at),
    constraint leaderboard_periods_course_id_fkey
        foreign key (course_id) references courses (id) on delete restrict,
    constraint leaderboard_periods_kind_check check (kind in ('WEEK', 'MONTH', 'COURSE')),
    constraint leaderboard_periods_course_iff_kind
        check ((kind = 'COURSE') = (course_id is not null)),
    constraint leaderboard_periods_times_check check (starts_at < ends_at),
    constraint leaderboard_periods_ends_iff_no_course
        check ((kind = 'COURSE') = (starts_at = '-infinity' and ends_at = 'infinity'))
);

comment on table leaderboard_periods is 'What people are ranked over besides all time, which goes by users.xp.';
comment on column leaderboard_periods.ends_at is 'The first moment after it.';

create index leaderboard_periods_course_id_idx on leaderboard_periods (course_id);

create table leaderboard_scores (
    period_id bigint not null,
    user_id bigint not null,
    xp bigint not null,
    constraint leaderboard_scores_pkey primary key (period_id, user_id),
    constraint leaderboard_scores_period_id_fkey
        foreign key (period_id) references leaderboard_periods (id) on delete cascade,
    constraint leaderboard_scores_user_id_fkey
        foreign key (user_id) references users (id) on delete cascade
);

comment on table leaderboard_scores is 'Points that somebody got within a period.';

-- The first hundred, a rank and its neighbours.
create index leaderboard_scores_period_id_xp_idx
    on leaderboard_scores (period_id, xp desc, user_id);
create index leaderboard_scores_user_id_idx on leaderboard_scores (user_id);

create materialized view mv_user_leaderboard as
select
    row_number() over (order by xp desc, id) as rank,
    id as user_id,
    public_id,
    username,
    level,
    xp,
    streak
from users
where status = 'ACTIVE';

comment on materialized view mv_user_leaderboard is 'Everybody by points, as of its last refresh; of users only what all may see.';

create unique index mv_user_leaderboard_user_id_key on mv_user_leaderboard (user_id);
create unique index mv_user_leaderboard_rank_key on mv_user_leaderboard (rank);
