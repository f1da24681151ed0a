"""Recommendations: what a plain model says, by bounded work, and nothing that was dismissed."""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.errors import NotFound
from server.ids import UserId
from server.persistence.school import recommendations
from server.persistence.school.recommendations import (
    DONE,
    MOST,
    PEOPLE,
    mine,
    recompute_recommendations,
)
from server.persistence.types import Connection
from tests.access.people import undone
from tests.school.campus import Campus

COURSES, LEARNERS = 6, 5
taken = st.lists(
    st.tuples(
        st.integers(0, LEARNERS - 1),
        st.integers(0, COURSES - 1),
        st.sampled_from(["ACTIVE", "COMPLETED", "COMPLETED", "DROPPED"]),
    ),
    max_size=14,
    unique_by=lambda each: each[:2],
)
# Of a course only those before it can be needed, so that there is no circle.
needs = st.sets(
    st.tuples(st.integers(1, COURSES - 1), st.integers(0, COURSES - 2)).filter(
        lambda pair: pair[1] < pair[0]
    ),
    max_size=4,
)
ENROL = """
insert into enrollments (user_id, course_id, status, enrolled_at, completed_at)
values ($1, $2, $3, now() - interval '1 day' + $4 * interval '1 minute',
    case when $3 = 'COMPLETED' then now() end)
"""
FEW = 2  # that somebody is recommended here, fewer than there often are
TAKE = "insert into enrollments (user_id, course_id) values ($1, $2)"
AGO = "update course_sequels set computed_at = now() - interval '1 day'"
FOUND = "select course_id, score, reason from recommendations where user_id = $1"
Taken = Sequence[tuple[int, int, str]]


def expected(
    who: int, took: Taken, needed: set[tuple[int, int]], dismissed: set[int]
) -> dict[int, tuple[float, str]]:
    """What somebody is recommended, by Python alone."""
    order = [(person, course) for person, course, _ in took]
    status = {course: how for person, course, how in took if person == who}
    done = {course for course, how in status.items() if how == "COMPLETED"}
    unlikely: dict[int, float] = {}
    for course in (course for course, how in status.items() if how != "DROPPED"):
        later: dict[int, set[int]] = {}
        for at, (person, first) in enumerate(order):
            if first == course:
                later[person] = {next for other, next in order[at + 1 :] if other == person}
        went_on = [courses for courses in later.values() if courses]
        for sequel in set().union(*went_on):
            share = sum(sequel in courses for courses in went_on) / len(went_on)
            unlikely[sequel] = unlikely.get(sequel, 1.0) * (1 - min(share, 0.9))
    takers = {course: sum(each == course for _, each in order) for course in range(COURSES)}
    found: dict[int, tuple[float, str]] = {}
    for course in range(COURSES):
        prerequisites = {need for of, need in needed if of == course}
        if course in status or course in dismissed or not prerequisites <= done:
            continue
        likely = 1 - unlikely.get(course, 1.0)
        options = [(0.9 * likely, "SIMILAR")] if course in unlikely else []
        if prerequisites:
            options.append((0.5 + 0.5 * likely, "PREREQUISITE"))
        if takers[course]:
            options.append((0.1 * takers[course] / max(takers.values()), "POPULAR"))
        if options:
            found[course] = max(options)
    return found


@given(took=taken, needed=needs, dismissed=st.sets(st.integers(0, COURSES - 1), max_size=2))
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_recommendations_agree_with_a_model(
    campus: Campus,
    took: Taken,
    needed: set[tuple[int, int]],
    dismissed: set[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of what learners took in which order, what courses need and what was dismissed, the best."""
    monkeypatch.setattr(recommendations, "MOST", FEW)
    db = campus.superuser
    async with undone(db):
        await db.execute("delete from recommendations_due; delete from courses")
        courses = [await campus.course(status="PUBLISHED") for _ in range(COURSES)]
        people = [await campus.person() for _ in range(LEARNERS)]
        for of, need in needed:
            await db.execute(
                "insert into course_prerequisites values ($1, $2)", courses[of], courses[need]
            )
        for at, (person, course, status) in enumerate(took):
            await db.execute(ENROL, people[person], courses[course], status, at)
        for course in dismissed:
            await db.execute(
                "insert into recommendations (user_id, course_id, score, reason, dismissed_at)"
                " values ($1, $2, 0.5, 'SIMILAR', now())",
                people[0],
                courses[course],
            )
        await db.execute("set local role lyceum_server")
        did = await recompute_recommendations(db)
        assert did == {"courses": COURSES, "people": LEARNERS}
        await db.execute("reset role")
        for number, person in enumerate(people):
            rows = await db.fetch(FOUND + " and dismissed_at is null", person)
            model = expected(number, took, needed, dismissed if number == 0 else set())
            best = sorted((score for score, _ in model.values()), reverse=True)[:FEW]
            assert sorted((row[1] for row in rows), reverse=True) == pytest.approx(best, abs=1e-5)
            for course, score, reason in rows:
                likely, why = model[courses.index(course)]
                assert score == pytest.approx(likely, abs=1e-5)
                assert reason == why


async def enrolled(campus: Campus, person: UserId, course: int) -> None:
    """Somebody takes a course."""
    await campus.server.execute(TAKE, person, course)


async def recomputed(server: Connection) -> None:
    """Everything that is due."""
    while await recompute_recommendations(server):
        continue


async def stale(campus: Campus) -> None:
    """Time has passed, and courses are to be looked at anew."""
    await campus.superuser.execute(
        "update course_sequels set computed_at = now() - interval '1 day'"
    )


async def test_what_was_dismissed_stays_away(campus: Campus) -> None:
    """Nor is anything shown that was taken since, or of somebody else."""
    ann, ben = await campus.person(), await campus.person()
    courses = [await campus.course(status="PUBLISHED") for _ in range(3)]
    for course in courses:
        await enrolled(campus, ben, course)
    await stale(campus)
    await recomputed(campus.server)

    async def shown() -> set[int]:
        async with campus.app.as_user(ann) as own:
            assert await mine(own, ben) == []
            return {each.course_id for each in await mine(own, ann)} & set(courses)

    assert await shown() == set(courses)
    async with campus.app.as_user(ann) as own:
        for _ in range(2):
            await recommendations.dismiss(own, ann, courses[0])
        with pytest.raises(NotFound):
            await recommendations.dismiss(own, ben, courses[1])
    await enrolled(campus, ann, courses[1])
    assert await shown() == {courses[2]}
    await recomputed(campus.server)
    assert await shown() == {courses[2]}


async def test_what_somebody_does_meanwhile_is_not_lost(campus: Campus) -> None:
    """Who takes a course while recommendations are computed stays due, and waits for nothing."""
    ann, course = await campus.person(), await campus.course(status="PUBLISHED")
    async with campus.server.transaction():
        due = await campus.server.fetch(PEOPLE.sql, 1000, MOST)
        assert ann in {row["user_id"] for row in due}
        await enrolled(campus, ann, course)
        await campus.server.execute(DONE.sql, *map(list, zip(*due, strict=True)))
    left = await campus.superuser.fetch("select user_id from recommendations_due")
    assert [row[0] for row in left] == [ann]


async def test_a_run_is_bounded(campus: Campus, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one run leaves the next ones do, who waited longest first."""
    monkeypatch.setattr(recommendations, "RUNS", 2)
    monkeypatch.setattr(recommendations, "COURSES", 1)
    monkeypatch.setattr(recommendations, "PEOPLE_AT_ONCE", 2)
    await recomputed(campus.server)
    await stale(campus)
    people = [await campus.person() for _ in range(5)]
    for left in (people[4:], []):
        await recompute_recommendations(campus.server)
        due = await campus.superuser.fetch("select user_id from recommendations_due")
        assert [row[0] for row in due] == left
