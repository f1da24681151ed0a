"""What a server looks after beside its work: the list of background jobs, and its beginning."""

import asyncio
from collections.abc import Mapping

import structlog

from server.config import Config
from server.persistence import chat, partitions
from server.persistence.database import PASSING, Database, describe
from server.persistence.jobs import Job, Jobs
from server.persistence.school import rollups
from server.persistence.school.lapsing import end_streaks
from server.persistence.school.leaderboard import refresh_leaderboard
from server.persistence.school.recommendations import recompute_recommendations
from server.persistence.school.sign_in import forget_sessions
from server.persistence.school.vocabulary import refresh_vocabulary
from server.persistence.types import Connection

log = structlog.get_logger()

MINUTE, HOUR = 60.0, 3600.0  # seconds


def jobs(config: Config) -> tuple[Job, ...]:
    """All background jobs."""

    async def keep_partitions(connection: Connection) -> Mapping[str, object]:
        if config.events_retention_days:  # what goes is counted before
            await rollups.roll_up(connection)
        limits = {
            partitions.ACTIVITY: config.activity_retention_days,
            partitions.EVENTS: config.events_retention_days,
        }
        done = await partitions.maintain(connection, limits)
        return {name: value for name, value in done._asdict().items() if value and name != "ahead"}

    return (
        Job("partitions", HOUR, keep_partitions),
        Job("chat_keys", HOUR, chat.prune_keys),
        Job("leaderboard", 300.0, refresh_leaderboard),
        Job("recommendations", 60.0, recompute_recommendations),
        Job("sign_ins", HOUR, forget_sessions),
        Job("streaks", HOUR, end_streaks),
        Job("rollups", MINUTE, rollups.roll_up),
        Job("vocabulary", 30.0, refresh_vocabulary),
    )


async def prepare(database: Database) -> None:
    """See that there are partitions to write to, before anybody does."""
    try:
        connection = await database.connect()
        try:
            await partitions.ensure(connection, back=partitions.BACK)
            await partitions.measure(connection)
        finally:
            connection.terminate()
    except PASSING as error:
        log.warning("partitions can't be kept; it is tried again", why=describe(error))


async def write_out(database: Database) -> None:
    """Have what was written until now on the disk, if the database lets us.

    Postgres does that when it stops, and a new server waits for it: after a kill soon after the
    first start it waited 2 s for the files of a fresh database.
    """
    try:
        connection = await database.connect()
        try:
            await connection.execute("checkpoint")
        finally:
            connection.terminate()
    except PASSING as error:
        log.debug("no checkpoint was made", why=describe(error))


async def run(database: Database, runner: Jobs, written: bool = False) -> None:
    """Run the jobs, and measure what each server tells, until cancelled.

    written: whether to begin with `write_out`.
    """
    if written:
        await write_out(database)
    async with asyncio.TaskGroup() as group:
        group.create_task(runner.run())
        group.create_task(_measure(database))


async def _measure(database: Database) -> None:
    while True:
        await asyncio.sleep(HOUR)
        try:
            async with database.acquire() as connection:
                await partitions.measure(connection)
        except PASSING as error:
            log.debug("partitions can't be counted", why=describe(error))
