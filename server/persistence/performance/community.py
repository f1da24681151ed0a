"""What the statements of the community, the curriculum and credentials are measured with."""

from server.persistence.performance.drawing import Draw, app, server, staff

COMMUNITY: dict[str, Draw] = {
    "posts.write": app(
        """
        select person, person, gen_random_uuid(), 'A question about gas',
            repeat('why does this cost so much ', 20), 'QUESTION', course, lesson, 'en'
        from drawn
        """
    ),
    "posts.in_course": app("select person, lesson, course from drawn"),
    "posts.course_owner": app("select person, course from drawn"),
    "posts.read": app("select person, person, public_id from drawn join posts on id = post"),
    "posts.edit": app(
        "select author_id, author_id, public_id, 'Edited', 'edited' from drawn"
        " join posts on id = post"
    ),
    "posts.delete": app(
        "select author_id, author_id, public_id from drawn join posts on id = post"
    ),
    "posts.newest": app(
        "select person, person, null::timestamptz, null::bigint, 20::bigint, 0::bigint from drawn"
    ),
    "posts.newest_of_course": app(
        "select person, person, null::timestamptz, null::bigint, 20::bigint, course from drawn"
    ),
    "posts.newest_of_lesson": app(
        "select person, person, null::timestamptz, null::bigint, 20::bigint, lesson from drawn"
    ),
    "posts.newest_of_author": app(
        "select person, person, null::timestamptz, null::bigint, 20::bigint, author_id from drawn"
        " join posts on id = post"
    ),
    "posts.best": app(
        "select person, person, null::bigint, null::bigint, 20::bigint, 0::bigint from drawn"
    ),
    "posts.best_of_course": app(
        "select person, person, null::bigint, null::bigint, 20::bigint, course from drawn"
    ),
    "posts.best_of_lesson": app(
        "select person, person, null::bigint, null::bigint, 20::bigint, lesson from drawn"
    ),
    "posts.best_of_author": app(
        "select person, person, null::bigint, null::bigint, 20::bigint, author_id from drawn"
        " join posts on id = post"
    ),
    "comments.write": app(
        """
        select person, person, gen_random_uuid(), public_id, null::uuid, 'Look at the second line'
        from drawn
        join posts on id = post
        """
    ),
    "comments.read": app("select person, person, public_id from commented"),
    "comments.edit": app("select author_id, author_id, public_id, 'Edited' from commented"),
    "comments.delete": app("select author_id, author_id, public_id from commented"),
    "comments.thread": app("select person, person, post_id, 0::bigint, 50::bigint from commented"),
    "comments.best": app(
        "select person, person, post_id, null::bigint, null::bigint, 20::bigint from commented"
    ),
    "comments.newest_of_author": app(
        "select person, person, author_id, null::timestamptz, null::bigint, 20::bigint"
        " from commented"
    ),
    "votes.post": app("select person, public_id from drawn join posts on id = post"),
    "votes.comment": app("select person, public_id from commented"),
    "votes.vote_on_post": app("select person, person, post, 1::smallint from drawn"),
    "votes.vote_on_comment": app("select person, person, id, 1::smallint from commented"),
    "votes.take_back_from_post": app(
        """
        select user_id, user_id, post_id
        from drawn
        cross join lateral (
            select * from votes where post_id >= post order by post_id limit 1
        ) as votes
        """
    ),
    "votes.take_back_from_comment": app(
        """
        select user_id, user_id, comment_id
        from drawn
        cross join lateral (
            select * from votes where comment_id >= post * 32 order by comment_id limit 1
        ) as votes
        """
    ),
    "permissions.scopes": app("select person, person, array['post.write'] from drawn"),
    "permissions.act": server("select person::text from drawn"),
    "attention.list": server(
        """
        select person, false, timestamptz '9999-01-01 00:00:00+00', '~', 0::bigint, 20::bigint
        from drawn
        """
    ),
    "attention.list_of_staff": server(
        """
        select 1 + n % 3, true, timestamptz '9999-01-01 00:00:00+00', '~', 0::bigint,
            100::bigint, true, 'ANY', 'OWN'
        from drawn
        """
    ),
    "attention.seen": server("select person, now() from drawn"),
}
MODERATION: dict[str, Draw] = {
    "moderation.flag_post": app(
        "select person, person, public_id, 'spam' from drawn join posts on id = post"
    ),
    "moderation.flag_comment": app("select person, person, public_id, 'spam' from commented"),
    "moderation.queue": staff(
        "select 3::bigint, null::timestamptz, null::text, null::bigint, 20::bigint from drawn"
    ),
    "moderation.decide_post": staff(
        """
        select 3::bigint, 3::bigint, public_id, array['VISIBLE', 'FLAGGED'], 'HIDDEN', 'spam'
        from drawn
        join posts on id = post
        """
    ),
    "moderation.decide_comment": staff(
        "select 3::bigint, 3::bigint, public_id, array['VISIBLE', 'FLAGGED'], 'HIDDEN', 'spam'"
        " from commented"
    ),
    "moderation.look_post": staff("select 3::bigint, public_id from drawn join posts on id = post"),
    "moderation.look_comment": staff("select 3::bigint, public_id from commented"),
    "moderation.lock": staff("select 3::bigint, person from drawn"),
    "moderation.set_status": staff("select 3::bigint, person, 'SUSPENDED' from drawn"),
    "moderation.suspend": staff("select 3::bigint, person, 'spam', 3::bigint from drawn"),
    "moderation.sign_out": staff("select 3::bigint, person from drawn"),
    "moderation.revoke": staff("select 3::bigint, 'seed-' || person from drawn"),
    "moderation.lift": staff("select 3::bigint, person, 3::bigint, 'enough' from drawn"),
    "moderation.suspensions": staff("select 3::bigint, person from drawn"),
}
CREDENTIALS: dict[str, Draw] = {
    "credentials.eligible": server("select person, course from certified"),
    "credentials.current": server("select person, course from certified"),
    "credentials.request": server(
        """
        select person, course, 137::bigint, '0x' || repeat('5eed', 10), '0x' || repeat('a1', 20)
        from drawn
        """
    ),
    "credentials.again": server("select person, course, '0x' || repeat('a1', 20) from certified"),
    "credentials.lock": server("select public_id from certified"),
    "credentials.change": server(
        """
        select public_id, 'CONFIRMED', '0x' || repeat('ab', 32), id::numeric, now(),
            null::timestamptz, 1::bigint
        from certified
        """
    ),
    "credentials.by_id": server("select public_id from certified"),
    "credentials.by_token": server("select chain_id, contract, token_id from certified"),
    "credentials.own": app("select person, person, null::bigint, 20::bigint from certified"),
    "credentials.waiting": server("select 100::bigint, 'PENDING' from drawn"),
}
# The staff that is asked for is the second person, who teaches; items are lessons'.
CURRICULUM: dict[str, Draw] = {
    "curriculum.find": staff(
        "select 2::bigint, 'LESSON', public_id from drawn join lessons on id = lesson"
    ),
    "curriculum.item": staff("select 2::bigint, 'LESSON', lesson from drawn"),
    "curriculum.lock": staff("select 2::bigint, 'LESSON', lesson from drawn"),
    "curriculum.begin": staff("select 2::bigint, 'MODULE', (course - 1) * 8 + 1 from drawn"),
    "curriculum.add": staff(
        "select 2::bigint, lesson * 2, 2, '{}', 2::bigint, 'edited', '{}'::jsonb from drawn"
    ),
    "curriculum.raise": staff("select 2::bigint, lesson * 2 from drawn"),
    "curriculum.body": staff("select 2::bigint, lesson * 2, 1 from drawn"),
    "curriculum.history": staff("select 2::bigint, lesson * 2, null::int, 20::bigint from drawn"),
    "curriculum.publish": staff("select 2::bigint, lesson * 2, 1 from drawn"),
    "curriculum.review": staff("select 2::bigint, lesson * 2, 1 from drawn"),
    "curriculum.end_review": staff("select 2::bigint, lesson * 2 from drawn"),
    "curriculum.course_status": staff(
        "select 2::bigint, course, 'PUBLISHED', 'ARCHIVED' from drawn"
    ),
    "curriculum.make_course": staff(
        """
        select 2::bigint, gen_random_uuid(), null::uuid, 'made-' || n, null::integer, 'Made',
            2::bigint
        from drawn
        """
    ),
    "curriculum.make_module": staff(
        """
        select 2::bigint, gen_random_uuid(), public_id, 'made-' || n, 100, 'Made', 2::bigint
        from drawn
        join courses on id = course
        """
    ),
    "curriculum.make_lesson": staff(
        """
        select 2::bigint, gen_random_uuid(), public_id, 'made-' || n, 100, 'Made', 2::bigint
        from drawn
        join modules on id = (course - 1) * 8 + 1
        """
    ),
    "curriculum.make_quiz": staff(
        """
        select 2::bigint, gen_random_uuid(), public_id, null::text, null::integer, 'Made', 2::bigint
        from drawn
        join lessons on id = lesson
        """
    ),
    "curriculum.show_course": staff(
        """
        select 2::bigint, id, jsonb_build_object(
            'title', title, 'summary', summary, 'language', language, 'difficulty', difficulty,
            'seconds', 3600, 'metadata', metadata
        )
        from drawn
        join courses on id = course
        """
    ),
    "curriculum.show_module": staff(
        """
        select 2::bigint, (course - 1) * 8 + 1, '{"title": "Gas", "summary": ""}'::jsonb
        from drawn
        """
    ),
    "curriculum.show_lesson": staff(
        """
        select 2::bigint, id, jsonb_build_object(
            'kind', kind, 'title', title, 'body', body, 'exercise', exercise,
            'language', language, 'xp', xp, 'seconds', 2400
        )
        from drawn
        join lessons on id = lesson
        """
    ),
    "curriculum.show_quiz": staff(
        """
        select 2::bigint, quiz, '{"title": "Gas", "pass_percent": 60, "xp": 20}'::jsonb
        from tried
        """
    ),
    "curriculum.drop_questions": staff(
        """select 2::bigint, quiz, '{"questions": []}'::jsonb from tried"""
    ),
    "curriculum.put_questions": staff(
        """
        select 2::bigint, quiz, jsonb_build_object('questions', jsonb_build_array(
            jsonb_build_object(
                'id', question.public_id, 'kind', 'TEXT', 'prompt', 'Why?', 'choices', '[]'::jsonb,
                'answer', 'gas', 'explanation', '', 'points', 1
            )
        ))
        from tried
        join quiz_questions as question on quiz_id = quiz and position = 1
        """
    ),
}
