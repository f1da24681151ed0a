"""A second, independent encoder of what clients send, written after lib0's sources."""

import json
from typing import Any

from hypothesis import strategies as st

from server.ids import ClientId
from server.protocol.yjs import AwarenessEntry

NUMBERS = st.integers(min_value=0, max_value=2**53 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


def number(value: int) -> bytes:
    """A varuint: groups of seven bits, the lowest first, all but the last marked."""
    groups = [value & 127]
    while value := value >> 7:
        groups.append(value & 127)
    return bytes([*(group | 128 for group in groups[:-1]), groups[-1]])


def buffer(data: bytes) -> bytes:
    """A varbuf."""
    return b"%b%b" % (number(len(data)), data)


def string(text: str) -> bytes:
    """A varstring."""
    return buffer(text.encode("utf-8"))


def sync(kind: int, payload: bytes) -> bytes:
    """A sync message."""
    return bytes([kind]) + buffer(payload)


def states(entries: list[tuple[int, int, str]]) -> bytes:
    """The body of an awareness message."""
    body = number(len(entries))
    for client, clock, state in entries:
        body += number(client) + number(clock) + string(state)
    return body


@st.composite
def json_texts(draw: st.DrawFn) -> str:
    """JSON as JavaScript writes it: without spaces, beyond ASCII as it is."""
    value: Any = draw(JSON_VALUES.filter(lambda value: value is not None))
    return json.dumps(value, ensure_ascii=draw(st.booleans()), separators=(",", ":"))


@st.composite
def entries(draw: st.DrawFn) -> AwarenessEntry:
    """The presence of one client, gone ones included."""
    return AwarenessEntry(ClientId(draw(NUMBERS)), draw(NUMBERS), draw(st.none() | json_texts()))


def raw(entry: AwarenessEntry) -> tuple[int, int, str]:
    """An entry as `states` takes it."""
    return entry.client, entry.clock, "null" if entry.state is None else entry.state
