"""The saver and a real database: acknowledged once, only when committed, in spite of failures."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import pytest
import pytest_asyncio

from server import telemetry
from server.ids import DocumentId
from server.persistence.database import connect
from server.persistence.types import Connection
from server.sessions import saver as saver_module
from server.sessions.saver import Saver
from tests.support.journal import create_documents, rows, wait_blocked
from tests.support.proxy import Proxy
from tests.support.savers import Author, Journalled, sessions_named, text_of, typing
from tests.support.waiting import eventually

# A commit that waits at its very end, when all its rows are written, for an advisory lock.
HOLD_COMMITS = """
create function wait_in_commit() returns trigger language plpgsql as
    'begin perform pg_advisory_xact_lock_shared(7); return null; end';
create constraint trigger wait_in_commit after update on journal_writers
    deferrable initially deferred for each row execute function wait_in_commit();
"""
REFUSE_POISON = """
alter table document_updates add constraint no_poison check (payload <> 'poison') not valid
"""
BATCHES = "select sum(last_batch) from journal_writers"


@pytest.fixture(autouse=True)
def prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again soon."""
    monkeypatch.setattr(saver_module, "RETRY_LONGEST", 0.1)


@pytest_asyncio.fixture
async def proxy(database_url: str) -> AsyncIterator[Proxy]:
    """Between the saver and its database."""
    async with Proxy.before_database(database_url) as proxy:
        yield proxy


@pytest_asyncio.fixture
async def saver(proxy: Proxy) -> AsyncIterator[Saver]:
    """A saver that does not run yet."""
    yield Saver(lambda: connect(proxy.url), queue_bytes=1_000)


@pytest_asyncio.fixture
async def run(saver: Saver) -> AsyncIterator[Callable[[], "asyncio.Task[None]"]]:
    """Lets the saver run until the test ends."""
    tasks = []

    def start() -> "asyncio.Task[None]":
        tasks.append(asyncio.create_task(saver.run()))
        return tasks[-1]

    yield start
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


Run = Callable[[], "asyncio.Task[None]"]


async def test_saves_and_acknowledges(connection: Connection, saver: Saver, run: Run) -> None:
    """Each author hears of each of its updates once, and the journal holds them in order."""
    (session,) = await sessions_named(connection, "a")
    one, two = Author(), Author()
    run()
    for number, update in enumerate(updates := typing(200)):
        saver.save(session, update, one.owed() if number % 2 else two.owed(2))
        if number % 7 == 0:
            await asyncio.sleep(0)
        if number == 100:
            await saver.drain()
    await saver.drain()
    assert (one.acknowledged, two.acknowledged) == (100, 200)
    assert await text_of(connection, session) == "0123456789" * (len(updates) // 10)
    assert session.seqs == [seq for seq, _ in await rows(connection, session.document_id)]
    assert not saver.has_unsaved(session.document_id)
    assert telemetry.journal_queue_bytes.collect()[0].samples[0].value == 0


async def test_acknowledges_after_commit(connection: Connection, saver: Saver, run: Run) -> None:
    """While the commit is not through, nobody is told; neither who wrote nor who wrote nothing."""
    await connection.execute(HOLD_COMMITS)
    (session,) = await sessions_named(connection, "a")
    author, reader = Author(), Author()
    await connection.execute("select pg_advisory_lock(7)")
    running = run()
    saver.save(session, b"update", author.owed())
    await wait_blocked(connection, 1, running)
    saver.acknowledge_when_saved(session, reader.participant)
    assert saver.has_unsaved(session.document_id)
    assert (author.acknowledged, reader.acknowledged, session.seqs) == (0, 0, [])
    assert await rows(connection, session.document_id) == []
    await connection.execute("select pg_advisory_unlock(7)")
    await saver.drain()
    assert (author.acknowledged, reader.acknowledged, session.seqs) == (1, 1, [1])
    saver.acknowledge_when_saved(session, reader.participant)
    assert reader.acknowledged == 2


async def test_acknowledges_only_what_it_knows(
    connection: Connection, saver: Saver, run: Run, proxy: Proxy
) -> None:
    """A commit that happened counts only when its answer has come."""
    (session,) = await sessions_named(connection, "a")
    author = Author()
    trap = proxy.hold_answer(b"an update")
    run()
    saver.save(session, b"an update", author.owed())
    await trap.sprung()
    assert await rows(connection, session.document_id) == [(1, b"an update")]
    assert author.acknowledged == 0
    saver.save(session, b"later", author.owed())
    saver.acknowledge_when_saved(session, author.participant)
    trap.release()
    await saver.drain()
    assert author.acknowledged == 3
    assert session.seqs == [1, 2]


async def test_unknown_outcome_is_not_doubled(
    connection: Connection, saver: Saver, run: Run, proxy: Proxy
) -> None:
    """The connection is cut behind COMMIT: saved once, acknowledged once, number unknown."""
    (session,) = await sessions_named(connection, "a")
    author = Author()
    run()
    for number in range(3):
        update = b"update %d" % number
        trap = proxy.lose_answer(update)
        saver.save(session, update, author.owed())
        await saver.drain()
        assert trap.is_sprung
        assert author.acknowledged == number + 1
    assert session.seqs == [None, None, None]
    stored = await rows(connection, session.document_id)
    assert stored == [(number + 1, b"update %d" % number) for number in range(3)]
    assert saver.failing is None


async def test_request_cut_off(
    connection: Connection, saver: Saver, run: Run, proxy: Proxy
) -> None:
    """The connection is cut in front of COMMIT, or while signing on: saved by the next try."""
    (session,) = await sessions_named(connection, "a")
    author = Author()
    traps = [proxy.cut_after(200), proxy.cut_request(b"insert into journal_writers")]
    traps += [proxy.lose_answer(b"delete from journal_writers"), proxy.cut_request(b"update 1")]
    run()
    saver.save(session, b"update 1", author.owed())
    await saver.drain()
    assert all(trap.is_sprung for trap in traps)
    assert (author.acknowledged, session.seqs) == (1, [1])
    assert await rows(connection, session.document_id) == [(1, b"update 1")]


async def test_stalled_connection(
    connection: Connection,
    saver: Saver,
    run: Run,
    proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A connection on which nothing comes any more counts as lost, and its batch is repeated."""
    monkeypatch.setattr(saver_module, "COMMIT_TIMEOUT", 0.5)
    (session,) = await sessions_named(connection, "a")
    author = Author()
    run()
    saver.save(session, b"first", author.owed())
    await saver.drain()
    proxy.stall()
    saver.save(session, b"second", author.owed())
    await eventually(lambda: saver.failing)
    assert saver.failing == "TimeoutError"
    assert author.acknowledged == 1
    proxy.resume()
    await saver.drain()
    assert author.acknowledged == 2
    assert saver.failing is None
    assert await rows(connection, session.document_id) == [(1, b"first"), (2, b"second")]


async def test_database_away(connection: Connection, saver: Saver, run: Run, proxy: Proxy) -> None:
    """While Postgres is away updates are merged and kept within bounds; then all are saved."""
    (session,) = await sessions_named(connection, "a")
    author = Author()
    run()
    proxy.shut()
    updates = typing(3_000)
    saver.save(session, updates[0], author.owed())
    await eventually(lambda: saver.failing)
    for update in updates[1:]:
        saver.save(session, update, author.owed())
    assert saver.full
    assert (
        telemetry.journal_queue_bytes.collect()[0].samples[0].value < sum(map(len, updates)) / 1.5
    )
    assert author.acknowledged == 0
    assert saver.has_unsaved(session.document_id)
    await proxy.open()
    await saver.drain()
    assert author.acknowledged == 3_000
    assert await text_of(connection, session) == "0123456789" * 300
    assert len(await rows(connection, session.document_id)) == 2
    assert not saver.full
    assert saver.failing is None


async def test_no_bound(proxy: Proxy) -> None:
    """A bound of 0 lifts it."""
    saver = Saver(lambda: connect(proxy.url), queue_bytes=0)
    saver.save(Journalled(DocumentId(1)), bytes(10_000), Author().owed())
    assert not saver.full


async def test_refused_update_holds_up_nobody(
    connection: Connection, saver: Saver, run: Run
) -> None:
    """An update that Postgres refuses fails its own session; all others are saved."""
    await connection.execute(REFUSE_POISON)
    sessions = await sessions_named(connection, *"abcde")
    authors = [Author() for _ in sessions]
    for session, author in zip(sessions, authors, strict=True):
        update = b"poison" if session is sessions[2] else b"good"
        saver.save(session, update, author.owed())
    run()
    await saver.drain()
    assert [author.acknowledged for author in authors] == [1, 1, 0, 1, 1]
    assert [session.seqs for session in sessions] == [[1], [1], [], [1], [1]]
    assert [len(session.errors) for session in sessions] == [0, 0, 1, 0, 0]
    assert telemetry.journal_queue_bytes.collect()[0].samples[0].value == 0
    saver.save(sessions[0], b"next", authors[0].owed())
    await saver.drain()
    assert authors[0].acknowledged == 2


async def test_saved_beside_one_that_waits(
    connection: Connection, saver: Saver, run: Run, proxy: Proxy
) -> None:
    """Of a batch saved one by one, what is saved is known as saved while another waits."""
    await connection.execute(REFUSE_POISON)
    good, poisoned, slow = await sessions_named(connection, "good", "poisoned", "slow")
    author, late = Author(), Author()
    for session, update in ((good, b"good"), (poisoned, b"poison"), (slow, b"slow")):
        saver.save(session, update, author.owed())
    run()
    refused = proxy.hold_answer(b"poison")  # all three
    await refused.sprung()
    alone = proxy.hold_answer(b"slow")
    refused.release()
    await alone.sprung()
    assert (good.seqs, len(poisoned.errors), slow.seqs) == ([1], 1, [])
    assert not saver.has_unsaved(good.document_id)
    assert saver.has_unsaved(slow.document_id)
    saver.acknowledge_when_saved(good, late.participant)
    saver.acknowledge_when_saved(slow, late.participant)
    assert (author.acknowledged, late.acknowledged) == (1, 1)
    alone.release()
    await saver.drain()
    assert (author.acknowledged, late.acknowledged) == (2, 2)


async def test_refusal_after_an_outage(
    connection: Connection, saver: Saver, run: Run, proxy: Proxy
) -> None:
    """A refusal shows that Postgres is back: saving does not count as failing any more."""
    await connection.execute(REFUSE_POISON)
    (session,) = await sessions_named(connection, "a")
    proxy.shut()
    run()
    saver.save(session, b"poison", Author().owed())
    await eventually(lambda: saver.failing)
    await proxy.open()
    await saver.drain()
    assert len(session.errors) == 1
    assert saver.failing is None


async def test_deleted_document(connection: Connection, saver: Saver, run: Run) -> None:
    """Updates of a document that was deleted are not acknowledged; its session learns why."""
    gone, kept = await sessions_named(connection, "gone", "kept")
    author = Author()
    await connection.execute("delete from documents where id = $1", gone.document_id)
    saver.save(gone, b"update", author.owed())
    saver.save(kept, b"update", author.owed())
    run()
    await saver.drain()
    assert author.acknowledged == 1
    assert gone.errors == ["The document was deleted."]
    assert (gone.seqs, kept.seqs) == ([], [1])


async def test_forgotten_writer(connection: Connection, saver: Saver, run: Run) -> None:
    """If the database does not know the server any more, it signs on anew and goes on."""
    (session,) = await sessions_named(connection, "a")
    author = Author()
    run()
    for number in range(3):
        saver.save(session, b"update %d" % number, author.owed())
        await saver.drain()
        await connection.execute("delete from journal_writers")
    assert author.acknowledged == 3
    assert session.seqs == [1, 2, 3]


async def test_bounded_batches(
    connection: Connection, saver: Saver, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit holds so many documents and bytes at most; an update that is larger goes alone."""
    monkeypatch.setattr(saver_module, "BATCH_DOCUMENTS", 4)
    monkeypatch.setattr(saver_module, "BATCH_BYTES", 100)
    sessions = await sessions_named(connection, *"abcdefghij")
    author = Author()
    sizes = [10, 10, 10, 10, 10, 60, 50, 200, 60, 40]  # 4 documents, 70 bytes, 50, 200, 100
    for session, size in zip(sessions, sizes, strict=True):
        saver.save(session, bytes(size), author.owed())
    run()
    await saver.drain()
    assert author.acknowledged == len(sessions)
    assert await connection.fetchval(BATCHES) == 5
    assert [session.seqs for session in sessions] == [[1]] * len(sessions)


async def test_two_servers(connection: Connection, database_url: str) -> None:
    """Two savers may save the same documents at once: each number is given out once."""
    ids = await create_documents(connection, *"abc")
    ours, theirs = ([Journalled(document_id) for document_id in ids] for _ in range(2))
    author = Author()
    savers = [Saver(lambda: connect(database_url)) for _ in range(2)]
    tasks = [asyncio.create_task(saver.run()) for saver in savers]
    for _ in range(20):
        for saver, sessions in zip(savers, (ours, theirs), strict=True):
            for session in sessions:
                saver.save(session, b"update", author.owed())
        await asyncio.gather(*(saver.drain() for saver in savers))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert author.acknowledged == 20 * 6
    for one, other in zip(ours, theirs, strict=True):
        assert sorted([*one.seqs, *other.seqs], key=lambda seq: seq or 0) == list(range(1, 41))
