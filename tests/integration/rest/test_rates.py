"""How fast one may ask: each user, and all guests of an address."""

import asyncio
from collections.abc import Callable

from tests.support.api import SECRET, Answer, Api
from tests.support.server import LyceumServer
from tests.support.waiting import eventually


async def many(api: Api, **headers: str) -> list[Answer]:
    """What is said to far too many requests at once."""
    return await asyncio.gather(*(api("GET", "/sessions/any", **headers) for _ in range(30)))


def refused(answers: list[Answer]) -> int:
    """How many came too fast; they say how long to wait."""
    slow = [answer for answer in answers if answer.status == 429]
    for answer in slow:
        assert answer.problem == (429, "Too fast")
        assert 1 <= int(answer.headers["Retry-After"]) <= 10
    return len(slow)


async def test_who_asks_too_fast_waits(make_server: Callable[..., LyceumServer]) -> None:
    """With however many tokens; others are not held up, and it passes."""
    server = make_server(
        auth_secret=SECRET, limit_requests_per_second="2", trusted_proxies="127.0.0.1"
    )
    await server.start()
    mallory, again, bob = (Api.user(server, user) for user in ("mallory", "mallory", "bob"))
    assert refused(await many(mallory)) >= 10
    assert (await again("GET", "/sessions/any")).status == 429
    assert (await bob("GET", "/sessions/any")).status == 404

    async def calm() -> bool:
        return (await mallory("GET", "/sessions/any")).status == 404

    await eventually(calm)

    guest, forger = Api(server, None), Api(server, None)
    forger.token = "e30.e30.e30"
    assert refused(await many(guest, x_forwarded_for="203.0.113.7")) >= 10
    for api in (guest, forger):  # a token that is none is no way around
        assert refused([await api("GET", "/sessions/any", x_forwarded_for="203.0.113.7")]) == 1
    elsewhere = await guest("GET", "/sessions/any", x_forwarded_for="203.0.113.8")
    assert elsewhere.status == 404
    assert refused(await many(guest)) == 0  # from this machine: whoever is behind a proxy
    assert "too many requests" in (await server.get("/metrics"))[1]
