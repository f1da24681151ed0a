"""What statements of learning are tried with; test_plans.py tries them."""

from server.persistence.school import (
    catalogue,
    earning,
    enrolment,
    lapsing,
    lessons,
    profiles,
    quizzes,
    sign_in,
    submissions,
)
from tests.school.plans import Area, app, server

FILL = """
set session_replication_role = replica;
insert into users (subject, username, xp) select 'subject ' || n, 'name-' || n, n
    from generate_series(1, 4000) n;
insert into user_profiles (user_id) select id from users;
insert into user_stats (user_id) select id from users;
insert into streaks (user_id, current, longest, last_day, days)
    select id, (id % 200 = 0)::int, 3, current_date - 9,
        datemultirange(daterange(current_date - 10, current_date - 8))
    from users;
insert into auth_sessions (user_id, token_hash, created_at, last_seen_at, expires_at)
    select 1 + n % 4000, sha256(n::text::bytea), now() - interval '1 year', now(),
        now() + (n - 100) * interval '1 hour'
    from generate_series(1, 8000) n;
insert into courses (slug, title, status, version, published_at, owner_id)
    select 'course-' || n, 'Course', 'PUBLISHED', 1, now() - n * interval '1 hour', 1
    from generate_series(1, 1000) n;
insert into course_prerequisites select n, n - 1 from generate_series(2, 1000) n;
insert into modules (course_id, slug, position, title)
    select id, 'm-' || n, n, 'Module' from courses, generate_series(1, 2) n;
insert into lessons (module_id, course_id, slug, position, title, status, exercise)
    select id, course_id, 'l-' || n, n, 'Lesson', 'PUBLISHED', '{}'
    from modules, generate_series(1, 3) n;
insert into quizzes (lesson_id, title) select id, 'Quiz' from lessons;
insert into quiz_questions (quiz_id, position, kind, prompt, answer)
    select id, n, 'TEXT', 'Why?', '"because"' from quizzes, generate_series(1, 2) n;
insert into enrollments (user_id, course_id)
    select distinct 1 + n % 4000, 1 + (n * 7) % 500 from generate_series(1, 10000) n;
insert into user_progress (user_id, course_id, lesson_id)
    select user_id, course_id, course_id * 6 - n from enrollments, generate_series(0, 1) n;
insert into quiz_attempts (user_id, quiz_id, number)
    select 1 + n % 4000, 1 + n % 4999, 1 from generate_series(1, 10000) n;
insert into code_submissions (user_id, course_id, lesson_id, source, submitted_at)
    select 1 + n % 4000, 1 + n % 500, 6 * (1 + n % 500) - n % 2, '',
        now() + n * interval '1 minute'
    from generate_series(1, 10000) n;
insert into xp_event_keys (user_id, key) select 1 + n % 4000, 'lesson:' || n
    from generate_series(1, 10000) n;
insert into user_achievements (user_id, achievement_id)
    select 1 + n % 4000, 1 + n / 4000 from generate_series(1, 10000) n;
insert into achievements (slug, title, criteria) select 'a-' || n, 'A', '{}'
    from generate_series(1, 10) n;
set session_replication_role = origin;
"""
# A school's, of which there are few.
FEW = {"achievements"}

ID, NOW = "gen_random_uuid()", "now()"
COUNTS = ("3", "3", "3", "'{}'")
GIVEN = ("'{a}'", "'{LESSON}'", "'{1}'", "'{1}'", "'{1}'", "'{x}'", f"array[{ID}]", "'{\"{}\"}'")
MORE = ("'{1,0,0,0,0,0}'", "'{[2026-01-01,2026-01-02)}'", "1", "1", "'2026-01-01'")
ARGUMENTS = {
    catalogue.COURSES: app("7", NOW, ID, "null", "null", "20"),
    catalogue.MINE: app("7", "'{ACTIVE}'", "50"),
    catalogue.COURSE: app("7", "'course-7'"),
    catalogue.LESSON: app("7", ID),
    earning.LOCK: server("7"),
    earning.PERSON: server("7", NOW, "'lesson:7'"),
    earning.GIVE: server("7", NOW, *GIVEN, *MORE, "'{}'", "'{}'", "10", "1"),
    enrolment.ENROL: server("7", ID, NOW),
    enrolment.LEAVE: server("7", ID, NOW),
    lapsing.END: server("500"),
    lessons.LOOK: server("7", ID),
    lessons.START: server("7", "7", "70", NOW, ID),
    lessons.KEEP: app("7", ID, "'{}'"),
    lessons.ADVANCE: server("7", ID, "50", "60", NOW),
    lessons.COMPLETE: server("7", ID, NOW, ID),
    profiles.OWN: app("7"),
    profiles.BEGIN: app("7"),
    profiles.CHANGE: app("7", "'{}'"),
    profiles.RENAME: app("7", "'other'"),
    profiles.SHOWN: server("'name-7'", "8"),
    quizzes.QUESTIONS: app(ID),
    quizzes.LOOK: app("7", ID),
    quizzes.START: app("7", "7", "3"),
    quizzes.SAVE: app("7", ID, "'{}'"),
    quizzes.ATTEMPTS: app("7", ID),
    quizzes.HANDED_IN: server("7", ID),
    quizzes.KEY: server("7"),
    quizzes.GRADE: server("7", "1", "1", "true", NOW, ID, "7", "7"),
    sign_in.OPEN: app("7", "sha256('a')", "''", "null", "'1 day'"),
    sign_in.LOOK_UP: server("sha256('a')", "null"),
    sign_in.SESSIONS: app("7"),
    sign_in.REVOKE: app("7", ID),
    sign_in.REVOKE_OTHERS: app("7", ID),
    sign_in.FORGET: server("'1 day'", "10"),
    submissions.SUBMIT: app("7", ID, ID, NOW, "'solidity'", "''"),
    submissions.THERE: app("7", ID, NOW),
    submissions.OWNER: server(ID, NOW),
    submissions.JUDGE: server("7", ID, NOW, "'PASSED'", *COUNTS, NOW, ID),
    submissions.MINE: app("7", ID, NOW, ID, "20"),
    submissions.READ: server(ID, NOW),
    submissions.COURSE: server(ID),
    submissions.OF_COURSE: server("7", NOW, ID, "20"),
}
MODULES = (
    catalogue, earning, enrolment, lapsing, lessons, profiles, quizzes, sign_in, submissions,
)  # fmt: skip
AREA = Area("learning", MODULES, ARGUMENTS, FILL, FEW)
