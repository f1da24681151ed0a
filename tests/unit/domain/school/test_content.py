"""What versions hold, and how two differ."""

from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.school.content import (
    BODIES,
    Body,
    Course,
    Lesson,
    Module,
    Part,
    Question,
    Quiz,
    differences,
    read,
    written,
)

FULL: dict[Part, Body] = {
    "COURSE": Course("Solidity", metadata={"b": 1, "a": [1, None]}),
    "MODULE": Module("One", "First steps"),
    "LESSON": Lesson("Gas", "EXERCISE", "# Gas", {"tests": []}, xp=10),
    "QUIZ": Quiz("Gas?", questions=[Question(UUID(int=7), "SINGLE", "Why?", "b", ["a", "b"])]),
}


@pytest.mark.parametrize("part", BODIES)
def test_what_is_written_is_read(part: Part) -> None:
    """Each kind of body comes back as it was, and anything else is refused."""
    assert written(read(part, written(FULL[part]))) == written(FULL[part])
    with pytest.raises(msgspec.ValidationError):
        read(part, '{"title": "x", "surprise": 1}')


def test_equal_bodies_are_written_alike() -> None:
    """In whatever order a dictionary was filled."""
    one, two = Course("x", metadata={"a": 1, "b": 2}), Course("x", metadata={"b": 2, "a": 1})
    assert written(one) == written(two)


def test_differences() -> None:
    """Fields that differ, with both values where they are short; all of a first version."""
    one, two = Lesson("Gas", body="x" * 300, xp=10), Lesson("Gas", body="y", xp=20)
    assert differences(written(one), written(two)) == {"body": None, "xp": [10, 20]}
    assert differences(None, written(Module("One"))) == {
        "title": [None, "One"],
        "summary": [None, ""],
    }
    assert differences('{"old": 1}', "{}") == {"old": [1, None]}


@given(st.dictionaries(st.text(max_size=3), st.integers()), st.text(max_size=3), st.integers())
def test_only_what_changed_differs(fields: dict[str, int], name: str, value: int) -> None:
    """One field was set to something: it is the difference, unless it was that."""
    text = msgspec.json.encode(fields).decode()
    after = msgspec.json.encode({**fields, name: value}).decode()
    expected = {} if fields.get(name) == value else {name: [fields.get(name), value]}
    assert differences(text, after) == expected
    assert differences(text, text) == {}
