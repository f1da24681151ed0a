"""How answers to a quiz are graded. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal
from unicodedata import normalize

from msgspec import Struct, json

Kind = Literal["SINGLE", "MULTIPLE", "TEXT"]


class Question(Struct, frozen=True):
    """One question. id: its public one. answer: what is right, for a text also a list of them."""

    id: str
    kind: Kind
    answer: Any
    points: int

    def is_right(self, given: object) -> bool:
        """Whether that is the answer: the choice, all the right choices, or one of the texts.

        Texts are compared without regard to case, and to how blanks are set.
        """
        if self.kind == "TEXT":
            texts = self.answer if isinstance(self.answer, list) else [self.answer]
            return isinstance(given, str) and _plain(given) in {_plain(str(text)) for text in texts}
        if self.kind == "MULTIPLE":
            return isinstance(given, list) and _all_of(given) == _all_of(self.answer)
        return json.encode(given) == json.encode(self.answer)


def _plain(text: str) -> str:
    return " ".join(normalize("NFC", normalize("NFD", text).casefold()).split())


def _all_of(choices: object) -> set[bytes]:
    return {json.encode(choice) for choice in choices} if isinstance(choices, list) else set()


class Grade(Struct, frozen=True):
    """What an attempt came to. right: ids of the questions."""

    points: int
    max_points: int
    passed: bool
    right: frozenset[str]


def grade(questions: Sequence[Question], answers: Mapping[str, Any], pass_percent: int) -> Grade:
    """Grade answers, by the questions' ids; what is not answered is wrong.

    pass_percent: how much of all points it takes; a quiz without questions can't be passed.
    """
    right = frozenset(
        question.id
        for question in questions
        if question.id in answers and question.is_right(answers[question.id])
    )
    points = sum(question.points for question in questions if question.id in right)
    most = sum(question.points for question in questions)
    return Grade(points, most, most > 0 and points * 100 >= pass_percent * most, right)
