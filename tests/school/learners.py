"""People who earn points, for tests of what follows from those."""

from datetime import datetime
from itertools import count

from server.persistence.integrity import check_all
from server.persistence.school.earning import award
from server.persistence.types import Connection
from tests.schema.rows import insert

_keys = count(1)


async def learners(connection: Connection, number: int) -> list[int]:
    """New people, by their ids."""
    return [(await insert(connection, "users"))["id"] for _ in range(number)]


async def give(
    connection: Connection, user_id: int, amount: int, course_id: int | None, at: datetime
) -> None:
    """Points for somebody, or fewer."""
    reason = "COMMUNITY" if amount > 0 else "CORRECTION"
    await award(connection, user_id, amount, reason, f"test:{next(_keys)}", course_id, at)


async def wrong(connection: Connection, *checks: str) -> dict[str, list[str]]:
    """What these checks of integrity find, or all of them."""
    found = {
        result.check.name: result.wrong
        async for result in check_all(connection)
        if result.found and (not checks or result.check.name in checks)
    }
    await connection.execute("reset row_security")
    return found
