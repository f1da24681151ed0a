"""What searching costs does not grow with how many texts match, and no table is read whole."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from server.persistence.queries import Query
from server.persistence.school import search, search_curriculum, vocabulary
from server.persistence.school.search import MOST, PostFilter
from server.persistence.types import Connection
from tests.school.campus import Campus, opened
from tests.school.plans import scans
from tests.support.postgres import PostgresInstance

COUNT = 20_000
# «gas» is in each of them, «half» in every second, «rare» in a hundred of the oldest.
FILL = f"""
set session_replication_role = replica;
create temporary table kept as select pg_get_indexdef('posts_search_idx'::regclass) as definition;
drop index posts_search_idx;
insert into posts (author_id, course_id, kind, title, body, status, language, score, created_at,
        moderated_at)
    select 1 + n % 3000, 1 + n % 100, case when n % 7 = 0 then 'QUESTION' else 'DISCUSSION' end,
        'Topic ' || n, 'gas' || case when n % 2 = 0 then ' half' else '' end
            || case when n > {COUNT} - 100 then ' rare' else ' often' end,
        case when n % 500 = 0 then 'HIDDEN' else 'VISIBLE' end, 'en', n % 17,
        now() - n * interval '10 minutes', case when n % 500 = 0 then now() end
    from generate_series(1, {COUNT}) n;
insert into courses (slug, title, summary, status, version, published_at)
    select 'course-' || n, 'Course', 'word ' || n, 'PUBLISHED', 1, now()
    from generate_series(1, 1000) n;
insert into modules (course_id, slug, position, title)
    select id, 'one', 1, 'One' from courses;
insert into lessons (module_id, course_id, slug, position, title, body, status)
    select modules.id, course_id, 'n-' || n, n, 'Lesson ' || n, 'word ' || course_id, 'PUBLISHED'
    from modules, generate_series(1, 3) n;
insert into search_vocabulary (language, word, uses)
    select language, left(md5(n::text), 9), n
    from generate_series(1, 10000) n, unnest(array['en', 'de']) as language;
insert into search_changes (language, change, words)
    select 'en', 1, '{{gas}}' from generate_series(1, 20000);
set session_replication_role = origin;
do $$ begin execute (select definition from kept); end $$;
"""
VACUUM = "vacuum analyze posts, courses, lessons, search_vocabulary, search_changes"
# Rows of posts that this transaction has read, by whatever index, and from end to end.
READ = """
select seq_tup_read as whole, idx_tup_fetch as by_index
from pg_stat_xact_user_tables
where relname = 'posts'
"""


@pytest_asyncio.fixture(scope="module")
async def full(postgres: PostgresInstance) -> AsyncIterator[Campus]:
    """So many posts that it matters how they are found."""
    async with opened(postgres) as campus:
        await campus.superuser.execute(FILL)
        await campus.superuser.execute(VACUUM)
        yield campus


async def cost(full: Campus, typed: str, only: PostFilter = search.ALL) -> tuple[int, int, int]:
    """How many posts are said to match, how many hits come, how many rows were read for it."""
    async with full.superuser.transaction():
        before = await full.superuser.fetchrow(READ)
        page = await search.posts(full.superuser, typed, only, staff=True)
        after = await full.superuser.fetchrow(READ)
        whole, by_index = [then - now for now, then in zip(before, after, strict=True)]
        assert whole == 0
    return page.about, len(page.hits), by_index


ASKED = {
    "gas ": COUNT,
    "half ": COUNT / 2,
    "often half ": COUNT / 2,
    "gas -half ": COUNT / 2,
    "rare ": 100,
    "rare half ": 50,
    "gas rare -half": 50,
    "nowhere ": 0,
}


@pytest.mark.parametrize("typed", ASKED)
async def test_common_words_cost_no_more_than_rare_ones(full: Campus, typed: str) -> None:
    """A bounded number of posts is read, however many match; that number is told nearly right."""
    about, hits, read = await cost(full, typed)
    assert about == pytest.approx(ASKED[typed], rel=0.25)
    assert hits == min(20, ASKED[typed])
    assert read <= 10 * MOST


async def test_phrases_of_common_words_are_bounded(full: Campus) -> None:
    """As many posts that have all the words are read as are enough, whether in order or not."""
    assert (await cost(full, '"gas half"'))[1] == 20
    _about, hits, read = await cost(full, '"half gas"')
    assert hits == 0
    assert read <= 18 * MOST


async def test_filters_and_words_are_found_together(full: Campus) -> None:
    """What has the word in other courses, or of other kinds, is not read."""
    about, hits, read = await cost(full, "gas ", PostFilter(course_id=7))
    assert (about, hits) == (pytest.approx(COUNT / 100, rel=0.05), 20)
    assert read <= 3 * MOST
    about, hits, read = await cost(full, "half ", PostFilter(course_id=7, kind="QUESTION"))
    assert (about, hits) == (pytest.approx(COUNT / 700, rel=0.2), 20)
    assert read <= 2 * MOST


HALF = "'half'::tsquery"
ARGUMENTS: dict[Query, tuple[str, ...]] = {
    search.POSTS: (
        *("'half'", "'half'", "array['half']", "null", "array[]::text[]", "null", "null", "null"),
        *("null", "null", "null", "null", "null", "21"),
    ),
    search.POSTS_FOR_STAFF: (
        *("'half'", "'half'", "array['half']", "null", "array[]::text[]", "null", "null", "null"),
        *("null", "null", "null", "null", "null", "21"),
    ),
    search_curriculum.LESSONS: (
        *("'77'", "'77'", "null", "null", "null", "null", "false", "null", "null", "null", "21"),
    ),
    search_curriculum.COURSES: ("'77'", "'77'", "false", "null", "null", "null", "null", "21"),
    vocabulary.STEMS: ("null", "'en'", "array['abc']", "array[false]", "'abc'"),
    vocabulary.NEAR: ("null", "array['abcd']", "array['ab']", "array['cd']", "array['acbd']"),
    vocabulary.UPTO: (),
    vocabulary.COUNTED: ("100",),
}
# A school has few of these.
FEW = {"courses"}


@pytest.mark.parametrize("mode", ["force_generic_plan", "force_custom_plan"])
@pytest.mark.parametrize("query", ARGUMENTS, ids=lambda query: query.name)
async def test_no_table_is_read_from_end_to_end(full: Campus, query: Query, mode: str) -> None:
    """Whether planned once for all or for its arguments."""
    plan = await plan_of(full.superuser, query, mode)
    assert set(scans(plan)) - FEW == set()


async def plan_of(connection: Connection, query: Query, mode: str) -> dict[str, Any]:
    """How Postgres would run it; as a person where that makes a difference."""
    arguments = ", ".join(ARGUMENTS[query])
    given = f"({arguments})" if arguments else ""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(f"set local plan_cache_mode = {mode}")
        if query is search.POSTS:
            await connection.execute("set local role lyceum_app")
        await connection.execute(f"prepare it as {query.sql}")
        (row,) = await connection.fetch(f"explain (format json) execute it{given}")
    finally:
        await transaction.rollback()
        await connection.execute("deallocate it")
    return dict(json.loads(row[0])[0]["Plan"])
