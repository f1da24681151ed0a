"""What made-up people earned: achievements, the ledger of points and all that follows from it."""

from server.domain.school.streaks import BONUS
from server.domain.school.xp import SUBMISSION
from server.persistence.seeding.plan import Plan, Step, ranged

BONUSES = ", ".join(f"({days}, {points})" for days, points in BONUS.items())

# When somebody had what each achievement takes. Points are no criterion of these, so that none of
# them hangs on another.
ACHIEVEMENTS = """
insert into user_achievements (user_id, achievement_id, earned_at)
select user_id, id, at
from achievements
join (
    select user_id, 'lessons_completed' as counted, completed_at as at,
        row_number() over (partition by user_id order by completed_at, lesson_id) as reached
    from user_progress
    where user_id between $1 and $2 and status = 'COMPLETED'
    union all
    select user_id, 'courses_completed', completed_at,
        row_number() over (partition by user_id order by completed_at, course_id)
    from enrollments
    where user_id between $1 and $2 and status = 'COMPLETED'
    union all
    select user_id, 'quizzes_passed', submitted_at,
        row_number() over (partition by user_id order by submitted_at, quiz_id)
    from quiz_attempts
    where user_id between $1 and $2 and passed
    union all
    select user_id, 'submissions_passed', submitted_at,
        row_number() over (partition by user_id order by submitted_at, lesson_id)
    from code_submissions
    where user_id between $1 and $2 and status = 'PASSED'
    union all
    select user_id, 'streak', updated_at, place
    from streaks
    cross join lateral generate_series(1, longest) as place
    where user_id between $1 and $2
) as counts on criteria = jsonb_build_object(counted, reached)
"""
BADGES = """
insert into user_badges (user_id, badge_id, awarded_at)
select user_id, badge_id, earned_at
from user_achievements
join achievements on id = achievement_id
where user_id between $1 and $2 and badge_id is not null
"""

# As server/persistence/school/earning.py gives them.
LEDGER = f"""
insert into xp_events (id, user_id, amount, reason, course_id, key, at)
overriding system value
select
    (user_id - 1) * 1024 + row_number() over (partition by user_id order by at, key),
    user_id, amount, reason, course_id, key, at
from (
    select user_id, xp as amount, 'LESSON' as reason, progress.course_id,
        'lesson:' || lesson_id as key, completed_at as at
    from user_progress as progress
    join lessons on id = lesson_id
    where user_id between $1 and $2 and progress.status = 'COMPLETED'
    union all
    select user_id, quizzes.xp, 'QUIZ', course_id, 'quiz:' || quiz_id, submitted_at
    from quiz_attempts
    join quizzes on quizzes.id = quiz_id
    join lessons on lessons.id = lesson_id
    where user_id between $1 and $2 and passed
    union all
    select user_id, {SUBMISSION}, 'SUBMISSION', course_id, 'submission:' || lesson_id, submitted_at
    from code_submissions
    where user_id between $1 and $2 and status = 'PASSED'
    union all
    select user_id, xp, 'ACHIEVEMENT', null, 'achievement:' || achievement_id, earned_at
    from user_achievements
    join achievements on id = achievement_id
    where user_id between $1 and $2 and xp > 0
    union all
    select user_id, bonus, 'STREAK', null, 'streak:' || reached, updated_at
    from streaks
    join (values {BONUSES}) as milestone (reached, bonus) on reached <= longest
    where user_id between $1 and $2
) as earned
"""  # noqa: S608
KEYS = """
insert into xp_event_keys (user_id, key, at)
select user_id, key, at
from xp_events
where user_id between $1 and $2
union all
select user_id, 'achievement:' || achievement_id, earned_at
from user_achievements
join achievements on id = achievement_id
where user_id between $1 and $2 and xp = 0
"""
STATS = """
insert into user_stats (
    user_id, lessons_completed, courses_completed, quizzes_passed, submissions, submissions_passed,
    achievements, posts, comments, reputation, seconds, updated_at
)
select
    id, lessons, courses, quizzes, submissions, solved, achievements, posts, comments,
    reputation, seconds, seeding.until()
from users
cross join lateral (
    select count(*) filter (where status = 'COMPLETED') as lessons,
        coalesce(sum(progress.seconds), 0) as seconds
    from user_progress as progress where user_id = users.id
) as learned
cross join lateral (
    select count(*) as courses
    from enrollments where user_id = users.id and status = 'COMPLETED'
) as taken
cross join lateral (
    select count(distinct quiz_id) as quizzes
    from quiz_attempts where user_id = users.id and passed
) as passed
cross join lateral (
    select count(*) as submissions, count(*) filter (where status = 'PASSED') as solved
    from code_submissions where user_id = users.id
) as coded
cross join lateral (
    select count(*) as achievements from user_achievements where user_id = users.id
) as achieved
cross join lateral (
    select count(*) filter (where status in ('VISIBLE', 'FLAGGED')) as posts,
        coalesce(sum(score), 0) as post_score
    from posts where author_id = users.id
) as wrote
cross join lateral (
    select count(*) filter (where status in ('VISIBLE', 'FLAGGED')) as comments,
        post_score + coalesce(sum(score), 0) as reputation
    from comments where author_id = users.id
) as answered
where id between $1 and $2
on conflict on constraint user_stats_pkey do update set
    lessons_completed = excluded.lessons_completed,
    courses_completed = excluded.courses_completed,
    quizzes_passed = excluded.quizzes_passed,
    submissions = excluded.submissions,
    submissions_passed = excluded.submissions_passed,
    achievements = excluded.achievements,
    seconds = excluded.seconds,
    updated_at = excluded.updated_at
"""
# The level of so many points: see server/domain/school/xp.py.
USERS = """
update users
set xp = earned, level = (1 + floor(sqrt(1 + 8 * (earned / 100)))::integer) / 2,
    streak = coalesce(current, 0), updated_at = seeding.until()
from (
    select user_id, sum(amount)::bigint as earned
    from xp_events
    where user_id between $1 and $2
    group by user_id
) as summed
left join streaks using (user_id)
where id = summed.user_id
"""


def steps(plan: Plan) -> list[Step]:
    """What follows from what was learned and written, in ranges of people."""
    return [
        ranged("achievements", plan.users, ACHIEVEMENTS, BADGES, rows=3, cost=60),
        ranged("ledger", plan.users, LEDGER, rows=11, cost=130),
        ranged("ledger keys", plan.users, KEYS, rows=11, cost=90),
        ranged("statistics", plan.users, STATS, rows=2, cost=60),
        ranged("points", plan.users, USERS, rows=2, cost=40),
    ]
