"""Learning events and what they come to, as plain Python counts them."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from math import floor
from typing import Any, cast

from server.persistence.school.events import Event
from server.persistence.types import Connection

COLUMNS = {
    "analytics_course_daily": "course_id, day, events, people, enrolled, lessons_started,"
    " lessons_completed, quizzes_passed, submissions, submissions_passed, completed, seconds",
    "analytics_lesson_daily": "lesson_id, day, course_id, events, people, started, completed,"
    " seconds",
    "analytics_type_hourly": "event_type, hour, events, people",
    "analytics_user_daily": "user_id, day, events, lessons_completed, submissions, xp, seconds",
    "analytics_submissions_daily": "course_id, day, result, submissions",
}
ACTIVE = """
select day, people, sum(week_change) over (order by day), sum(month_change) over (order by day)
from analytics_active_daily
"""

Rows = set[tuple[Any, ...]]


async def stored(connection: Connection) -> dict[str, Rows]:
    """What the rollups hold; who is active on days on which somebody was."""
    tables = {
        table: {tuple(row) for row in await connection.fetch(f"select {columns} from {table}")}
        for table, columns in COLUMNS.items()
    }
    active = await connection.fetch(ACTIVE)
    return tables | {"active": {tuple(map(_int, row)) for row in active if row["people"]}}


def _int(value: object) -> object:
    return value if isinstance(value, date) else int(cast(int, value))


def modelled(arrived: Iterable[Event]) -> dict[str, Rows]:
    """What they should hold."""
    once = {(event.user_id, event.at, event.event_id): event for event in arrived}
    groups: dict[str, dict[tuple[Any, ...], list[Event]]] = defaultdict(lambda: defaultdict(list))
    for event in once.values():
        day, hour = event.at.date(), event.at.replace(minute=0, second=0, microsecond=0)
        groups["analytics_type_hourly"][event.event_type, hour].append(event)
        if event.user_id is not None:
            groups["analytics_user_daily"][event.user_id, day].append(event)
        if event.course_id is None:
            continue
        groups["analytics_course_daily"][event.course_id, day].append(event)
        if event.lesson_id is not None:
            groups["analytics_lesson_daily"][event.lesson_id, day].append(event)
        if event.event_type == "submission.judged":
            key = (event.course_id, day, _result(event))
            groups["analytics_submissions_daily"][key].append(event)
    measures = {
        "analytics_course_daily": _course,
        "analytics_lesson_daily": _lesson,
        "analytics_type_hourly": lambda events: (len(events), _people(events)),
        "analytics_user_daily": _user,
        "analytics_submissions_daily": lambda events: (len(events),),
    }
    counted = {
        table: {(*key, *measure(events)) for key, events in groups[table].items()}
        for table, measure in measures.items()
    }
    return counted | {"active": _active(groups["analytics_user_daily"].keys())}


def _active(days: Iterable[tuple[Any, ...]]) -> Rows:
    who: dict[date, set[int]] = defaultdict(set)
    for user, day in days:
        who[day].add(user)

    def within(day: date, length: int) -> int:
        window = (day - timedelta(days=back) for back in range(length))
        return len(set().union(*(who.get(each, set()) for each in window)))

    return {(day, len(people), within(day, 7), within(day, 30)) for day, people in who.items()}


def _of(events: list[Event], event_type: str) -> int:
    return sum(event.event_type == event_type for event in events)


def _people(events: list[Event]) -> int:
    return len({event.user_id for event in events} - {None})


def _number(event: Event, name: str) -> int:
    value = (event.data or {}).get(name)
    return floor(value) if isinstance(value, int | float) else 0


def _seconds(events: list[Event]) -> int:
    return sum(max(0, min(86_400, _number(event, "seconds"))) for event in events)


def _result(event: Event) -> str:
    status = (event.data or {}).get("status")
    return status if status in ("PASSED", "FAILED", "ERROR", "TIMEOUT") else "OTHER"


def _course(events: list[Event]) -> tuple[int, ...]:
    judged = [event for event in events if event.event_type == "submission.judged"]
    types = ("course.enrolled", "lesson.started", "lesson.completed", "quiz.passed")
    return (
        len(events),
        _people(events),
        *(_of(events, each) for each in types),
        len(judged),
        sum(_result(event) == "PASSED" for event in judged),
        _of(events, "course.completed"),
        _seconds(events),
    )


def _lesson(events: list[Event]) -> tuple[int, ...]:
    return (
        min(cast(int, event.course_id) for event in events),
        len(events),
        _people(events),
        _of(events, "lesson.started"),
        _of(events, "lesson.completed"),
        _seconds(events),
    )


def _user(events: list[Event]) -> tuple[int, ...]:
    xp = sum(_number(event, "xp") for event in events)
    judged = _of(events, "submission.judged")
    return (len(events), _of(events, "lesson.completed"), judged, xp, _seconds(events))


def moment(text: str) -> datetime:
    """A moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
