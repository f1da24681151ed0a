"""A made-up curriculum: courses of up to 24 lessons, modules of four, a quiz at the end of each.

A course's ids are known from its number: modules are (course - 1) · 8 + 1, 2, …, lessons
(course - 1) · 32 + 1, 2, …; a quiz has its lesson's. So nothing has to look them up.
"""

from server.persistence.seeding.ground import prose
from server.persistence.seeding.plan import Plan, Step, once

COURSES = f"""
insert into courses (
    id, public_id, slug, version, status, difficulty, title, summary, language, estimated_time,
    metadata, owner_id, created_at, updated_at, published_at
)
overriding system value
select
    course, seeding.uuid(course, 'course'), 'course-' || course, 0, 'DRAFT',
    (array['BEGINNER', 'BEGINNER', 'INTERMEDIATE', 'ADVANCED', 'EXPERT'])[1 + course % 5],
    initcap(seeding.word(course * 2, 'en') || ' ' || seeding.word(course * 2 + 1, 'en'))
        || ' ' || course,
    {prose("-course", "25")}, 'en',
    make_interval(hours => seeding.lessons(course)), jsonb_build_object('seeded', true),
    teachers[1 + course % cardinality(teachers)],
    seeding.since() - make_interval(days => 400 - course::integer % 365), seeding.since(), null
from generate_series(1, seeding.courses() * 11 / 10) as course
cross join (
    select array_agg(id order by id) as teachers from users where role = 'INSTRUCTOR'
) as staff
"""  # noqa: S608
PUBLISHED = """
update courses
set version = 1, status = case when id % 50 = 0 then 'ARCHIVED' else 'PUBLISHED' end,
    published_at = seeding.since() - make_interval(days => 399 - id::integer % 365)
where id <= seeding.courses()
"""
PREREQUISITES = """
insert into course_prerequisites (course_id, prerequisite_id)
select course, course / 2
from generate_series(4, seeding.courses(), 3) as course
"""
MODULES = f"""
insert into modules (
    id, public_id, course_id, slug, position, title, summary, created_at, updated_at
)
overriding system value
select
    id, seeding.uuid(id, 'module'), course, 'module-' || place, place,
    initcap(seeding.word(id, 'en') || ' ' || seeding.word(id + 7, 'en')),
    {prose("-id * 3", "15")}, seeding.since(), seeding.since()
from (
    select course, place, (course - 1) * 8 + place as id
    from generate_series(1, seeding.courses()) as course
    cross join lateral generate_series(1, (seeding.lessons(course) + 3) / 4) as place
) as module
"""  # noqa: S608
LESSONS = f"""
insert into lessons (
    id, public_id, module_id, course_id, slug, position, kind, status, title, body, exercise,
    language, xp, estimated_time, created_at, updated_at
)
overriding system value
select
    id, seeding.uuid(id, 'lesson'), (course - 1) * 8 + (place + 3) / 4, course,
    'lesson-' || place, 1 + (place - 1) % 4, kind, 'PUBLISHED',
    initcap(seeding.word(id * 3, 'en') || ' ' || seeding.word(id * 3 + 1, 'en')),
    {prose("-id * 5", "120")},
    case when kind in ('EXERCISE', 'PROJECT')
        then jsonb_build_object('starter', 'contract Lesson' || id || ' {{}}') end,
    'en', case kind when 'EXERCISE' then 30 when 'QUIZ' then 20 when 'PROJECT' then 100 else 10 end,
    interval '40 minutes', seeding.since(), seeding.since()
from (
    select course, place, (course - 1) * 32 + place as id, seeding.kind(course, place) as kind
    from generate_series(1, seeding.courses()) as course
    cross join lateral generate_series(1, seeding.lessons(course)) as place
) as lesson
"""  # noqa: S608
QUIZZES = """
insert into quizzes (
    id, public_id, lesson_id, title, pass_percent, max_attempts, xp, created_at, updated_at
)
overriding system value
select id, seeding.uuid(id, 'quiz'), id, title, 60, 5, 20, created_at, updated_at
from lessons
where kind = 'QUIZ'
"""
QUESTIONS = f"""
insert into quiz_questions (id, public_id, quiz_id, position, kind, prompt, choices, answer, points)
overriding system value
select
    id * 4 + place - 1, seeding.uuid(id * 4 + place - 1, 'question'), id, place, 'SINGLE',
    {prose("-id * 7 - place", "10")} || '?', '["a", "b", "c", "d"]',
    to_jsonb(chr(97 + ((id + place) % 4)::integer)), 1
from quizzes
cross join generate_series(1, 4) as place
"""  # noqa: S608

ITEMS = """
insert into content_items (
    id, public_id, course_id, lesson_id, last_version, created_at, updated_at
)
overriding system value
select id, seeding.uuid(id, 'item'), course_id, lesson_id, 1, seeding.since(), seeding.since()
from (
    select id * 2 - 1 as id, id as course_id, null as lesson_id from courses where version = 1
    union all
    select id * 2, null, id from lessons
) as item
"""
VERSIONS = """
insert into content_versions (item_id, version, body, sha256, author_id, note, created_at)
select
    item.id, 1, body, sha256(convert_to(body, 'UTF8')), 2, 'seeded', seeding.since()
from content_items as item
cross join lateral (
    select jsonb_build_object(
        'title', title, 'summary', summary, 'difficulty', difficulty, 'language', language,
        'seconds', date_part('epoch', estimated_time), 'metadata', metadata
    )::text as body
    from courses where id = item.course_id
    union all
    select jsonb_build_object(
        'title', title, 'body', body, 'kind', kind, 'language', language, 'xp', xp,
        'exercise', exercise, 'seconds', date_part('epoch', estimated_time)
    )::text
    from lessons where id = item.lesson_id
) as shown
"""
SHOWN = "update content_items set published_version = 1"

BADGES = """
insert into badges (id, public_id, slug, title, tier, created_at)
overriding system value
select id, seeding.uuid(id, 'badge'), slug, initcap(slug), tier, seeding.since()
from (
    values (1, 'beginner', 'BRONZE'), (2, 'learner', 'SILVER'), (3, 'scholar', 'GOLD'),
        (4, 'graduate', 'GOLD'), (5, 'steady', 'SILVER'), (6, 'coder', 'SILVER'),
        (7, 'helper', 'PLATINUM')
) as badge (id, slug, tier)
"""
ACHIEVEMENTS = """
insert into achievements (id, public_id, slug, title, criteria, xp, badge_id, created_at)
overriding system value
select
    id, seeding.uuid(id, 'achievement'), slug, initcap(replace(slug, '-', ' ')),
    jsonb_build_object(counted, enough), xp, badge, seeding.since()
from (
    values
        (1, 'first-lesson', 'lessons_completed', 1, 10, 1),
        (2, 'ten-lessons', 'lessons_completed', 10, 50, 2),
        (3, 'forty-lessons', 'lessons_completed', 40, 200, 3),
        (4, 'first-course', 'courses_completed', 1, 100, 4),
        (5, 'five-quizzes', 'quizzes_passed', 5, 50, null),
        (6, 'five-solutions', 'submissions_passed', 5, 50, 6),
        (7, 'a-week', 'streak', 7, 0, 5)
) as achievement (id, slug, counted, enough, xp, badge)
"""


def steps(plan: Plan) -> list[Step]:
    """The curriculum, in one batch."""
    statements = (
        COURSES,
        PUBLISHED,
        PREREQUISITES,
        MODULES,
        LESSONS,
        QUIZZES,
        QUESTIONS,
        ITEMS,
        VERSIONS,
        SHOWN,
        BADGES,
        ACHIEVEMENTS,
    )
    return [once("curriculum", *statements, cost=plan.courses * 6000.0)]
