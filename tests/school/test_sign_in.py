"""Signing in by e-mail address, and the sessions that come of it."""

from datetime import timedelta
from ipaddress import IPv4Address
from uuid import uuid4

import pytest

from server.errors import Forbidden, NotFound, Unauthorized
from server.persistence import encryption_keys
from server.persistence.access import Access
from server.persistence.school import sign_in
from server.persistence.school.sign_in import Opened
from server.persistence.types import Connection
from tests.school.make import person
from tests.support.people import add, email_of, ring

HERE, THERE = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")


async def open_for(access: Access, user: int, **more: timedelta) -> Opened:
    async with access.as_user(user) as connection:
        return await sign_in.open_session(connection, user, "Firefox", HERE, **more)


async def test_by_email(superuser: Connection, server: Connection) -> None:
    """However it is written, and whichever of the keys in use it was indexed with."""
    old = await add(superuser, ring(1), "olga")
    await encryption_keys.activate(superuser, ring(1, 2))
    new = await add(superuser, ring(1, 2), "nina")
    for someone in (old, new):
        written = f" {email_of(someone.username).upper()} "
        assert await sign_in.find(server, ring(1, 2), written) == someone
    with pytest.raises(Unauthorized, match="Nobody is known"):
        await sign_in.find(server, ring(1, 2), "nobody@school.example")
    await superuser.execute("update users set status = 'SUSPENDED' where id = $1", new.id)
    with pytest.raises(Forbidden, match="suspended"):
        await sign_in.find(server, ring(1, 2), email_of("nina"))


async def test_a_session(superuser: Connection, access: Access, server: Connection) -> None:
    """Its token says who one is, and the database does not know the token."""
    ann = await person(superuser, role="INSTRUCTOR")
    opened = await open_for(access, ann)
    found = await sign_in.look_up(server, opened.token, HERE)
    assert (found.session, found.user_id, found.role) == (opened.id, ann, "INSTRUCTOR")
    kept = await superuser.fetchval("select auth_sessions::text from auth_sessions limit 1")
    assert opened.token not in kept
    for wrong in (opened.token[:-1], opened.token.upper(), ""):
        with pytest.raises(Unauthorized, match="is over"):
            await sign_in.look_up(server, wrong)


async def test_when_a_session_is_over(
    superuser: Connection, access: Access, server: Connection
) -> None:
    """When it was ended, has expired, or its person may not be here any more."""
    ann = await person(superuser)
    ended, expired, kept = [await open_for(access, ann) for _ in range(3)]
    async with access.as_user(ann) as connection:
        await sign_in.revoke(connection, ann, ended.id)
    expire = (
        "update auth_sessions set created_at = now() - interval '2 hours',"
        " last_seen_at = now() - interval '2 hours', expires_at = now() where public_id = $1"
    )
    await superuser.execute(expire, expired.id)
    for over in (ended, expired):
        with pytest.raises(Unauthorized):
            await sign_in.look_up(server, over.token)
    await sign_in.look_up(server, kept.token)
    await superuser.execute("update users set status = 'SUSPENDED' where id = $1", ann)
    with pytest.raises(Unauthorized):
        await sign_in.look_up(server, kept.token)
    with pytest.raises(Forbidden, match="may not sign in"):
        await open_for(access, ann)


async def test_it_is_seen_once_a_minute(
    superuser: Connection, access: Access, server: Connection
) -> None:
    """And when it is used from elsewhere; between, looking it up writes nothing."""
    opened = await open_for(access, await person(superuser))
    row = "select xmin::text, address, last_seen_at > now() - interval '30 seconds'"
    row += " from auth_sessions where public_id = $1"
    before = await superuser.fetchrow(row, opened.id)
    await sign_in.look_up(server, opened.token, HERE)
    assert await superuser.fetchrow(row, opened.id) == before
    await sign_in.look_up(server, opened.token, THERE)
    moved = await superuser.fetchrow(row, opened.id)
    assert (moved[1], moved[2]) == (THERE, True)
    await superuser.execute(
        "update auth_sessions set created_at = now() - interval '1 hour',"
        " last_seen_at = now() - interval '61 seconds' where public_id = $1",
        opened.id,
    )
    await sign_in.look_up(server, opened.token, THERE)
    assert (await superuser.fetchrow(row, opened.id))[2]


async def test_where_somebody_is_signed_in(
    superuser: Connection, access: Access, server: Connection
) -> None:
    """Is listed, and can be ended there or everywhere else, by that person only."""
    ann, bob = await person(superuser), await person(superuser)
    here, there, far = [await open_for(access, ann) for _ in range(3)]
    await open_for(access, bob)
    async with access.as_user(ann) as connection:
        listed = await sign_in.sessions(connection, ann)
        assert {one.id for one in listed} == {here.id, there.id, far.id}
        assert {(one.user_agent, one.address) for one in listed} == {("Firefox", HERE)}
        for _ in range(2):
            await sign_in.revoke(connection, ann, there.id)
        with pytest.raises(NotFound, match="no such sign-in"):
            await sign_in.revoke(connection, ann, uuid4())
    async with access.as_user(bob) as connection:
        with pytest.raises(NotFound):
            await sign_in.revoke(connection, ann, here.id)
    async with access.as_user(ann) as connection:
        assert await sign_in.revoke_others(connection, ann, here.id) == 1
        assert [one.id for one in await sign_in.sessions(connection, ann)] == [here.id]
        assert await sign_in.revoke_others(connection, ann) == 1
    async with access.as_user(bob) as connection:
        assert len(await sign_in.sessions(connection, bob)) == 1


async def test_what_is_long_over_is_forgotten(
    superuser: Connection, access: Access, server: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A month after it expired, batch by batch; what is younger stays."""
    monkeypatch.setattr(sign_in, "BATCH", 2)
    ann = await person(superuser)
    opened = [await open_for(access, ann) for _ in range(6)]
    await superuser.execute(
        "update auth_sessions set created_at = now() - interval '90 days',"
        " last_seen_at = now() - interval '90 days', expires_at = now() - interval '31 days'"
        " where public_id = any($1)",
        [one.id for one in opened[:5]],
    )
    assert await sign_in.forget_sessions(server) == {"sessions": 5}
    assert await sign_in.forget_sessions(server) == {}
    left = "select array_agg(public_id) from auth_sessions where user_id = $1"
    assert await superuser.fetchval(left, ann) == [opened[5].id]
