drop materialized view mv_user_leaderboard;
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

grant select on mv_user_leaderboard to lyceum_server, lyceum_app, lyceum_staff;

drop trigger users_rank on users;
drop function users_rank();
drop trigger leaderboard_scores_count_delete on leaderboard_scores;
drop trigger leaderboard_scores_count_update on leaderboard_scores;
drop trigger leaderboard_scores_count_insert on leaderboard_scores;
drop function leaderboard_scores_count();

-- With its scores and its histogram.
delete from leaderboard_periods where kind = 'ALL';
delete from xp_histogram;

drop index leaderboard_scores_period_id_ranked_xp_user_id_idx;
alter table leaderboard_scores
    drop constraint leaderboard_scores_pkey,
    drop column ranked,
    add constraint leaderboard_scores_pkey primary key (period_id, user_id);
create index leaderboard_scores_period_id_xp_idx
    on leaderboard_scores (period_id, xp desc, user_id);
create index leaderboard_scores_user_id_idx on leaderboard_scores (user_id);

comment on table leaderboard_scores is 'Points that somebody got within a period.';
comment on column leaderboard_scores.xp is null;

alter table xp_histogram
    drop constraint xp_histogram_pkey,
    drop column period_id,
    alter column shard type smallint,
    add constraint xp_histogram_pkey primary key (width, bucket, shard),
    add constraint xp_histogram_people_check check (people >= 0);

insert into xp_histogram (width, bucket, shard, people)
select width, xp / width, 0, count(*)
from users
cross join (values (1), (1000)) as widths (width)
where status = 'ACTIVE'
group by width, xp / width;

comment on table xp_histogram is 'How many people have how many points, in wide buckets and in narrow ones: somebody''s rank is the sum of the buckets above, and few rows of the own one.';
comment on column xp_histogram.shard is 'Follows from the person: those who move at the same moment rarely wait for one row.';
grant insert, update, delete on xp_histogram to lyceum_server;

drop index leaderboard_periods_kind_starts_at_course_id_key;
alter table leaderboard_periods
    drop constraint leaderboard_periods_ends_iff_no_time,
    drop constraint leaderboard_periods_kind_check,
    add constraint leaderboard_periods_kind_check check (kind in ('WEEK', 'MONTH', 'COURSE')),
    add constraint leaderboard_periods_ends_iff_no_course
        check ((kind = 'COURSE') = (starts_at = '-infinity' and ends_at = 'infinity')),
    add constraint leaderboard_periods_kind_course_id_starts_at_key
        unique nulls not distinct (kind, course_id, starts_at);

comment on table leaderboard_periods is 'What people are ranked over besides all time, which goes by users.xp.';

create index users_xp_id_idx on users (xp desc, id) where status = 'ACTIVE';
