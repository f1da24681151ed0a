"""What was done in a session: by interval, by participant, and runs from clients without a word
for them."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import msgspec
from litestar import get, post
from litestar.params import Parameter
from msgspec import Meta, Struct

from server.domain.details import Details
from server.domain.roles import Role
from server.errors import BadRequest, Forbidden
from server.http.api.examples import NO_CONTROLS
from server.http.api.problems import problems
from server.http.api.services import Caller, Services, rate_key
from server.ids import SessionName
from server.persistence import activity
from server.protocol.messages import RunReport
from server.sessions.runs import MOST_CHARACTERS, MOST_SECONDS
from server.sessions.visitor import Visitor

MOST_INTERVALS = 5_000
LAST_HOUR = timedelta(hours=1)
Moment = Annotated[datetime, Meta(tz=True)]

From = Annotated[
    str | None,
    Parameter(
        query="from",
        schema_extra={"format": "date-time"},
        description="Since when; an hour before `to` unless it is given.",
        required=False,
    ),
]
To = Annotated[
    str | None,
    Parameter(
        query="to",
        schema_extra={"format": "date-time"},
        description="Until before when; now unless it is given.",
        required=False,
    ),
]
Seconds = Annotated[
    int, Parameter(ge=1, le=86_400, description="Length of one interval.", required=False)
]
Limit = Annotated[int, Parameter(ge=1, le=1_000, description="How many at most.", required=False)]
User = Annotated[
    str | None,
    Parameter(
        min_length=1,
        max_length=255,
        pattern=NO_CONTROLS,
        description="Only what this user did; a teacher may leave it out.",
        required=False,
    ),
]


class IntervalView(Struct, frozen=True):
    """What happened from `start` on, for so many seconds as were asked for.

    inserted, deleted: UTF-16 code units. Edits count where they began. roles: that were given.
    """

    start: datetime
    joins: int
    leaves: int
    updates: int
    inserted: int
    deleted: int
    messages: int
    runs_passed: int
    runs_failed: int
    runs_error: int
    roles: int


class ActivityView(Struct, frozen=True):
    """The activity of a session; intervals in which nothing happened are left out."""

    since: datetime
    until: datetime
    seconds: int
    intervals: list[IntervalView]


class ParticipantActivityView(Struct, frozen=True):
    """What one user did, over all stays, or a guest in one stay. guest: null for users."""

    user: str | None
    guest: str | None
    name: str
    first_at: datetime
    last_at: datetime
    joins: int
    leaves: int
    updates: int
    inserted: int
    deleted: int
    messages: int
    runs_passed: int
    runs_failed: int
    runs_error: int


class ParticipantsView(Struct, frozen=True):
    """Who did what; more: there were others, who wrote less."""

    since: datetime
    until: datetime
    participants: list[ParticipantActivityView]
    more: bool


class RunNew(Struct, frozen=True, forbid_unknown_fields=True):
    """A run of the session's code. seconds: how long it took."""

    outcome: Literal["passed", "failed", "error"]
    language: Annotated[str, Meta(max_length=MOST_CHARACTERS)] = ""
    seconds: Annotated[float, Meta(ge=0, le=MOST_SECONDS)] | None = None


@get("/sessions/{name:str}/activity", summary="Activity by interval", responses=problems())
async def read_activity(
    services: Services,
    caller: Caller,
    session_name: SessionName,
    start: From = None,
    end: To = None,
    seconds: Seconds = 60,
    user: User = None,
) -> ActivityView:
    """Takes a teacher; with `user`, that user may read it as well.

    What is not older than `LYCEUM_ACTIVITY_SECONDS` may be missing still; where replicas are read,
    `LYCEUM_REPLICA_MAX_LAG_SECONDS` more.
    """
    details = await _may_read(caller, session_name, user)
    since, until = _span(start, end)
    if (until - since) / timedelta(seconds=seconds) > MOST_INTERVALS:
        raise BadRequest(f"These are more than {MOST_INTERVALS} intervals; take longer ones.")
    found = await services.database.read(
        lambda connection: activity.by_interval(connection, details.id, since, until, seconds, user)
    )
    intervals = [IntervalView(*interval) for interval in found.value]
    return ActivityView(since, until, seconds, intervals)


@get(
    "/sessions/{name:str}/activity/participants",
    summary="Activity by participant",
    responses=problems(),
)
async def read_activity_of_participants(
    services: Services,
    caller: Caller,
    session_name: SessionName,
    start: From = None,
    end: To = None,
    limit: Limit = 100,
) -> ParticipantsView:
    """Those who wrote most come first. Takes a teacher."""
    details, _, _ = await caller.details(session_name, Role.TEACHER)
    since, until = _span(start, end)
    answer = await services.database.read(
        lambda connection: activity.summary(connection, details.id, since, until, limit + 1)
    )
    found = answer.value
    participants = [
        ParticipantActivityView(
            row.user, str(row.participant) if row.participant else None, *row[2:]
        )
        for row in found[:limit]
    ]
    return ParticipantsView(since, until, participants, len(found) > limit)


@post(
    "/sessions/{name:str}/runs",
    summary="Report a run",
    responses=problems(429),
    status_code=202,
)
async def report_run(
    services: Services, caller: Caller, session_name: SessionName, data: RunNew
) -> None:
    """Tell that the caller ran the code, as `run.report` does; whoever may read may run it."""
    details, identity, _ = await caller.details(session_name)
    run = RunReport(data.outcome, data.language, data.seconds)
    services.runs.report(details, Visitor(identity), rate_key(identity), run)


async def _may_read(caller: Caller, name: SessionName, user: str | None) -> Details:
    details, identity, role = await caller.details(name)
    own = user is not None and user == identity.user
    if role < Role.TEACHER and not own:
        raise Forbidden("That takes a teacher; others may read what they did, with `user`.")
    return details


def _span(start: str | None, end: str | None) -> tuple[datetime, datetime]:
    """The time that is asked about, in UTC; raises BadRequest."""
    try:
        until = datetime.now(UTC) if end is None else _moment(end)
        since = until - LAST_HOUR if start is None else _moment(start)
    except OverflowError:
        raise BadRequest("`from` or `to` is beyond the years 1 to 9999.") from None
    if since >= until:
        raise BadRequest("`from` has to be before `to`.")
    return since, until


def _moment(text: str) -> datetime:
    try:
        return msgspec.convert(text, Moment).astimezone(UTC)
    except msgspec.ValidationError:
        raise BadRequest(
            f"{text!r} is no moment as 2026-03-01T09:30:00Z; a + in a query is written %2B."
        ) from None


HANDLERS = [read_activity, read_activity_of_participants, report_run]
