"""The tutor's day."""

from datetime import UTC, date, datetime, timedelta, timezone

from server.domain.school.tutoring import day_of, seconds_left


def test_days_are_those_of_utc() -> None:
    """Wherever somebody is; the next one begins at midnight."""
    at = datetime(2026, 12, 31, 23, 59, 30, tzinfo=UTC)
    elsewhere = at.astimezone(timezone(timedelta(hours=5)))
    assert day_of(at) == day_of(elsewhere) == date(2026, 12, 31)
    assert seconds_left(at) == seconds_left(elsewhere) == 30
    assert seconds_left(datetime(2027, 1, 1, tzinfo=UTC)) == 24 * 3600
