"""What a saver works for, as small as it can be: sessions, and authors who count."""

from collections import Counter
from typing import cast

from pycrdt import Doc, Text

from server.errors import LyceumError
from server.ids import DocumentId, Seq
from server.persistence.types import Connection
from server.sessions.participant import Participant
from tests.support.journal import create_documents, rows


class Author:
    """Somebody who is owed acknowledgements, and counts them."""

    def __init__(self) -> None:
        self.acknowledged = 0

    def acknowledge(self, count: int) -> None:
        self.acknowledged += count

    def owed(self, count: int = 1) -> "Counter[Participant]":
        return Counter({self.participant: count})

    @property
    def participant(self) -> Participant:
        return cast(Participant, self)


class Journalled:
    """A session, as far as the saver knows one."""

    def __init__(self, document_id: DocumentId) -> None:
        self.document_id = document_id
        self.seqs: list[Seq | None] = []
        self.errors: list[str] = []

    def committed(self, seq: Seq | None) -> None:
        self.seqs.append(seq)

    def failed(self, error: LyceumError) -> None:
        self.errors.append(str(error))


def typing(count: int) -> list[bytes]:
    """The updates of somebody who types so many characters."""
    doc, updates = Doc(), []
    doc["text"] = text = Text()
    for number in range(count):
        before = doc.get_state()
        text += f"{number % 10}"
        updates.append(doc.get_update(before))
    return updates


async def text_of(connection: Connection, session: Journalled) -> str:
    """What the journal of a document holds."""
    doc = Doc()
    for _, payload in await rows(connection, session.document_id):
        doc.apply_update(payload)
    return str(doc.get("text", type=Text))


async def sessions_named(connection: Connection, *names: str) -> list[Journalled]:
    """Sessions of new documents."""
    return [Journalled(document_id) for document_id in await create_documents(connection, *names)]
