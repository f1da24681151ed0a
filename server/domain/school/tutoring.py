"""How much somebody may ask of the tutor in a day, which is one of UTC."""

from datetime import UTC, date, datetime, timedelta

from msgspec import Struct


class Limits(Struct, frozen=True):
    """What one person may ask for in a day. tokens: of questions and answers together.

    What is being answered when the tokens run out is answered to its end.
    """

    requests: int = 100
    tokens: int = 500_000


class Usage(Struct, frozen=True):
    """What somebody asked for in a day."""

    day: date
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


def day_of(at: datetime) -> date:
    """The day that a moment counts for."""
    return at.astimezone(UTC).date()


def seconds_left(at: datetime) -> float:
    """How long it is until the next day."""
    midnight = datetime(*day_of(at).timetuple()[:3], tzinfo=UTC)
    return (midnight + timedelta(days=1) - at).total_seconds()
