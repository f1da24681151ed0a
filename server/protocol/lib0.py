"""lib0's variable-length encoding, as far as Yjs's protocols use it; strict where it reads.

A varuint has 7 bits a byte, low bits first, the high bit set on all bytes but the last. A varbuf
is a varuint length and that many bytes; a varstring is a varbuf of UTF-8.
Source: https://github.com/dmonad/lib0 (encoding.js, decoding.js).
"""

from server.errors import ProtocolError

MAX_VARUINT = 2**53 - 1  # JavaScript's largest exact integer


class Reader:
    """Reads one frame from the front; every method raises ProtocolError on the first bad byte."""

    __slots__ = ("_frame", "position")

    def __init__(self, frame: bytes) -> None:
        self._frame = frame
        self.position = 0

    @property
    def done(self) -> bool:
        """Whether the whole frame was read."""
        return self.position >= len(self._frame)

    def varuint(self) -> int:
        """The next number, 0 to 2^53 - 1."""
        frame, position, number, shift = self._frame, self.position, 0, 0
        while position < len(frame):
            byte = frame[position]
            position += 1
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                if number > MAX_VARUINT:
                    break
                self.position = position
                return number
            shift += 7
            if shift > 49:
                break
        else:
            raise ProtocolError(f"the frame ends inside a varuint at byte {self.position}")
        raise ProtocolError(f"the varuint at byte {self.position} has more than 53 bits")

    def byte(self) -> int:
        """The next byte."""
        if self.position >= len(self._frame):
            raise ProtocolError(f"the frame ends at byte {self.position}")
        self.position += 1
        return self._frame[self.position - 1]

    def varint(self) -> int:
        """The next number that may have a sign; six bits and the sign are in its first byte."""
        first = self.byte()
        number, shift = first & 0x3F, 6
        more = first > 0x7F
        while more:
            byte = self.byte()
            number |= (byte & 0x7F) << shift
            shift += 7
            more = byte > 0x7F
            if number > MAX_VARUINT:
                raise ProtocolError(f"the number before byte {self.position} has too many bits")
        return -number if first & 0x40 else number

    def take(self, size: int) -> bytes:
        """The next so many bytes."""
        start = self.position
        self.skip(size)
        return self._frame[start : self.position]

    def skip(self, size: int) -> None:
        """Pass over so many bytes."""
        if self.position + size > len(self._frame):
            left = len(self._frame) - self.position
            raise ProtocolError(f"{size} bytes are needed at byte {self.position}, {left} are left")
        self.position += size

    def skip_numbers(self, count: int) -> None:
        """Pass over so many numbers of up to 8 bytes, with a sign or without."""
        frame, position = self._frame, self.position
        try:
            for _ in range(count):
                longest = position + 7
                while frame[position] > 0x7F:
                    position += 1
                if position > longest:
                    raise ProtocolError(f"the number before byte {position} has too many bytes")
                position += 1
        except IndexError:
            raise ProtocolError("the frame ends inside a number") from None
        self.position = position

    def varbuf(self) -> bytes:
        """The next length and that many bytes."""
        size = self.varuint()
        start, end = self.position, self.position + size
        if end > len(self._frame):
            left = len(self._frame) - start
            raise ProtocolError(f"the varbuf at byte {start} needs {size} bytes, {left} are left")
        self.position = end
        return self._frame[start:end]

    def varstring(self) -> str:
        """The next text."""
        start = self.position
        try:
            return self.varbuf().decode()
        except UnicodeDecodeError as error:
            raise ProtocolError(
                f"the varstring at byte {start} is not UTF-8: {error.reason}"
            ) from None

    def end(self) -> None:
        """Raise ProtocolError unless the whole frame was read."""
        if not self.done:
            left = len(self._frame) - self.position
            raise ProtocolError(f"{left} bytes follow the message that ends at {self.position}")


def whole_varbuf(frame: bytes, start: int) -> bytes | None:
    """The varbuf at `start` if it is a short one and the last thing in a frame, in a hurry."""
    size = len(frame) - start - 1
    return frame[start + 1 :] if 0 <= size < 0x80 and frame[start] == size else None


def varuint(number: int) -> bytes:
    """A number, 0 to 2^53 - 1, encoded."""
    if number < 0x80:
        return bytes((number,))
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def varint(number: int) -> bytes:
    """A number with its sign, encoded."""
    size = abs(number)
    sign = 0x40 if number < 0 else 0
    if size < 0x40:
        return bytes((sign | size,))
    return bytes((0x80 | sign | size & 0x3F,)) + varuint(size >> 6)


def varbuf(data: bytes) -> bytes:
    """Bytes behind their length."""
    return varuint(len(data)) + data


def varstring(text: str) -> bytes:
    """Text as UTF-8 behind its length in bytes."""
    return varbuf(text.encode())


def utf16_length(encoded: bytes) -> int:
    """The length of UTF-8 text in UTF-16 code units; raises ProtocolError if it is none."""
    if encoded.isascii():
        return len(encoded)
    try:
        return len(encoded.decode().encode("utf-16-le")) // 2
    except UnicodeDecodeError as error:
        raise ProtocolError(f"text is not UTF-8: {error.reason}") from None
