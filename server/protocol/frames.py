"""WebSocket frames as nearly all of them are: whole, short, binary. The rest is for a full core.

Source: RFC 6455, section 5.2.
"""

BINARY = 0x82  # opcode 2 in a message of one frame…
DEFLATED = 0xC2  # …and with the bit that says that it is compressed (RFC 7692)
PLAIN_KINDS = (BINARY, DEFLATED)
PONG = 0x8A  # opcode 10
MASKED = 0x80
MASK_BYTES = 4
SHORT = 126  # what the length of a longer frame begins with…
LONG = 127  # …and that of one of 64 KiB or more


def framed(message: bytes) -> bytes:
    """A binary message as a server sends it."""
    size = len(message)
    if size < SHORT:
        return b"%c%c%b" % (BINARY, size, message)
    if size < 2**16:
        return b"%c%c%b%b" % (BINARY, SHORT, size.to_bytes(2, "big"), message)
    return b"%c%c%b%b" % (BINARY, LONG, size.to_bytes(8, "big"), message)


def plain_message(data: bytes, start: int, most: int) -> tuple[bytes, int] | None:
    """The message of a client's frame, as it came, and where the next frame begins.

    None if the frame at `start` is not a whole one as described above, or has more than `most`
    bytes.
    """
    if len(data) - start < 2 + MASK_BYTES or data[start] not in PLAIN_KINDS:
        return None
    size, begin = data[start + 1] - MASKED, start + 2
    if size == SHORT:
        size = data[begin] << 8 | data[begin + 1]
        begin += 2
        if size < SHORT:
            return None
    elif not 0 <= size < SHORT:
        return None
    begin += MASK_BYTES
    end = begin + size
    if end > len(data) or size > most:
        return None
    return _unmasked(data[begin:end], data[begin - MASK_BYTES : begin]), end


def pong_end(data: bytes, start: int) -> int:
    """Where the frame behind a client's pong begins; 0 if no whole pong is at `start`."""
    if len(data) - start < 2 + MASK_BYTES or data[start] != PONG:
        return 0
    size = data[start + 1] - MASKED
    end = start + 2 + MASK_BYTES + size
    return end if 0 <= size < SHORT and end <= len(data) else 0


def frame_size(data: bytes, start: int = 0) -> int:
    """Bytes of the frame that begins at `start`, of which not all has to be there.

    0 if its head is not there yet.
    """
    there = len(data) - start
    if there < 2:
        return 0
    size = data[start + 1] & ~MASKED
    head = 2 + (MASK_BYTES if data[start + 1] & MASKED else 0)
    extended = {SHORT: 2, LONG: 8}.get(size, 0)
    if there < 2 + extended:
        return 0
    if extended:
        size = int.from_bytes(data[start + 2 : start + 2 + extended], "big")
    return head + extended + size


def _unmasked(payload: bytes, mask: bytes) -> bytes:
    """Every byte of a payload, with every fourth of them the same of the mask's, in one sum."""
    size = len(payload)
    masks = (mask * (size // MASK_BYTES + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(masks, "big")).to_bytes(size, "big")
