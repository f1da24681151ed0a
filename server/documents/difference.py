"""What of a text has to change for it to become another: as little as is found in bounded time.

Lines that are in both texts exactly once hold the two together (Bram Cohen's patience diff); what
lies between them is compared in the same way, and what has no such lines is replaced as one piece,
up to its equal ends. The time is that of sorting; a hostile pair of texts can't make it its square.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

MAX_LINES = 20_000  # more are replaced as one piece
MAX_DEPTH = 8
CHUNK = 4_096  # characters that are compared at once


class Span(NamedTuple):
    """Characters start to end (Python's count) give way to a text."""

    start: int
    end: int
    new: str


class _Block(NamedTuple):
    """Lines of the old text that become those of the new one; ends are excluded."""

    old_start: int
    old_end: int
    new_start: int
    new_end: int
    depth: int


def differences(old: str, new: str) -> list[Span]:
    """What of the old text has to change, in its order."""
    first, old_end, new_end = _to_whole_lines(old, new, *_narrowed(old, new))
    old_lines = old[first:old_end].splitlines(keepends=True)
    new_lines = new[first:new_end].splitlines(keepends=True)
    if max(len(old_lines), len(new_lines)) > MAX_LINES:
        return [Span(first, old_end, new[first:new_end])]
    old_places, new_places = _places(old_lines, first), _places(new_lines, first)
    spans = []
    for block in _blocks(old_lines, new_lines):
        start, end = old_places[block.old_start], old_places[block.old_end]
        text = new[new_places[block.new_start] : new_places[block.new_end]]
        front, old_part, new_part = _narrowed(old[start:end], text)
        spans.append(Span(start + front, start + old_part, text[front:new_part]))
    return spans


def joined(old: str, spans: Sequence[Span], most: int) -> list[Span]:
    """The same change in so many pieces at most: those with the least between them are one."""
    gaps = range(1, len(spans))
    nearest = sorted(gaps, key=lambda number: spans[number].start - spans[number - 1].end)
    apart = sorted(nearest[max(0, len(spans) - most) :])
    edges = [0, *apart, len(spans)]
    groups = [spans[start:end] for start, end in pairwise(edges) if start < end]
    return [_one(old, group) for group in groups]


def _one(old: str, spans: Sequence[Span]) -> Span:
    parts = [spans[0].new]
    for left, right in pairwise(spans):
        parts += [old[left.end : right.start], right.new]
    return Span(spans[0].start, spans[-1].end, "".join(parts))


def _blocks(old: Sequence[str], new: Sequence[str]) -> Iterator[_Block]:
    """Where the lines differ, in order."""
    waiting = [_Block(0, len(old), 0, len(new), 0)]
    while waiting:
        block = _without_equal_ends(old, new, waiting.pop())
        if block.old_start == block.old_end and block.new_start == block.new_end:
            continue
        anchors = _anchors(old, new, block) if block.depth < MAX_DEPTH else []
        if not anchors:
            yield block
            continue
        ends = [*anchors, (block.old_end, block.new_end)]
        starts = [
            (block.old_start, block.new_start),
            *((old_line + 1, new_line + 1) for old_line, new_line in anchors),
        ]
        between = zip(starts, ends, strict=True)
        parts = [
            _Block(o, old_end, n, new_end, block.depth + 1)
            for (o, n), (old_end, new_end) in between
        ]
        waiting += reversed(parts)


def _without_equal_ends(old: Sequence[str], new: Sequence[str], block: _Block) -> _Block:
    old_start, old_end, new_start, new_end, depth = block
    while old_start < old_end and new_start < new_end and old[old_start] == new[new_start]:
        old_start, new_start = old_start + 1, new_start + 1
    while old_start < old_end and new_start < new_end and old[old_end - 1] == new[new_end - 1]:
        old_end, new_end = old_end - 1, new_end - 1
    return _Block(old_start, old_end, new_start, new_end, depth)


def _anchors(old: Sequence[str], new: Sequence[str], block: _Block) -> list[tuple[int, int]]:
    """Lines that are once in either part: the most of them whose order is the same in both."""
    old_once = _once(old, block.old_start, block.old_end)
    new_once = _once(new, block.new_start, block.new_end)
    pairs = [(old_once[line], new_once[line]) for line in old_once if line in new_once]
    ends: list[int] = []  # the least last line of the new text, by the length of the sequence
    tails: list[int] = []  # the pair at which such a sequence ends
    before: list[int | None] = []
    for number, (_, place) in enumerate(pairs):
        length = bisect_left(ends, place)
        before.append(tails[length - 1] if length else None)
        ends[length : length + 1] = [place]
        tails[length : length + 1] = [number]
    found = []
    at = tails[-1] if tails else None
    while at is not None:
        found.append(pairs[at])
        at = before[at]
    return found[::-1]


def _once(lines: Sequence[str], start: int, end: int) -> dict[str, int]:
    """Where the lines are that are there once, in their order."""
    counts = Counter(lines[start:end])
    return {lines[at]: at for at in range(start, end) if counts[lines[at]] == 1}


def _to_whole_lines(
    old: str, new: str, first: int, old_end: int, new_end: int
) -> tuple[int, int, int]:
    """From the start of the line in which two texts differ to the end of such a line."""
    start = old.rfind("\n", 0, first) + 1
    within = old_end > first and new_end > first and old[old_end - 1] == new[new_end - 1] == "\n"
    end = old_end if within else old.find("\n", old_end) + 1 or len(old)
    return start, end, new_end + end - old_end


def _narrowed(old: str, new: str) -> tuple[int, int, int]:
    """Where two texts begin to differ, and where their equal ends begin."""
    shorter, ends = min(len(old), len(new)), (len(old), len(new))
    first = _equal(shorter, lambda a, b: old[a:b] == new[a:b])
    last = _equal(
        shorter - first,
        lambda a, b: old[ends[0] - b : ends[0] - a] == new[ends[1] - b : ends[1] - a],
    )
    return first, ends[0] - last, ends[1] - last


def _equal(most: int, equal: Callable[[int, int], bool]) -> int:
    """How many characters are equal before the first that is not; equal: whether a range is."""
    done, size = 0, CHUNK
    while done < most and size:
        end = min(done + size, most)
        if equal(done, end):
            done = end
        else:
            size //= 2
    return done


def _places(lines: Sequence[str], first: int) -> list[int]:
    """Where each line begins, and where the last one ends."""
    places = [first]
    for line in lines:
        places.append(places[-1] + len(line))
    return places
