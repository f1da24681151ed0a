"""Where the schema holds something of a person, how that is found, and what erasing does to it.

A test holds this against the database: every table with a column that names a person is here, or
is left out for a reason. Tables of the live server hold subjects (what tokens call a person), all
others hold users.id.
"""

from typing import Literal, NamedTuple

from server.persistence.school.rollup_tables import LOCK_KEY

ERASED_NAME = "Erased person"


class Personal(NamedTuple):
    """A table with something of people.

    by: what $1 is in all its SQL, users.id or the subject. belongs: which rows are the person's,
    and so are exported; None: none are, others' rows only name the person. names: the columns that
    name a person. left_out: columns that are not exported, as they are of others or are keys.
    row: what is exported of a row `t`. erase: statements that remove the person; $2 is the
    pseudonym. stays: why something stays of it.
    """

    table: str
    by: Literal["id", "subject"]
    belongs: str | None
    names: tuple[str, ...]
    erase: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    row: str = "to_jsonb(t)"
    stays: str = ""


def _own(
    table: str,
    *,
    others: tuple[str, ...] = (),
    left_out: tuple[str, ...] = (),
    stays: str = "",
) -> Personal:
    """A table of which each row is one person's, and goes with the person.

    others: columns that name somebody else, who did something to the row.
    """
    return Personal(
        table,
        "id",
        "user_id = $1",
        ("user_id", *others),
        (f"delete from {table} where user_id = $1",),  # noqa: S608
        (*others, *left_out),
        stays=stays,
    )


USERS = Personal(
    "users",
    "id",
    "id = $1",
    ("subject",),
    (
        """
        update users
        set subject = $2, username = $2, email = null, email_key_id = null, email_blind = null,
            role = 'STUDENT', status = 'DELETED', level = 1, xp = 0, streak = 0,
            last_active_at = null, updated_at = now()
        where id = $1 and status <> 'DELETED'
        """,
    ),
    ("email_key_id", "email_blind"),
    stays="a row without anything personal: what others refer to stays whole",
)

LIVE = (
    Personal(
        "collaboration_sessions",
        "subject",
        "owner = $1",
        ("owner",),
        (
            """
            update collaboration_sessions
            set owner = null, version = version + 1, updated_at = clock_timestamp()
            where owner = $1
            """,
        ),
        stays="sessions, with what was written in them, are those of all who were there",
    ),
    Personal(
        "document_versions",
        "subject",
        "author = $1",
        ("author",),
        ("update document_versions set author = null where author = $1",),
        ("payload",),
        stays="what was kept of a document is of all who wrote it, as of a guest",
    ),
    Personal(
        "session_participants",
        "subject",
        "user_id = $1",
        ("user_id",),
        (
            """
            with gone as (delete from session_participants where user_id = $1 returning *)
            insert into session_participants (session_id, user_id, first_seen_at, last_seen_at)
            select session_id, $2, first_seen_at, last_seen_at from gone
            on conflict on constraint session_participants_pkey do nothing
            """,
        ),
        stays="somebody was there, under a pseudonym",
    ),
    Personal(
        "chat_messages",
        "subject",
        "user_id = $1",
        ("user_id", "mentions", "deleted_by"),
        (
            f"update chat_messages set user_id = $2, name = '{ERASED_NAME}' where user_id = $1",  # noqa: S608
            """
            update chat_messages
            set mentions = array_replace(mentions, $1, $2)
            where mentions @> array[$1]
            """,
            "update chat_messages set deleted_by = $2 where deleted_by = $1",
        ),
        ("deleted_by",),
        stays="what was said belongs to a conversation; it stays under a pseudonym",
    ),
    Personal(
        "chat_keys",
        "subject",
        "author = 'u:' || $1::text",
        ("author",),
        ("delete from chat_keys where author = 'u:' || $1::text",),
    ),
    Personal(
        "session_activity",
        "subject",
        "user_id = $1",
        ("user_id", "data"),
        (
            "update session_activity set user_id = null where user_id = $1",
            "update session_activity set data = data - 'by' where data ->> 'by' = $1",
        ),
        row="to_jsonb(t) || jsonb_build_object('data', data - 'by')",
        stays="counts, as of a guest",
    ),
    Personal(
        "webhooks",
        "subject",
        "owner = $1",
        ("owner",),
        ("delete from webhooks where owner = $1",),
        ("secret",),
    ),
    Personal(
        "webhook_deliveries",
        "subject",
        None,
        ("payload",),
        (
            """
            delete from webhook_deliveries
            where payload #>> '{data,participant,user}' = $1
                or payload #>> '{data,message,user}' = $1
                or payload #> '{data,message,mentions}' ? $1
                or payload #> '{data,participants}'
                    @> jsonb_build_array(jsonb_build_object('user', $1::text))
            """,
        ),
    ),
    Personal(
        "revocations",
        "subject",
        "user_id = $1",
        ("user_id",),
        stays="the subject, or tokens from before would let the person in again",
    ),
)

PEOPLE = (
    _own("user_profiles"),
    _own("user_keys", left_out=("key_id", "wrapped")),
    _own("user_secrets"),
    _own("auth_sessions", left_out=("token_hash",)),
    _own("role_grants", others=("granted_by", "revoked_by"), stays="roles that others were given"),
)

LEARNING = (
    Personal(
        "courses",
        "id",
        "owner_id = $1",
        ("owner_id",),
        ("update courses set owner_id = null where owner_id = $1",),
        ("search_vector",),
        stays="courses are the school's",
    ),
    _own("enrollments"),
    _own("user_progress"),
    _own("quiz_attempts"),
    _own("code_submissions"),
)

GAMIFICATION = (
    _own("user_badges", others=("awarded_by",), stays="badges that others were given"),
    _own("user_achievements"),
    _own("xp_events"),
    _own("xp_event_keys"),
    _own("user_stats"),
    _own("streaks"),
    _own("leaderboard_scores"),
)

TUTOR = (
    _own("tutor_messages"),
    _own("tutor_threads"),
    _own("recommendations"),
    _own("recommendations_due"),
    Personal(
        "ai_usage_daily",
        "id",
        "user_id = $1",
        ("user_id",),
        stays="counts, by which the tutor was paid",
    ),
)

CONTENT = (
    Personal(
        "content_versions",
        "id",
        "author_id = $1",
        ("author_id",),
        stays="the curriculum's history, by the row of users that says nothing any more",
    ),
    Personal(
        "posts",
        "id",
        "author_id = $1",
        ("author_id", "moderated_by"),
        ("update posts set author_id = null where author_id = $1",),
        ("moderated_by", "search_vector"),
        stays="what was written belongs to a discussion; it stays without an author",
    ),
    Personal(
        "comments",
        "id",
        "author_id = $1",
        ("author_id", "addressee_id", "moderated_by"),
        (
            "update comments set author_id = null where author_id = $1",
            "update comments set addressee_id = null where addressee_id = $1",
        ),
        ("addressee_id", "moderated_by"),
        stays="what was said belongs to a discussion; it stays without an author",
    ),
    Personal(
        "votes",
        "id",
        "user_id = $1",
        ("user_id",),
        stays="votes are counted in what they are for",
    ),
    _own("flags"),
    _own("attention_seen"),
    _own(
        "suspensions",
        others=("suspended_by", "lifted_by"),
        stays="decisions of the person about others",
    ),
    Personal(
        "credentials",
        "id",
        "user_id = $1",
        ("user_id",),
        ("update credentials set user_id = null, metadata = '{}' where user_id = $1",),
        stays="what is on a chain can't be taken back: the wallet that it was issued to",
    ),
)

SECURITY = (
    Personal(
        "rate_limits",
        "id",
        "who = (select public_id::text from users where id = $1)",
        ("who",),
        ("delete from rate_limits where who = (select public_id::text from users where id = $1)",),
    ),
    Personal(
        "audit_log",
        "id",
        "actor = $1",
        ("actor",),
        left_out=("row_key", "old", "new"),
        stays="who changed what must stay; what is personal is only there as a keyed hash",
    ),
)

# What is counted of an event, and cannot tell who did it.
COUNTED_DATA = """nullif(jsonb_strip_nulls(jsonb_build_object(
                'seconds', case jsonb_typeof(data -> 'seconds')
                    when 'number' then data -> 'seconds' end,
                'xp', case jsonb_typeof(data -> 'xp') when 'number' then data -> 'xp' end,
                'status', case when data ->> 'status' in ('PASSED', 'FAILED', 'ERROR', 'TIMEOUT')
                    then data -> 'status' end
            )), '{}')"""

ANALYTICS = (
    Personal(
        "learning_analytics",
        "id",
        "user_id = $1",
        ("user_id",),
        (
            # Nobody is just counting what follows; a statement of its own, so that the next one
            # sees all that was counted. It gives no row, as rows are counted.
            f"select from pg_advisory_xact_lock({LOCK_KEY}) where $1 > 0 having count(*) = 0",
            f"""
            with somebody as materialized (
                select -1 - floor(random() * 9e15)::bigint as id
            ),
            days as (
                update analytics_user_daily
                set user_id = somebody.id
                from somebody
                where user_id = $1
            )
            update learning_analytics
            set user_id = somebody.id, session_id = null, data = {COUNTED_DATA}
            from somebody
            where user_id = $1
            """,  # noqa: S608
        ),
        stays="events without details, as of somebody with a number that nobody knows",
    ),
    Personal(
        "analytics_user_daily",
        "id",
        "user_id = $1",
        ("user_id",),
        stays="the counts of days, with the same number",
    ),
)

# In the order of erasing: users comes last, as others are found through it.
PERSONAL: tuple[Personal, ...] = (
    *LIVE,
    *PEOPLE,
    *LEARNING,
    *GAMIFICATION,
    *TUTOR,
    *CONTENT,
    *SECURITY,
    *ANALYTICS,
    USERS,
)

EXCLUDED = {
    "mv_user_leaderboard": "made of users, and made anew after an erasure",
}
