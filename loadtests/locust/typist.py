"""How people type: bursts of keys, a slip now and then, and pauses. PURE, and seeded."""

from dataclasses import dataclass
from random import Random

WORDS = ("for", "while", "if", "return", "print", "class", "range", "total", "answer", "number")
LONGEST_JUMP = 200  # characters between the end of one burst and the start of the next


@dataclass(frozen=True)
class Key:
    """One keystroke, after a pause of so many seconds: text, or a backspace."""

    pause: float
    text: str = ""


class Typist:
    """One person. pause: mean seconds between bursts."""

    def __init__(self, seed: str, pause: float) -> None:
        self._random = Random(seed)
        self._pause = pause

    def burst(self) -> list[Key]:
        """The keys of one burst: a few words, of which some are mistyped and mended."""
        keys = []
        for _ in range(self._random.randint(1, 3)):
            word = self._random.choice(WORDS)
            if self._random.random() < 0.2:
                slip = self._random.randint(1, 3)
                keys += [self._key(letter) for letter in "qzx"[:slip]]
                keys += [self._key("") for _ in range(slip)]
            keys += [self._key(letter) for letter in word]
            keys.append(self._key("\n" if self._random.random() < 0.2 else " "))
        return keys

    def jump(self, length: int, at: int) -> int:
        """Where the next burst begins in a text of that length; mostly where the last ended."""
        if self._random.random() < 0.2:
            at += self._random.randint(-LONGEST_JUMP, LONGEST_JUMP)
        return min(max(at, 0), length)

    def pause(self) -> float:
        """Seconds until the next burst: mostly short, at times long."""
        return min(self._random.expovariate(1 / self._pause), 5 * self._pause)

    def _key(self, text: str) -> Key:
        return Key(self._random.lognormvariate(-2.0, 0.5), text)  # median 0.14 s
