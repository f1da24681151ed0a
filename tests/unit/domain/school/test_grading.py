"""What is right in a quiz, and what it comes to."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.school.grading import Kind, Question, grade

JUDGED: list[tuple[Kind, Any, Any, bool]] = [
    ("SINGLE", 2, 2, True),
    ("SINGLE", 1, True, False),
    ("SINGLE", "b", "c", False),
    ("MULTIPLE", [1, 3], [3, 1, 1], True),
    ("MULTIPLE", [1, 3], [1], False),
    ("MULTIPLE", [1, 3], [1, 2, 3], False),
    ("MULTIPLE", [1], 1, False),
    ("MULTIPLE", 1, [1], False),
    ("TEXT", "Ether  Wei", " ether wei\n", True),
    ("TEXT", "Straße", "STRASSE", True),
    ("TEXT", ["é", "e"], "e\u0301", True),
    ("TEXT", ["a", "b"], "c", False),
    ("TEXT", "1", 1, False),
]


@pytest.mark.parametrize(("kind", "answer", "given", "right"), JUDGED)
def test_what_is_right(kind: Kind, answer: Any, given: Any, right: bool) -> None:
    """The choice, all the choices in any order, one of the texts however it is written."""
    assert Question("q", kind, answer, 1).is_right(given) is right


@given(
    points=st.lists(st.integers(1, 9), max_size=6), right=st.sets(st.integers(0, 7)), p=st.data()
)
def test_what_it_comes_to(points: list[int], right: set[int], p: st.DataObject) -> None:
    """The points of what is right; passed if they are so much of all, and there are any."""
    percent = p.draw(st.integers(0, 100))
    asked = [Question(str(n), "SINGLE", n, much) for n, much in enumerate(points)]
    answers = {str(n): n if n in right else -1 for n in range(0, 8, 1 + percent % 2)}
    result = grade(asked, answers, percent)
    expected = {n for n in range(len(points)) if n in right and str(n) in answers}
    assert result.right == {str(n) for n in expected}
    assert result.points == sum(points[n] for n in expected)
    assert result.max_points == sum(points)
    reached = result.points * 100 >= percent * result.max_points
    assert result.passed == (bool(points) and reached)
