"""What the questions about learning events are measured with: 30 days, or a page of a timeline."""

from server.persistence.performance.drawing import Draw, app, server

SPAN = "(select until from seeding.runs) - 30, (select until from seeding.runs)"
PAGE = "(select until from seeding.runs)::timestamptz, '00000000-0000-0000-0000-000000000000'::uuid"


def _server(columns: str) -> Draw:
    return server(f"select {columns} from drawn")  # noqa: S608


def _app(columns: str) -> Draw:
    return app(f"select {columns} from drawn")  # noqa: S608


ANALYTICS: dict[str, Draw] = {
    "events.now": _server(""),
    "reports.funnel": _server(f"course, {SPAN}"),
    "reports.course_days": _server(f"course, {SPAN}"),
    "reports.active": _server(SPAN),
    "reports.submissions": _server(f"course, {SPAN}"),
    "reports.types": _server(
        "(select until from seeding.runs)::timestamptz - interval '30 days',"
        " (select until from seeding.runs)::timestamptz"
    ),
    "reports.collaboration": _server(SPAN),
    "reports.person_days": _server(f"person, {SPAN}"),
    "reports.freshness": _server(""),
    "timeline.of_person": _server(f"person, {PAGE}, 100::bigint"),
    "timeline.own": _app(f"person, {PAGE}, 100"),
}
