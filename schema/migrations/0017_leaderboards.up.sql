-- released with 0001
-- Leaderboards that agree with each other: all time becomes a board beside weeks, months and courses,
-- each has a histogram that its scores keep, and who is not active is on none of them.

-- All time is a board like the others, so users.xp can leave its index: it kept each change of
-- somebody's points from staying in place, and made it write to all indexes of users.
drop index users_xp_id_idx;

alter table leaderboard_periods
    drop constraint leaderboard_periods_kind_course_id_starts_at_key,
    drop constraint leaderboard_periods_kind_check,
    drop constraint leaderboard_periods_ends_iff_no_course,
    add constraint leaderboard_periods_kind_check
        check (kind in ('ALL', 'WEEK', 'MONTH', 'COURSE')),
    add constraint leaderboard_periods_ends_iff_no_time check (
        (kind in ('ALL', 'COURSE')) = (starts_at = '-infinity' and ends_at = 'infinity')
    );

-- Finds a board by one look, which «is not distinct from» can't.
create unique index leaderboard_periods_kind_starts_at_course_id_key
    on leaderboard_periods (kind, starts_at, coalesce(course_id, 0));

comment on table leaderboard_periods is 'The boards that people are ranked on: all time, weeks and months of UTC, courses.';

insert into leaderboard_periods (kind) values ('ALL');

delete from xp_histogram;
alter table xp_histogram
    drop constraint xp_histogram_pkey,
    -- One shard may be below zero: people leave by another one than they came by.
    drop constraint xp_histogram_people_check,
    add column period_id bigint not null,
    alter column shard type integer,
    add constraint xp_histogram_pkey primary key (period_id, width, bucket, shard),
    add constraint xp_histogram_period_id_fkey
        foreign key (period_id) references leaderboard_periods (id) on delete cascade;

comment on table xp_histogram is 'How many people of a board have how many points, in wide buckets and in narrow ones: somebody''s rank is the sum of the buckets above.';
comment on column xp_histogram.shard is 'Whoever moves takes one that nobody holds, or makes one: nobody waits. The sum over them counts.';

alter table leaderboard_scores
    drop constraint leaderboard_scores_pkey,
    add column ranked boolean not null default true,
    -- One index for a person's boards and for a person on a board.
    add constraint leaderboard_scores_pkey primary key (user_id, period_id);
drop index leaderboard_scores_period_id_xp_idx;
drop index leaderboard_scores_user_id_idx;

comment on table leaderboard_scores is 'Points that somebody got within a period. On the board are those who are ranked and have any.';
comment on column leaderboard_scores.xp is 'Below zero where more was taken back than was given within the period.';
comment on column leaderboard_scores.ranked is 'Whether the person is active.';

-- The first hundred, the next page, and somebody's neighbours.
create index leaderboard_scores_period_id_ranked_xp_user_id_idx
    on leaderboard_scores (period_id, ranked, xp desc, user_id desc);

-- What was scored before; the triggers come after it.
update leaderboard_scores
set ranked = false
from users
where id = user_id and status <> 'ACTIVE';
insert into leaderboard_scores (period_id, user_id, xp, ranked)
select leaderboard_periods.id, users.id, users.xp, users.status = 'ACTIVE'
from users
join leaderboard_periods on kind = 'ALL'
where xp > 0;
insert into xp_histogram (period_id, width, bucket, shard, people)
select period_id, width, xp / width, 0, count(*)
from leaderboard_scores
cross join (values (1), (1000)) as widths (width)
where ranked and xp > 0
group by period_id, width, xp / width;

create function leaderboard_scores_count() returns trigger
language plpgsql security definer
set search_path = pg_catalog, public, pg_temp
as $$
declare
    boards bigint[];
    points bigint[];
    numbers bigint[];
begin
    if tg_op = 'INSERT' then
        select array_agg(period_id), array_agg(xp), array_agg(number)
        into boards, points, numbers
        from (
            select period_id, xp, count(*) as number
            from come
            where ranked and xp > 0
            group by period_id, xp
        ) as moved;
    elsif tg_op = 'DELETE' then
        select array_agg(period_id), array_agg(xp), array_agg(number)
        into boards, points, numbers
        from (
            select period_id, xp, -count(*) as number
            from gone
            where ranked and xp > 0
            group by period_id, xp
        ) as moved;
    else
        select array_agg(period_id), array_agg(xp), array_agg(number)
        into boards, points, numbers
        from (
            select period_id, xp, sum(number)::bigint as number
            from (
                select period_id, xp, 1 as number from come where ranked and xp > 0
                union all
                select period_id, xp, -1 from gone where ranked and xp > 0
            ) as steps
            group by period_id, xp
            having sum(number) <> 0
        ) as moved;
    end if;
    if boards is null then
        return null;
    end if;
    -- A shard that somebody else holds is passed over, so that nobody waits for another's commit:
    -- neither a wait nor a deadlock can come of it, in whatever order a transaction gives points.
    with changes as materialized (
        select period_id, width, xp / width as bucket, sum(number) as people
        from unnest(boards, points, numbers) as moved (period_id, xp, number)
        -- One that is just being deleted takes its histogram along.
        join leaderboard_periods on id = period_id
        cross join (values (1), (1000)) as widths (width)
        group by period_id, width, xp / width
        having sum(number) <> 0
    ),
    places as materialized (
        select changes.*, free.shard
        from changes
        left join lateral (
            select shard
            from xp_histogram as histogram
            where histogram.period_id = changes.period_id
                and histogram.width = changes.width
                and histogram.bucket = changes.bucket
            limit 1
            for update skip locked
        ) as free on true
    )
    insert into xp_histogram (period_id, width, bucket, shard, people)
    select period_id, width, bucket, coalesce(shard, floor(random() * 2147483647)::integer), people
    from places
    on conflict on constraint xp_histogram_pkey do update
    set people = xp_histogram.people + excluded.people;
    return null;
end
$$;

comment on function leaderboard_scores_count() is 'Keeps xp_histogram, whoever changes scores.';

create trigger leaderboard_scores_count_insert after insert on leaderboard_scores
    referencing new table as come
    for each statement execute function leaderboard_scores_count();
create trigger leaderboard_scores_count_update after update on leaderboard_scores
    referencing old table as gone new table as come
    for each statement execute function leaderboard_scores_count();
create trigger leaderboard_scores_count_delete after delete on leaderboard_scores
    referencing old table as gone
    for each statement execute function leaderboard_scores_count();

create function users_rank() returns trigger
language plpgsql security definer
set search_path = pg_catalog, public, pg_temp
as $$
begin
    update leaderboard_scores
    set ranked = (new.status = 'ACTIVE')
    where user_id = new.id;
    return null;
end
$$;

comment on function users_rank() is 'Takes who is suspended or erased off the boards, and brings back who is active again.';

create trigger users_rank after update of status on users
    for each row
    when ((old.status = 'ACTIVE') is distinct from (new.status = 'ACTIVE'))
    execute function users_rank();

revoke all on function leaderboard_scores_count(), users_rank() from public;
-- The trigger writes it, for whoever changes scores.
revoke insert, update, delete on xp_histogram from lyceum_server;

-- Who has the same points has the same rank; places are in order, to turn pages by.
drop materialized view mv_user_leaderboard;
create materialized view mv_user_leaderboard as
select
    row_number() over (order by xp desc, id desc) as place,
    rank() over (order by xp desc) as rank,
    id as user_id,
    public_id,
    username,
    level,
    xp,
    streak
from users
where status = 'ACTIVE' and xp > 0;

comment on materialized view mv_user_leaderboard is 'Everybody who has points, as of its last refresh; of users only what all may see.';

create unique index mv_user_leaderboard_user_id_key on mv_user_leaderboard (user_id);
create unique index mv_user_leaderboard_place_key on mv_user_leaderboard (place);

grant select on mv_user_leaderboard to lyceum_server, lyceum_app, lyceum_staff;
