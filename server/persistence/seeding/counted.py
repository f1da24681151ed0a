"""Events and sessions counted into rollups: days, then people, on several connections at once."""

from datetime import date, timedelta

from server.persistence.school.rollup_tables import ACTIVE_ADDITION, ROLLUPS, all_chained
from server.persistence.school.rollups import ASK_HOURS, CLEAR_ACTIVE, COUNT_DAYS, FORGET
from server.persistence.seeding.plan import Plan, Step, once, ranged

# A server may have counted what came until now; with what waits forgotten, none counts it again.
# Without statistics each day would be looked for in all of its month.
BEGIN = (
    "analyze learning_analytics",
    FORGET.sql,
    *(f"delete from {rollup.table}" for rollup in ROLLUPS),  # noqa: S608
    CLEAR_ACTIVE.sql,
    ASK_HOURS.sql,
)
ACTIVE = f"with {all_chained('user_id between $1 and $2')}{ACTIVE_ADDITION}"


def steps(plan: Plan) -> list[Step]:
    """The counting, once all events are there."""
    first = plan.start.date()
    days = (plan.until - first).days

    def until(number: int) -> date:
        return first + timedelta(days=number)

    rows = max(1, plan.events) / days
    return [
        once("uncounted", *BEGIN),
        Step(
            "days",
            days,
            (COUNT_DAYS.sql,),
            lambda first, last: [(until(first - 1), until(last))],
            rows=rows,
            cost=rows * 6,
        ),
        # Rows of one person lie far apart, and without statistics none would be looked up.
        once("known days", "analyze analytics_user_daily", cost=plan.users),
        ranged("active", plan.users, ACTIVE, rows=1.0, cost=20),
    ]
