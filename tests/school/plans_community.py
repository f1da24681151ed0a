"""What statements of content and community are tried with; test_plans.py tries them."""

from server.persistence.school import (
    attention,
    comments,
    credentials,
    curriculum,
    moderation,
    permissions,
    posts,
    votes,
)
from server.persistence.school import curriculum_parts as parts
from tests.school.plans import Area, app, server, staff

FILL = """
set session_replication_role = replica;
insert into users (subject, username) select 'subject ' || n, 'name-' || n
    from generate_series(1, 3000) n;
insert into role_grants (user_id, role) select id, 'INSTRUCTOR' from users where id % 2 = 0;
insert into courses (slug, title, owner_id)
    select 'course-' || n, 'Course', n from generate_series(1, 1000) n;
insert into modules (course_id, slug, position, title)
    select n, 'one', 1, 'One' from generate_series(1, 1000) n;
insert into lessons (module_id, course_id, slug, position, title)
    select n, n, 'lesson-' || place, place, 'Lesson'
    from generate_series(1, 1000) n, generate_series(1, 3) place;
insert into quizzes (lesson_id, title) select n, 'Quiz' from generate_series(1, 1000) n;
insert into quiz_questions (quiz_id, position, kind, prompt, answer)
    select n, place, 'TEXT', 'Why?', '"So."'
    from generate_series(1, 1000) n, generate_series(1, 3) place;
insert into content_items (course_id, last_version, published_version)
    select n, 5, 1 from generate_series(1, 1000) n;
insert into content_items (lesson_id, last_version, published_version)
    select n, 5, 1 from generate_series(1, 3000) n;
insert into content_versions (item_id, version, body, sha256, author_id)
    select n, version, '{}', sha256('{}'), 7
    from generate_series(1, 4000) n, generate_series(1, 5) version;
insert into posts (author_id, course_id, lesson_id, title, body, status, score, created_at)
    select 1 + n % 3000, 1 + n % 100, 1 + n % 900, 'Title', 'Body',
        case when n % 500 = 0 then 'FLAGGED' else 'VISIBLE' end, n % 17,
        now() - n * interval '1 minute'
    from generate_series(1, 20000) n;
insert into comments (author_id, post_id, body, status, score, created_at)
    select 1 + n % 2999, 1 + n % 5000, 'Body',
        case when n % 500 = 0 then 'FLAGGED' else 'VISIBLE' end, n % 13,
        now() - n * interval '1 minute'
    from generate_series(1, 20000) n;
insert into votes (user_id, post_id, value)
    select 1 + n % 3000, 1 + n / 4, 1 from generate_series(1, 20000) n;
insert into votes (user_id, comment_id, value)
    select 1 + n % 3000, 1 + n / 4, 1 from generate_series(1, 20000) n;
insert into flags (user_id, post_id) select n % 50 + 1, n from generate_series(1, 5000) n;
insert into suspensions (user_id, reason, lifted_at) select id, 'Spam.', now() from users;
insert into auth_sessions (user_id, token_hash, expires_at)
    select id, sha256(id::text::bytea), now() + interval '1 day' from users;
insert into revocations (user_id, issued_before) select subject, now() from users;
insert into credentials (user_id, course_id, status, chain_id, contract, recipient,
        transaction_hash, token_id, confirmed_at)
    select n, 1 + n % 1000, case when n % 50 > 0 then 'CONFIRMED' else 'SENT' end, 1,
        '0x' || repeat('a', 40), '0x' || repeat('b', 40), '0x' || repeat('c', 64),
        case when n % 50 > 0 then n end, case when n % 50 > 0 then now() end
    from generate_series(1, 3000) n;
insert into user_profiles (user_id) select id from users;
insert into enrollments (user_id, course_id) select n, 7 from generate_series(1, 3000) n;
update comments set addressee_id = 1 + id % 2998;
insert into quiz_attempts (user_id, quiz_id, number, points, max_points, passed, submitted_at)
    select 1 + n % 3000, 1 + n % 1000, 1, 1, 1, true, now() + interval '1 hour'
    from generate_series(1, 3000) n;
insert into code_submissions (user_id, course_id, lesson_id, source, status, submitted_at,
        judged_at)
    select 1 + n % 3000, 1, 1, '', case when n % 100 > 0 then 'FAILED' else 'PENDING' end,
        now() - n * interval '1 second', case when n % 100 > 0 then now() end
    from generate_series(1, 10000) n;
insert into badges (slug, title) select 'badge-' || n, 'Badge' from generate_series(1, 20) n;
insert into user_badges (user_id, badge_id)
    select user_id, badge from generate_series(1, 3000) user_id, generate_series(1, 3) badge;
insert into achievements (slug, title, criteria)
    select 'achievement-' || n, 'Done', '{}' from generate_series(1, 20) n;
insert into user_achievements (user_id, achievement_id)
    select user_id, done from generate_series(1, 3000) user_id, generate_series(1, 3) done;
insert into documents (name) select 'session-' || n from generate_series(1, 1000) n;
insert into collaboration_sessions (id, name) select id, name from documents;
insert into session_participants (session_id, user_id)
    select id, 'subject ' || n from documents, generate_series(1, 5) n;
insert into chat_messages (session_id, seq, revision, name, client_message_id, body, mentions,
        sent_at)
    select id, seq, seq, '', seq, 'hello',
        case when seq = 1 then array['subject ' || id % 300] else '{}' end, now()
    from documents, generate_series(1, 10) seq;
insert into attention_seen select id, now() from users;
update content_items set review_version = 2, review_at = now() where id % 100 = 0;
set session_replication_role = origin;
"""
# A role's or a school's, of which there are few rows.
FEW = {"permissions", "badges", "achievements"}

ID = "gen_random_uuid()"
COURSE = """'{"title": "x", "questions": []}'"""
CONTRACT = "'0x' || repeat('a', 40)"
FIRST = ("now()", "'~'", "0", "20")
PLACE = ("now()", "500")
ARGUMENTS = {
    permissions.SCOPES: app("7", "array['post.write']"),
    permissions.ACT: app("7"),
    posts.WRITE: app("7", ID, "'Title'", "'Body'", "'QUESTION'", "1", "1", "'en'"),
    posts.IN_COURSE: app("7", "1"),
    posts.OWNER: app("7"),
    posts.READ: app("7", ID),
    posts.EDIT: app("7", ID, "'Title'", "'Body'"),
    posts.DELETE: app("7", ID),
    posts.NEWEST: app("7", *PLACE, "20", "0"),
    posts.NEWEST_OF_COURSE: app("7", *PLACE, "20", "7"),
    posts.NEWEST_OF_LESSON: app("7", *PLACE, "20", "7"),
    posts.NEWEST_OF_AUTHOR: app("7", *PLACE, "20", "7"),
    posts.BEST: app("7", "5", "500", "20", "0"),
    posts.BEST_OF_COURSE: app("7", "5", "500", "20", "7"),
    posts.BEST_OF_LESSON: app("7", "5", "500", "20", "7"),
    posts.BEST_OF_AUTHOR: app("7", "5", "500", "20", "7"),
    comments.WRITE: app("7", ID, ID, ID, "'Body'"),
    comments.READ: app("7", ID),
    comments.EDIT: app("7", ID, "'Body'"),
    comments.DELETE: app("7", ID),
    comments.THREAD: app("7", "7", "0", "50"),
    comments.BEST: app("7", "7", "5", "500", "20"),
    comments.NEWEST_OF_AUTHOR: app("7", "7", *PLACE, "20"),
    attention.LIST: server("7", "true", *FIRST),
    attention.LIST_OF_STAFF: server("7", "false", *FIRST, "true", "'ANY'", "'OWN'"),
    attention.SEEN: server("7", "now()"),
    credentials.ELIGIBLE: server("7", "7"),
    credentials.REQUEST: server("7", "7", "1", CONTRACT, CONTRACT),
    credentials.AGAIN: server("7", "7", CONTRACT),
    credentials.CURRENT: server("7", "7"),
    credentials.LOCK: server(ID),
    credentials.CHANGE: server(ID, "'PENDING'", "null", "null", "null", "null", "0"),
    credentials.WAITING: server("10", "'PENDING'"),
    credentials.BY_ID: server(ID),
    credentials.BY_TOKEN: server("1", CONTRACT, "7"),
    credentials.OWN: app("7", "100", "20"),
    curriculum.BODY: staff("7", "3"),
    curriculum.RAISE: staff("7"),
    curriculum.ADD: staff("7", "6", "'{}'", "7", "''", "'{}'"),
    curriculum.REVIEW: staff("7", "3"),
    curriculum.COURSE_STATUS: staff("7", "'DRAFT'", "'REVIEW'"),
    curriculum.END_REVIEW: staff("7"),
    curriculum.PUBLISH: staff("7", "3"),
    curriculum.HISTORY: staff("7", "5", "20"),
    parts.MAKE_COURSE: staff(ID, "null", "'new'", "null", "'Title'", "7"),
    parts.MAKE_MODULE: staff(ID, ID, "'new'", "2", "'Title'", "7"),
    parts.MAKE_LESSON: staff(ID, ID, "'new'", "2", "'Title'", "7"),
    parts.MAKE_QUIZ: staff(ID, ID, "null", "null", "'Title'", "7"),
    parts.FIND: staff("'QUIZ'", ID),
    parts.BEGIN: staff("'QUIZ'", "7"),
    parts.ITEM: staff("'LESSON'", "7"),
    parts.LOCK: staff("'LESSON'", "7"),
    parts.SHOW_COURSE: staff("7", COURSE),
    parts.SHOW_MODULE: staff("7", COURSE),
    parts.SHOW_LESSON: staff("7", COURSE),
    parts.SHOW_QUIZ: staff("7", COURSE),
    parts.DROP_QUESTIONS: staff("7", COURSE),
    parts.PUT_QUESTIONS: staff("7", COURSE),
    moderation.FLAG_POST: app("7", ID, "'Spam.'"),
    moderation.FLAG_COMMENT: app("7", ID, "'Spam.'"),
    moderation.QUEUE: staff("now() - interval '1 day'", "'POST'", "500", "20"),
    moderation.DECIDE_POST: staff("7", ID, "array['FLAGGED']", "'HIDDEN'", "'Spam.'"),
    moderation.DECIDE_COMMENT: staff("7", ID, "array['FLAGGED']", "'HIDDEN'", "'Spam.'"),
    moderation.LOOK_POST: staff(ID),
    moderation.LOOK_COMMENT: staff(ID),
    moderation.LOCK: staff("7"),
    moderation.SET_STATUS: staff("7", "'SUSPENDED'"),
    moderation.SUSPEND: staff("7", "'Spam.'", "8"),
    moderation.SIGN_OUT: staff("7"),
    moderation.REVOKE: staff("'subject 7'"),
    moderation.LIFT: staff("7", "8", "'Sorry.'"),
    moderation.SUSPENSIONS: app("7"),
    votes.POST: app(ID),
    votes.COMMENT: app(ID),
    votes.VOTE_ON_POST: app("7", "7", "1"),
    votes.VOTE_ON_COMMENT: app("7", "7", "1"),
    votes.TAKE_BACK_FROM_POST: app("7", "7"),
    votes.TAKE_BACK_FROM_COMMENT: app("7", "7"),
}
MODULES = (
    attention,
    comments,
    credentials,
    curriculum,
    parts,
    moderation,
    permissions,
    posts,
    votes,
)
AREA = Area("community", MODULES, ARGUMENTS, FILL, FEW)
