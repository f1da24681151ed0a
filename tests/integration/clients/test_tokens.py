"""Tokens as unmodified clients meet them: which let them in, what they hear of the others.

That none comes back for ever is seen by its sockets: all clients of a test are still on their
first one when a newcomer, who came after all refusals, has joined, written and heard it is saved.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from server.domain.roles import Role
from server.ids import SessionName
from server.persistence import collaboration
from server.persistence.collaboration import NewSession
from server.protocol import hocuspocus
from server.sessions.tokens import make_token
from tests.clients.client import Client
from tests.clients.driver import Driver, Kind
from tests.integration.clients.accounts import SECRET
from tests.integration.clients.kinds import HOCUSPOCUS, KINDS
from tests.integration.clients.notices import newest
from tests.integration.clients.test_rights import database_of
from tests.support.command import Command
from tests.support.server import LyceumServer
from tests.support.waiting import eventually
from tests.unit.sessions.signing import PAIRED, claims, jwk, private_key, signed, write_keys
from tests.unit.sessions.test_tokens import hmac_token

REFRESHING: tuple[Kind, ...] = ("hp3", "hp4")


@pytest_asyncio.fixture(scope="module")
async def keyed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LyceumServer]:
    """A server with a secret and a key of each kind, and without guests."""
    folder = tmp_path_factory.mktemp("keyed")
    write_keys(folder / "keys.json", *(jwk(name, name) for name in PAIRED))
    environ = {
        "LYCEUM_AUTH_SECRET": SECRET,
        "LYCEUM_AUTH_JWKS_FILE": str(folder / "keys.json"),
        "LYCEUM_GUESTS": "off",
    }
    async with LyceumServer(folder, environ) as server:
        yield server


def hs256(secret: str = SECRET, **others: Any) -> str:
    """A token signed with a secret."""
    return jwt.encode(claims(**others), secret, "HS256")


def confused() -> str:
    """HS256 under the public key that everybody may read."""
    public = private_key("RS256", "RS256").public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return hmac_token(pem, {"alg": "HS256", "kid": "RS256"})


def tampered() -> str:
    """Somebody made himself another user."""
    parts = hs256().split(".")
    parts[1] = hs256(sub="teacher").split(".")[1]
    return ".".join(parts)


def refused_tokens() -> dict[str, str]:
    """What clients hear, and the token for which they hear it; all of them lasting."""
    now = int(time.time())
    return {
        "it is no JWT": "rubbish",
        "its signature does not fit": hs256(secret="f" * 32),
        "signature does not fit.": tampered(),
        "signature does not fit": confused(),
        "has expired": hs256(exp=now - 60),
        "is a clock wrong?": hs256(iat=now + 3600, exp=now + 7200),
        "starts at": signed("ES256", "ES256", nbf=now + 3600),
        "not signed with HS256 or RS256 or ES256 or EdDSA": jwt.encode(claims(), None, "none"),
        "the key that signed it (kid) is not known": signed("EdDSA", "mine"),
        "signature does": signed("RS256", "mine", kid="RS256"),
        "does not say its exp": hs256(exp=None),
        "a role that does not exist": hs256(sessions={"*": "admin"}),
    }


async def refusal(client: Client, after: int = 0) -> str:
    """Why a client was refused, by its own event."""
    event = "closed" if client.kind == "yws" else "authenticationFailed"
    told = await client.wait_event(event, after=after)
    if client.kind == "yws":
        assert told["code"] == 4401
    return str(told["reason"])


async def time_passes(driver: Driver, url: str, session: str, token: str) -> None:
    """Somebody comes, writes and hears that it is saved."""
    client = await driver.join("hp4", url, session, token=token)
    await client.insert("later")
    await client.wait_settled()
    await client.destroy()


@pytest.mark.parametrize("kind", KINDS)
async def test_every_signature_lets_in(keyed: LyceumServer, driver: Driver, kind: Kind) -> None:
    """HS256, RS256, ES256 and EdDSA, side by side in one session."""
    session = f"signatures {kind}"
    tokens = [hs256(), *(signed(name, name) for name in PAIRED)]
    clients = [await driver.join(kind, keyed.ws, session, token=token) for token in tokens]
    for number, client in enumerate(clients):
        await client.insert(f"{number} ")
    await driver.wait_converged(*clients)
    assert len(await clients[0].text()) == 2 * len(clients)


@pytest.mark.parametrize("kind", KINDS)
async def test_no_bad_token_lets_in(keyed: LyceumServer, driver: Driver, kind: Kind) -> None:
    """Each is refused for a reason of its own, once, and nobody comes back with it.

    No token is in the log, nor its signature.
    """
    session = f"bad tokens {kind}"
    tokens = refused_tokens()
    opened = {
        why: await driver.open(kind, keyed.ws, session, token=token)
        for why, token in tokens.items()
    }
    for why, client in opened.items():
        assert why in await refusal(client)
        await client.insert("let me in")
    nobody = await driver.open(kind, keyed.ws, session)
    if kind == "hp2":
        await nobody.wait_event("authenticationFailed")
    assert "a token is needed" in await refusal(nobody)
    await time_passes(driver, keyed.ws, session, hs256())
    for client in (*opened.values(), nobody):
        info = await client.info()
        assert (info["synced"], info["sockets_opened"]) == (False, 1)
    fresh = await driver.fresh_text(keyed.ws, session, kind=kind, token=hs256())
    assert fresh.text == "later"
    log = keyed.log_path.read_text()
    for token in tokens.values():
        assert token not in log
        assert (token.rpartition(".")[2] or token) not in log


@pytest.mark.parametrize("kind", KINDS)
async def test_who_is_a_little_early_gets_in(
    keyed: LyceumServer, driver: Driver, kind: Kind
) -> None:
    """Hocuspocus clients are left waiting; y-websocket is told to come back, and does."""
    client = await driver.open(
        kind, keyed.ws, f"early {kind}", token=hs256(iat=int(time.time()) + 8)
    )
    if kind == "yws":
        closed = await client.wait_closed(1013)
        assert closed.reason == "The token is not valid yet, but soon."
    await client.wait_synced(30)
    opened = (await client.info())["sockets_opened"]
    assert 2 <= opened <= 8 if kind == "yws" else opened == 1
    gave_up = "closed" if kind == "yws" else "authenticationFailed"
    assert gave_up not in {event["event"] for event in await client.events()}


@pytest.mark.parametrize("how", ["--token", "--user"])
async def test_revoking_acts_on_live_sockets(keyed: LyceumServer, driver: Driver, how: str) -> None:
    """Within a second all kinds are told with 4401, stay out, and nobody else notices.

    A user's tokens that are issued later are good.
    """
    session, user = f"revoked {how}", f"ann {how}"
    past = int(time.time()) - 60
    tokens = {kind: hs256(sub=user, jti=f"{how} {kind}", iat=past) for kind in KINDS}
    clients = await asyncio.gather(
        *(driver.join(kind, keyed.ws, session, token=token) for kind, token in tokens.items())
    )
    other = await driver.join("hp2", keyed.ws, session, token=hs256(sub="bob", jti="bob"))
    lyceum = Command(keyed.folder)
    ids = [f"{how} {kind}" for kind in KINDS] if how == "--token" else [user]
    for id in ids:
        assert (await lyceum("revoke", how, id)).code == 0
    closes = await asyncio.gather(*(client.wait_closed(4401, timeout=1.5) for client in clients))
    assert {close.reason for close in closes} == {"The token was revoked."}
    for client in clients:
        assert client.kind == "hp2" or await refusal(client) == "The token was revoked."
    fresh = hs256(sub=user, jti="fresh", iat=int(time.time()) + 2)  # our clock may be behind
    await time_passes(driver, keyed.ws, session, fresh)
    for client in clients:
        await client.insert("still here?")
        opened = (await client.info())["sockets_opened"]
        assert opened == (2 if client.kind in REFRESHING else 1)
    await other.insert("fine ", 0)
    await other.wait_settled()
    assert await other.text() == "fine later"
    assert (await other.info())["sockets_opened"] == 1


async def test_revocation_counts_at_the_door_too(keyed: LyceumServer, driver: Driver) -> None:
    """Who waited for a place in a full session when the token was revoked does not get it."""
    session = "revoked at the door"
    async with database_of(keyed) as sql:
        await collaboration.create(sql, NewSession(SessionName(session), capacity=1), None, None)
    inside = await driver.join("hp4", keyed.ws, session, token=hs256(sub="bob"))
    waiting = await driver.open("hp4", keyed.ws, session, token=hs256(jti="door"))
    await newest(waiting, "session.full")
    before = len(keyed.logs("tokens revoked"))
    assert (await Command(keyed.folder)("revoke", "--token", "door")).code == 0
    await eventually(lambda: len(keyed.logs("tokens revoked")) > before, what="the revocation")
    refused = await driver.open("hp4", keyed.ws, session, token=hs256(jti="door"))
    assert await refusal(refused) == "The token was revoked."  # the server knows
    await inside.destroy()
    assert await refusal(waiting) == "The token was revoked."
    await driver.join("hp4", keyed.ws, session, token=hs256(sub="bob"))


@pytest.mark.parametrize("kind", KINDS)
async def test_keys_are_replaced_while_the_server_runs(
    make_server: Callable[..., LyceumServer], driver: Driver, kind: Kind, tmp_path: Path
) -> None:
    """The new key's tokens let in within a second, the old one's no more; bad files change nothing.

    Who is in stays in.
    """
    path = tmp_path / "keys.json"
    write_keys(path, jwk("ES256", "old"))
    server = make_server(auth_jwks_file=str(path), guests="off")
    await server.start()
    inside = await driver.join(kind, server.ws, "lesson", token=signed("ES256", "old"))
    early = await driver.open(kind, server.ws, "lesson", token=signed("RS256", "new"))
    assert "not signed with ES256" in await refusal(early)

    path.write_text('{"keys": [')
    await eventually(lambda: server.logs("new keys can't be used; the old ones stay"))
    await driver.join(kind, server.ws, "lesson", token=signed("ES256", "old"))

    write_keys(path, jwk("RS256", "new"))
    await eventually(lambda: server.logs("keys read"))
    late = await driver.open(kind, server.ws, "lesson", token=signed("ES256", "old"))
    assert "not signed with RS256" in await refusal(late)
    new = await driver.join(kind, server.ws, "lesson", token=signed("RS256", "new"))
    await inside.insert("still here")
    await new.wait_text(equals="still here")
    assert (await inside.info())["sockets_opened"] == 1


@pytest.mark.parametrize("kind", HOCUSPOCUS)
async def test_a_fresh_token_is_asked_for_once(
    keyed: LyceumServer, driver: Driver, kind: Kind
) -> None:
    """Before the old one expires; versions 3 and 4 answer with their token, version 2 does not."""
    session = f"asked {kind}"
    ask = hocuspocus.Dialect(session).ask_for_token()
    short = make_token(SECRET, "ann", None, {session: Role.EDITOR}, 4.0)
    long = make_token(SECRET, "ann", None, {session: Role.VIEWER}, 32.5)
    client = await driver.join(kind, keyed.ws, session, token=long, trace=True)
    await client.set_token(make_token(SECRET, "ann", None, {session: Role.EDITOR}, 600.0))
    stubborn = await driver.join(kind, keyed.ws, session, token=short, trace=True)

    async def asked(client: Client) -> int:
        return [frame.data for frame in await client.frames("in")].count(ask)

    await stubborn.wait_closed(4401)
    assert await asked(stubborn) == 1
    await eventually(lambda: asked(client), what="the question")
    if kind in REFRESHING:
        await client.wait_event("authenticated", scope="read-write")
        await client.insert("more rights")
        await client.wait_settled()
        assert (await client.info())["refused"] == 0
    assert await asked(client) == 1
    assert (await client.info())["sockets_opened"] == 1
    assert "exception" not in {event["event"] for event in await client.events()}


async def test_a_y_websocket_client_is_not_asked(keyed: LyceumServer, driver: Driver) -> None:
    """It would not understand; it is told when the token has expired."""
    token = make_token(SECRET, "ann", None, None, 3.0)
    client = await driver.join("yws", keyed.ws, "not asked", token=token, trace=True)
    assert (await client.wait_closed(4401)).reason == "The token has expired."
    assert "exception" not in {event["event"] for event in await client.events()}
