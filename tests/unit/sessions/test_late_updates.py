"""A session whose large messages are compressed while it goes on."""

import random

import pytest
from pycrdt import Doc, Text

from server.protocol import yjs, ywebsocket
from server.protocol.yjs import SyncType
from server.sessions import line as line_module
from server.sessions.participant import Participant
from server.sessions.session import Session
from tests.support.waiting import eventually
from tests.unit.sessions.peers import Peer, participant
from tests.unit.sessions.slow import open_session

PASTE = "".join(random.Random(1).choice("abcdefgh \n") for _ in range(50_000))


class Typist:
    """A client of y-websocket: what it typed, and what it heard in the order of the wire."""

    def __init__(self, session: Session, deflates: bool = True) -> None:
        self.peer = Peer(deflates)
        self.here: Participant = participant(self.peer)
        self.doc: Doc[Text] = Doc()
        self.text = self.doc.get("content", type=Text)
        self._session = session
        session.join(self.here)

    def ask(self) -> None:
        """Sends step 1."""
        self._session.handle(self.here, yjs.SyncStep1(self.doc.get_state(), False))

    def type(self, text: str) -> None:
        """Types at the end, and it takes effect at once."""
        self.listen()
        before = self.doc.get_state()
        self.text += text
        self._session.handle(self.here, yjs.SyncUpdate(self.doc.get_update(before)))
        self._session.tick()

    def heard(self) -> list[SyncType]:
        """What kinds of sync messages came so far."""
        kinds = {yjs.SyncStep2: SyncType.STEP2, yjs.SyncUpdate: SyncType.UPDATE}
        messages = [one for frame in self.peer.messages for one in ywebsocket.decode(frame)]
        return [kinds[type(one)] for one in messages if type(one) in kinds]

    def listen(self) -> str:
        """Takes in what came; the text as it is then."""
        messages, self.peer.messages = self.peer.messages, []
        for frame in messages:
            for message in ywebsocket.decode(frame):
                if isinstance(message, yjs.SyncStep2 | yjs.SyncUpdate):
                    self.doc.apply_update(message.update)
        return str(self.text)


def large_session() -> tuple[Session, Typist]:
    """A session that holds much, and who wrote it."""
    session = open_session()
    author = Typist(session)
    author.type(PASTE)
    return session, author


async def test_a_newcomer_is_answered_late_and_in_order() -> None:
    """What was typed while the answer was compressed comes behind it: Hocuspocus clients take their
    acknowledgement, which comes last, for the end of the synchronization.
    """
    session, author = large_session()
    newcomers = [Typist(session) for _ in range(3)]
    for newcomer in newcomers:
        newcomer.ask()
    author.type("meanwhile")
    newcomers[0].here.notify('{"type":"hello"}')
    newcomers[0].here.send(ywebsocket.DIALECT.sync(SyncType.STEP1, b"\x00"))
    for newcomer in newcomers:
        assert newcomer.heard() == []
    await eventually(lambda: all(newcomer.heard() for newcomer in newcomers))
    for newcomer in newcomers:
        assert newcomer.heard() == [SyncType.STEP2, SyncType.UPDATE]
        assert newcomer.peer.written < len(PASTE)
        assert newcomer.listen() == PASTE + "meanwhile"
    author.type("!")
    assert newcomers[0].heard() == [SyncType.UPDATE]


async def test_who_does_not_compress_is_answered_at_once() -> None:
    """In the plain, beside others who wait."""
    session, _ = large_session()
    plain, packed = Typist(session, deflates=False), Typist(session)
    for newcomer in (packed, plain):
        newcomer.ask()
    assert plain.listen() == PASTE
    assert packed.listen() == ""
    await eventually(packed.heard)
    assert packed.listen() == PASTE


async def test_who_left_meanwhile_is_sent_nothing() -> None:
    """Neither answers nor updates; another participant may have the address by now."""
    session, author = large_session()
    gone, stays = Typist(session), Typist(session)
    for newcomer in (gone, stays):
        newcomer.ask()
    author.type(PASTE)
    session.leave(gone.here)
    await eventually(lambda: len(stays.heard()) == 2)
    assert gone.heard() == []
    assert stays.listen() == PASTE * 2


async def test_who_is_full_meanwhile_is_owed_what_comes_then() -> None:
    """The large update was sent before the socket was full; one diff makes good for the rest."""
    session, author = large_session()
    slow, fast = Typist(session), Typist(session)
    for newcomer in (slow, fast):
        newcomer.ask()
    await eventually(lambda: slow.heard() and fast.heard())
    assert slow.listen() == fast.listen() == PASTE
    author.type(PASTE)
    slow.peer.writable = False
    author.type("more")
    await eventually(lambda: len(fast.heard()) == 2)
    assert slow.heard() == [SyncType.UPDATE]
    author.type("!")
    slow.peer.writable = True
    session.drained(slow.here)
    assert slow.heard() == [SyncType.UPDATE] * 2
    assert slow.listen() == fast.listen() == PASTE * 2 + "more!"
    author.type("?")
    assert slow.listen().endswith("more!?")


async def test_who_drains_meanwhile_gets_its_diff_in_order() -> None:
    """What was left out while the socket was full comes behind the large update, too."""
    session, author = large_session()
    slow = Typist(session)
    slow.ask()
    await eventually(slow.heard)
    author.type(PASTE)
    slow.peer.writable = False
    author.type("more")
    slow.peer.writable = True
    session.drained(slow.here)
    assert slow.heard() == [SyncType.STEP2]
    await eventually(lambda: len(slow.heard()) == 3)
    assert slow.listen() == PASTE * 2 + "more"


async def test_a_line_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past its bound what comes is owed, and made good by one diff once the line is gone."""
    monkeypatch.setattr(line_module, "MOST_HELD", 100)
    session, author = large_session()
    newcomer = Typist(session)
    newcomer.ask()
    for number in range(50):
        author.type(f"line {number}\n")
    assert newcomer.heard() == []
    await eventually(newcomer.heard)
    updates = newcomer.heard().count(SyncType.UPDATE)
    assert newcomer.heard() == [SyncType.STEP2, *[SyncType.UPDATE] * updates]
    assert updates < 10
    assert newcomer.listen() == author.listen()
    assert newcomer.here.behind is None


async def test_two_large_messages_wait_in_one_line() -> None:
    """An answer and a paste behind it, each when it is ready, in their order."""
    session, author = large_session()
    newcomer = Typist(session)
    newcomer.ask()
    author.type(PASTE)
    author.type("more")
    assert newcomer.heard() == []
    await eventually(lambda: len(newcomer.heard()) == 3)
    assert newcomer.heard() == [SyncType.STEP2, SyncType.UPDATE, SyncType.UPDATE]
    assert newcomer.listen() == PASTE * 2 + "more"
    assert newcomer.here.socket is newcomer.peer


async def test_who_asks_on_without_waiting_gets_a_few_answers() -> None:
    """Past a few, only the last question is answered, once those before it are."""
    session, author = large_session()
    newcomer = Typist(session)
    for _ in range(100):
        newcomer.ask()
    await eventually(newcomer.heard)
    assert 1 < len(newcomer.heard()) < 10
    assert newcomer.listen() == PASTE
    author.type("more")
    assert newcomer.listen() == PASTE + "more"


async def test_an_answer_is_made_once_until_something_changes() -> None:
    """Those who come with the same state share it; after an edit it is made anew."""
    session, author = large_session()
    first, second = Typist(session), Typist(session)
    first.ask()
    await eventually(first.heard)
    second.ask()
    assert second.listen() == PASTE
    author.type("news")
    third = Typist(session)
    third.ask()
    assert third.heard() == []
    await eventually(third.heard)
    assert third.listen() == PASTE + "news"
