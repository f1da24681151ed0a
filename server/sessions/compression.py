"""permessage-deflate on our sockets: what is negotiated, and how compressed frames look.

Neither side keeps a window between messages: an idle socket costs nothing more, and what is sent
to many is compressed once. What comes is unpacked a message at a time, where it is handled.
"""

from collections.abc import Sequence

from websockets.exceptions import NegotiationError, ProtocolError
from websockets.extensions.base import Extension
from websockets.extensions.permessage_deflate import (
    PerMessageDeflate,
    ServerPerMessageDeflateFactory,
)
from websockets.frames import Frame, Opcode
from websockets.typing import ExtensionName, ExtensionParameter

FULL_WINDOW = 15  # bits


class DeflatedFrame(Frame):
    """The first frame of a compressed message, as it came."""

    def check(self) -> None:
        """The first reserved bit says that it is compressed; the others mean nothing."""
        if self.rsv2 or self.rsv3:
            raise ProtocolError("reserved bits must be 0")


class Deflate(Extension):
    """Lets compressed messages through as they are; it has no state, all sockets share one."""

    name = ExtensionName("permessage-deflate")

    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        """Frames that may be marked as compressed are; elsewhere the mark is an error."""
        if frame.rsv1 and (frame.opcode is Opcode.BINARY or frame.opcode is Opcode.TEXT):
            return DeflatedFrame(frame.opcode, frame.data, frame.fin, True, frame.rsv2, frame.rsv3)
        return frame

    def encode(self, frame: Frame) -> Frame:
        """What the core itself sends stays as it is."""
        return frame


class Negotiation(ServerPerMessageDeflateFactory):
    """Agrees to compression without context takeover, unless our window would have to be small."""

    def __init__(self) -> None:
        super().__init__(server_no_context_takeover=True, client_no_context_takeover=True)

    def process_request_params(
        self,
        params: Sequence[ExtensionParameter],
        accepted_extensions: Sequence[Extension],
    ) -> tuple[list[ExtensionParameter], PerMessageDeflate]:
        """What is answered to an offer; raises NegotiationError if it is declined."""
        answer, agreed = super().process_request_params(params, accepted_extensions)
        if agreed.local_max_window_bits < FULL_WINDOW:
            raise NegotiationError("frames are shared by all sockets: the window is the full one")
        return answer, agreed


NEGOTIATED = (Negotiation(),)
ACCEPTED: list[Extension] = [Deflate()]  # of all sockets that compress


def deflated_frame(message: bytes) -> bytes:
    """A compressed message as a WebSocket frame from a server."""
    return DeflatedFrame(Opcode.BINARY, message, rsv1=True).serialize(mask=False)
