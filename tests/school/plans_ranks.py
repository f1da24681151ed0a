"""What statements of ranks, badges and the tutor are tried with; test_plans.py tries them."""

from server.persistence.school import badges, ranks, tutor, tutor_answers
from tests.school.plans import Area, app, server, staff

FILL = """
set session_replication_role = replica;
insert into users (subject, username, xp) select 'subject ' || n, 'name-' || n, n
    from generate_series(1, 5000) n;
insert into courses (slug, title) select 'course-' || n, 'Course' from generate_series(1, 1000) n;
insert into leaderboard_periods (kind, course_id) select 'COURSE', id from courses;
set session_replication_role = origin;
insert into leaderboard_scores (period_id, user_id, xp)
    select 1 + n % 4, id, xp + n from users, generate_series(0, 3) n;
insert into badges (slug, title) select 'badge-' || n, 'Badge' from generate_series(1, 1000) n;
insert into user_badges (user_id, badge_id)
    select 1 + n % 5000, 1 + n / 20 from generate_series(1, 19000) n;
insert into tutor_threads (user_id) select 1 + n % 5000 from generate_series(1, 10000) n;
insert into tutor_messages (thread_id, user_id, role, body, sent_at)
    select id, user_id, 'USER', '', now() + n * interval '1 month'
    from tutor_threads, generate_series(0, 3) n;
insert into ai_usage_daily (user_id, day)
    select id, '2026-01-01'::date + n from users, generate_series(1, 5) n;
refresh materialized view mv_user_leaderboard;
"""
ID = "gen_random_uuid()"
COURSE = ("'COURSE'", "null", "7")
BOARDS = ("array['ALL', 'COURSE']", "array[null, null]::timestamptz[]", "array[null, 7]::bigint[]")
TEXTS = ("'badge-7'", "'Badge'", "''", "'GOLD'", "null")
ARGUMENTS = {
    ranks.MOVED: server("7", "10", "10", *BOARDS),
    ranks.LOCK_BOARDS: server(),
    ranks.MAKE_BOARDS: server(
        "array['COURSE']", "array[7]::bigint[]", "array[null]::timestamptz[]",
        "array[null]::timestamptz[]",
    ),
    ranks.STANDING: server(*COURSE, "7"),
    ranks.TOP: server(*COURSE, "500", "70", "100"),
    ranks.AROUND: server(*COURSE, "7", "3"),
    ranks.EVERYBODY: app("4000", "100"),
    badges.MAKE: staff(*TEXTS),
    badges.CHANGE: staff(*TEXTS),
    badges.ALL: app("'badge-7'", "20"),
    badges.AWARD: staff("7", "'badge-7'", "8", "''"),
    badges.HAS: staff("7", "'badge-7'"),
    badges.REVOKE: staff("7", "'badge-7'"),
    badges.OF: app("7", "true", "20"),
    badges.WEAR: app("7", "array['badge-7']"),
    badges.WEARERS: server("'badge-7'", "100", "20"),
    tutor.OPEN: app(ID, "7", "null", "''"),
    tutor.READ: app(ID),
    tutor.THREADS: app("7", "'OPEN'", "now()", "100", "20"),
    tutor.CHANGE: app(ID, "'Title'", "'OPEN'"),
    tutor.DELETE: app(ID),
    tutor.LOCK: app(ID),
    tutor.ASK: app("7", "8", ID, "'Why?'"),
    tutor.MESSAGES: server(ID, "now()", "100", "20"),
    tutor_answers.RESERVE: server("7", "'2026-01-02'", "10", "100"),
    tutor_answers.GIVE_BACK: server("7", "'2026-01-02'"),
    tutor_answers.ANSWER: server(
        "7", "8", "9", "now()", "'So.'", "'large'", "10", "20", "'2026-01-02'"
    ),
    tutor_answers.COUNT: server("7", "'2026-01-02'", "10", "20"),
    tutor_answers.USAGE: app("7", "'2026-01-01'", "'2026-01-31'"),
}  # fmt: skip
# A school has few of them.
FEW = {"badges"}
MODULES = (badges, ranks, tutor, tutor_answers)
AREA = Area("ranks", MODULES, ARGUMENTS, FILL, FEW)
