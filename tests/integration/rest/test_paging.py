"""Lists by pages over REST."""

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.api import Api
from tests.support.server import LyceumServer

COUNT = 23
sizes = st.lists(st.integers(1, 30), min_size=1, max_size=8)


async def pages(api: Api, path: str, limits: list[int]) -> list[Any]:
    """All of a list, with pages of these sizes in turn."""
    found: list[Any] = []
    cursor, number = "", 0
    while True:
        limit = limits[number % len(limits)]
        answer = await api("GET", f"{path}?limit={limit}{cursor}")
        assert answer.status == 200, answer
        assert len(answer.body["items"]) <= limit
        found += answer.body["items"]
        if answer.body["next"] is None:
            return found
        cursor, number = f"&cursor={answer.body['next']}", number + 1


@pytest.fixture(scope="module")
async def many(server: LyceumServer) -> Api:
    """Somebody with many sessions, in each of which many have been given roles."""
    owner = Api.user(server, "many")
    for number in range(COUNT):
        await owner.make(f"many-{number}")
        path = f"/sessions/many-0/participants/user-{number:02}"
        assert (await owner("PUT", path, {"role": "viewer"})).status == 204
    return owner


async def test_each_row_once_in_order(many: Api) -> None:
    """Whatever sizes the pages have: sessions from the newest on, users by their ids."""
    loop = asyncio.get_running_loop()
    sessions = [f"many-{number}" for number in reversed(range(COUNT))]
    users = [f"user-{number:02}" for number in range(COUNT)]

    def listed(path: str, limits: list[int]) -> list[Any]:
        return asyncio.run_coroutine_threadsafe(pages(many, path, limits), loop).result(60)

    @settings(
        max_examples=12,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(sizes)
    def law(limits: list[int]) -> None:
        assert [item["name"] for item in listed("/sessions", limits)] == sessions
        rows = listed("/sessions/many-0/participants", limits)
        assert [row["user"] for row in rows] == users

    await asyncio.to_thread(law)


async def test_a_list_that_changes_under_way(server: LyceumServer) -> None:
    """Who was there all the time comes once: what is new or gone moves nobody between pages."""
    owner = Api.user(server, "moving")
    for number in range(6):
        await owner.make(f"moving-{number}")
    first = (await owner("GET", "/sessions?limit=3")).body
    assert [item["name"] for item in first["items"]] == ["moving-5", "moving-4", "moving-3"]
    await owner.make("moving-new")
    for gone in ("moving-3", "moving-1"):
        assert (await owner("DELETE", f"/sessions/{gone}")).status == 204
    rest = (await owner("GET", f"/sessions?cursor={first['next']}")).body
    assert [item["name"] for item in rest["items"]] == ["moving-2", "moving-0"]


async def test_cursors_of_other_lists(server: LyceumServer, many: Api) -> None:
    """Another filter, session or user is another list; cut or changed ones are none at all."""
    cursor = (await many("GET", "/sessions?limit=1")).body["next"]
    other = (await many("GET", "/sessions/many-0/participants?limit=1")).body["next"]
    refused = [
        (many, f"/sessions?cursor={other}"),
        (many, f"/sessions?status=ACTIVE&cursor={cursor}"),
        (Api.user(server, "moving"), f"/sessions?cursor={cursor}"),
        (many, f"/sessions?cursor={cursor[:-1]}"),
        (many, f"/sessions?cursor={cursor.swapcase()}"),
        (many, f"/sessions/many-1/participants?cursor={other}"),
        (many, f"/sessions/many-0/participants?cursor={cursor}"),
        (many, f"/webhooks?cursor={cursor}"),
    ]
    for api, path in refused:
        if "webhooks" in path:
            api = Api(server, {})
        assert (await api("GET", path)).problem == (400, "Bad request"), path


async def test_only_one_status(server: LyceumServer) -> None:
    """Lists may be asked for by status; together they are the whole."""
    owner = Api.user(server, "statuses")
    for name in ("open", "closed"):
        await owner.make(f"status-{name}")
    await owner("PATCH", "/sessions/status-closed", {"status": "ARCHIVED"})
    for status, names in (
        ("ACTIVE", ["status-open"]),
        ("ARCHIVED", ["status-closed"]),
        ("EXPIRED", []),
    ):
        answer = await owner("GET", f"/sessions?status={status}")
        assert [item["name"] for item in answer.body["items"]] == names
