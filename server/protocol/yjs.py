"""The messages of y-protocols, sync and awareness, that both dialects wrap.

Source: https://github.com/yjs/y-protocols (sync.js, awareness.js, PROTOCOL.md).
"""

import json
from collections.abc import Iterable
from enum import IntEnum
from functools import lru_cache
from typing import NoReturn

from msgspec import Struct

from server.errors import ProtocolError
from server.ids import ClientId
from server.protocol.lib0 import Reader, varbuf, varuint

SMALL = 4096  # bytes of an awareness message worth remembering


class SyncType(IntEnum):
    """What a sync message holds."""

    STEP1 = 0
    STEP2 = 1
    UPDATE = 2


class SyncStep1(Struct, frozen=True):
    """«This is what I have»; answered with a SyncStep2.

    wants_step1: the dialect also expects the server's own step 1 behind the answer.
    """

    state_vector: bytes
    wants_step1: bool = False


class SyncStep2(Struct, frozen=True):
    """«This is what you lack», the answer to a SyncStep1."""

    update: bytes


class SyncUpdate(Struct, frozen=True):
    """«This has just changed.»"""

    update: bytes


class AwarenessEntry(Struct, frozen=True):
    """The presence of one client; `state` is JSON as it was sent, None once the client left."""

    client: ClientId
    clock: int
    state: str | None


class Awareness(Struct, frozen=True):
    """The presence of some clients."""

    entries: tuple[AwarenessEntry, ...]


class QueryAwareness(Struct, frozen=True):
    """«Who is here?»; answered with all states."""


Message = SyncStep1 | SyncStep2 | SyncUpdate | Awareness | QueryAwareness


def read_sync(reader: Reader, wants_step1: bool = False) -> SyncStep1 | SyncStep2 | SyncUpdate:
    """The sync message at the reader; raises ProtocolError."""
    match kind := reader.varuint():
        case SyncType.STEP1:
            return SyncStep1(reader.varbuf(), wants_step1)
        case SyncType.STEP2:
            return SyncStep2(reader.varbuf())
        case SyncType.UPDATE:
            return SyncUpdate(reader.varbuf())
    raise ProtocolError(f"unknown sync message type {kind}")


def read_awareness(reader: Reader) -> Awareness:
    """The awareness message at the reader, a varbuf; raises ProtocolError."""
    body = reader.varbuf()
    return Awareness(_recent(body) if len(body) <= SMALL else _read_entries(body))


def _read_entries(encoded: bytes) -> tuple[AwarenessEntry, ...]:
    body = Reader(encoded)
    entries = tuple(_read_entry(body) for _ in range(_count(body)))
    body.end()
    return entries


# Clients of y-websocket and older providers send back what they hear of others: the same bytes
# from everybody in a session.
_recent = lru_cache(maxsize=512)(_read_entries)


def _count(body: Reader) -> int:
    count = body.varuint()
    if count > 100_000:  # an entry has at least three bytes; refuse to loop over nothing
        raise ProtocolError(f"{count} awareness states in one message are too many")
    return count


def _read_entry(body: Reader) -> AwarenessEntry:
    client, clock, state = ClientId(body.varuint()), body.varuint(), body.varstring()
    if state == "null":
        return AwarenessEntry(client, clock, None)
    try:
        # The standard library's parser takes what JavaScript writes, lone surrogates included.
        JSON.decode(state)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"the awareness state of {client} is not JSON: {error}") from None
    return AwarenessEntry(client, clock, state)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


JSON = json.JSONDecoder(parse_constant=_refuse_constant)


def sync(kind: SyncType, payload: bytes) -> bytes:
    """A sync message: a state vector for STEP1, an update for the others."""
    return varuint(kind) + varbuf(payload)


def awareness(entries: Iterable[AwarenessEntry]) -> bytes:
    """The body of an awareness message, without the varbuf around it."""
    parts = [
        varuint(entry.client)
        + varuint(entry.clock)
        + varbuf(b"null" if entry.state is None else entry.state.encode())
        for entry in entries
    ]
    return varuint(len(parts)) + b"".join(parts)
