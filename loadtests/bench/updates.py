"""The edits that the generator makes: real Yjs updates, written directly as bytes.

Every client types into the text TEXT, each edit behind its own last one. An edit carries a marker,
`<:` + seven hexadecimal digits + `>`, the number of the edit, so a receiver recognises it in a
frame however servers merge updates, and a document can be checked for every one.
Source: https://github.com/yjs/yjs (src/utils/encoding.js), update format v1.
"""

import re

from pycrdt import Doc, Text

from server.protocol.lib0 import varstring, varuint

TEXT = "content"
MARKER = re.compile(rb"<:([0-9a-f]{7})>")
MARK = b"<:"  # begins every marker; enough to count them in passing
MAX_EDITS = 16**7
EMPTY = b"\x00\x00"  # no structs, no deletions
NOTHING_KNOWN = b"\x00"  # the state vector of an empty document

_STRING = 4  # content reference of a struct that holds text
_HAS_ORIGIN = 0x80
_ROOT = varuint(1) + varstring(TEXT)


class Author:
    """One client's document: what it typed, and what its next edit looks like."""

    __slots__ = ("_head", "_origin", "client", "text")

    def __init__(self, client: int) -> None:
        self.client = client
        self.text = bytearray()
        self._head = b"\x01\x01" + varuint(client)  # one client, one struct
        self._origin = bytes((_STRING | _HAS_ORIGIN,)) + varuint(client)

    def insert(self, content: bytes) -> bytes:
        """The update of typing some ASCII text."""
        clock = len(self.text)
        self.text += content
        size = len(content)
        length = bytes((size,)) if size < 0x80 else varuint(size)
        if clock == 0:
            return b"".join((self._head, b"\x00\x04", _ROOT, length, content, b"\x00"))
        return b"".join(
            (self._head, varuint(clock), self._origin, varuint(clock - 1), length, content, b"\x00")
        )

    def everything(self) -> bytes:
        """The update that holds all its edits."""
        if not self.text:
            return EMPTY
        text = bytes(self.text)
        return b"".join((self._head, b"\x00\x04", _ROOT, varuint(len(text)), text, b"\x00"))


def marker(number: int) -> bytes:
    """The marker of an edit."""
    return b"<:%07x>" % number


def numbers(text: bytes) -> list[int]:
    """The edits whose markers are in a text, as often as they are."""
    return [int(found, 16) for found in MARKER.findall(text)]


def text_of(update: bytes) -> bytes:
    """The text of the document that an update makes."""
    document = Doc[Text]()
    document.apply_update(update)
    return str(document.get(TEXT, type=Text)).encode()
