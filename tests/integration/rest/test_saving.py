"""What was answered is saved: with a database that stalls, and with servers that are killed."""

import asyncio
from collections.abc import AsyncIterator, Callable

import aiohttp
import asyncpg
import pytest
import pytest_asyncio

from server.domain.roles import Role
from tests.chaos.stored import until_stored
from tests.clients.driver import Driver
from tests.support.api import SECRET, Answer, Api
from tests.support.postgres import PostgresInstance
from tests.support.proxy import Proxy
from tests.support.server import LyceumServer
from tests.support.waiting import eventually

MakeServer = Callable[..., LyceumServer]
PATH = "/sessions/saved"


@pytest_asyncio.fixture(scope="module")
async def postgres(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PostgresInstance]:
    """A Postgres that outlives the servers of these tests."""
    instance = await PostgresInstance.start(tmp_path_factory.mktemp("postgres"), "embedded")
    yield instance
    await instance.server.stop()


async def chat_rows(url: str) -> list[str]:
    """What the database holds of the chat."""
    connection = await asyncpg.connect(url)
    rows = await connection.fetch("select body from chat_messages order by seq")
    await connection.close()
    return [row["body"] for row in rows]


async def test_a_database_that_stalls(
    database_url: str, make_server: MakeServer, driver: Driver
) -> None:
    """Nothing is called saved that is not: 503 after a while; others see the edit meanwhile, and
    it is saved, once, as soon as that is possible."""
    async with Proxy.before_database(database_url) as proxy:
        server = make_server(database_url=proxy.url, auth_secret=SECRET)
        await server.start()
        teacher = Api(server, {"*": Role.TEACHER})
        await teacher.make("saved", starting_code="before")
        client = await driver.join("hp4", server.ws, "saved", token=teacher.token)
        message = {"body": "hello", "client_message_id": "m1"}
        proxy.stall()
        asked = asyncio.gather(
            teacher("PUT", f"{PATH}/document/text", {"text": "after"}),
            teacher("POST", f"{PATH}/chat", message),
        )
        await client.wait_text(equals="after")
        assert (await teacher("GET", f"{PATH}/document")).body == b"after"
        assert not asked.done()
        for answer in await asked:
            assert answer.problem == (503, "Unavailable")
            assert int(answer.headers["Retry-After"]) >= 1
            assert "may still be" in answer.body["detail"]
        proxy.resume()
        await until_stored(database_url, "saved", "after")

        async def said() -> bool:
            return (await teacher("POST", f"{PATH}/chat", message)).status == 201

        await eventually(said, 30)
        assert await chat_rows(database_url) == ["hello"]


async def test_a_database_that_is_away(database_url: str, make_server: MakeServer) -> None:
    """What needs it is answered with 503, and works again by itself."""
    async with Proxy.before_database(database_url) as proxy:
        server = make_server(database_url=proxy.url, auth_secret=SECRET)
        await server.start()
        teacher = Api(server, {"*": Role.TEACHER})
        proxy.shut()
        for method, path, body in (
            ("GET", "/sessions", None),
            ("GET", PATH, None),
            ("GET", f"{PATH}/document", None),
            ("POST", "/sessions", {"name": "saved"}),
        ):
            answer = await teacher(method, path, body)
            assert answer.problem == (503, "Unavailable")
            assert answer.headers["Retry-After"] == "1"
        await proxy.open()

        async def made() -> bool:
            return (await teacher("POST", "/sessions", {"name": "saved"})).status in (201, 409)

        await eventually(made)
        assert (await teacher("GET", PATH)).status == 200


class Writers:
    """Those who write to document and chat; done: what they were told is saved."""

    def __init__(self, teacher: Api) -> None:
        self.done: set[str] = set()
        self._teacher = teacher
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, count: int, until: int) -> None:
        """Have so many write at the same time; returns once so many of all were answered."""
        first = len(self._tasks)
        self._tasks += [
            asyncio.create_task(self._write(number)) for number in range(first, first + count)
        ]
        await eventually(lambda: len(self.done) >= until)

    async def _write(self, number: int) -> None:
        mark = f"<{number}>"
        if number % 8 == 7:
            answer: Answer = await self._teacher("POST", f"{PATH}/chat", {"body": mark})
        else:
            patches = {"patches": [{"at": 0, "insert": mark}]}
            answer = await self._teacher("PATCH", f"{PATH}/document/text", patches)
        assert answer.status in (200, 201, 429, 503)
        if answer.status < 300:
            self.done.add(mark)

    async def check(self, url: str) -> None:
        """What was answered is there; the server that answers now is not the one that did."""
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        assert all(isinstance(result, aiohttp.ClientError | None) for result in results)
        text = (await self._teacher("GET", f"{PATH}/document")).body.decode()
        rows = await chat_rows(url)
        assert {mark for mark in self.done if mark not in text and mark not in rows} == set()


async def test_servers_that_are_killed_or_end(database_url: str, make_server: MakeServer) -> None:
    """In the middle of many requests, right after an answer: what was answered is there."""
    server = make_server(database_url=database_url, auth_secret=SECRET)
    await server.start()
    teacher = Api(server, {"*": Role.TEACHER})
    await teacher.make("saved")
    writers = Writers(teacher)
    await writers.start(40, until=15)
    await server.kill()
    await server.start()
    await writers.check(database_url)
    await writers.start(40, until=len(writers.done) + 10)
    assert await server.stop() == 0
    await server.start()
    await writers.check(database_url)
