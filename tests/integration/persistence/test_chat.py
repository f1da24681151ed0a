"""Chat in the database: numbered without gaps, each message once, whoever sends it how often."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.errors import Forbidden, LyceumError, NotFound
from server.ids import DocumentId, SessionName
from server.persistence import chat, collaboration
from server.persistence.chat import Delete, Edit, Send, Sender, Write, Written
from server.persistence.database import Database
from server.persistence.types import Connection
from tests.support.waiting import eventually

ANN, BOB = Sender("ann", "Ann"), Sender("bob", "Bob")
GUEST, TEACHER = Sender(None, "guest"), Sender("eve", "Eve", moderates=True)
SENDERS = (ANN, BOB, GUEST, TEACHER)


async def new_session(connection: Connection, name: str) -> DocumentId:
    """A session without any chat."""
    details = await collaboration.open_for_join(connection, SessionName(name), create=True)
    return details.id


def send(
    session: DocumentId, sender: Sender, name: str, body: str = "hello", **others: Any
) -> Send:
    """A message."""
    return Send(session, sender, name, body, others.get("reply_to"), others.get("mentions", ()))


async def written(connection: Connection, *writes: Write) -> list[Written]:
    """What writes came to that all go well."""
    results = await chat.commit(connection, writes)
    assert all(isinstance(result, Written) for result in results), results
    return [result for result in results if isinstance(result, Written)]


@dataclass
class Model:
    """One session's chat as plain Python."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    keys: dict[tuple[str | None, str], int] = field(default_factory=dict)
    revision: int = 0

    def apply(self, write: Write) -> type[LyceumError] | int:
        """Carry out a write: the seq, or the error."""
        if isinstance(write, Send):
            key = (write.sender.user, write.client_message_id)
            if key in self.keys:
                return self.keys[key]
            if write.reply_to is not None and not 1 <= write.reply_to <= len(self.messages):
                return NotFound
            self.revision += 1
            self.messages.append(
                {"user": write.sender.user, "body": write.body, "revision": self.revision}
            )
            self.keys[key] = len(self.messages)
            return len(self.messages)
        if not 1 <= write.seq <= len(self.messages):
            return NotFound
        message = self.messages[write.seq - 1]
        own = message["user"] == write.sender.user and write.sender.user is not None
        if not own and not write.sender.moderates:
            return Forbidden
        body = write.body if isinstance(write, Edit) else ""
        if message["body"] == "" and body:
            return NotFound
        if message["body"] != body:
            self.revision += 1
            message |= {"body": body, "revision": self.revision}
        return write.seq


def writes(session: DocumentId) -> st.SearchStrategy[Write]:
    """Any write to a session with few people, names and messages."""
    senders, seqs = st.sampled_from(SENDERS), st.integers(0, 6)
    bodies = st.sampled_from(["a", "b", "c"])
    replies = st.none() | st.integers(0, 5)
    return st.one_of(
        st.builds(
            lambda sender, name, body, reply: send(session, sender, name, body, reply_to=reply),
            senders,
            st.sampled_from(["1", "2", "3", "4"]),
            bodies,
            replies,
        ),
        st.builds(
            lambda sender, seq, body: Edit(session, sender, seq, body, ()), senders, seqs, bodies
        ),
        st.builds(lambda sender, seq: Delete(session, sender, seq), senders, seqs),
    )


class Desk:
    """Runs whole histories on one connection of a loop, from Hypothesis's thread."""

    def __init__(self, connection: Connection, loop: asyncio.AbstractEventLoop) -> None:
        self.connection = connection
        self.loop = loop
        self.count = 0

    def run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)


@pytest_asyncio.fixture
async def desk(connection: Connection) -> AsyncIterator[Desk]:
    """A place where Hypothesis can use the database."""
    yield Desk(connection, asyncio.get_running_loop())


async def test_any_history_in_any_batches_agrees_with_the_model(desk: Desk) -> None:
    """However sends, repeats, edits and deletions come and are cut into batches."""

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def law(data: st.DataObject) -> None:
        desk.count += 1
        session = desk.run(new_session(desk.connection, f"law {desk.count}"))
        model = Model()
        for _ in range(data.draw(st.integers(1, 4))):
            batch = data.draw(st.lists(writes(session), min_size=1, max_size=8))
            expected = [model.apply(write) for write in batch]
            results = desk.run(chat.commit(desk.connection, batch))
            assert [
                r.message.seq if isinstance(r, Written) else type(r) for r in results
            ] == expected
        page = desk.run(chat.before(desk.connection, session, None, 100))
        assert [(m.user, m.body, m.revision) for m in page.messages] == [
            (m["user"], m["body"], m["revision"]) for m in model.messages
        ]
        assert desk.run(chat.last_revision(desk.connection, session)) == model.revision
        changed = desk.run(chat.since(desk.connection, session, 0, 100))
        assert [m.revision for m in changed.messages] == sorted(
            m["revision"] for m in model.messages
        )

    await asyncio.to_thread(law)


async def test_pages_have_no_gaps_and_no_doubles(desk: Desk) -> None:
    """Forward by revision and backward by seq, with pages of any size."""
    session = await new_session(desk.connection, "pages")
    await written(desk.connection, *(send(session, ANN, f"{n}") for n in range(23)))
    await written(desk.connection, *(Edit(session, ANN, seq, "edited", ()) for seq in (3, 9, 17)))

    @settings(max_examples=25, deadline=None)
    @given(st.integers(1, 30))
    def law(limit: int) -> None:
        forward: list[int] = []
        revision, more = 0, True
        while more:
            page = desk.run(chat.since(desk.connection, session, revision, limit))
            forward += [message.seq for message in page.messages]
            revision, more = page.messages[-1].revision, page.more
        assert sorted(forward) == list(range(1, 24))
        assert forward[-3:] == [3, 9, 17]
        backward: list[int] = []
        seq, more = None, True
        while more:
            page = desk.run(chat.before(desk.connection, session, seq, limit))
            backward = [message.seq for message in page.messages] + backward
            seq, more = backward[0], page.more
        assert backward == list(range(1, 24))

    await asyncio.to_thread(law)


async def test_many_servers_number_without_gaps(database: Database) -> None:
    """Twenty writers to two sessions at once, each message sent twice: no gap, no double."""
    async with database.acquire() as connection:
        sessions = [await new_session(connection, name) for name in ("one", "two")]

    async def write(number: int) -> None:
        sender = Sender(f"user {number}", "")
        batch = [send(session, sender, f"{n}") for n in range(5) for session in sessions]
        for _ in range(2):
            async with database.acquire() as connection:
                await chat.commit(connection, batch if number % 2 else batch[::-1])

    await asyncio.gather(*(write(number) for number in range(20)))
    async with database.acquire() as connection:
        for session in sessions:
            page = await chat.before(connection, session, None, 500)
            assert [message.seq for message in page.messages] == list(range(1, 101))
            assert await chat.last_revision(connection, session) == 100


async def test_who_may_change_what(connection: Connection) -> None:
    """Authors their own, guests what they sent on this socket, teachers all; done twice is done."""
    session = await new_session(connection, "rights")
    await written(connection, send(session, ANN, "1"), send(session, GUEST, "2"))
    for sender, seq in ((BOB, 1), (GUEST, 1), (GUEST, 2), (ANN, 2)):
        for write in (Edit(session, sender, seq, "mine", ()), Delete(session, sender, seq)):
            (result,) = await chat.commit(connection, [write])
            assert isinstance(result, Forbidden)
    author = GUEST._replace(own=frozenset({2}))
    edits = [Edit(session, author, 2, "better", ()), Edit(session, author, 2, "better", ())]
    assert [result.fresh for result in await written(connection, *edits)] == [True, False]
    deletions = [Delete(session, TEACHER, 1), Delete(session, ANN, 1)]
    assert [result.fresh for result in await written(connection, *deletions)] == [True, False]
    (late,) = await chat.commit(connection, [Edit(session, ANN, 1, "back", ())])
    assert isinstance(late, NotFound)


async def test_a_deleted_session_takes_no_message(connection: Connection) -> None:
    """The others of the batch are written all the same, and its chat is gone."""
    gone, stays = await new_session(connection, "gone"), await new_session(connection, "stays")
    await written(connection, send(gone, ANN, "1"), send(stays, ANN, "1"))
    await collaboration.delete(connection, SessionName("gone"))
    lost, kept = await chat.commit(connection, [send(gone, ANN, "2"), send(stays, ANN, "2")])
    assert isinstance(lost, NotFound)
    assert isinstance(kept, Written)
    assert kept.message.seq == 2
    assert await connection.fetchval("select count(*) from chat_messages") == 2


async def test_a_key_outlives_its_message_only_as_a_refusal(connection: Connection) -> None:
    """A message whose month was dropped is not written anew when its sender repeats it."""
    session = await new_session(connection, "dropped")
    await written(connection, send(session, ANN, "1"))
    await connection.execute("delete from chat_messages")
    (result,) = await chat.commit(connection, [send(session, ANN, "1")])
    assert isinstance(result, NotFound)


async def test_keys_are_forgotten_after_a_week(connection: Connection) -> None:
    """Younger ones stay."""
    session = await new_session(connection, "old")
    await written(connection, send(session, ANN, "old"), send(session, ANN, "young"))
    await connection.execute(
        "update chat_keys set created_at = now() - interval '8 days'"
        " where client_message_id = 'old'"
    )
    await chat.prune_keys(connection)
    rows = await connection.fetch("select client_message_id from chat_keys")
    assert [row[0] for row in rows] == ["young"]


async def test_what_is_deleted_can_not_be_read_any_more(connection: Connection) -> None:
    """The body and the mentions are gone from the row; who deleted it is noted."""
    session = await new_session(connection, "deleted")
    await written(connection, send(session, ANN, "1", "secret", mentions=("bob",)))
    await written(connection, Delete(session, TEACHER, 1))
    row = await connection.fetchrow("select * from chat_messages")
    assert row is not None
    assert "secret" not in str(row)
    assert (row["body"], row["mentions"], row["deleted_by"]) == (None, [], "eve")


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("body = null", "chat_messages_gone_iff_deleted"),
        ("reply_to = 1", "chat_messages_reply_to_check"),
        ("revision = 0", "chat_messages_revision_check"),
        ("client_message_id = ''", "chat_messages_client_message_id_check"),
        ("deleted_by = 'ann'", "chat_messages_deleted_by_check"),
    ],
)
async def test_the_database_refuses_what_makes_no_sense(
    connection: Connection, change: str, constraint: str
) -> None:
    """Each rule of a message is a constraint with a name that says which."""
    session = await new_session(connection, "rules")
    await written(connection, send(session, ANN, "1"))
    with pytest.raises(asyncpg.CheckViolationError, match=constraint):
        await connection.execute(f"update chat_messages set {change}")


async def test_deleting_a_session_waits_for_its_writers(
    connection: Connection, database: Database
) -> None:
    """Neither deadlocks; whoever comes later finds nothing."""
    session = await new_session(connection, "busy")
    await written(connection, send(session, ANN, "1"))

    async def delete() -> None:
        async with database.acquire() as other:
            await collaboration.delete(other, SessionName("busy"))

    async with connection.transaction():
        await connection.execute(chat.ADD_COUNTERS, [session])
        await connection.fetch(chat.LOCK_COUNTERS.sql, [session])
        deleting = asyncio.create_task(delete())
        await eventually(lambda: waits_for_lock(database), what="a waiting deletion")
        await connection.execute(
            chat.INSERT, session, "u:ann", "2", 2, 2, "ann", "", "x", None, [], datetime.now(UTC)
        )
    await asyncio.wait_for(deleting, 10)
    (late,) = await chat.commit(connection, [send(session, ANN, "3")])
    assert isinstance(late, NotFound)
    assert await connection.fetchval("select count(*) from chat_messages") == 0


async def waits_for_lock(database: Database) -> bool:
    """Whether some statement of this database waits for another transaction."""
    async with database.acquire() as connection:
        return bool(
            await connection.fetchval(
                "select count(*) from pg_stat_activity"
                " where datname = current_database() and wait_event_type = 'Lock'"
            )
        )


async def test_pages_are_bounded_by_what_they_hold(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of long messages is shorter, never empty, and says that there are more."""
    monkeypatch.setattr(chat, "PAGE_CHARACTERS", 100)
    session = await new_session(connection, "long")
    sizes = (30, 30, 30, 30, 500, 10)
    await written(connection, *(send(session, ANN, f"{n}", "x" * s) for n, s in enumerate(sizes)))
    forward: list[list[int]] = []
    revision, more = 0, True
    while more:
        page = await chat.since(connection, session, revision, 50)
        forward.append([message.seq for message in page.messages])
        revision, more = page.messages[-1].revision, page.more
    assert forward == [[1, 2, 3], [4], [5], [6]]
    newest = await chat.before(connection, session, None, 50)
    assert ([message.seq for message in newest.messages], newest.more) == ([6], True)
    earlier = await chat.before(connection, session, 5, 50)
    assert ([message.seq for message in earlier.messages], earlier.more) == ([2, 3, 4], True)


async def test_what_is_answered_is_what_is_stored(connection: Connection) -> None:
    """A message that was just written reads the same ever after, edited or deleted as well."""
    session = await new_session(connection, "same")
    for write in (
        send(session, ANN, "1", "one", mentions=("bob",)),
        send(session, GUEST, "2", "two", reply_to=1),
        Edit(session, ANN, 1, "better", ("eve",)),
        Delete(session, TEACHER, 2),
    ):
        (result,) = await written(connection, write)
        page = await chat.since(connection, session, result.message.revision - 1, 10)
        assert page.messages == [result.message]
