"""The words of what everybody may see: counted, and asked for by their beginning or likeness.

Who writes only notes which words came and went (triggers of the migration `search`); a job counts.
"""

from collections.abc import Mapping, Sequence

from server.domain.school.search_terms import Term
from server.domain.school.spelling import Probe
from server.persistence import queries
from server.persistence.queries import Kind, Query
from server.persistence.types import Connection

COMPLETIONS = 12  # words that one may be the beginning of
BATCH = 1000  # changes that are counted in one transaction
MOST_BATCHES = 50  # of one run; the next goes on
LAST = "\U0010ffff"  # after all that begins alike

# All languages there are, by one look at the index each; a way of stemming is one or more of them.
LANGUAGES = """
languages (language) as (
    (select language from search_vocabulary order by language limit 1)
    union all
    select (
        select search_vocabulary.language
        from search_vocabulary
        where search_vocabulary.language > languages.language
        order by 1
        limit 1
    )
    from languages
    where language is not null
)
"""
STEMS = Query(
    "search.stems",
    Kind.READ,
    f"""
with recursive {LANGUAGES}, ways (way) as (
    select search_config($1::text)
    where $1 is not null
    union
    select search_config(language)
    from (select language from languages union select $2::text) as known
    where $1 is null and language is not null
), texts (text, phrase) as (
    select *
    from unnest($3::text[], $4::boolean[])
    union
    (
        select word, false
        from search_vocabulary
        where language = any(array(select language from languages))
            and ($1 is null or language = $1)
            and word >= $5::text
            and word < $5 || '{LAST}'
        group by word
        order by sum(uses) desc, word
        limit {COMPLETIONS}
    )
)
select way::text, text, phrase,
    case when phrase then phraseto_tsquery(way, text) else plainto_tsquery(way, text) end::text
from ways, texts
order by way::text
""",  # noqa: S608  # of constants
)


async def stems(
    connection: Connection,
    terms: Sequence[Term],
    beginning: str | None,
    language: str | None,
    spoken: str,
) -> list[dict[Term, str]]:
    """For each way of stemming what becomes of the terms, and of words that begin so, as tsqueries.

    language: of the texts that are searched; None: all there are, and the one that is spoken.
    """
    made: dict[str, dict[Term, str]] = {}
    rows = await queries.fetch(
        connection,
        STEMS,
        language,
        spoken,
        [term.text for term in terms],
        [term.phrase for term in terms],
        beginning,
    )
    for way, text, phrase, stem in rows:
        made.setdefault(way, {})[Term(text, phrase)] = stem
    return list(made.values())


NEAR = Query(
    "search.near",
    Kind.READ,
    f"""
with recursive {LANGUAGES}
select asked, word, sum(uses)::bigint
from unnest($2::text[], $3::text[], $4::text[], $5::text[])
    as asked (asked, beginning, ending, swapped)
cross join lateral (
    select language, word, uses
    from search_vocabulary
    where language = any(array(select language from languages))
        and word >= beginning
        and word < beginning || '{LAST}'
    union
    select language, word, uses
    from search_vocabulary
    where language = any(array(select language from languages))
        and reverse(word) collate "C" >= reverse(ending)
        and reverse(word) collate "C" < reverse(ending) || '{LAST}'
    union
    select language, word, uses
    from search_vocabulary
    where language = any(array(select language from languages)) and word in (asked, swapped)
) as near
where ($1::text is null or language = $1)
    and length(word) between length(asked) - 1 and length(asked) + 1
group by asked, word
""",  # noqa: S608  # of constants
)


async def near(
    connection: Connection, probes: Mapping[str, Probe], language: str | None
) -> dict[str, dict[str, int]]:
    """For each word asked for how often it and what may be near to it is used; see `Probe`."""
    found: dict[str, dict[str, int]] = {word: {} for word in probes}
    rows = await queries.fetch(
        connection,
        NEAR,
        language,
        list(probes),
        [probe.start for probe in probes.values()],
        [probe.end for probe in probes.values()],
        [probe.swapped for probe in probes.values()],
    )
    for asked, word, uses in rows:
        found[asked][word] = uses
    return found


# What is committed meanwhile is seen by none of them, and left for the next time.
UPTO = Query(
    "search.changes",
    Kind.UPKEEP,
    f"""
select max(id)
from (select id from search_changes order by id limit {BATCH}) as oldest
""",  # noqa: S608  # of constants
)
COUNT = Query(
    "search.count",
    Kind.UPKEEP,
    """
merge into search_vocabulary as known
using (
    select language, word, sum(change) as more
    from search_changes
    cross join unnest(words) as word
    where id <= $1
    group by language, word
    having sum(change) <> 0 and is_word(word)
) as came
on known.language = came.language and known.word = came.word
when matched and uses + more <= 0 then delete
when matched then update set uses = uses + more, updated_at = now()
when not matched and more > 0 then
    insert (language, word, uses) values (came.language, came.word, more)
""",
)
COUNTED = Query("search.counted", Kind.UPKEEP, "delete from search_changes where id <= $1")


async def refresh_vocabulary(connection: Connection) -> Mapping[str, object] | None:
    """Count the words that came and went since: a background job; says how many texts changed.

    As lyceum_server, one at a time. Ends after MOST_BATCHES, whatever is left for the next time.
    """
    counted = 0
    for _ in range(MOST_BATCHES):
        async with connection.transaction(isolation="repeatable_read"):
            upto = await queries.fetchval(connection, UPTO)
            if upto is None:
                break
            await queries.execute(connection, COUNT, upto)
            counted += int((await queries.execute(connection, COUNTED, upto)).split()[1])
    return {"texts": counted} if counted else None


# The words of what everybody may see.
PUBLIC = """
    select language, search_words(title, summary) as words
    from courses
    where status = 'PUBLISHED'
    union all
    select lessons.language, search_words(lessons.title, body)
    from lessons
    join courses on courses.id = course_id
    where lessons.status = 'PUBLISHED' and courses.status = 'PUBLISHED'
    union all
    select language, search_words(title, body)
    from posts
    where status in ('VISIBLE', 'FLAGGED')
""".strip()
FORGET = Query("search.forget", Kind.UPKEEP, "delete from search_vocabulary")
FORGET_CHANGES = Query("search.forget_changes", Kind.UPKEEP, "delete from search_changes")
RECOUNT = Query(
    "search.recount",
    Kind.UPKEEP,
    f"""
insert into search_vocabulary (language, word, uses)
select split_part(language, '-', 1), word, count(*)
from (
    {PUBLIC}
) as texts
cross join unnest(words) as word
group by 1, 2
having is_word(word)
""",  # noqa: S608  # of constants
)
ANEW = (FORGET_CHANGES, FORGET, RECOUNT)


async def recount_vocabulary(connection: Connection) -> None:
    """Count all words anew, which reads everything: after rows came past the triggers.

    As lyceum_server, and not beside `refresh_vocabulary`.
    """
    async with connection.transaction(isolation="repeatable_read"):
        for query in ANEW:
            await queries.execute(connection, query)
