"""Updates as several people typing at once make them."""

from typing import Any

from hypothesis import strategies as st
from pycrdt import Array, Doc, Map, Text

from server.protocol.update import read_state_vector

YDoc = Doc[Any]
WORDS = st.sampled_from(["a", "bc", "grüße", "👋", "данные", "\n"])


class Writer:
    """One author: a document with a text, a map and an array, and the updates it makes."""

    def __init__(self, client: int) -> None:
        self.doc: YDoc = Doc(client_id=client)
        self.made: list[bytes] = []
        self.text = self.doc.get("text", type=Text)
        self.map = self.doc.get("map", type=Map)
        self.array = self.doc.get("array", type=Array)

    def edit(self, draw: st.DrawFn) -> bytes:
        """Makes one edit of any kind and returns its update."""
        before = self.doc.get_state()
        kind = draw(st.sampled_from(["type", "type", "delete", "format", "map", "array", "nest"]))
        size = len(str(self.text).encode())
        match kind:
            case "delete" if size:
                self._delete_text(draw)
            case "format" if size:
                self.text.format(0, size, {"bold": draw(st.booleans())})
            case "map":
                self.map[draw(st.sampled_from("xy"))] = draw(st.integers(0, 9))
            case "array":
                self._change_array(draw)
            case "nest":
                self._nest(draw)
            case _:
                self.text.insert(0 if draw(st.booleans()) else size, draw(WORDS))
        self.made.append(self.doc.get_update(before))
        return self.made[-1]

    def _delete_text(self, draw: st.DrawFn) -> None:
        chars = str(self.text)
        start = draw(st.integers(0, len(chars) - 1))
        stop = draw(st.integers(start + 1, len(chars)))
        del self.text[len(chars[:start].encode()) : len(chars[:stop].encode())]

    def _change_array(self, draw: st.DrawFn) -> None:
        if len(self.array) and draw(st.booleans()):
            del self.array[draw(st.integers(0, len(self.array) - 1))]
        else:
            self.array.insert(draw(st.integers(0, len(self.array))), draw(st.integers(0, 9)))

    def _nest(self, draw: st.DrawFn) -> None:
        key = draw(st.sampled_from("pq"))
        inner = self.map.get(key)
        if isinstance(inner, Map) and draw(st.booleans()):
            inner[draw(WORDS)] = Text(draw(WORDS))
        else:
            self.map[key] = Map({"list": Array([Text("in")])})


@st.composite
def histories(draw: st.DrawFn, most: int = 12) -> list[bytes]:
    """Updates of up to three authors, in an order in which they could have been made."""
    writers = [Writer(client) for client in range(1, draw(st.integers(1, 3)) + 1)]
    made: list[bytes] = []
    for _ in range(draw(st.integers(1, most))):
        writer = draw(st.sampled_from(writers))
        if draw(st.booleans()):
            _hear(writer, writers)
        made.append(writer.edit(draw))
    return made


def _hear(writer: Writer, writers: list[Writer]) -> None:
    """Takes in all that the others made so far."""
    for other in writers:
        if other is not writer:
            writer.doc.apply_update(other.doc.get_update(writer.doc.get_state()))


def content(update: bytes) -> tuple[object, ...]:
    """What a client sees that is given one update: clocks, text with formats, map and array."""
    doc: YDoc = Doc()
    doc.apply_update(update)
    text = doc.get("text", type=Text)
    seen = (text.diff(), doc.get("map", type=Map).to_py(), doc.get("array", type=Array).to_py())
    return (read_state_vector(doc.get_state()), *map(repr, map(_sorted, seen)))


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [_sorted(item) for item in value]
    return value


def typed(client: int, *texts: str) -> list[bytes]:
    """The updates of one author who types these behind each other."""
    doc: YDoc = Doc(client_id=client)
    text = doc.get("text", type=Text)
    made = []
    for piece in texts:
        before = doc.get_state()
        text += piece
        made.append(doc.get_update(before))
    return made


def text_of(update: bytes) -> str:
    """The text that a client sees that is given one update."""
    doc: YDoc = Doc()
    doc.apply_update(update)
    return str(doc.get("text", type=Text))
