"""What must hold between a school's tables; `server.persistence.integrity` runs it."""

from server.persistence.school.vocabulary import PUBLIC

# Boards, and who is on them.

# What the ledger comes to on each board; one that is missing has no number.
EARNED = """
    select period.id as period_id, user_id, sum(amount) as earned
    from xp_events
    left join leaderboard_periods as period on kind = 'ALL'
    group by period.id, user_id
    union all
    select period.id, user_id, sum(amount)
    from xp_events
    left join leaderboard_periods as period
        on kind = 'WEEK' and starts_at = date_trunc('week', at, 'UTC')
    group by period.id, user_id
    union all
    select period.id, user_id, sum(amount)
    from xp_events
    left join leaderboard_periods as period
        on kind = 'MONTH' and starts_at = date_trunc('month', at, 'UTC')
    group by period.id, user_id
    union all
    select period.id, user_id, sum(amount)
    from xp_events
    left join leaderboard_periods as period
        on kind = 'COURSE' and period.course_id = xp_events.course_id
    where xp_events.course_id is not null
    group by period.id, user_id
"""
BOARD_SCORES = f"""
select format('user %s on board %s: %s points, ledger %s', user_id, period_id, xp, earned) as wrong
from ({EARNED}) as earned
full join leaderboard_scores using (period_id, user_id)
where coalesce(xp, 0) <> coalesce(earned, 0)
order by user_id, period_id
"""  # noqa: S608  # of a constant
RANKED = """
select format('user %s is %s, and %s on board %s', user_id, status,
    case when ranked then 'ranked' else 'not ranked' end, period_id) as wrong
from leaderboard_scores
join users on id = user_id
where ranked <> (status = 'ACTIVE')
order by user_id, period_id
"""
HISTOGRAM = """
select format('board %s: %s people with %s times %s points, counted %s',
    period_id, coalesce(told, 0), bucket, width, coalesce(counted, 0)) as wrong
from (
    select period_id, width, bucket, sum(people) as told
    from xp_histogram
    group by period_id, width, bucket
) as told
full join (
    select period_id, width, xp / width as bucket, count(*) as counted
    from leaderboard_scores
    cross join (values (1), (1000)) as widths (width)
    where ranked and xp > 0
    group by period_id, width, xp / width
) as counted using (period_id, width, bucket)
where coalesce(told, 0) <> coalesce(counted, 0)
order by period_id, width, bucket
"""
# Of a streak that has ended the job may have been here, or not yet.
STREAKS = """
select format(
    'user %s: streak %s; %s days in a row, at best %s; counted %s, at best %s',
    id, streak, current, longest, newest, best
) as wrong
from (
    select users.id, streak, coalesce(current, 0) as current, coalesce(longest, 0) as longest,
        last_day, coalesce(newest, 0) as newest, coalesce(best, 0) as best
    from users
    left join streaks on streaks.user_id = users.id
    left join lateral (
        select max(length) as best, (array_agg(length order by last desc))[1] as newest
        from (
            select upper(run) - lower(run) as length, upper(run) as last
            from unnest(days) as run
        ) as runs
    ) as counted on true
) as counted
where streak <> current or longest < best
    or current <> newest and (current <> 0 or last_day >= (now() at time zone 'UTC')::date)
order by id
"""
# Rows of the leaderboard against each other; of users it is as old as its last refresh.
LEADERBOARD = """
select format('user %s with %s points: place %s, rank %s; counted %s and %s',
    user_id, xp, place, rank, counted_place, counted_rank) as wrong
from (
    select user_id, xp, place, rank,
        row_number() over (order by xp desc, user_id desc) as counted_place,
        rank() over (order by xp desc) as counted_rank
    from mv_user_leaderboard
) as counted
where (place, rank) <> (counted_place, counted_rank)
union all
select format('user %s is erased, and on the leaderboard', user_id)
from mv_user_leaderboard
join users on id = user_id
where status = 'DELETED'
order by 1
"""
LEVELS = """
select format('user %s: level %s with %s points', id, level, xp) as wrong
from users
where level <> (1 + floor(sqrt(1 + 8 * (xp / 100)))::bigint) / 2
order by id
"""

# The curriculum, and what people write to each other.

CONTENT_SHOWN = """
select format('item %s: its %s is not what version %s has', item.id, field, published_version)
    as wrong
from content_items as item
join content_versions as kept on kept.item_id = item.id and kept.version = published_version
left join courses on courses.id = item.course_id
left join modules on modules.id = item.module_id
left join lessons on lessons.id = item.lesson_id
left join quizzes on quizzes.id = item.quiz_id
cross join lateral (
    values
        ('title', coalesce(courses.title, modules.title, lessons.title, quizzes.title)),
        ('summary', coalesce(courses.summary, modules.summary)),
        ('difficulty', courses.difficulty),
        ('body', lessons.body),
        ('kind', lessons.kind),
        ('xp', coalesce(lessons.xp, quizzes.xp)::text),
        ('pass_percent', quizzes.pass_percent::text)
) as shown (field, value)
where value <> kept.body::jsonb ->> field
order by item.id, field
"""

ADDRESSEES = """
select format('comment %s: answers user %s, not %s', id, answered, addressee_id) as wrong
from (
    select comments.id, comments.addressee_id,
        nullif(
            case when comments.parent_id is null then posts.author_id else parents.author_id end,
            comments.author_id
        ) as answered
    from comments
    join posts on posts.id = comments.post_id
    left join comments as parents on parents.id = comments.parent_id
) as comments
-- Whoever was removed answers nobody, and is answered by nobody.
where addressee_id <> answered or (addressee_id is null) and (answered is not null)
order by id
"""
COMMUNITY = """
select format('user %s: %s %s, counted %s', id, name, told, counted) as wrong
from users
left join user_stats on user_id = id
cross join lateral (
    values
        ('posts', user_stats.posts, (
            select count(*) from posts as written
            where written.author_id = users.id and written.status in ('VISIBLE', 'FLAGGED')
        )),
        ('comments', user_stats.comments, (
            select count(*) from comments as written
            where written.author_id = users.id and written.status in ('VISIBLE', 'FLAGGED')
        )),
        ('reputation', user_stats.reputation, (
            select coalesce(sum(score), 0) from posts as written
            where written.author_id = users.id
        ) + (
            select coalesce(sum(score), 0) from comments as written
            where written.author_id = users.id
        ))
) as compared (name, told, counted)
where coalesce(told, 0) <> counted
order by id, name
"""

# What everybody may see, word by word.

VOCABULARY = f"""
select format('%s in %s: in %s texts, counted %s', word, language, coalesce(told, 0),
    coalesce(counted, 0)) as wrong
from (
    select language, word, sum(uses) as told
    from (
        select language, word, uses
        from search_vocabulary
        union all
        select language, word, change
        from search_changes
        cross join unnest(words) as word
        where is_word(word)
    ) as known
    group by language, word
) as told
full join (
    select split_part(language, '-', 1) as language, word, count(*) as counted
    from (
        {PUBLIC}
    ) as texts
    cross join unnest(words) as word
    where is_word(word)
    group by 1, 2
) as counted using (language, word)
where coalesce(told, 0) <> coalesce(counted, 0)
order by language, word
"""  # noqa: S608  # of constants
