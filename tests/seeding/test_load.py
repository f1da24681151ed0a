"""Load: people at once through the pools; each gets their own answers, and all agrees."""

import json
from pathlib import Path
from random import Random
from uuid import uuid4

import pytest

from server.persistence.access import Access
from server.persistence.database import Database
from server.persistence.integrity import check_all
from server.persistence.performance.load import Load, is_local, put, table
from server.persistence.performance.use_cases import (
    Learner,
    School,
    UseCase,
    check,
    completes_lesson,
    learners,
    signs_in,
)
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


async def test_through_pgbouncer(postgres: PostgresInstance, own_copy: str) -> None:
    """The same where many people share few connections."""
    some = Load(users=20, seconds=1.5, think=0.0, seed=2, pool=8)
    cluster = postgres.log.parent / "postgres"
    async with pgbouncer(own_copy, cluster, default_pool_size="3") as bouncer:
        by_way = bouncer.url(own_copy)
        tallies = await put(own_copy, some, ring(1), by_way, lambda _done, _seconds: None)
    assert [error for tally in tallies for error in tally.errors] == []
    assert sum(len(tally.times) for tally in tallies) > 0


async def test_failures_are_told(own_copy: str) -> None:
    """A wrong answer and an error of the database count as failures, the first few in words."""

    async def is_wrong(_school: School, _who: Learner, _random: Random) -> None:
        check(False, "this is another's")

    async def fails(school: School, _who: Learner, _random: Random) -> None:
        async with school.database.acquire() as connection:
            await connection.execute("select 1 / 0")

    cases = (UseCase("wrong", 1, is_wrong), UseCase("fails", 1, fails))
    some = Load(users=8, seconds=1.0, think=0.01, seed=1, pool=2, cases=cases)
    wrong, failed = await put(own_copy, some, None, None, lambda _done, _seconds: None)
    assert set(wrong.errors) == {"WrongAnswer: this is another's"}
    assert set(failed.errors) == {"DivisionByZeroError: division by zero"}
    assert wrong.failed > len(wrong.errors)
    assert "- wrong: WrongAnswer: this is another's" in table([wrong, failed], some)


async def test_who_has_no_course_or_address(own_copy: str) -> None:
    """They look at the courses instead of completing a lesson, and sign in without an address."""
    database = await Database.open(own_copy)
    access = await Access.open(own_copy, any_login=True)
    school = School(database, access, None)
    async with database.acquire() as connection:
        (somebody,) = await learners(connection, 1, 1)
    await completes_lesson(school, somebody._replace(lessons=()), Random(1))
    await signs_in(school, somebody, Random(1))
    await access.close()
    await database.close()


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
