"""What many newcomers ask for at once is encoded once, and what lies there already never."""

import pytest
from pycrdt import Doc, Text

from server.protocol import slices, yjs
from server.protocol.update import NOTHING
from server.sessions import document as module
from server.sessions.document import Document
from tests.support.virtual import run_virtually
from tests.unit.sessions.histories import text_of, typed
from tests.unit.sessions.slow import Peer, open_session


@pytest.fixture
def diffs(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The state vectors that documents were asked to encode the rest for."""
    asked: list[bytes] = []
    encode = Document.diff

    def noted(document: Document, state_vector: bytes) -> bytes:
        asked.append(state_vector)
        return encode(document, state_vector)

    monkeypatch.setattr(Document, "diff", noted)
    return asked


def test_newcomers_share_one_encoding(diffs: list[bytes]) -> None:
    """A hundred that come at once cost one; after an edit it is made anew, for all that follow."""

    async def play() -> None:
        session = open_session()
        first, second, third = typed(7, "a", "b", "c")
        author = Peer(1, False)
        author.come(session)
        for update in (first, second):
            session.handle(author.participant, yjs.SyncUpdate(update))
        diffs.clear()
        newcomers = [Peer(number, number % 2 == 0) for number in range(2, 102)]
        for peer in newcomers:
            peer.come(session)
        assert len(diffs) == 1
        session.handle(author.participant, yjs.SyncUpdate(third))
        late = [Peer(number, False) for number in (200, 201)]
        for peer in late:
            peer.come(session)
        assert len(diffs) == 2
        for peer in [*newcomers, *late]:
            peer.read(session)
            assert text_of(peer.writer.doc.get_update()) == "abc"

    run_virtually(play())


def test_a_large_document_is_sent_as_it_was_stored(
    diffs: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Newcomers get a snapshot and what came since, however it was loaded; nobody encodes all."""
    monkeypatch.setattr(module, "WHOLE_BYTES", 1000)
    monkeypatch.setattr(module, "CUT_BYTES", 1000)
    monkeypatch.setattr(module, "LOAD_BYTES", 1000)
    monkeypatch.setattr(slices, "MOST_STRUCTS", 100)
    source: Doc[dict[str, Text]] = Doc(client_id=1)
    text = source.get("text", type=Text)
    for number in range(300):
        text.insert(0, f"{number} ")
    snapshot = source.get_update()
    before = source.get_state()
    text += "the end"
    tail = source.get_update(before)
    loading = Document.loading([snapshot])
    while True:
        try:
            next(loading)
        except StopIteration as end:
            document = end.value
            break

    async def play() -> None:
        session = open_session(document=document)
        author = Peer(7, is_hocuspocus=True)
        session.join(author.participant)
        session.handle(author.participant, yjs.SyncUpdate(tail))
        newcomers = [Peer(number, number % 2 == 0) for number in (8, 9)]
        for peer in newcomers:
            peer.come(session)
            assert snapshot in peer.arrived
            peer.read(session)
            assert text_of(peer.writer.doc.get_update()) == str(text)
        assert NOTHING not in diffs

    run_virtually(play())
