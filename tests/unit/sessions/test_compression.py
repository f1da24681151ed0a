"""Compression as sockets agree on it, and our frames as websockets' own client reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.exceptions import ProtocolError
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, SERVER, State
from websockets.protocol import Protocol as WebSocket
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from server.protocol.deflate import deflated, stored
from server.sessions.compression import ACCEPTED, NEGOTIATED, deflated_frame
from server.sessions.participant import framed

BOTH = "server_no_context_takeover; client_no_context_takeover"


@pytest.mark.parametrize(
    ("offer", "answer"),
    [
        ("permessage-deflate", f"permessage-deflate; {BOTH}"),  # Firefox, Safari
        ("permessage-deflate; client_max_window_bits", f"permessage-deflate; {BOTH}"),  # Chrome, ws
        (
            "permessage-deflate; client_max_window_bits=10",
            f"permessage-deflate; {BOTH}; client_max_window_bits=10",
        ),
        (f"permessage-deflate; {BOTH}", f"permessage-deflate; {BOTH}"),
        ("permessage-deflate; server_max_window_bits=10", None),
        (
            "permessage-deflate; server_max_window_bits=10, permessage-deflate",
            f"permessage-deflate; {BOTH}",
        ),
        ("permessage-deflate; server_max_window_bits=7", None),
        ("permessage-deflate; surprise", None),
        ("x-webkit-deflate-frame", None),
    ],
)
def test_what_is_agreed_on(offer: str, answer: str | None) -> None:
    """No side keeps a window; who wants ours to be small gets no compression, and a socket."""
    client = ClientProtocol(parse_uri("ws://127.0.0.1/yjs/lesson"))
    request = client.connect()
    request.headers["Sec-WebSocket-Extensions"] = offer
    response = ServerProtocol(extensions=NEGOTIATED).accept(request)
    assert response.status_code == 101
    assert response.headers.get("Sec-WebSocket-Extensions") == answer


def test_an_offer_without_form_is_refused() -> None:
    """As any header that is none."""
    request = ClientProtocol(parse_uri("ws://127.0.0.1/yjs/lesson")).connect()
    request.headers = Headers(request.headers)
    request.headers["Sec-WebSocket-Extensions"] = "permessage-deflate; ="
    assert ServerProtocol(extensions=NEGOTIATED).accept(request).status_code == 400


def client() -> WebSocket:
    """A peer that has agreed on compression with us."""
    socket = WebSocket(CLIENT, max_size=None)
    socket.extensions = [PerMessageDeflate(True, True, 15, 15)]
    return socket


@given(
    messages=st.lists(
        st.tuples(st.booleans(), st.binary(max_size=40), st.binary(max_size=70_000)), max_size=5
    )
)
def test_websockets_reads_what_we_write(messages: list[tuple[bool, bytes, bytes]]) -> None:
    """Compressed and plain frames in any order say what was meant, to a client that knows both."""
    socket = client()
    for packed, head, body in messages:
        frame = deflated_frame(stored(head) + deflated(body)) if packed else framed(head + body)
        socket.receive_data(frame)
        (event,) = socket.events_received()
        assert isinstance(event, Frame)
        assert (event.opcode, bytes(event.data), event.fin) == (Opcode.BINARY, head + body, True)
    assert socket.state is State.OPEN


def server() -> WebSocket:
    """Our side of a socket that compresses."""
    socket = WebSocket(SERVER, max_size=1000)
    socket.extensions = ACCEPTED
    return socket


def test_only_first_frames_of_messages_are_marked() -> None:
    """The mark says that a message is compressed, and is passed on; elsewhere it is an error."""
    pieces = (
        Frame(Opcode.BINARY, b"a", fin=False, rsv1=True),
        Frame(Opcode.PING, b"p"),
        Frame(Opcode.CONT, b"b", fin=False),
        Frame(Opcode.CONT, b"c"),
        Frame(Opcode.BINARY, b"d"),
    )
    socket = server()
    for piece in pieces:
        socket.receive_data(encoded(piece))
    assert [(event.data, event.rsv1) for event in socket.events_received()] == [
        (piece.data, piece.rsv1) for piece in pieces
    ]
    for wrong in (
        [Frame(Opcode.PING, b"", rsv1=True)],
        [Frame(Opcode.CLOSE, b"\x03\xe8", rsv1=True)],
        [Frame(Opcode.BINARY, b"a", fin=False, rsv1=True), Frame(Opcode.CONT, b"b", rsv1=True)],
        [Frame(Opcode.BINARY, b"a", rsv1=True, rsv2=True)],
        [Frame(Opcode.BINARY, b"a", rsv3=True)],
    ):
        socket = server()
        for frame in wrong:
            socket.receive_data(encoded(frame))
        assert isinstance(socket.parser_exc, ProtocolError)
        assert socket.close_sent is not None
        assert socket.close_sent.code == 1002


def encoded(frame: Frame) -> bytes:
    """A frame as a client sends it, whatever its bits say; the mask of zeros changes nothing."""
    bits = frame.fin << 7 | frame.rsv1 << 6 | frame.rsv2 << 5 | frame.rsv3 << 4
    return bytes((bits | frame.opcode, 0x80 | len(frame.data))) + bytes(4) + frame.data
