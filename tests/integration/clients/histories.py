"""A long history of one text, as several people write it over weeks."""

import random
from typing import Any

from pycrdt import Doc, Text, TransactionEvent

WORDS = ("def ", "return ", "grüße", "数", "👋", "\n", "    ", "(x)", " = ", "print", "# ", "for ")


class Author:
    """One person's copy of the document, and the updates that it made."""

    def __init__(self) -> None:
        self.document: Doc[Any] = Doc()
        self.text = self.document.get("content", type=Text)
        self.updates: list[bytes] = []
        self._newest = b""
        self._subscription = self.document.observe(self._note)

    def _note(self, event: TransactionEvent) -> None:
        self._newest = event.update

    def write(self, draw: random.Random) -> None:
        """One edit where the cursor is: mostly a few letters, now and then a deletion."""
        content = str(self.text)
        at = draw.randrange(len(content) + 1)
        with self.document.transaction():
            if content and draw.random() < 0.3:
                at = min(at, len(content) - 1)
                end = min(len(content), at + draw.randrange(1, 12))
                del self.text[offset(content, at) : offset(content, end)]
            else:
                self.text.insert(offset(content, at), draw.choice(WORDS))
        self.updates.append(self._newest)


def offset(text: str, index: int) -> int:
    """pycrdt counts in bytes of UTF-8."""
    return len(text[:index].encode())


def history(seed: int, edits: int, authors: int = 4) -> tuple[list[bytes], str]:
    """The updates of `authors` people who exchange their edits from time to time; the final text.

    The updates are in an order in which a server could have received them: each author's own in
    theirs, the authors interleaved.
    """
    draw = random.Random(seed)
    people = [Author() for _ in range(authors)]
    received: list[bytes] = []
    sent = [0] * authors
    for _ in range(edits):
        number = draw.randrange(authors)
        people[number].write(draw)
        if draw.random() < 0.2:
            received += people[number].updates[sent[number] :]
            sent[number] = len(people[number].updates)
            other = draw.choice(people)
            other.document.apply_update(
                people[number].document.get_update(other.document.get_state())
            )
    for number, person in enumerate(people):
        received += person.updates[sent[number] :]
    final: Doc[Any] = Doc()
    for person in people:
        final.apply_update(person.document.get_update())
    return received, str(final.get("content", type=Text))
