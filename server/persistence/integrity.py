"""What no constraint can state: sums, counters, ledgers and references across tables.

Each check is one statement, so it sees one moment and may run beside servers. It gives a line of
text for each row that is wrong; all of it is to be looked at by people.
"""

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from server.persistence.school import integrity as school
from server.persistence.school import rollup_checks
from server.persistence.types import Connection

MOST_SHOWN = 20  # rows of one check; the others are counted
SECONDS = 24 * 3600.0  # that one check may take

# The live server's tables.

JOURNAL_END = """
select format('document %s (%s): last_seq %s, newest row %s', id, name, last_seq, newest) as wrong
from (
    select id, name, last_seq,
        greatest(
            (select max(seq) from document_updates where document_id = documents.id),
            (select max(seq) from document_snapshots where document_id = documents.id),
            0
        ) as newest
    from documents
) as documents
where newest <> last_seq
order by id
"""
JOURNAL_GAPS = """
select format('document %s (%s): %s rows missing after seq %s', id, name, missing, covered) as wrong
from (
    select id, name, covered, last_seq - covered - (
        select count(*) from document_updates where document_id = documents.id and seq > covered
    ) as missing
    from (
        select id, name, last_seq,
            (select coalesce(max(seq), 0) from document_snapshots where document_id = id) as covered
        from documents
    ) as documents
) as documents
where missing > 0
order by id
"""
SNAPSHOTS_AHEAD = """
select format('document %s (%s): snapshot of seq %s, last_seq %s', id, name, seq, last_seq) as wrong
from document_snapshots
join documents on id = document_id
where seq > last_seq
order by id, seq
"""
SESSION_NAMES = """
select format('session %s is called %s, its document %s', id, s.name, d.name) as wrong
from collaboration_sessions as s
join documents as d using (id)
where s.name <> d.name
order by id
"""
DELETED_SESSIONS = """
select format('session %s is deleted, and has document %s', name, id) as wrong
from deleted_sessions
join documents using (name)
order by name
"""
CHAT_COUNTERS = """
select format(
    'session %s: counted up to %s and revision %s; %s messages up to %s and revision %s',
    session_id, last_seq, last_revision, messages, newest, newest_revision
) as wrong
from (
    select session_id, count(*) as messages, max(seq) as newest, max(revision) as newest_revision
    from chat_messages
    group by session_id
) as written
full join chat_counters using (session_id)
where (coalesce(last_seq, 0), coalesce(last_seq, 0), coalesce(last_revision, 0))
    <> (coalesce(messages, 0), coalesce(newest, 0), coalesce(newest_revision, 0))
order by session_id
"""
CHAT_KEYS = """
select format('session %s: %s of %s is message %s, which is not there',
    session_id, client_message_id, author, seq) as wrong
from chat_keys as key
where not exists (
    select from chat_messages as message
    where message.session_id = key.session_id and message.seq = key.seq
)
order by session_id, seq
"""
CHAT_REPLIES = """
select format('session %s: message %s answers %s, which is not there',
    session_id, seq, reply_to) as wrong
from chat_messages as answer
where reply_to is not null and not exists (
    select from chat_messages as message
    where message.session_id = answer.session_id and message.seq = answer.reply_to
)
order by session_id, seq
"""
ACTIVITY_SESSIONS = """
select format('session %s: %s rows, and there never was one', session_id, count(*)) as wrong
from session_activity
where session_id > (select coalesce(max(last_value), 0) from pg_sequences
    where sequencename = 'documents_id_seq' and schemaname = current_schema())
group by session_id
order by session_id
"""

# People, and what they earned.

XP_SUMS = """
select format('user %s: xp %s, ledger %s', id, xp, earned) as wrong
from (
    select users.id, xp, coalesce(sum(amount), 0) as earned
    from users
    left join xp_events on user_id = users.id
    group by users.id
) as summed
where xp <> earned
order by id
"""
XP_KEYS = """
select format('user %s: points for %s are given %s times', user_id, key, count(*)) as wrong
from xp_events
group by user_id, key
having count(*) > 1
union all
select format('user %s: points for %s are not among the keys', user_id, key)
from xp_events
where not exists (
    select from xp_event_keys as given
    where given.user_id = xp_events.user_id and given.key = xp_events.key
)
order by 1
"""
STATS = """
select format('user %s: %s %s, counted %s', user_id, name, told, counted) as wrong
from user_stats
cross join lateral (
    values
        ('lessons_completed', lessons_completed, (
            select count(*) from user_progress as done
            where done.user_id = user_stats.user_id and done.status = 'COMPLETED'
        )),
        ('courses_completed', courses_completed, (
            select count(*) from enrollments as taken
            where taken.user_id = user_stats.user_id and taken.status = 'COMPLETED'
        )),
        ('quizzes_passed', quizzes_passed, (
            select count(distinct quiz_id) from quiz_attempts as tried
            where tried.user_id = user_stats.user_id and passed
        )),
        ('achievements', achievements, (
            select count(*) from user_achievements as earned
            where earned.user_id = user_stats.user_id
        )),
        ('seconds', seconds, (
            select coalesce(sum(seconds), 0) from user_progress as spent
            where spent.user_id = user_stats.user_id
        ))
) as compared (name, told, counted)
where told <> counted
order by user_id, name
"""
ROLES = """
select format('user %s is %s without a grant', id, role) as wrong
from users
where role <> 'STUDENT' and status = 'ACTIVE' and not exists (
    select from role_grants as given
    where given.user_id = users.id and given.role = users.role
        and given.revoked_at is null and (given.expires_at is null or given.expires_at > now())
)
order by id
"""
UNREADABLE_SECRETS = """
select format('user %s: %s of a key that is gone', user_id, kind) as wrong
from user_secrets
where not exists (select from user_keys where user_keys.user_id = user_secrets.user_id)
union all
select format('user %s: key %s is retired, and still needed', user_id, key_id)
from user_keys
join encryption_keys on id = key_id
where status = 'RETIRED'
union all
select format('user %s: key %s is retired, and the address still needs it', users.id, email_key_id)
from users
join encryption_keys on encryption_keys.id = email_key_id
where encryption_keys.status = 'RETIRED'
order by 1
"""

# The curriculum and the community.

CONTENT_VERSIONS = """
select format('item %s: last_version %s; %s versions up to %s', id, last_version, versions, newest)
    as wrong
from (
    select id, last_version, count(version) as versions, coalesce(max(version), 0) as newest
    from content_items
    left join content_versions on item_id = id
    group by id
) as counted
where last_version <> versions or last_version <> newest
order by id
"""
SCORES = """
select format('post %s: score %s, votes %s', id, score, counted) as wrong
from (
    select posts.id, score, coalesce(sum(value), 0) as counted
    from posts
    left join votes on post_id = posts.id
    group by posts.id
) as summed
where score <> counted
union all
select format('comment %s: score %s, votes %s', id, score, counted)
from (
    select comments.id, score, coalesce(sum(value), 0) as counted
    from comments
    left join votes on comment_id = comments.id
    group by comments.id
) as summed
where score <> counted
order by 1
"""
COMMENTS = """
select format('post %s: %s comments, counted %s', id, comments, counted) as wrong
from (
    select posts.id, posts.comments, count(shown.id) as counted
    from posts
    left join comments as shown on post_id = posts.id and shown.status in ('VISIBLE', 'FLAGGED')
    group by posts.id
) as summed
where comments <> counted
order by id
"""

# The audit's seals; `lyceum db verify-audit` looks at what they say.

SEAL_NUMBERS = """
select format('seal %s stands at place %s', number, place) as wrong
from (select number, row_number() over (order by number) as place from audit_seals) as placed
where number <> place
order by number
"""
SEALED_TWICE = """
select format('rows %s are in seal %s and another one', ids * before, number) as wrong
from (
    select number, ids,
        range_agg(ids) over (
            order by number rows between unbounded preceding and 1 preceding
        ) as before
    from audit_seals
) as sealed
where ids && before
order by number
"""


class Check(NamedTuple):
    """One check; holds: what is so if nothing is wrong."""

    name: str
    holds: str
    statement: str


CHECKS = (
    Check("journal-end", "documents end where their journal and snapshots do", JOURNAL_END),
    Check("journal-gaps", "journals have no gap after their newest snapshot", JOURNAL_GAPS),
    Check("snapshots", "no snapshot covers more than was written", SNAPSHOTS_AHEAD),
    Check("session-names", "sessions are called as their documents", SESSION_NAMES),
    Check("deleted-sessions", "deleted sessions have no document", DELETED_SESSIONS),
    Check("chat-counters", "chat is numbered without gaps up to its counters", CHAT_COUNTERS),
    Check("chat-keys", "what senders call their messages is there", CHAT_KEYS),
    Check("chat-replies", "messages answer messages of their session", CHAT_REPLIES),
    Check("activity", "activity is of sessions that there were", ACTIVITY_SESSIONS),
    Check("xp", "points are the sum of the ledger", XP_SUMS),
    Check("xp-keys", "nothing was given points for twice", XP_KEYS),
    Check("board-scores", "points on boards are the sum of the ledger", school.BOARD_SCORES),
    Check("ranked", "who is active is ranked, and nobody else", school.RANKED),
    Check("histogram", "histograms count those who are on their board", school.HISTOGRAM),
    Check("leaderboard", "the leaderboard ranks by points whom it should", school.LEADERBOARD),
    Check("levels", "levels follow from points", school.LEVELS),
    Check("stats", "what people have done is counted rightly", STATS),
    Check("streaks", "days in a row are those on which people learned", school.STREAKS),
    Check("roles", "who is more than a student was made that", ROLES),
    Check("secrets", "the key of every secret is there and in use", UNREADABLE_SECRETS),
    Check("content", "content has all its versions", CONTENT_VERSIONS),
    Check("content-shown", "what is published is shown", school.CONTENT_SHOWN),
    Check("scores", "scores are the sum of votes", SCORES),
    Check("comments", "comments are counted rightly", COMMENTS),
    Check("addressees", "comments tell whom they answer", school.ADDRESSEES),
    Check("vocabulary", "words that all may see are counted", school.VOCABULARY),
    Check("community", "what people have written, and votes for it, are counted", school.COMMUNITY),
    *(
        Check(
            table.removeprefix("analytics_").replace("_", "-"),
            "counts of events are those of the events",
            statement,
        )
        for table, statement in rollup_checks.BY_EVENTS.items()
    ),
    Check("active", "who is active follows from the days of people", rollup_checks.ACTIVE_DAYS),
    Check("collaboration", "counts of activity are those of it", rollup_checks.COLLABORATION),
    Check("seal-numbers", "seals are numbered without gaps", SEAL_NUMBERS),
    Check("sealed-once", "no row of the audit log is in two seals", SEALED_TWICE),
)


class Result(NamedTuple):
    """What a check found: how many rows are wrong, and the first of them in words."""

    check: Check
    found: int
    wrong: list[str]


async def check_all(
    connection: Connection, checks: Sequence[Check] = CHECKS
) -> AsyncIterator[Result]:
    """Run the checks one after the other, without a limit on what they take.

    Rows that policies hide from this login make them fail, rather than be passed over.
    """
    await connection.execute("set statement_timeout = 0; set row_security = off")
    for check in checks:
        found, wrong = await _run(connection, check)
        yield Result(check, found, wrong)


async def _run(connection: Connection, check: Check) -> tuple[int, list[str]]:
    counted = f"""
        select count(*) over (), wrong from ({check.statement}) as found limit {MOST_SHOWN}
    """  # noqa: S608  # of the checks above
    rows = await connection.fetch(counted, timeout=SECONDS)
    return (rows[0][0] if rows else 0), [row[1] for row in rows]
