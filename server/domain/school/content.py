"""What a version of a course, module, lesson or quiz holds, and how two versions differ."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec import Struct, UnsetType

Part = Literal["COURSE", "MODULE", "LESSON", "QUIZ"]

LONG = 200  # bytes of JSON above which a difference is only named


class Course(Struct, frozen=True, forbid_unknown_fields=True):
    """seconds: how long it takes, as estimated."""

    title: str
    summary: str = ""
    language: str = "en"
    difficulty: Literal["BEGINNER", "INTERMEDIATE", "ADVANCED", "EXPERT"] = "BEGINNER"
    seconds: int = 0
    metadata: dict[str, Any] = {}


class Module(Struct, frozen=True, forbid_unknown_fields=True):
    """A chapter."""

    title: str
    summary: str = ""


class Lesson(Struct, frozen=True, forbid_unknown_fields=True):
    """body: Markdown. exercise: what the runner takes. seconds: how long it takes, as estimated."""

    title: str
    kind: Literal["READING", "VIDEO", "EXERCISE", "QUIZ", "PROJECT"] = "READING"
    body: str = ""
    exercise: dict[str, Any] | None = None
    language: str = "en"
    xp: int = 0
    seconds: int = 0


class Question(Struct, frozen=True, forbid_unknown_fields=True):
    """id: the same in all versions, as answers refer to it. answer: as `grading` takes it."""

    id: UUID
    kind: Literal["SINGLE", "MULTIPLE", "TEXT"]
    prompt: str
    answer: str | int | float | bool | list[Any]
    choices: list[Any] = []
    explanation: str = ""
    points: int = 1


class Quiz(Struct, frozen=True, forbid_unknown_fields=True):
    """seconds: the limit for one attempt. questions: in order."""

    title: str
    pass_percent: int = 60
    max_attempts: int | None = None
    seconds: int | None = None
    xp: int = 0
    questions: Sequence[Question] = ()


Body = Course | Module | Lesson | Quiz
BODIES: dict[Part, type[Body]] = {
    "COURSE": Course,
    "MODULE": Module,
    "LESSON": Lesson,
    "QUIZ": Quiz,
}


def written(body: Body) -> str:
    """The JSON of a body, the same for equal ones."""
    return msgspec.json.encode(body, order="deterministic").decode()


def read(part: Part, text: str) -> Body:
    """The body that some JSON is; raises msgspec.ValidationError if it is none of that part."""
    return msgspec.json.decode(text, type=BODIES[part])


def differences(before: str | None, after: str) -> dict[str, list[Any] | None]:
    """By field, what it was and what it is; None where that is long; before: None for nothing."""
    old: Mapping[str, Any] = {} if before is None else msgspec.json.decode(before)
    new: Mapping[str, Any] = msgspec.json.decode(after)
    return {
        field: _shown(old.get(field), new.get(field))
        for field in sorted(old.keys() | new.keys())
        if old.get(field, UnsetType) != new.get(field, UnsetType)
    }


def _shown(was: Any, becomes: Any) -> list[Any] | None:
    pair = [was, becomes]
    return pair if len(msgspec.json.encode(pair)) <= LONG else None
