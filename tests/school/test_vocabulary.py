"""The vocabulary counts what everybody may see; as a login that is lyceum_server only."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.domain.school.spelling import one_slip, probe
from server.persistence import queries
from server.persistence.integrity import CHECKS, check_all
from server.persistence.queries import Query
from server.persistence.school import vocabulary
from server.persistence.school.vocabulary import recount_vocabulary, refresh_vocabulary
from server.persistence.types import Connection
from tests.school.campus import Campus
from tests.school.searched import lesson, post
from tests.support.logins import connected
from tests.support.people import WAITS
from tests.support.waiting import eventually

OURS = [check for check in CHECKS if check.name == "vocabulary"]
WORDS = "select word, uses from search_vocabulary where language = $1"


@pytest_asyncio.fixture(autouse=True)
async def empty(campus: Campus) -> AsyncIterator[None]:
    """Nothing is left for the next test."""
    yield
    await campus.superuser.execute("delete from posts; delete from courses")
    await campus.superuser.execute("delete from search_changes; delete from search_vocabulary")


async def words(campus: Campus, language: str = "en") -> dict[str, int]:
    """What is counted, once all that happened is."""
    await refresh_vocabulary(campus.server)
    return dict(await campus.superuser.fetch(WORDS, language))


async def test_what_counts_as_a_word(campus: Campus) -> None:
    """Words in lower case, once a text, by language; no numbers, no addresses, nothing endless."""
    await post(
        campus.superuser,
        None,
        "Gas GAS erc20 20 0xAB ann@b.example https://b.example/path foo_bar x",
        "Ärger über gas. " + "y" * 65,
        language="de-CH",
    )
    await post(campus.superuser, None, "Gas", "gases 東京", language="de")
    await post(campus.superuser, None, "123", "45")
    assert await words(campus, "de") == {
        "gas": 2,
        "erc20": 1,
        "foo": 1,
        "bar": 1,
        "ärger": 1,
        "über": 1,
        "gases": 1,
        "東京": 1,
    }
    assert await words(campus) == {}


async def test_only_what_everybody_may_see(campus: Campus) -> None:
    """Hidden and deleted posts, lessons of courses that are not published: no word of theirs."""
    db = campus.superuser
    course, gone = await campus.course(), await campus.course(status="PUBLISHED")
    await lesson(db, course, "Early")
    await lesson(db, gone, "Later")
    shown = await post(db, None, "Shown", "words")
    await post(db, None, "Secret", "hidden", status="HIDDEN")
    flagged = await post(db, None, "Flagged", "words", status="FLAGGED")
    assert await words(campus) == {"shown": 1, "words": 2, "flagged": 1, "solidity": 1, "later": 1}
    await db.execute("update posts set body = 'others' where id = $1", shown)
    await db.execute(
        "update posts set status = 'HIDDEN', moderated_at = now() where id = $1", flagged
    )
    await db.execute(
        "update courses set status = 'PUBLISHED', version = 1, published_at = now() where id = $1",
        course,
    )
    await db.execute("delete from courses where id = $1", gone)
    assert await words(campus) == {"shown": 1, "others": 1, "solidity": 1, "early": 1}
    await db.execute("update posts set score = 3, comments = 1")
    assert await db.fetchval("select count(*) from search_changes") == 0


Deed = tuple[str, int, str]
TEXT = st.lists(st.sampled_from("abcd"), min_size=1, max_size=3).map(
    lambda letters: " ".join(2 * letter for letter in letters)
)
DEEDS = st.lists(
    st.tuples(
        st.sampled_from(
            ["post", "lesson", "course", "edit", "status", "move", "remove", "language", "count"]
        ),
        st.integers(0, 9),
        TEXT,
    ),
    max_size=14,
)
STATUSES = {
    "posts": ("VISIBLE", "FLAGGED", "HIDDEN"),
    "lessons": ("DRAFT", "PUBLISHED", "ARCHIVED"),
    "courses": ("DRAFT", "PUBLISHED", "ARCHIVED"),
}

MOVE = """
with part as (
    insert into modules (course_id, slug, position, title)
    select $2::bigint, 'part-' || number, number, 'Part'
    from (select coalesce(max(position), 0) + 1 from modules where course_id = $2) as next (number)
    returning id
)
update lessons
set module_id = part.id, course_id = $2
from part
where lessons.id = $1
"""


async def do(campus: Campus, deed: Deed) -> None:
    """One thing that happens to what is written."""
    what, number, text = deed
    db = campus.superuser
    courses = await db.fetch("select id from courses order by id")
    table = sorted(STATUSES)[number % 3]
    rows = await db.fetch(f"select id from {table} order by id")
    row = rows[number % len(rows)][0] if rows else 0
    match what:
        case "post":
            await post(db, None, text, text[:2], status=STATUSES["posts"][number % 3])
        case "course":
            await campus.course(status="PUBLISHED" if number % 2 else "DRAFT")
        case "lesson" if courses:
            course = courses[number % len(courses)][0]
            await lesson(db, course, text, status=STATUSES["lessons"][number % 3])
        case "edit":
            await db.execute(f"update {table} set title = $2 where id = $1", row, text)
        case "language":
            await db.execute(f"update {table} set language = $2 where id = $1", row, text[:2])
        case "status":
            more = ", moderated_at = now()" if table == "posts" else ""
            more = ", version = 1, published_at = now()" if table == "courses" else more
            status = STATUSES[table][number % 2]
            await db.execute(f"update {table} set status = $2{more} where id = $1", row, status)
        case "move" if courses and table == "lessons":
            await db.execute(MOVE, row, courses[-1][0])
        case "remove":
            await db.execute(f"delete from {table} where id = $1", row)
        case "count":
            await refresh_vocabulary(campus.server)


async def test_any_history_is_counted(campus: Campus) -> None:
    """Whatever is written, changed, published, hidden and removed, counted now and then or anew."""
    loop = asyncio.get_running_loop()
    db = campus.superuser

    async def history(deeds: list[Deed]) -> None:
        for deed in deeds:
            await do(campus, deed)
        async with db.transaction():
            assert [result.wrong async for result in check_all(db, OURS)] == [[]]
        counted = {language: await words(campus, language) for language in ("en", "aa", "bb")}
        async with db.transaction():
            assert [result.wrong async for result in check_all(db, OURS)] == [[]]
        await recount_vocabulary(campus.server)
        assert counted == {language: await words(campus, language) for language in counted}
        await db.execute("delete from posts; delete from courses")
        assert await words(campus) == {}

    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
    @given(DEEDS)
    def law(deeds: list[Deed]) -> None:
        asyncio.run_coroutine_threadsafe(history(deeds), loop).result(30)

    await asyncio.to_thread(law)


async def test_what_is_committed_meanwhile_is_counted_later(
    campus: Campus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when it was written before what is being counted, and comes in the middle of that."""
    execute = queries.execute
    async with connected(campus.url) as other:
        slow = other.transaction()
        await slow.start()
        await post(other, None, "Slow", "words")
        await post(campus.superuser, None, "Fast", "words")

        async def commit_before(connection: Connection, query: Query, *arguments: Any) -> str:
            if query is vocabulary.COUNTED:
                await slow.commit()
                monkeypatch.undo()
            return await execute(connection, query, *arguments)

        monkeypatch.setattr(queries, "execute", commit_before)
        monkeypatch.setattr(vocabulary, "MOST_BATCHES", 1)
        assert await words(campus) == {"fast": 1, "words": 1}
    assert await words(campus) == {"fast": 1, "slow": 1, "words": 2}


async def test_a_lesson_and_its_course_published_at_once(campus: Campus) -> None:
    """Whoever comes second waits, and the lesson's words are counted once."""
    course = await campus.course()
    one = await lesson(campus.superuser, course, "Early", status="DRAFT")
    async with connected(campus.url) as other:
        first = other.transaction()
        await first.start()
        await other.execute("update lessons set status = 'PUBLISHED' where id = $1", one)
        second = asyncio.create_task(
            campus.superuser.execute(
                "update courses set status = 'PUBLISHED', version = 1, published_at = now()"
                " where id = $1",
                course,
            )
        )

        async def waits() -> bool:
            return bool(await other.fetchval(WAITS)) or second.done()

        await eventually(waits)
        await first.commit()
        await second
    assert await words(campus) == {"solidity": 1, "early": 1}


async def test_a_run_is_bounded(campus: Campus, monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts so many, says how many texts that were, and leaves the rest for the next."""
    monkeypatch.setattr(vocabulary, "MOST_BATCHES", 2)
    many = vocabulary.BATCH
    await campus.superuser.execute(
        "insert into search_changes (language, change, words)"
        f" select 'en', 1, '{{gas}}' from generate_series(1, {2 * many + 1})"
    )
    assert await refresh_vocabulary(campus.server) == {"texts": 2 * many}
    assert dict(await campus.superuser.fetch(WORDS, "en")) == {"gas": 2 * many}
    assert await refresh_vocabulary(campus.server) == {"texts": 1}
    assert await refresh_vocabulary(campus.server) is None


async def test_all_that_is_one_slip_away_is_found(campus: Campus) -> None:
    """Among any words, in all languages or one, with how often each is used."""
    loop = asyncio.get_running_loop()
    letters = "aä\U0010fffe%"
    word = st.text(letters, min_size=2, max_size=6)

    async def agrees(known: list[str], asked: str) -> None:
        await campus.superuser.execute("delete from search_vocabulary")
        await campus.superuser.executemany(
            "insert into search_vocabulary (language, word, uses) values ($1, $2, $3)",
            [(language, w, n) for n, w in enumerate(known, 1) for language in ("en", "de")],
        )
        for language, times in ((None, 2), ("de", 1), ("fr", 0)):
            rows: dict[str, Any] = {asked: probe(asked)}
            near = (await vocabulary.near(campus.server, rows, language))[asked]
            for number, w in enumerate(known, 1):
                if times and (w == asked or one_slip(asked, w)):
                    assert near[w] == number * times
            assert set(near) <= {w for w in known if times}

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(word, max_size=30, unique=True), word)
    def law(known: list[str], asked: str) -> None:
        swapped = {
            asked[:at] + asked[at + 1] + asked[at] + asked[at + 2 :] for at in range(len(asked) - 1)
        }
        words = list(dict.fromkeys([*known, *sorted(swapped)]))
        asyncio.run_coroutine_threadsafe(agrees(words, asked), loop).result(30)

    await asyncio.to_thread(law)
