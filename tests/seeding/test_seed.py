"""Seeding: the same from the same, whatever happens on the way; and never into something else."""

import asyncio
import json
import signal
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from server.errors import DatabaseError
from server.persistence.integrity import check_all
from server.persistence.migrations import read_migrations
from server.persistence.people import email, find_by_email
from server.persistence.seeding.people import email_of
from server.persistence.seeding.plan import LEAST_PEOPLE, Plan
from server.persistence.seeding.runner import seed
from server.persistence.seeding.runs import Run
from server.persistence.seeding.work import Progress
from server.persistence.types import Connection
from server.persistence.validation import validate
from tests.seeding.conftest import quiet
from tests.seeding.data import sums
from tests.support.command import Command
from tests.support.logins import connected, login, migrated_by_owner
from tests.support.people import ring, written
from tests.support.postgres import PostgresInstance
from tests.support.waiting import eventually

FILLED = {
    "users",
    "user_profiles",
    "user_keys",
    "auth_sessions",
    "role_grants",
    "courses",
    "course_prerequisites",
    "modules",
    "lessons",
    "quizzes",
    "quiz_questions",
    "content_items",
    "content_versions",
    "enrollments",
    "user_progress",
    "quiz_attempts",
    "code_submissions",
    "credentials",
    "achievements",
    "user_achievements",
    "badges",
    "user_badges",
    "xp_events",
    "xp_event_keys",
    "streaks",
    "user_stats",
    "leaderboard_periods",
    "leaderboard_scores",
    "xp_histogram",
    "mv_user_leaderboard",
    "posts",
    "comments",
    "votes",
    "tutor_threads",
    "tutor_messages",
    "ai_usage_daily",
    "recommendations_due",
    "documents",
    "collaboration_sessions",
    "session_participants",
    "session_activity",
    "chat_messages",
    "chat_counters",
    "learning_analytics",
    "analytics_course_daily",
    "analytics_lesson_daily",
    "analytics_type_hourly",
    "analytics_user_daily",
    "analytics_active_daily",
    "analytics_submissions_daily",
    "analytics_collaboration_hourly",
}

_sums: dict[Plan, dict[str, tuple[int, str]]] = {}


async def test_holds_what_integrity_and_validate_ask_for(seeded: str, plan: Plan) -> None:
    """Sums, counters and references are right, the schema is as before, and nothing is missing."""
    async with connected(seeded) as connection:
        wrong = [result async for result in check_all(connection) if result.found]
        assert wrong == []
        assert await validate(connection, seeded, read_migrations()) == []
        assert await connection.fetchval("select count(*) from users") == plan.users
        assert await connection.fetchval("select count(*) from learning_analytics") == plan.events


async def test_fills_every_table_that_it_should(seeded: str) -> None:
    """Whatever people do, somebody did. Jobs fill the rest from what is there."""
    filled = {table for table, (count, _) in (await sums(seeded)).items() if count}
    assert filled >= FILLED


async def test_is_the_same_on_every_postgres(seeded: str, plan: Plan) -> None:
    """A seed means the same data everywhere: hashes don't hang on the version."""
    made = await sums(seeded)
    assert _sums.setdefault(plan, made) == made


async def test_is_the_same_with_all_triggers_and_after_a_stop(
    postgres: PostgresInstance, seeded: str, plan: Plan
) -> None:
    """A login that may leave no trigger out makes the same, in other batches and in two goes.

    So foreign keys hold, and the audit log has the rows.
    """
    url = await migrated_by_owner(postgres)
    owner = await login(url, "lyceum_owner")
    told = 0

    def stop(_progress: Progress) -> None:
        nonlocal told
        told += 1
        if told == 20:
            run.cancel()

    run = asyncio.create_task(seed(owner, Run(plan, 300), ring(1), stop))
    with pytest.raises(asyncio.CancelledError):
        await run
    result = await seed(owner, Run(plan, 10_000), ring(1), quiet)
    assert result.run.triggers
    assert result.run.batch == 300
    assert len(result.made) > 0
    assert "profiles" not in result.made  # it was done by then
    assert await sums(url) == await sums(seeded)
    async with connected(url) as connection:
        people = "select count(*) from audit_log where table_name = 'users' and action = 'INSERT'"
        assert await connection.fetchval(people) == plan.users


async def test_a_killed_command_is_gone_on_with(
    postgres: PostgresInstance, seeded: str, plan: Plan, tmp_path: Path
) -> None:
    """Killed in the middle, the same command makes what is missing, and then finds all of it."""
    url = await postgres.create_database()
    lyceum = Command(tmp_path, database_url=url, keys=written(1))
    command = ("db", "seed", "--seed", str(plan.seed), "--until", str(plan.until))
    process = await lyceum.start(*command, "--batch", "500")
    async with connected(url) as connection:
        made = "select count(*) > 10 from seeding.batches"
        await eventually(lambda: connection.fetchval(made), 60, "a few batches")
        process.kill()
        assert await process.wait() < 0
    done = await lyceum(*command, "--json")
    assert done.code == 0, done
    assert "people" not in json.loads(done.output)["steps"]
    assert await sums(url) == await sums(seeded)
    again = await lyceum(*command)
    assert (again.code, again.output) == (0, "all of this is there already\n")


async def test_an_interrupted_command_says_how_to_go_on(
    postgres: PostgresInstance, tmp_path: Path
) -> None:
    """Ctrl-C ends it at once, with a word; the schema stays as `lyceum db validate` wants it."""
    lyceum = Command(tmp_path, database_url=await postgres.create_database())
    process = await lyceum.start("db", "seed", "--users", "100000")
    async with connected(lyceum.settings["database_url"]) as connection:
        begun = "select exists (select from seeding.runs)"
        await eventually(lambda: connection.fetchval(begun), 60, "the run")
    process.send_signal(signal.SIGINT)
    _, errors = await process.communicate()
    assert process.returncode == 130
    assert errors.decode().endswith("stopped; the same command goes on from here\n")


async def test_addresses_are_found_and_read(seeded: str) -> None:
    """Somebody made up signs in like anybody else: by an encrypted address."""
    async with connected(seeded) as connection:
        person = await find_by_email(connection, ring(1), email_of(42).upper())
        assert person is not None
        assert person.subject == "seed-42"
        assert await email(connection, ring(1), person.id) == email_of(42)


async def test_the_smallest_school(database_url: str, plan: Plan) -> None:
    """Ten people, no event and no key is a school, too; nobody has an address there."""
    smallest = Plan(LEAST_PEOPLE, 0, plan.seed, plan.until, 1)
    await seed(database_url, Run(smallest, 100_000), None, quiet)
    async with connected(database_url) as connection:
        assert [result async for result in check_all(connection) if result.found] == []
        assert await connection.fetchval("select count(email) from users") == 0


async def test_never_mixes(connection: Connection, database_url: str, plan: Plan) -> None:
    """Where there is anybody, nothing is made."""
    await connection.execute("insert into users (subject, username) values ('real', 'real')")
    with pytest.raises(DatabaseError, match="there is something in users already"):
        await seed(database_url, Run(plan, 1000), None, quiet)
    assert await connection.fetchval("select to_regclass('seeding.runs')") is None


@pytest.mark.parametrize("field", ["users", "events", "seed", "months"])
async def test_other_arguments_are_refused(seeded: str, plan: Plan, field: str) -> None:
    """What was made by other arguments is not gone on with."""
    other = msgspec.structs.replace(plan, **{field: getattr(plan, field) + 1})
    with pytest.raises(DatabaseError, match=f"seeded with {field} {getattr(plan, field)}, not"):
        await seed(seeded, Run(other, 1000), ring(1), quiet)


async def test_another_day_is_refused_only_if_it_was_asked_for(seeded: str, plan: Plan) -> None:
    """The next day, the same command without a day is the same run."""
    later = plan.until + timedelta(days=1)
    run = Run(msgspec.structs.replace(plan, until=later), 1000)
    assert (await seed(seeded, run, ring(1), quiet)).run.plan == plan
    with pytest.raises(DatabaseError, match=f"until {plan.until}, not {later}"):
        await seed(seeded, run, ring(1), quiet, later)


async def test_other_keys_are_refused(seeded: str, plan: Plan) -> None:
    """Half of all people with addresses and half without would be neither."""
    with pytest.raises(DatabaseError, match="encryption key 1, not None"):
        await seed(seeded, Run(plan, 1000), None, quiet)


async def test_what_a_superuser_began_takes_one(postgres: PostgresInstance, plan: Plan) -> None:
    """What triggers count would be counted twice if they fired for the rest only."""
    url = await migrated_by_owner(postgres)
    stopped = asyncio.create_task(
        seed(url, Run(plan, 1000), None, lambda _progress: stopped.cancel() and None)
    )
    with pytest.raises(asyncio.CancelledError):
        await stopped
    with pytest.raises(DatabaseError, match="triggers left out, which takes a superuser"):
        await seed(await login(url, "lyceum_owner"), Run(plan, 1000), None, quiet)


async def test_only_the_owner_seeds(seeded: str, plan: Plan) -> None:
    """Another login is told so."""
    with pytest.raises(DatabaseError, match="only who does can seed it"):
        await seed(await login(seeded, "lyceum_server"), Run(plan, 1000), None, quiet)
