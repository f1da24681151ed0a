"""Credentials: asked for, sent, observed, verified and listed, each as the role that does it."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.domain.school.credentials import Observation
from server.errors import Conflict, Forbidden, NotFound
from server.ids import UserId
from server.persistence.database import connect
from server.persistence.school import credentials
from server.persistence.school.credentials import Contract
from tests.school.campus import Campus
from tests.support.logins import login

CONTRACT = Contract(137, "0x" + 40 * "c")
WALLET = "0x" + 40 * "a"
ONE, TWO = "0x" + 64 * "1", "0x" + 64 * "2"
NOW = datetime(2026, 11, 26, tzinfo=UTC)
LARGE = 2**256 - 1


async def graduate(campus: Campus, wallet: str | None = WALLET) -> tuple[UserId, int]:
    """Somebody who completed a course, and the course."""
    who, course = await campus.person(), await campus.course(status="PUBLISHED")
    await campus.superuser.execute(
        "insert into user_profiles (user_id, wallet) values ($1, $2)", who, wallet
    )
    await campus.superuser.execute(
        "insert into enrollments (user_id, course_id, status, completed_at)"
        " values ($1, $2, 'COMPLETED', now())",
        who,
        course,
    )
    return who, course


async def test_a_credential_from_first_to_last(campus: Campus) -> None:
    """Asked for, sent, lost to a reorganisation, sent again, confirmed, revoked, and anew."""
    who, course = await graduate(campus)
    server = campus.server
    first = await credentials.request(server, who, course, CONTRACT)
    assert await credentials.request(server, who, course, CONTRACT) == first
    assert (first.status, first.recipient, first.metadata["course"]) == (
        "PENDING",
        WALLET,
        "Solidity",
    )
    for status, there in ((None, True), ("PENDING", True), ("SENT", False)):
        listed = await credentials.waiting(server, status=status)
        assert (first.id in {one.id for one in listed}) is there
    assert (await credentials.sent(server, first.id, ONE)).status == "SENT"
    assert (await credentials.observed(server, first.id, Observation(1, ONE))).status == "FAILED"
    other = "0x" + 40 * "b"
    await campus.superuser.execute(
        "update user_profiles set wallet = $2 where user_id = $1", who, other
    )
    again = await credentials.request(server, who, course, CONTRACT)
    assert (again.id, again.status, again.recipient) == (first.id, "PENDING", other)
    assert (await credentials.sent(server, first.id, ONE)).status == "PENDING"
    assert (await credentials.sent(server, first.id, TWO, ONE)).status == "SENT"
    there = Observation(2, TWO, LARGE, NOW)
    for _ in range(2):
        token = await credentials.observed(server, first.id, there)
        assert (token.status, token.token) == ("CONFIRMED", LARGE)
    shown = await credentials.verify_token(
        server, Contract(137, CONTRACT.address.upper().replace("X", "x")), LARGE
    )
    assert shown == await credentials.verify(server, first.id)
    assert (shown.status, shown.token, shown.transaction) == ("CONFIRMED", LARGE, TWO)
    gone = Observation(3, TWO, LARGE, NOW, NOW)
    assert (await credentials.observed(server, first.id, gone)).status == "REVOKED"
    anew = await credentials.request(server, who, course, CONTRACT)
    assert (anew.id != first.id, anew.status) == (True, "PENDING")
    with pytest.raises(Conflict, match="newer one"):
        await credentials.observed(server, first.id, Observation(4, TWO, LARGE, NOW))
    with pytest.raises(Conflict, match="another credential"):
        await credentials.observed(server, anew.id, Observation(4, ONE, LARGE, NOW))
    async with campus.app.as_user(who) as own:
        (newest,) = await credentials.own(own, who, limit=1)
        (oldest,) = await credentials.own(own, who, newest.number)
        assert (newest.id, oldest.id, oldest.status) == (anew.id, first.id, "REVOKED")
    assert await campus.superuser.fetchval(
        "select count(*) from audit_log where table_name = 'credentials' and actor = $1", who
    )


async def test_who_gets_none(campus: Campus) -> None:
    """Who has not completed the course, has no wallet, is suspended, or is not there."""
    who, _ = await graduate(campus)
    other = await campus.course()
    poor, course = await graduate(campus, None)
    gone, ended = await graduate(campus)
    await campus.superuser.execute("update users set status = 'SUSPENDED' where id = $1", gone)
    for person, what, error in (
        (who, other, Conflict),
        (poor, course, Conflict),
        (gone, ended, Forbidden),
        (UserId(2**40), course, Forbidden),
    ):
        with pytest.raises(error):
            await credentials.request(campus.server, person, what, CONTRACT)
    for missing in (
        credentials.sent(campus.server, uuid4(), ONE),
        credentials.verify(campus.server, uuid4()),
        credentials.verify_token(campus.server, CONTRACT, 5),
    ):
        with pytest.raises(NotFound):
            await missing


async def test_people_only_read_their_own(campus: Campus) -> None:
    """A person's connection shows no others', and can neither ask for nor confirm one."""
    who, course = await graduate(campus)
    one = await credentials.request(campus.server, who, course, CONTRACT)
    other = await campus.person()
    async with campus.app.as_user(other) as own:
        assert await credentials.own(own, who) == []
    fresh, passed = await graduate(campus)
    for refused in (
        lambda own: credentials.request(own, fresh, passed, CONTRACT),
        lambda own: credentials.sent(own, one.id, ONE),
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with campus.app.as_user(who) as own:
                await refused(own)


async def test_many_ask_and_tell_at_once(campus: Campus) -> None:
    """There is one credential, and it is what was observed last, in any order, told many times."""
    loop = asyncio.get_running_loop()
    url = await login(campus.url, "lyceum_server")
    servers = [await connect(url) for _ in range(6)]

    def run(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(30)

    async def story(orders: list[list[int]]) -> None:
        who, course = await graduate(campus)
        made = await asyncio.gather(
            *(credentials.request(server, who, course, CONTRACT) for server in servers)
        )
        assert len({one.id for one in made}) == 1
        id, token = made[0].id, made[0].number
        news = [
            Observation(1, ONE, token, NOW),
            Observation(2, ONE),
            Observation(3, ONE, token, NOW),
            Observation(4, ONE, token, NOW, NOW),
            Observation(5, ONE, token, NOW),
        ]

        async def tell(server: Any, order: list[int]) -> None:
            for number in order:
                if number == len(news):
                    await credentials.sent(server, id, ONE)
                else:
                    await credentials.observed(server, id, news[number])

        await asyncio.gather(
            *(tell(server, order) for server, order in zip(servers, orders, strict=False))
        )
        shown = await credentials.verify(campus.server, id)
        assert (shown.status, shown.token, shown.transaction, shown.revoked_at) == (
            "CONFIRMED",
            token,
            ONE,
            None,
        )

    @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.permutations(range(6)), min_size=3, max_size=6))
    def law(orders: list[list[int]]) -> None:
        run(story(orders))

    await asyncio.to_thread(law)
    for server in servers:
        server.terminate()
