"""What was found, marked in its text: places in it, never markup, so a page can show it as text."""

import re
from collections.abc import Iterator
from typing import NamedTuple

# Private characters, taken out of a text before Postgres puts them around what it found.
START, STOP = "\ue000", "\ue001"
MARKS = re.compile("[\ue000\ue001]")
SPACE = re.compile(r"\s")  # each becomes one, so that places stay
LONGEST = 240  # characters of an excerpt
BEFORE = 60  # of them before what is marked first


class Marked(NamedTuple):
    """A text, and from where to where it is marked."""

    text: str
    marks: tuple[tuple[int, int], ...] = ()


def read(text: str) -> Marked:
    """A text with its marks, from one in which private characters stand around what is marked."""
    parts = MARKS.split(text)
    signs = MARKS.findall(text)
    plain: list[str] = []
    marks: list[tuple[int, int]] = []
    length = 0
    opened: int | None = None
    for part, sign in zip(parts, [*signs, ""], strict=True):
        plain.append(part)
        length += len(part)
        if sign == START:
            opened = length
        elif sign == STOP and opened is not None:
            if length > opened:
                marks.append((opened, length))
            opened = None
    return Marked("".join(plain), tuple(marks))


def excerpt(marked: Marked, longest: int = LONGEST) -> Marked:
    """The part of a text that has the most marks, from space to space, with «…» for what is cut."""
    text = SPACE.sub(" ", marked.text)
    start = max(_starts(marked), key=lambda start: (_within(marked, start, longest), -start))
    if start:
        start = text.find(" ", start, start + BEFORE) + 1 or start
    end = start + longest
    if end < len(text):
        space = text.rfind(" ", end - BEFORE, end + 1)
        end = end if space < 0 else space
    before, after = "… " if start else "", " …" if end < len(text) else ""
    offset = len(before) - start
    marks = [
        (max(a, start) + offset, min(b, end) + offset)
        for a, b in marked.marks
        if a < end and b > start
    ]
    return Marked(f"{before}{text[start:end]}{after}", tuple(marks))


def _starts(marked: Marked) -> Iterator[int]:
    yield 0
    for start, _ in marked.marks:
        yield max(0, start - BEFORE)


def _within(marked: Marked, start: int, longest: int) -> int:
    return sum(start <= a and b <= start + longest for a, b in marked.marks)
