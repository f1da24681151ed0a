"""All that opening a session needs, read in one statement."""

from typing import NamedTuple

from server.domain.details import Details
from server.ids import SessionName
from server.persistence import chat, collaboration, documents, queries
from server.persistence.documents import Stored
from server.persistence.queries import Kind, Query
from server.persistence.types import Connection


class Opening(NamedTuple):
    """What the database knows of a session. chat_revision: the newest of its chat."""

    details: Details
    stored: Stored
    chat_revision: int


OPEN = Query(
    "documents.open",
    Kind.REPORT,
    f"""
with details as ({collaboration.DETAILS.sql}), stored as ({documents.LOAD})
select details.*, stored.last_seq, stored.snapshot_seq, stored.snapshot, stored.seqs,
    stored.payloads, coalesce(chat_counters.last_revision, 0) as chat_revision
from details
join stored on stored.id = details.id
left join chat_counters on session_id = details.id
""",  # noqa: S608 - of constants alone
)


async def open_for_join(connection: Connection, name: SessionName, create: bool) -> Opening:
    """The session of that name; with `create` made if there is none, without an owner.

    Raises NotFound, Gone, DocumentDamaged.
    """
    row = await queries.fetchrow(connection, OPEN, name)
    if row is not None:
        return Opening(
            collaboration.details_in(row), documents.stored_in(row), row["chat_revision"]
        )
    details = await collaboration.open_for_join(connection, name, create)
    stored = await documents.load(connection, name)
    return Opening(details, stored, await chat.last_revision(connection, details.id))
