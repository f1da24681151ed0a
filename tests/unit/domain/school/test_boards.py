"""Which leaderboards points count on."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from server.domain.school.boards import ALL_TIME, boards_of, course_board, month_of, week_of

moments = st.datetimes(
    min_value=datetime(1990, 1, 1),  # noqa: DTZ001
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=14)), timezone(-timedelta(hours=12))]),
)


@given(moments)
def test_a_moment_is_within_its_week_and_its_month(moment: datetime) -> None:
    """Weeks are of seven days from a Monday, months from a first to the next, both in UTC."""
    week, month = week_of(moment), month_of(moment)
    assert week.starts_at is not None
    assert week.ends_at is not None
    assert week.starts_at <= moment < week.ends_at
    assert week.starts_at.weekday() == 0
    assert week.ends_at - week.starts_at == timedelta(days=7)
    assert month.starts_at is not None
    assert month.ends_at is not None
    assert month.starts_at <= moment < month.ends_at
    assert month.starts_at.day == month.ends_at.day == 1
    assert month.ends_at - month.starts_at <= timedelta(days=31)


def test_time_zones_change_nothing() -> None:
    """A moment belongs to the week of UTC, wherever it is told of."""
    moment = datetime(2026, 11, 30, 1, tzinfo=timezone(timedelta(hours=2)))  # Sunday in UTC
    assert week_of(moment).starts_at == datetime(2026, 11, 23, tzinfo=UTC)
    assert week_of(moment) == week_of(moment.astimezone(UTC))


def test_what_points_count_on() -> None:
    """All time, the week and the month; and the course's board if they were for a course."""
    moment = datetime(2026, 11, 26, tzinfo=UTC)
    boards = [ALL_TIME, week_of(moment), month_of(moment)]
    assert boards_of(moment, None) == boards
    assert boards_of(moment, 7) == [*boards, course_board(7)]
