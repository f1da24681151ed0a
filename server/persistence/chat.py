"""Chat as it is stored: numbered per session in commit order, each message once.

Whoever writes to a session's chat first locks its row of `chat_counters`, until COMMIT. So numbers
have no gaps and follow commit order, and who looks for a message's key then sees all keys that
were committed before. A commit of unknown outcome is simply sent again: a send finds its key, an
edit or a deletion finds itself done.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from server.errors import Forbidden, LyceumError, NotFound
from server.ids import DocumentId
from server.persistence import queries
from server.persistence.queries import Kind, Query
from server.persistence.types import Connection
from server.protocol.messages import ChatMessage

PAGE_CHARACTERS = 2**18  # of all bodies in one page, whatever its limit


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


# The lock on the sessions comes first: who deletes one would else wait for us, and we for it.
ADD_COUNTERS = """
with present as (
    select id
    from collaboration_sessions
    where id = any($1::bigint[])
    order by id
    for key share
)
insert into chat_counters (session_id)
select id from present
on conflict on constraint chat_counters_pkey do nothing
"""

LOCK_COUNTERS = Query(
    "chat.lock",
    Kind.WRITE,
    """
select session_id, last_seq, last_revision
from chat_counters
where session_id = any($1::bigint[])
order by session_id
for no key update
""",
)

FIND_KEYS = Query(
    "chat.find_keys",
    Kind.READ,
    """
select chat_keys.seq, clock_timestamp() as sent_at
from unnest($1::bigint[], $2::text[], $3::text[])
    with ordinality as wanted (session_id, author, client_message_id, number)
left join chat_keys using (session_id, author, client_message_id)
order by number
""",
)

COLUMNS = """
seq, revision, client_message_id, user_id, name, coalesce(body, ''), reply_to, mentions,
sent_at, edited_at, deleted_at
"""

FIND = f"select {COLUMNS} from chat_messages where session_id = $1 and seq = $2"  # noqa: S608

INSERT = """
with key as (
    insert into chat_keys (session_id, author, client_message_id, seq, revision)
    values ($1, $2, $3, $4, $5)
)
insert into chat_messages
    (session_id, client_message_id, seq, revision, user_id, name, body, reply_to, mentions, sent_at)
values ($1, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""

EDIT = f"""
update chat_messages
set body = $4, mentions = $5, revision = $3, edited_at = clock_timestamp()
where session_id = $1 and seq = $2
returning {COLUMNS}
"""  # noqa: S608

DELETE = f"""
update chat_messages
set body = null, mentions = '{{}}', revision = $3, deleted_at = clock_timestamp(), deleted_by = $4
where session_id = $1 and seq = $2
returning {COLUMNS}
"""  # noqa: S608

RAISE_COUNTERS = """
update chat_counters
set last_seq = raised.seq, last_revision = raised.revision
from unnest($1::bigint[], $2::bigint[], $3::bigint[]) as raised (session_id, seq, revision)
where chat_counters.session_id = raised.session_id
"""


Key = tuple[DocumentId, str, str]


async def commit(connection: Connection, batch: Sequence[Write]) -> list[Written | LyceumError]:
    """Carry out a batch in one transaction; says what each came to, in the order of the batch.

    An error of one (NotFound, Forbidden) leaves the others alone.
    """
    async with connection.transaction():
        sessions = sorted({write.session for write in batch})
        await connection.execute(ADD_COUNTERS, sessions)
        rows = await queries.fetch(connection, LOCK_COUNTERS, sessions)
        work = _Work(connection, {row[0]: _Counter(row[1], row[2]) for row in rows})
        await work.look_for([write for write in batch if isinstance(write, Send)])
        results = [await work.carry_out(write) for write in batch]
        await work.finish()
    return results


class _Counter:
    """The newest numbers of a session's chat."""

    __slots__ = ("revision", "seq")

    def __init__(self, seq: int, revision: int) -> None:
        self.seq = seq
        self.revision = revision


class _Work:
    """One transaction: what it has locked and found, and the new rows that it still owes."""

    def __init__(self, connection: Connection, counters: dict[int, _Counter]) -> None:
        self._connection = connection
        self._counters = counters
        self._seqs: dict[Key, int] = {}  # of messages that were sent before
        self._now = datetime.now(UTC)
        self._new: list[tuple[object, ...]] = []

    async def look_for(self, sends: Sequence[Send]) -> None:
        """Find out what was sent before, and what time it is for the database."""
        if not sends:
            return
        keys = [_key(send) for send in sends]
        columns = [[key[part] for key in keys] for part in range(3)]
        rows = await queries.fetch(self._connection, FIND_KEYS, *columns)
        self._now = rows[0]["sent_at"]
        found = zip(keys, rows, strict=True)
        self._seqs = {key: row["seq"] for key, row in found if row["seq"] is not None}

    async def carry_out(self, write: Write) -> Written | LyceumError:
        """What a write came to; it may be written only by `finish`."""
        counter = self._counters.get(write.session)
        if counter is None:
            return NotFound()
        if isinstance(write, Send):
            return await self._send(write, counter)
        return await self._change(write, counter)

    async def finish(self) -> None:
        """Write what is still owed."""
        await self._flush()
        await self._connection.execute(
            RAISE_COUNTERS,
            list(self._counters),
            [counter.seq for counter in self._counters.values()],
            [counter.revision for counter in self._counters.values()],
        )

    async def _flush(self) -> None:
        new, self._new = self._new, []
        if new:
            await self._connection.executemany(INSERT, new)

    async def _find(self, session: DocumentId, seq: int) -> ChatMessage | None:
        await self._flush()
        row = await self._connection.fetchrow(FIND, session, seq)
        return None if row is None else _message(row)

    async def _send(self, send: Send, counter: _Counter) -> Written | LyceumError:
        key = _key(send)
        if key in self._seqs:
            found = await self._find(send.session, self._seqs[key])
            if found is None:
                return NotFound("The message was sent before, and is gone.")
            return Written(found, False)
        if send.reply_to is not None and not 1 <= send.reply_to <= counter.seq:
            return NotFound(f"There is no message {send.reply_to} to reply to.")
        counter.seq += 1
        counter.revision += 1
        self._seqs[key] = counter.seq
        message = ChatMessage(
            seq=counter.seq,
            revision=counter.revision,
            client_message_id=send.client_message_id,
            user=send.sender.user,
            name=send.sender.name,
            body=send.body,
            reply_to=send.reply_to,
            mentions=tuple(send.mentions),
            sent_at=self._now,
        )
        self._new.append(
            (
                *key,
                message.seq,
                message.revision,
                message.user,
                message.name,
                message.body,
                message.reply_to,
                message.mentions,
                message.sent_at,
            )
        )
        return Written(message, True)

    async def _change(self, write: Edit | Delete, counter: _Counter) -> Written | LyceumError:
        found = await self._find(write.session, write.seq)
        if found is None:
            return NotFound(f"There is no message {write.seq}.")
        if not _may_change(write.sender, found):
            return Forbidden("Only its author or a teacher may change a message.")
        new: tuple[object, ...]
        if isinstance(write, Delete):
            if found.deleted_at is not None:
                return Written(found, False)
            statement, new = DELETE, (write.sender.user,)
        else:
            if found.deleted_at is not None:
                return NotFound("The message was deleted.")
            if (write.body, tuple(write.mentions)) == (found.body, found.mentions):
                return Written(found, False)
            statement, new = EDIT, (write.body, list(write.mentions))
        counter.revision += 1
        row = await self._connection.fetchrow(
            statement, write.session, write.seq, counter.revision, *new
        )
        return Written(_message(row), True)


def _key(send: Send) -> Key:
    return send.session, send.sender.key, send.client_message_id


def _may_change(sender: Sender, message: ChatMessage) -> bool:
    if sender.moderates:
        return True
    if sender.user is None:
        return message.user is None and message.seq in sender.own
    return sender.user == message.user


def _message(row: Any) -> ChatMessage:
    values = list(row)
    values[7] = tuple(values[7])
    return ChatMessage(*values)


SINCE = Query(
    "chat.since",
    Kind.READ,
    f"""
select {COLUMNS}
from chat_messages
where session_id = $1 and revision > $2
order by revision
limit $3
""",  # noqa: S608
)

BEFORE = Query(
    "chat.before",
    Kind.READ,
    f"""
select {COLUMNS}
from chat_messages
where session_id = $1 and seq < $2
order by seq desc
limit $3
""",  # noqa: S608
)


class Page(NamedTuple):
    """Some messages, oldest first; more: there are others beyond them."""

    messages: list[ChatMessage]
    more: bool


async def since(connection: Connection, session: DocumentId, revision: int, limit: int) -> Page:
    """Messages that were sent, edited or deleted after a revision, by revision."""
    return _page(await queries.fetch(connection, SINCE, session, revision, limit + 1), limit)


async def before(connection: Connection, session: DocumentId, seq: int | None, limit: int) -> Page:
    """The last messages in front of a seq, or of all; by seq."""
    rows = await queries.fetch(
        connection, BEFORE, session, 2**62 if seq is None else seq, limit + 1
    )
    page = _page(rows, limit)
    return Page(page.messages[::-1], page.more)


def _page(rows: Sequence[Any], limit: int) -> Page:
    """The first rows, as many as one answer should hold; at least one, so that readers get on."""
    messages: list[ChatMessage] = []
    size = 0
    for row in rows[:limit]:
        message = _message(row)
        size += len(message.body)
        if messages and size > PAGE_CHARACTERS:
            break
        messages.append(message)
    return Page(messages, len(messages) < len(rows))


LAST_REVISION = "select last_revision from chat_counters where session_id = $1"


async def last_revision(connection: Connection, session: DocumentId) -> int:
    """The newest revision of a session's chat; 0 while nothing was said."""
    return await connection.fetchval(LAST_REVISION, session) or 0


PRUNE_KEYS = "delete from chat_keys where created_at < now() - interval '7 days'"


async def prune_keys(connection: Connection) -> None:
    """Forget what senders called their messages after a week."""
    await connection.execute(PRUNE_KEYS)
