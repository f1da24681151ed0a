"""Activity on its way to Postgres: saved once whatever fails, bounded, and never in the way."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
import structlog

from server import telemetry
from server.domain.details import Details, Permissions
from server.domain.identity import Identity
from server.domain.roles import Role
from server.ids import DocumentId, SessionName
from server.persistence.database import Database, connect
from server.persistence.types import Connection
from server.protocol import hocuspocus
from server.protocol.messages import RunReport
from server.sessions import activity as activity_module
from server.sessions.activity import Recorder
from server.sessions.counting import Edits
from server.sessions.participant import Participant
from server.sessions.visitor import Visitor
from tests.support.activity import counts
from tests.support.proxy import Proxy
from tests.support.traps import Trap
from tests.support.waiting import eventually

NEVER = 3600.0  # seconds: until asked for
NOW = datetime.now(UTC)
LESSON = Details(
    id=DocumentId(1),
    name=SessionName("lesson"),
    title="",
    type="code",
    language="",
    status="ACTIVE",
    owner=None,
    permissions=Permissions(),
    roles={},
    capacity=None,
    version=1,
    created_at=NOW,
    updated_at=NOW,
    expires_at=None,
)


class Nowhere:
    """A socket that nobody reads."""

    writable = True

    def write(self, frames: bytes) -> None:
        """Nothing."""

    def close(self, code: int, reason: str) -> None:
        """Nothing."""


def somebody(user: str | None = "ann") -> Participant:
    """A participant who has not come in yet."""
    return Participant(Nowhere(), hocuspocus.Dialect("lesson"), Identity(Role.EDITOR, user, user))


Start = Callable[..., Recorder]


@pytest_asyncio.fixture
async def start(database_url: str) -> AsyncIterator[Start]:
    """Starts recorders; arguments: another URL, seconds, most."""
    running: list[asyncio.Task[None]] = []

    def start(url: str = database_url, seconds: float = NEVER, most: int = 0) -> Recorder:
        recorder = Recorder(lambda: connect(url), seconds, most)
        running.append(asyncio.create_task(recorder.run()))
        return recorder

    yield start
    for task in running:
        assert not task.done()
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


@pytest_asyncio.fixture
async def proxy(database_url: str) -> AsyncIterator[Proxy]:
    """A proxy before the test's own database."""
    async with Proxy.before_database(database_url) as proxy:
        yield proxy


def shed(kind: str) -> float:
    """How much of a kind was shed, over all tests."""
    return telemetry.activity_shed.labels(kind)._value.get()


async def rows(connection: Connection) -> list[tuple[object, ...]]:
    """Activity as it is stored, without times."""
    found = await connection.fetch(
        "select kind, participant, user_id, updates, inserted, deleted, data"
        " from session_activity order by at, kind"
    )
    return [tuple(row) for row in found]


async def test_everything_that_happens_is_saved(start: Start, connection: Connection) -> None:
    """A row for each thing, one for all edits of a participant in the interval."""
    recorder = start()
    ann, guest, visitor = somebody(), somebody(None), Visitor(Identity(Role.TEACHER, "eve"))
    recorder.joined(LESSON, ann)
    recorder.joined(LESSON, guest)
    for _ in range(3):
        recorder.changed(LESSON, {ann: Edits(2, 10, 1), guest: Edits(1, 0, 0, 1)})
    recorder.said(LESSON, ann)
    recorder.ran(LESSON, ann, RunReport("passed", "solidity", 1.5))
    recorder.role_given(LESSON, "bob", "viewer", visitor)
    recorder.left(LESSON, ann)
    await recorder.drain()
    found = await rows(connection)
    run = '{"outcome": "passed", "seconds": 1.5, "language": "solidity"}'
    assert sorted(found, key=str) == sorted(
        [
            ("join", ann.id, "ann", None, None, None, None),
            ("join", guest.id, None, None, None, None, None),
            ("edit", ann.id, "ann", 6, 30, 3, None),
            ("edit", guest.id, None, 3, 0, 0, '{"unmeasured": 3}'),
            ("chat", ann.id, "ann", None, None, None, None),
            ("run", ann.id, "ann", None, None, None, run),
            ("role", visitor.id, "bob", None, None, None, '{"by": "eve", "role": "viewer"}'),
            ("leave", ann.id, "ann", None, None, None, None),
        ],
        key=str,
    )


async def test_it_is_saved_once_an_interval(start: Start, connection: Connection) -> None:
    """Without being asked; edits of each interval have a row of their own."""
    recorder, ann = start(seconds=0.1), somebody()
    for number in (1, 2):
        recorder.changed(LESSON, {ann: Edits(1, number)})
        await eventually(lambda number=number: _has(connection, {"edit": number}))  # type: ignore[misc]
    assert [row[4] for row in await rows(connection)] == [1, 2]


async def _has(connection: Connection, expected: dict[str, int]) -> bool:
    return await counts(connection) == expected


@pytest.mark.parametrize("lost", ["answer", "rows", "commit", "registration"])
async def test_a_batch_whose_outcome_is_unknown_counts_once(
    start: Start, proxy: Proxy, connection: Connection, lost: str
) -> None:
    """Wherever the connection breaks, it is sent again under its number, with nothing added."""
    recorder, ann = start(proxy.url), somebody("somebody well known")
    if lost != "registration":
        recorder.joined(LESSON, ann)
        await recorder.drain()
    trap: Trap
    match lost:
        case "answer":
            trap = proxy.lose_answer(b"COMMIT;")
        case "rows":
            trap = proxy.cut_request(b"somebody well known")
        case "commit":
            trap = proxy.cut_request(b"COMMIT;")
        case _:
            trap = proxy.lose_answer(b"delete from journal_writers")
    recorder.changed(LESSON, {ann: Edits(1, 5)})
    draining = asyncio.create_task(recorder.drain())
    await trap.sprung()
    recorder.changed(LESSON, {ann: Edits(1, 7)})
    await draining
    await recorder.drain()
    assert sum(row[4] for row in await rows(connection) if row[0] == "edit") == 12  # type: ignore[misc]
    (writers,) = await connection.fetchrow("select count(*) from journal_writers")
    assert writers == (2 if lost == "registration" else 1)


async def test_a_stalled_postgres(start: Start, proxy: Proxy, connection: Connection) -> None:
    """What waits stays below the bound, what has no room is counted; all that was kept is saved."""
    recorder = start(proxy.url, seconds=0.05, most=50)
    recorder.joined(LESSON, somebody())
    await eventually(lambda: _has(connection, {"join": 1}))
    proxy.stall()
    before = {kind: shed(kind) for kind in ("join", "leave", "edit")}
    people = [somebody(f"u{number}") for number in range(40)]
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            for who in people:
                recorder.joined(LESSON, who)
                recorder.changed(LESSON, {who: Edits(2, 3, 1)})
                recorder.left(LESSON, who)
                assert len(recorder._tally) <= 50
            await asyncio.sleep(0)
    lost = {kind: shed(kind) - before[kind] for kind in before}
    assert all(lost.values())
    assert [log["event"] for log in logs] == ["activity shed"]  # not once for each
    proxy.resume()
    await recorder.drain()
    stored = await counts(connection)
    assert stored["join"] - 1 + lost["join"] == stored["leave"] + lost["leave"] == 120
    edits = sum(row[3] for row in await rows(connection) if row[0] == "edit")  # type: ignore[misc]
    assert edits + lost["edit"] == 240
    recorder.joined(LESSON, somebody())
    await recorder.drain()
    assert (await counts(connection))["join"] == stored["join"] + 1


async def test_what_postgres_never_takes_is_left_out(start: Start, connection: Connection) -> None:
    """The rows around it are saved, and it is counted as shed."""
    recorder = start()
    before = shed("join")
    for name in ("ann", "no\x00name", "bob", "eve"):
        recorder.joined(LESSON, somebody(name))
    await recorder.drain()
    assert {row[2] for row in await rows(connection)} == {"ann", "bob", "eve"}
    assert shed("join") == before + 1


async def test_a_fault_of_its_own_ends_nothing(
    start: Start, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What can't be saved for a reason nobody thought of is given up, and the next is saved."""
    recorder = start()

    async def fail(*_: Any) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(activity_module.activity, "write", fail)
        recorder.joined(LESSON, somebody("lost"))
        await recorder.drain()
    recorder.joined(LESSON, somebody("kept"))
    await recorder.drain()
    assert [row[2] for row in await rows(connection)] == ["kept"]


async def test_a_forgotten_writer_signs_on_anew(start: Start, connection: Connection) -> None:
    """As after a restore from a backup."""
    recorder = start()
    recorder.joined(LESSON, somebody())
    await recorder.drain()
    await connection.execute("delete from journal_writers")
    recorder.joined(LESSON, somebody())
    await recorder.drain()
    assert await counts(connection) == {"join": 2}


async def test_the_end_does_not_wait_long(
    start: Start, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that is away costs a drain a few seconds, and the log says what was lost."""
    monkeypatch.setattr(activity_module, "DRAIN_SECONDS", 0.2)
    recorder = start(proxy.url)
    proxy.shut()
    recorder.joined(LESSON, somebody())
    with structlog.testing.capture_logs() as logs:
        await recorder.drain()
    assert [log["lost"] for log in logs if log["event"] == "activity could not be saved"] == [1]


async def test_more_than_one_batch(
    start: Start, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long outage's worth is written in commits of bounded size."""
    monkeypatch.setattr(activity_module, "BATCH_ROWS", 3)
    recorder, ann = start(), somebody()
    for _ in range(10):
        recorder.joined(LESSON, ann)
    await recorder.drain()
    assert await counts(connection) == {"join": 10}
    assert await connection.fetchval("select last_batch from journal_writers") == 4


async def test_users_are_seen(start: Start, database: Database) -> None:
    """From the first thing to the last that they did; guests have no row."""
    recorder = start()
    async with database.acquire() as connection:
        session = await connection.fetchval(
            "with made as (insert into documents (name) values ('lesson') returning id, name)"
            " insert into collaboration_sessions (id, name) select id, name from made returning id"
        )
        lesson = Details(
            **{name: getattr(LESSON, name) for name in Details.__struct_fields__} | {"id": session}
        )
        ann = somebody()
        recorder.joined(lesson, ann)
        recorder.joined(lesson, somebody(None))
        await recorder.drain()
        recorder.changed(lesson, {ann: Edits(1, 1)})
        await recorder.drain()
        (row,) = await connection.fetch("select * from session_participants")
    assert (row["user_id"], row["name"]) == ("ann", "ann")
    assert row["first_seen_at"] < row["last_seen_at"]


async def test_ids_of_stays_differ(start: Start, connection: Connection) -> None:
    """Somebody who comes back is another participant, and the same user."""
    recorder = start()
    for _ in range(3):
        recorder.joined(LESSON, somebody())
    await recorder.drain()
    found: Counter[UUID | object] = Counter(row[1] for row in await rows(connection))
    assert len(found) == 3
    assert uuid4() not in found
