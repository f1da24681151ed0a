"""Words that somebody may have meant who mistyped one: one letter more, less, other, or swapped.

Such a slip leaves one half of the word as it is, unless it swaps the two letters in the middle. So
who looks up the words with the same beginning, those with the same end, and that one, misses none;
an index on words and one on words backwards do, whatever the alphabet.
"""

from collections.abc import Mapping
from typing import NamedTuple

SHORTEST = 4  # letters; every shorter word is next to too many others
CLEARLY = 10  # times as often


class Probe(NamedTuple):
    """Where to look for what was meant by a word.

    start, end: what the words sought begin or end with, of which one holds; swapped: or this word.
    """

    start: str
    end: str
    swapped: str
    shortest: int
    longest: int

    def reaches(self, word: str) -> bool:
        """Whether a word is looked at."""
        return self.shortest <= len(word) <= self.longest and (
            word == self.swapped or word.startswith(self.start) or word.endswith(self.end)
        )


def probe(word: str) -> Probe:
    """Where to look for all that is one slip from a word; it has two letters or more."""
    middle = len(word) // 2
    start, end = word[:middle], word[middle:]
    swapped = start[:-1] + end[0] + start[-1] + end[1:]
    return Probe(start, end, swapped, len(word) - 1, len(word) + 1)


def one_slip(a: str, b: str) -> bool:
    """Whether one letter more, less or other, or two neighbours swapped, turn a into b."""
    if a == b or abs(len(a) - len(b)) > 1:
        return False
    same = 0
    while same < min(len(a), len(b)) and a[same] == b[same]:
        same += 1
    a, b = a[same:], b[same:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or _swapped(a, b)


def _swapped(a: str, b: str) -> bool:
    return len(a) > 1 and a[1::-1] == b[:2] and a[2:] == b[2:]


def meant(word: str, known: Mapping[str, int]) -> str | None:
    """What was most likely meant by a word, of words known and how often each is used.

    People rarely mistype the first letter. None if nothing is one slip away, or none of it is used
    CLEARLY more often than the word itself.
    """
    least = CLEARLY * known.get(word, 0)
    near = [other for other, uses in known.items() if uses > least and one_slip(word, other)]
    return max(near, key=lambda other: (other[0] == word[0], known[other], other), default=None)
