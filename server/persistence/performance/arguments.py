"""What each named statement is measured with.

A new `Query` of server.persistence.school needs a line here, or in the module of its family, unless
it is for upkeep; a test says so.
"""

from server.persistence.performance.analytics import ANALYTICS
from server.persistence.performance.community import COMMUNITY, CREDENTIALS, CURRICULUM, MODERATION
from server.persistence.performance.drawing import Draw, app, server
from server.persistence.performance.search import SEARCH
from server.persistence.performance.tutoring import BADGES, RECOMMENDATIONS, TUTOR

BOARD = "select 'ALL', null::timestamptz, null::bigint"
WEEK = (
    "select 'WEEK', date_trunc('week', (select until from seeding.runs) - 1, 'UTC'), null::bigint"
)

PEOPLE = {
    "sign_in.open": app(
        """
        select person, person, sha256(convert_to('try-' || n, 'UTF8')), 'Mozilla/5.0',
            '192.0.2.1'::inet, interval '30 days'
        from drawn
        """
    ),
    "sign_in.look_up": server("select token_hash, '192.0.2.1'::inet from signed_in"),
    "sign_in.sessions": app("select person, person from signed_in"),
    "sign_in.revoke": app("select person, person, public_id from signed_in"),
    "sign_in.revoke_others": app("select person, person, public_id from signed_in"),
    "profiles.own": app("select person, person from drawn"),
    "profiles.shown": server("select username, person from drawn join users on id = post"),
    "profiles.begin": app("select person, person from drawn"),
    "profiles.change": app("""select person, person, '{"bio": "Hello"}'::jsonb from drawn"""),
    "profiles.rename": app("select person, person, 'renamed' || n from drawn"),
}
CATALOGUE = {
    "catalogue.courses": app(
        """
        select person, person, null::timestamptz, null::uuid, null::text, null::text, 20::bigint
        from drawn
        """
    ),
    "catalogue.course": app("select person, person, slug from drawn join courses on id = course"),
    "catalogue.lesson": app("select person, person, public_id from studied"),
    "catalogue.mine": app(
        "select person, person, array['ACTIVE', 'COMPLETED'], 100::bigint from drawn"
    ),
}
EARNING = {
    "earning.lock": server("select person from drawn"),
    "earning.person": server("select person, now(), 'lesson:' || lesson from drawn"),
    "earning.give": server(
        """
        select person, now(), array['try:' || n], array['LESSON'], array[10], array[course],
            array[lesson], array['lesson.completed'], array[gen_random_uuid()],
            array['{"xp": 10}'::jsonb], array[1, 0, 0, 0, 0, 0]::bigint[],
            datemultirange(daterange(current_date, current_date + 1)), 1, 1, current_date,
            array[]::bigint[], array[]::bigint[], xp + 10, level
        from drawn
        join users on id = person
        """
    ),
}
RANKS = {
    "ranks.moved": server(
        """
        select person, 10::bigint, 10::bigint, array['ALL', 'COURSE'],
            array[null, null]::timestamptz[], array[null, course]
        from drawn
        """
    ),
    "ranks.lock_boards": server("select from drawn"),
    "ranks.make_boards": server(
        """
        select array['WEEK'], array[null]::bigint[],
            array[date_trunc('week', now() + n * interval '7 days', 'UTC')],
            array[date_trunc('week', now() + (n + 1) * interval '7 days', 'UTC')]
        from drawn
        """
    ),
    "ranks.standing": server(f"{BOARD}, person from drawn"),
    "ranks.top": server(
        """
        select 'ALL', null::timestamptz, null::bigint, null::bigint, null::bigint, 100::bigint
        from drawn
        """
    ),
    "ranks.around": server(f"{BOARD}, person, 5::bigint from drawn"),
    "ranks.everybody": app("select person, (person / 100 * 100)::bigint, 100::bigint from drawn"),
}
LESSONS = {
    "lessons.look": server("select person, public_id from studied"),
    "lessons.start": server("select person, course, lesson, now(), gen_random_uuid() from drawn"),
    "lessons.keep": app("""select person, person, public_id, '{"line": 3}'::jsonb from studied"""),
    "lessons.advance": server("select person, public_id, 95, 4000, now() from studied"),
    "lessons.complete": server(
        """
        select person, public_id, now(), gen_random_uuid()
        from drawn
        join lessons on id = lesson
        """
    ),
    "enrolment.enrol": server(
        "select person, public_id, now() from drawn join courses on id = course"
    ),
    "enrolment.leave": server(
        "select person, courses.public_id, now() from studied join courses on id = course"
    ),
}
QUIZZES = {
    "quizzes.look": server("select person, quiz_public_id from tried"),
    "quizzes.questions": server("select quiz_public_id from tried"),
    "quizzes.start": app("select person, person, quiz, 5 from tried"),
    "quizzes.save": app("select person, person, public_id, '{}'::jsonb from tried"),
    "quizzes.handed_in": server("select person, public_id from tried"),
    "quizzes.key": server("select quiz from tried"),
    "quizzes.grade": server(
        "select attempt, 3, 4, true, now(), gen_random_uuid(), course, lesson from tried"
    ),
    "quizzes.attempts": server("select person, quiz_public_id from tried"),
    "submissions.submit": app(
        """
        select person, person, lesson_public_id, gen_random_uuid(), now(), 'solidity',
            'contract A {}'
        from coded
        """
    ),
    "submissions.there": server("select person, public_id, submitted_at from coded"),
    "submissions.owner": server("select public_id, submitted_at from coded"),
    "submissions.judge": server(
        """
        select person, public_id, submitted_at, 'PASSED', 5, 5, 21000::bigint, '{}'::jsonb, now(),
            gen_random_uuid()
        from coded
        """
    ),
    "submissions.read": server("select public_id, submitted_at from coded"),
    "submissions.mine": server(
        "select person, lesson_public_id, null::timestamptz, null::uuid, 20::bigint from coded"
    ),
    "submissions.course": server("select course_public_id from coded"),
    "submissions.of_course": server(
        "select course, null::timestamptz, null::uuid, 20::bigint from coded"
    ),
}
ARGUMENTS: dict[str, Draw] = {
    **ANALYTICS,
    **PEOPLE,
    **CATALOGUE,
    **EARNING,
    **RANKS,
    **BADGES,
    **TUTOR,
    **RECOMMENDATIONS,
    **LESSONS,
    **QUIZZES,
    **COMMUNITY,
    **MODERATION,
    **CREDENTIALS,
    **CURRICULUM,
    **SEARCH,
}
