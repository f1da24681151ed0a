"""Frames that no client sends, made of those that clients do send; and a socket to send them."""

import asyncio
import base64
import os
import struct
from random import Random
from typing import NamedTuple

from pycrdt import Doc, Text, get_state, merge_updates

from server.errors import ProtocolError
from server.protocol import hocuspocus, yjs, ywebsocket

EDGES = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0x7F, 0x80, 0x81, 0xFF)
OFFER = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
POISON = "⛔ refused"  # text in updates that come in frames which must be refused


class Frame(NamedTuple):
    """One WebSocket message. refused: it does not decode, so the socket must close."""

    payload: bytes
    refused: bool


def number(value: int) -> bytes:
    """A varuint."""
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    return bytes((*encoded, value))


def buffer(data: bytes) -> bytes:
    """A varbuf."""
    return number(len(data)) + data


def typed(text: str, client: int) -> bytes:
    """An update that types a text."""
    doc: Doc[Text] = Doc(client_id=client)
    doc.get("content", type=Text).insert(0, text)
    return doc.get_update()


class Grammar:
    """Makes messages of one dialect. session: where they go.

    corpus: frames that real clients sent to that session.
    """

    def __init__(self, rng: Random, dialect: str, session: str, corpus: list[bytes]) -> None:
        self.rng = rng
        self.dialect = dialect
        self.head = buffer(session.encode()) if dialect == "hocuspocus" else b""
        self.corpus = corpus or [self.fresh() for _ in range(20)]

    def fresh(self) -> bytes:
        """A well-formed message with anything in it."""
        rng = self.rng
        client, clock = (
            rng.randrange(2 ** rng.randint(1, 53)),
            rng.randrange(2 ** rng.randint(1, 53)),
        )
        state = rng.choice(["null", "{}", '{"user":{"name":"é"}}', "[1,2]", '"' + "x" * 300 + '"'])
        entry = number(client) + number(clock) + buffer(state.encode())
        count = rng.randint(1, 3)
        kinds = [
            b"\x01" + buffer(number(count) + entry * count),
            b"\x03",
            b"\x00\x00" + buffer(number(1) + number(client) + number(clock % 2**31)),
            b"\x00\x00" + buffer(b"\x00"),
        ]
        if self.dialect == "hocuspocus":
            kinds += [
                b"\x05" + buffer(state.encode()),
                b"\x04\x00" + buffer(b"\x00"),
                b"\x02\x00" + buffer(b"") + buffer(b"4.8.0"),
            ]
        return self.head + rng.choice(kinds)

    def update(self) -> bytes:
        """A message with an update in which some bytes are wrong."""
        rng = self.rng
        update = self.mutated(typed("ab", rng.randrange(1, 9)))
        return self.head + b"\x00" + bytes((rng.choice((1, 2)),)) + buffer(update)

    def poisoned(self) -> bytes:
        """A frame with a good update and something behind it for which all of it is refused."""
        update = typed(POISON, self.rng.randrange(10**6, 10**7))
        return (
            self.head + b"\x00\x02" + buffer(update) + self.rng.choice((b"\x0c", b"\x80", b"\x00"))
        )

    def broken(self) -> bytes:
        """A real message with some bytes wrong, or no message at all."""
        if self.rng.random() < 0.05:
            return self.rng.randbytes(self.rng.randrange(200))
        return self.mutated(self.rng.choice(self.corpus))

    def mutated(self, frame: bytes) -> bytes:
        """The same frame with one to three things wrong."""
        rng, data = self.rng, bytearray(frame)
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(data) + 1)
            match rng.randrange(7):
                case 0 if at < len(data):
                    data[at] ^= 1 << rng.randrange(8)
                case 1 if at < len(data):
                    data[at] = rng.choice(EDGES)
                case 2:
                    data[at:at] = bytes((rng.choice(EDGES),))
                case 3:
                    del data[at : at + rng.randint(1, 4)]
                case 4:
                    del data[at:]
                case 5:
                    data[at:at] = number(2 ** rng.choice((7, 14, 31, 32, 53, 63, 64)))
                case _:
                    data[at:at] = data[rng.randrange(len(data) + 1) :][: rng.randint(1, 40)]
        return bytes(data)

    def burst(self, updates: bool, most: int) -> list[Frame]:
        """Messages up to the first that is refused; updates: with wrong bytes in updates, too."""
        frames: list[Frame] = []
        while len(frames) < most and not (frames and frames[-1].refused):
            make = self.rng.choices(
                (self.fresh, self.broken, self.poisoned, self.update),
                (80, 17, 1, 40 if updates else 2),
            )[0]
            payload = make()
            messages = decoded(self.dialect, payload)
            if updates or messages is None or not any(map(is_update, messages)):
                frames.append(Frame(payload, messages is None))
        return frames


def decoded(dialect: str, payload: bytes) -> list[hocuspocus.Message] | None:
    """The messages of a frame, None if it is none."""
    try:
        if dialect == "hocuspocus":
            return [hocuspocus.decode(payload)[1]]
        return list(ywebsocket.decode(payload))
    except ProtocolError:
        return None


def is_update(message: hocuspocus.Message) -> bool:
    """Whether this may change the document."""
    if not isinstance(message, yjs.SyncStep2 | yjs.SyncUpdate):
        return False
    try:
        get_state(merge_updates(message.update))
    except ValueError:
        return False
    return True


def frame(opcode: int, payload: bytes, fin: bool = True, rsv1: bool = False) -> bytes:
    """A WebSocket frame from a client; masked with zeros, which changes nothing."""
    size = len(payload)
    head = bytes((0x80 * fin | 0x40 * rsv1 | opcode,))
    if size < 126:
        head += bytes((0x80 | size,))
    elif size < 2**16:
        head += b"\xfe" + struct.pack("!H", size)
    else:
        head += b"\xff" + struct.pack("!Q", size)
    return head + bytes(4) + payload


class Closed(NamedTuple):
    """The server's close frame; code 0 if there was none."""

    code: int
    reason: str


class RawSocket:
    """A WebSocket that sends any bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, port: int, path: str, deflate: bool = False) -> "RawSocket":
        """Connect and have it upgraded; deflate: with compression, which must be agreed on."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            f"Sec-WebSocket-Version: 13\r\n{OFFER if deflate else ''}\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 101 " in head.split(b"\r\n")[0], head
        assert (b"permessage-deflate" in head) is deflate, head
        return cls(reader, writer)

    async def closed(self) -> Closed:
        """Read until the server's close frame, or the end."""
        try:
            while True:
                first, second = await self.reader.readexactly(2)
                size = second & 0x7F
                if size == 126:
                    (size,) = struct.unpack("!H", await self.reader.readexactly(2))
                elif size == 127:
                    (size,) = struct.unpack("!Q", await self.reader.readexactly(8))
                payload = await self.reader.readexactly(size)
                if first & 0x0F == 8:
                    code = struct.unpack("!H", payload[:2])[0] if payload else 1005
                    return Closed(code, payload[2:].decode())
        except (asyncio.IncompleteReadError, ConnectionError):
            return Closed(0, "no close frame")
        finally:
            self.writer.close()
