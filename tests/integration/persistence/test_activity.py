"""Activity is written once whatever fails, and read by interval and by participant."""

import asyncio
import re
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from server.ids import DocumentId, SessionName
from server.persistence import activity, collaboration
from server.persistence.activity import Kind, Row, Seen
from server.persistence.database import Database
from server.persistence.journal import WriterUnknown
from server.persistence.types import Connection
from tests.support.activity import ActivityWriter, counts, create_sessions, now
from tests.support.journal import Writer, wait_blocked
from tests.support.proxy import Proxy

LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
DOCS = Path(__file__).parents[3] / "docs/activity.md"
LESSON = DocumentId(1)
ANN, BOB, GUEST = uuid4(), uuid4(), uuid4()


def join(user: str | None = "ann", at: datetime | None = None) -> Row:
    return Row(at or now(), LESSON, uuid4(), user, "join")


async def participants(connection: Connection) -> list[tuple[str, str, datetime, datetime]]:
    found = await connection.fetch(
        "select user_id, name, first_seen_at, last_seen_at from session_participants"
        " where first_seen_at is not null order by user_id"
    )
    return [tuple(row) for row in found]


async def test_rows_are_kept_as_they_were(connection: Connection) -> None:
    """Every column comes back."""
    writer = await ActivityWriter.register(connection)
    rows = [
        Row(now(), LESSON, ANN, "ann", "edit", 9.5, 3, 20, 4, '{"unmeasured": 1}'),
        Row(now(), DocumentId(2**40), GUEST, None, "run", data='{"outcome": "passed"}'),
    ]
    assert await writer.write(*rows)
    found = await connection.fetch(
        f"select {', '.join(Row._fields)} from session_activity order by session_id"
    )
    assert [tuple(row) for row in found] == [tuple(row) for row in rows]


async def test_users_are_seen_first_and_last(connection: Connection) -> None:
    """Both times grow apart; the newest name that is known counts; a role of one's own stays."""
    (session,) = await create_sessions(connection, "lesson")
    await collaboration.set_role(connection, session, "bob", "viewer")
    writer = await ActivityWriter.register(connection)
    noon = now()
    early, late = noon - timedelta(hours=1), noon + timedelta(hours=1)
    await writer.write(
        seen=[Seen(session, "bob", "Bob", noon, noon), Seen(session, "ann", "Ann", noon, noon)]
    )
    await writer.write(seen=[Seen(session, "ann", "", early, early)])
    await writer.write(seen=[Seen(session, "ann", "Anna", late, late)])
    assert await participants(connection) == [
        ("ann", "Anna", early, late),
        ("bob", "Bob", noon, noon),
    ]
    details = await collaboration.read(connection, SessionName("lesson"))
    assert details.roles == {"bob": "viewer"}


async def test_deleted_sessions_lose_no_activity(connection: Connection) -> None:
    """Their rows stay, and come even afterwards; only whom they saw is gone with them."""
    gone, kept = await create_sessions(connection, "gone", "kept")
    writer = await ActivityWriter.register(connection)
    both = [Seen(gone, "ann", "", now(), now()), Seen(kept, "ann", "", now(), now())]
    assert await writer.write(join()._replace(session_id=gone), seen=both)
    await collaboration.delete(connection, SessionName("gone"))
    assert await writer.write(join()._replace(session_id=gone), seen=both)
    assert await counts(connection) == {"join": 2}
    assert len(await participants(connection)) == 1


async def test_a_session_deleted_meanwhile(database: Database) -> None:
    """Who deletes it is waited for; then its participants are passed over."""
    async with (
        database.acquire() as one,
        database.acquire() as other,
        database.acquire() as looker,
    ):
        gone, kept = await create_sessions(one, "gone", "kept")
        writer = await ActivityWriter.register(other)
        async with one.transaction():
            await collaboration.delete(one, SessionName("gone"))
            seen = [Seen(kept, "ann", "", now(), now()), Seen(gone, "ann", "", now(), now())]
            writing = asyncio.create_task(writer.write(join(), seen=seen))
            await wait_blocked(looker, 1, writing)
        assert await writing
        assert len(await participants(looker)) == 1


async def test_many_servers_see_the_same_users(database: Database) -> None:
    """Whatever the order in which each names them: no deadlock."""
    async with database.acquire() as first:
        sessions = await create_sessions(first, *"abcdef")
    everybody = [Seen(session, user, "", now(), now()) for session in sessions for user in "uvwxyz"]

    async def see(backwards: bool) -> None:
        connection = await database.connect()
        writer = await ActivityWriter.register(connection)
        for _ in range(15):
            assert await writer.write(join(), seen=everybody[:: -1 if backwards else 1])
        connection.terminate()

    await asyncio.gather(*(see(number % 2 == 0) for number in range(6)))
    async with database.acquire() as first:
        assert len(await participants(first)) == 36
        assert await counts(first) == {"join": 90}


async def test_a_repeated_batch_writes_nothing(connection: Connection) -> None:
    """A batch under a number that was committed is recognised."""
    writer = await ActivityWriter.register(connection)
    again = writer.on(connection)
    assert await writer.write(join())
    assert not await again.write(join())
    assert await counts(connection) == {"join": 1}


@pytest.mark.parametrize("lose", ["the answer to COMMIT", "the rows", "COMMIT"])
async def test_cut_connections(database_url: str, connection: Connection, lose: str) -> None:
    """Wherever the connection breaks, the repetition makes it once and only once."""
    async with Proxy.before_database(database_url) as proxy:
        writer = await ActivityWriter.register(await asyncpg.connect(proxy.url))
        again = writer.on(await asyncpg.connect(proxy.url))
        match lose:
            case "the answer to COMMIT":
                trap = proxy.lose_answer(b"COMMIT;")
            case "the rows":
                trap = proxy.cut_request(b"a well-known user")
            case _:
                trap = proxy.cut_request(b"COMMIT;")
        with pytest.raises(LOST):
            await writer.write(join("a well-known user"))
        assert trap.is_sprung
        committed = lose == "the answer to COMMIT"
        assert await counts(connection) == ({"join": 1} if committed else {})
        assert await again.write(join("a well-known user")) is not committed
        assert await counts(connection) == {"join": 1}
        assert await again.write(join("next"))
        again.connection.terminate()


async def test_the_first_try_still_hangs(database: Database) -> None:
    """A batch sent again while its first try hangs in a lost backend is written once."""
    async with database.acquire() as holder, database.acquire() as looker:
        writer = await ActivityWriter.register(lost := await database.connect())
        second = writer.on(await database.connect())
        async with holder.transaction():
            await holder.execute("lock table session_activity in share mode")
            first_try = asyncio.create_task(writer.write(join()))
            await wait_blocked(looker, 1, first_try)
            second_try = asyncio.create_task(second.write(join()))
            await wait_blocked(looker, 2, second_try)
            lost.terminate()
            with pytest.raises(LOST):
                await first_try
        await second_try
        assert await counts(looker) == {"join": 1}
        second.connection.terminate()


async def test_wrong_numbers_and_unknown_writers(connection: Connection) -> None:
    """Who never registered, or counts otherwise than the database, writes nothing."""
    writer = await ActivityWriter.register(connection)
    assert await writer.write(join())
    for writer_id, number in ((writer.id, 3), (writer.id, 2**40), (uuid4(), 1), (uuid4(), 2)):
        with pytest.raises(WriterUnknown):
            await activity.write(connection, writer_id, number, [join()], [])
    assert await counts(connection) == {"join": 1}


async def test_writers_say_what_they_write(connection: Connection) -> None:
    """The journal's and activity's are told apart."""
    await ActivityWriter.register(connection)
    await Writer.register(connection)
    found = await connection.fetch("select writes from journal_writers order by 1")
    assert [row[0] for row in found] == ["activity", "journal"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "dance"},
        {"kind": "edit"},
        {"seconds": 1.0},
        {"kind": "edit", "seconds": 1.0, "updates": 1, "inserted": 1},
        {"kind": "edit", "seconds": 1.0, "updates": 0, "inserted": 1, "deleted": 1},
        {"kind": "edit", "seconds": -1.0, "updates": 1, "inserted": 1, "deleted": 1},
        {"kind": "edit", "seconds": 1.0, "updates": 1, "inserted": -1, "deleted": 1},
    ],
)
async def test_the_database_refuses_what_makes_no_sense(
    connection: Connection, wrong: dict[str, object]
) -> None:
    """Unknown kinds, edits without counts, counts without edits; the number stays free."""
    writer = await ActivityWriter.register(connection)
    again = writer.on(connection)
    with pytest.raises(asyncpg.CheckViolationError):
        await writer.write(join(), join()._replace(**wrong))
    assert await again.write(join())


async def test_by_interval(connection: Connection) -> None:
    """Each thing counts in the interval in which it began; bounds are exact, others left out."""
    start = now().replace(microsecond=0)
    end = start + timedelta(seconds=30)
    writer = await ActivityWriter.register(connection)

    def row(after: float, kind: Kind, **fields: object) -> Row:
        at = start + timedelta(seconds=after)
        return Row(at, LESSON, ANN, "ann", kind)._replace(**fields)

    def edit(after: float, updates: int, inserted: int, deleted: int) -> Row:
        return row(after, "edit", seconds=4.0, updates=updates, inserted=inserted, deleted=deleted)

    await writer.write(
        row(-0.001, "join"),
        row(0, "join"),
        row(9.999, "join"),
        row(10, "leave"),
        edit(9, 2, 30, 4),
        edit(8, 1, 1, 1),
        edit(10, 5, 0, 7),
        row(29, "chat"),
        row(29, "role"),
        *(row(29, "run", data=f'{{"outcome": "{o}"}}') for o in ("passed", "error", "passed")),
        row(29, "run", data='{"outcome": "failed"}'),
        row(30, "join"),
        row(5, "join", session_id=DocumentId(2)),
        row(31, "join", user_id="bob"),
        row(31, "leave", user_id=None),
    )
    intervals = await activity.by_interval(connection, LESSON, start, end, 10)
    assert [tuple(interval) for interval in intervals] == [
        (start, 2, 0, 3, 31, 5, 0, 0, 0, 0, 0),
        (start + timedelta(seconds=10), 0, 1, 5, 0, 7, 0, 0, 0, 0, 0),
        (start + timedelta(seconds=20), 0, 0, 0, 0, 0, 1, 2, 1, 1, 1),
    ]
    (whole,) = await activity.by_interval(connection, LESSON, start, end, 3600)
    assert (whole.joins, whole.updates, whole.runs_passed) == (2, 8, 2)
    assert await activity.by_interval(connection, LESSON, start, start, 10) == []
    late = start + timedelta(seconds=60)
    (bob,) = await activity.by_interval(connection, LESSON, start, late, 60, "bob")
    assert (bob.joins, bob.leaves, bob.updates) == (1, 0, 0)


async def test_summary(connection: Connection) -> None:
    """Users over all their stays, each guest by itself; who wrote most comes first."""
    (session,) = await create_sessions(connection, "lesson")
    writer = await ActivityWriter.register(connection)
    start = now()
    later = start + timedelta(seconds=60)

    def row(participant: object, user: str | None, kind: Kind, **fields: object) -> Row:
        return join()._replace(
            at=start, session_id=session, participant=participant, user_id=user, kind=kind, **fields
        )

    counted = {"seconds": 8.0, "updates": 4, "inserted": 50, "deleted": 2}
    await writer.write(
        row(ANN, "ann", "join"),
        row(BOB, "ann", "join"),
        row(BOB, "ann", "edit", **counted)._replace(at=later),
        row(GUEST, None, "join"),
        row(uuid4(), None, "join"),
        row(GUEST, None, "edit", **counted | {"updates": 9}),
        row(GUEST, None, "chat"),
        row(uuid4(), "eve", "run", data='{"outcome": "error"}'),
        row(uuid4(), "never came", "role", data='{"role": "viewer", "by": "ann"}'),
        seen=[Seen(session, "ann", "Ann", start, later)],
    )
    end = later + timedelta(seconds=1)
    guest, ann, *rest = await activity.summary(connection, session, start, end)
    assert guest[:7] == (None, GUEST, "", start, start + timedelta(seconds=8), 1, 0)
    assert (guest.updates, guest.inserted, guest.deleted, guest.messages) == (9, 50, 2, 1)
    assert ann[:7] == ("ann", None, "Ann", start, later + timedelta(seconds=8), 2, 0)
    assert sorted((row.user or "", row.joins, row.runs_error) for row in rest) == [
        ("", 1, 0),
        ("eve", 0, 1),
    ]
    assert await activity.summary(connection, session, start, end, limit=2) == [guest, ann]


QUESTIONS = re.findall(r"```sql\n(.*?)```", DOCS.read_text(), re.DOTALL)


@pytest.mark.parametrize("number", range(len(QUESTIONS)))
async def test_documented_questions_have_answers(connection: Connection, number: int) -> None:
    """What docs/activity.md shows can be asked as it stands there."""
    (session,) = await create_sessions(connection, "lesson")
    writer = await ActivityWriter.register(connection)
    edited = {"kind": "edit", "seconds": 1.0, "updates": 1, "inserted": 5, "deleted": 1}
    ran = {"kind": "run", "data": '{"outcome": "failed"}'}
    rows = [join()] + [join()._replace(**edited)] + [join()._replace(**ran) for _ in range(5)]
    await writer.write(*(row._replace(session_id=session) for row in rows))
    assert len(await connection.fetch(QUESTIONS[number])) == 1
