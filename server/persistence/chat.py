"""Chat as it is stored: numbered per session in commit order, each message once.

Whoever writes to a session's chat first locks its row of `chat_counters`, until COMMIT. So numbers
have no gaps and follow commit order, and who looks for a message's key then sees all keys that
were committed before. A commit of unknown outcome is simply sent again: a send finds its key, an
edit or a deletion finds itself done.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from server.errors import Forbidden, LyceumError, NotFound
from server.ids import DocumentId
from server.persistence.types import Connection
from server.protocol.messages import ChatMessage


class Sender(NamedTuple):
    """Who sends, edits or deletes.

    user: None for a guest. own: seqs of messages that this guest sent. moderates: whether it may
    change what others said.
    """

    user: str | None
    name: str
    own: frozenset[int] = frozenset()
    moderates: bool = False

    @property
    def key(self) -> str:
        """What its messages' keys are kept under."""
        return "g" if self.user is None else f"u:{self.user}"


class Send(NamedTuple):
    """A new message."""

    session: DocumentId
    sender: Sender
    client_message_id: str
    body: str
    reply_to: int | None
    mentions: Sequence[str]


class Edit(NamedTuple):
    """Another body for a message."""

    session: DocumentId
    sender: Sender
    seq: int
    body: str
    mentions: Sequence[str]


class Delete(NamedTuple):
    """A message's body is to be gone."""

    session: DocumentId
    sender: Sender
    seq: int


Write = Send | Edit | Delete


class Written(NamedTuple):
    """What one write came to.

    message: as it stands now. fresh: whether this write changed anything.
    """

    message: ChatMessage
    fresh: bool


ADD_COUNTERS = """
insert into chat_counters (session_id)
select id from collaboration_sessions where id = any($1::bigint[])
on conflict on constraint chat_counters_pkey do nothing
"""

LOCK_COUNTERS = """
select session_id, last_seq, last_revision
from chat_counters
where session_id = any($1::bigint[])
order by session_id
for no key update
"""

FIND_KEYS = """
select wanted.number, chat_keys.seq
from unnest($1::bigint[], $2::text[], $3::text[])
    with ordinality as wanted (session_id, author, client_message_id, number)
join chat_keys using (session_id, author, client_message_id)
"""

COLUMNS = """
seq, revision, client_message_id, user_id, name, coalesce(body, ''), reply_to, mentions,
sent_at, edited_at, deleted_at
"""

FIND = f"select {COLUMNS} from chat_messages where session_id = $1 and seq = $2"  # noqa: S608

INSERT = """
with message as (
    insert into chat_messages
        (session_id, seq, revision, user_id, name, client_message_id, body, reply_to, mentions,
            sent_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, clock_timestamp())
    returning sent_at
),
key as (
    insert into chat_keys (session_id, author, client_message_id, seq, revision)
    values ($1, $10, $6, $2, $3)
)
select sent_at from message
"""

EDIT = """
update chat_messages
set body = $3, mentions = $4, revision = $5, edited_at = clock_timestamp()
where session_id = $1 and seq = $2
"""

DELETE = """
update chat_messages
set body = null, mentions = '{}', revision = $3, deleted_at = clock_timestamp(), deleted_by = $4
where session_id = $1 and seq = $2
"""

RAISE_COUNTERS = """
update chat_counters
set last_seq = raised.seq, last_revision = raised.revision
from unnest($1::bigint[], $2::bigint[], $3::bigint[]) as raised (session_id, seq, revision)
where chat_counters.session_id = raised.session_id
"""


async def commit(connection: Connection, batch: Sequence[Write]) -> list[Written | LyceumError]:
    """Carry out a batch in one transaction; says what each came to, in the order of the batch.

    An error of one (NotFound, Forbidden) leaves the others alone.
    """
    async with connection.transaction():
        sessions = sorted({write.session for write in batch})
        await connection.execute(ADD_COUNTERS, sessions)
        counters = {
            row["session_id"]: _Counter(row["last_seq"], row["last_revision"])
            for row in await connection.fetch(LOCK_COUNTERS, sessions)
        }
        seqs = await _known(connection, [write for write in batch if isinstance(write, Send)])
        results = [await _write(connection, write, counters, seqs) for write in batch]
        await connection.execute(
            RAISE_COUNTERS,
            list(counters),
            [counter.seq for counter in counters.values()],
            [counter.revision for counter in counters.values()],
        )
    return results


class _Counter:
    __slots__ = ("revision", "seq")

    def __init__(self, seq: int, revision: int) -> None:
        self.seq = seq
        self.revision = revision


Key = tuple[DocumentId, str, str]


def _key(send: Send) -> Key:
    return send.session, send.sender.key, send.client_message_id


async def _known(connection: Connection, sends: Sequence[Send]) -> dict[Key, int]:
    """The seqs of messages that were sent before."""
    keys = [_key(send) for send in sends]
    columns = [[key[part] for key in keys] for part in range(3)]
    rows = await connection.fetch(FIND_KEYS, *columns)
    return {keys[row["number"] - 1]: row["seq"] for row in rows}


async def _write(
    connection: Connection, write: Write, counters: dict[int, _Counter], seqs: dict[Key, int]
) -> Written | LyceumError:
    counter = counters.get(write.session)
    if counter is None:
        return NotFound()
    if isinstance(write, Send):
        return await _send(connection, write, counter, seqs)
    return await _change(connection, write, counter)


async def _send(
    connection: Connection, send: Send, counter: _Counter, seqs: dict[Key, int]
) -> Written | LyceumError:
    seq = seqs.get(_key(send))
    if seq is not None:
        found = await _find(connection, send.session, seq)
        return (
            NotFound("The message was sent before, and is gone.")
            if found is None
            else Written(found, False)
        )
    if send.reply_to is not None and not 1 <= send.reply_to <= counter.seq:
        return NotFound(f"There is no message {send.reply_to} to reply to.")
    counter.seq += 1
    counter.revision += 1
    sent_at = await connection.fetchval(
        INSERT,
        send.session,
        counter.seq,
        counter.revision,
        send.sender.user,
        send.sender.name,
        send.client_message_id,
        send.body,
        send.reply_to,
        list(send.mentions),
        send.sender.key,
    )
    seqs[_key(send)] = counter.seq
    message = ChatMessage(
        seq=counter.seq,
        revision=counter.revision,
        client_message_id=send.client_message_id,
        user=send.sender.user,
        name=send.sender.name,
        body=send.body,
        reply_to=send.reply_to,
        mentions=tuple(send.mentions),
        sent_at=sent_at,
    )
    return Written(message, True)


async def _change(
    connection: Connection, write: Edit | Delete, counter: _Counter
) -> Written | LyceumError:
    found = await _find(connection, write.session, write.seq)
    if found is None:
        return NotFound(f"There is no message {write.seq}.")
    if not _may_change(write.sender, found):
        return Forbidden("Only its author or a teacher may change a message.")
    if found.deleted_at is not None and isinstance(write, Edit):
        return NotFound("The message was deleted.")
    if found.deleted_at is not None:
        return Written(found, False)
    if isinstance(write, Edit):
        if (write.body, tuple(write.mentions)) == (found.body, found.mentions):
            return Written(found, False)
        counter.revision += 1
        await connection.execute(
            EDIT, write.session, write.seq, write.body, list(write.mentions), counter.revision
        )
    else:
        counter.revision += 1
        by = write.sender.user
        await connection.execute(DELETE, write.session, write.seq, counter.revision, by)
    changed = await _find(connection, write.session, write.seq)
    assert changed is not None
    return Written(changed, True)


def _may_change(sender: Sender, message: ChatMessage) -> bool:
    if sender.moderates:
        return True
    if sender.user is None:
        return message.user is None and message.seq in sender.own
    return sender.user == message.user


async def _find(connection: Connection, session: DocumentId, seq: int) -> ChatMessage | None:
    row = await connection.fetchrow(FIND, session, seq)
    return None if row is None else _message(row)


def _message(row: Any) -> ChatMessage:
    values = list(row)
    values[7] = tuple(values[7])
    return ChatMessage(*values)


SINCE = f"""
select {COLUMNS}
from chat_messages
where session_id = $1 and revision > $2
order by revision
limit $3
"""  # noqa: S608

BEFORE = f"""
select {COLUMNS}
from chat_messages
where session_id = $1 and seq < $2
order by seq desc
limit $3
"""  # noqa: S608


class Page(NamedTuple):
    """Some messages, oldest first; more: there are others beyond them."""

    messages: list[ChatMessage]
    more: bool


async def since(connection: Connection, session: DocumentId, revision: int, limit: int) -> Page:
    """Messages that were sent, edited or deleted after a revision, by revision."""
    rows = await connection.fetch(SINCE, session, revision, limit + 1)
    return Page([_message(row) for row in rows[:limit]], len(rows) > limit)


async def before(connection: Connection, session: DocumentId, seq: int | None, limit: int) -> Page:
    """The last messages in front of a seq, or of all; by seq."""
    rows = await connection.fetch(BEFORE, session, 2**62 if seq is None else seq, limit + 1)
    return Page([_message(row) for row in rows[limit - 1 :: -1]], len(rows) > limit)


LAST_REVISION = "select last_revision from chat_counters where session_id = $1"


async def last_revision(connection: Connection, session: DocumentId) -> int:
    """The newest revision of a session's chat; 0 while nothing was said."""
    return await connection.fetchval(LAST_REVISION, session) or 0


PRUNE_KEYS = "delete from chat_keys where created_at < now() - interval '7 days'"


async def prune_keys(connection: Connection) -> None:
    """Forget what senders called their messages after a week."""
    await connection.execute(PRUNE_KEYS)
