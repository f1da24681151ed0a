"""Load: people at once through the pools; each gets their own answers, and all agrees."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from server.persistence.access import Access
from server.persistence.database import Database
from server.persistence.integrity import check_all
from server.persistence.performance import use_cases
from server.persistence.performance.load import Load, is_local, put, table
from server.persistence.performance.use_cases import (
    USE_CASES,
    Learner,
    School,
    UseCase,
    WrongAnswer,
    check,
    completes_lesson,
    learners,
    searches_lessons,
    searches_posts,
    sees_timeline,
)
from server.persistence.pools import NamedPool
from server.persistence.school import search, search_curriculum
from tests.support.command import Command
from tests.support.logins import connected
from tests.support.people import ring, written
from tests.support.pgbouncer import pgbouncer
from tests.support.postgres import PostgresInstance


async def test_everybody_gets_their_own(own_copy: str) -> None:
    """Nothing fails, no answer is another's, and counters and ledgers agree at the end."""
    told: list[int] = []
    some = Load(users=12, seconds=1.5, think=0.0, seed=1, pool=4)
    tallies = await put(own_copy, some, ring(1), None, lambda done, _seconds: told.append(done))
    assert [error for tally in tallies for error in tally.errors] == []
    assert sum(len(tally.times) for tally in tallies) > 0
    assert told == sorted(told)
    async with connected(own_copy) as connection:
        assert [result async for result in check_all(connection) if result.found] == []


async def test_through_pgbouncer(
    postgres: PostgresInstance, own_copy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same where many people share few connections; no pool has any of its own."""
    opened: list[tuple[str, str]] = []
    open_pool = NamedPool.open

    async def watched(name: str, url: str, *how: Any, **more: Any) -> NamedPool:
        opened.append((name, url))
        return await open_pool(name, url, *how, **more)

    monkeypatch.setattr(NamedPool, "open", watched)
    some = Load(users=20, seconds=1.5, think=0.0, seed=2, pool=8)
    cluster = postgres.log.parent / "postgres"
    async with pgbouncer(own_copy, cluster, default_pool_size="3") as bouncer:
        by_way = bouncer.url(own_copy)
        tallies = await put(own_copy, some, ring(1), by_way, lambda _done, _seconds: None)
    assert opened == [("server", by_way), ("app", by_way)]
    assert [error for tally in tallies for error in tally.errors] == []
    assert sum(len(tally.times) for tally in tallies) > 0


async def test_failures_are_told(own_copy: str) -> None:
    """A wrong answer and an error of the database count as failures, the first few in words.

    Everybody is somebody else, and does other things.
    """
    seen, drawn = set[int](), set[float]()

    async def is_wrong(_school: School, who: Learner, random: Random) -> None:
        seen.add(who.id)
        drawn.add(random.random())
        check(False, "this is another's")

    async def fails(school: School, who: Learner, _random: Random) -> None:
        seen.add(who.id)
        async with school.database.acquire() as connection:
            await connection.execute("select 1 / 0")

    cases = (UseCase("wrong", 1, is_wrong), UseCase("fails", 1, fails))
    some = Load(users=8, seconds=1.0, think=0.01, seed=1, pool=2, cases=cases)
    wrong, failed = await put(own_copy, some, None, None, lambda _done, _seconds: None)
    assert set(wrong.errors) == {"WrongAnswer: this is another's"}
    assert set(failed.errors) == {"DivisionByZeroError: division by zero"}
    assert wrong.failed > len(wrong.errors)
    assert len(seen) == some.users
    assert len(drawn) == wrong.failed
    assert "- wrong: WrongAnswer: this is another's" in table([wrong, failed], some)


@pytest_asyncio.fixture
async def school(own_copy: str) -> AsyncIterator[School]:
    """What use cases work on; nobody has an address."""
    database = await Database.open(own_copy)
    access = await Access.open(own_copy, any_login=True)
    yield School(database, access, None)
    await access.close()
    await database.close()


async def somebody(school: School) -> Learner:
    """One of those who do things."""
    async with school.database.acquire() as connection:
        (learner,) = await learners(connection, 1, 1)
    return learner


async def test_each_is_done(school: School) -> None:
    """By anybody; who has no course looks at courses instead of completing a lesson."""
    who = await somebody(school)
    for case in USE_CASES:
        await case.do(school, who, Random(1))
    await completes_lesson(school, who._replace(lessons=()), Random(1))


# Row-level security gone, a function that forgets who asks, drafts, and a post that was hidden.
LEAKS = """
alter table posts disable row level security;
create or replace function own_events(before_at timestamptz, before_id uuid, most integer)
returns table (
    at timestamptz, event_id uuid, session_id uuid, course_id bigint, lesson_id bigint,
    event_type text, data jsonb
)
language sql stable security definer
as $$
    select at, event_id, session_id, course_id, lesson_id, event_type, data
    from learning_analytics
    where at <= before_at
    limit most
$$;
update lessons set status = 'DRAFT';
"""
HIDDEN = """
insert into posts (author_id, title, body, status, moderated_at)
select max(id), 'Zyzzyvas', 'Beetles.', 'HIDDEN', now()
from users
where id <> $1
"""


async def test_what_is_not_theirs_is_noticed(
    school: School, own_copy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events and hidden posts of others, and lessons that nobody is to see yet."""
    who = await somebody(school)
    async with connected(own_copy) as superuser:
        await superuser.execute(LEAKS)
        await superuser.execute(HIDDEN, who.id)
    lessons = search_curriculum.LESSONS
    drafts = lessons._replace(sql=lessons.sql.replace("status = 'PUBLISHED'", "true"))
    monkeypatch.setattr(search_curriculum, "LESSONS", drafts)
    monkeypatch.setattr(search, "POSTS", search.POSTS_FOR_STAFF)
    monkeypatch.setattr(use_cases, "WORDS", ["contract"])
    with pytest.raises(WrongAnswer, match="drafts"):
        await searches_lessons(school, who, Random(1))
    with pytest.raises(WrongAnswer, match="others' events"):
        await sees_timeline(school, who, Random(1))
    monkeypatch.setattr(use_cases, "WORDS", ["zyzzyvas"])
    with pytest.raises(WrongAnswer, match="hidden"):
        await searches_posts(school, who, Random(1))
    query = search.POSTS_FOR_STAFF
    elsewhere = query.sql.replace("$2::text", "coalesce(nullif($2::text, $2::text), 'other')")
    monkeypatch.setattr(search, "POSTS", query._replace(sql=elsewhere))
    monkeypatch.setattr(use_cases, "WORDS", ["contract"])
    async with connected(own_copy) as superuser:
        await superuser.execute("update posts set status = 'VISIBLE' where status = 'HIDDEN'")
    with pytest.raises(WrongAnswer, match="something else"):
        await searches_posts(school, who, Random(1))


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("postgresql://lyceum:pw@/lyceum?host=/tmp/socket&port=5432", True),
        ("postgresql://lyceum@127.0.0.1:5432/lyceum", True),
        ("postgresql://localhost,[::1]:5433/lyceum", True),
        ("postgresql://lyceum@db.school.example/lyceum", False),
        ("postgresql://localhost,db.school.example/lyceum", False),
        ("postgresql:///lyceum?host=db.school.example", False),
        ("", True),
    ],
)
def test_is_local(url: str, local: bool) -> None:
    """Only sockets and the loopback are."""
    assert is_local(url) is local


async def test_command(own_copy: str, tmp_path: Path) -> None:
    """It tells what was done, as a table, in JSON and in a file; and refuses other machines."""
    lyceum = Command(tmp_path, database_url=own_copy, keys=written(1))
    report = tmp_path / f"{uuid4()}.md"
    command = ("db", "load-test", "--users", "3", "--seconds", "1", "--think", "0")
    done = await lyceum(*command, "--out", str(report))
    assert done.code == 0, done
    assert done.output in report.read_text()
    assert "| all | " in done.output
    only = ("--only", "see one's rank", "--only", "read posts")
    told = json.loads((await lyceum(*command, *only, "--json")).output)["use_cases"]
    assert [each["name"] for each in told] == ["see one's rank", "read posts"]
    assert sum(each["done"] for each in told) > 0
    complaint = (await lyceum(*command, database_url="postgresql://db.example/x")).complaint
    assert "is on another machine" in complaint
