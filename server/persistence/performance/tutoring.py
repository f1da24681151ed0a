"""What the statements of badges, the tutor and recommendations are measured with."""

# ruff: noqa: S608  # of constants

from server.persistence.performance.drawing import Draw, app, server, staff

BADGE = "(select min(slug) from badges)"
THREAD = """
drawn
cross join lateral (
    select * from tutor_threads where user_id >= person order by user_id limit 1
) as thread
"""
ASKED = f"""
{THREAD}
cross join lateral (
    select tutor_messages.id as question, sent_at as asked_at
    from tutor_messages
    where thread_id = thread.id and tutor_messages.user_id = thread.user_id and role = 'USER'
    order by sent_at
    limit 1
) as message
"""
BADGES: dict[str, Draw] = {
    "badges.make": staff(
        "select post, 'try-' || n, 'Badge', '', 'GOLD', 'https://a.example/' || n from drawn"
    ),
    "badges.change": staff(
        f"select post, {BADGE}, 'Badge', '', 'GOLD', 'https://a.example/' || n from drawn"
    ),
    "badges.all": app("select person, '', 50::bigint from drawn"),
    "badges.award": staff(f"select post, person, {BADGE}, post, 'Helps others.' from drawn"),
    "badges.has": staff(f"select post, person, {BADGE} from drawn"),
    "badges.revoke": staff(f"select post, person, {BADGE} from drawn"),
    "badges.of": app("select person, person, true, 200::bigint from drawn"),
    "badges.wear": app(f"select person, person, array[{BADGE}] from drawn"),
    "badges.wearers": server(f"select {BADGE}, person, 50::bigint from drawn"),
}
TUTOR: dict[str, Draw] = {
    "tutor.open": app("select person, gen_random_uuid(), person, lesson, 'Mappings' from drawn"),
    "tutor.read": app(f"select user_id, public_id from {THREAD}"),
    "tutor.threads": app(
        f"""
        select user_id, user_id, 'OPEN', null::timestamptz, null::bigint, 50::bigint
        from {THREAD}
        """
    ),
    "tutor.change": app(f"select user_id, public_id, 'Maps', 'OPEN' from {THREAD}"),
    "tutor.delete": app(f"select user_id, public_id from {THREAD}"),
    "tutor.lock": app(f"select user_id, public_id from {THREAD}"),
    "tutor.ask": app(
        f"select user_id, id, user_id, gen_random_uuid(), 'What is a mapping?' from {THREAD}"
    ),
    "tutor.messages": app(
        f"select user_id, public_id, null::timestamptz, null::bigint, 50::bigint from {THREAD}"
    ),
    "tutor_answers.reserve": server(
        "select person, current_date, 100::bigint, 500000::bigint from drawn"
    ),
    "tutor_answers.give_back": server("select person, current_date from drawn"),
    "tutor_answers.answer": server(
        f"""
        select id, user_id, question, asked_at, 'A table of keys.', 'large-1', 100, 50,
            current_date
        from {ASKED}
        """
    ),
    "tutor_answers.count": server(
        "select person, current_date, 100::bigint, 50::bigint from drawn"
    ),
    "tutor_answers.usage": app("select person, person, current_date - 30, current_date from drawn"),
}
RECOMMENDATIONS: dict[str, Draw] = {
    "recommendations.mine": app("select person, person from drawn"),
    "recommendations.dismiss": app("select person, person, course from drawn"),
}
