"""Measuring statements: all of them have arguments, run, and use indexes."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from server.errors import DatabaseError
from server.persistence.performance import plans
from server.persistence.performance.arguments import ARGUMENTS
from server.persistence.performance.drawing import server
from server.persistence.performance.measure import Measured, measure, quantile, queries
from server.persistence.performance.report import Found, chart, markdown
from server.persistence.queries import Kind, Query
from server.persistence.seeding.plan import Plan
from tests.seeding.data import sums
from tests.support.command import Command

SLOW = "60000"  # milliseconds: these tests are not about time


def test_every_statement_has_arguments() -> None:
    """Each named statement of the school can be measured, and nothing else is listed."""
    names = {query.name for query in queries()}
    assert names - set(ARGUMENTS) == set(), "add to server/persistence/performance/arguments.py"
    assert set(ARGUMENTS) - names == set()


async def test_every_statement_runs_by_indexes_and_leaves_nothing(seeded: str) -> None:
    """None fails, none reads a large table from end to end, and nothing they did stays."""
    before = await sums(seeded)
    measured = [each async for each in measure(seeded, queries(), 7, 1)]
    assert [(each.name, each.error) for each in measured if each.error] == []
    assert [(each.name, each.scanned) for each in measured if each.scanned] == []
    assert all(each.warm and each.cold and each.shape for each in measured)
    assert await sums(seeded) == before


async def test_tells_what_is_wrong(seeded: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No index, an error, no arguments, no line: each is named."""
    statements = {
        "try.scan": ("select id from posts where body = $1", "select 'x' from drawn"),
        "try.fails": ("select 1 / (id - id) from users where id = $1", "select person from drawn"),
        "try.nobody": ("select $1::bigint", "select person from drawn where person < 0"),
    }
    for name, (_, draw) in statements.items():
        monkeypatch.setitem(ARGUMENTS, name, server(draw))
    tried = [Query(name, Kind.READ, sql) for name, (sql, _) in statements.items()]
    tried.append(Query("try.unknown", Kind.READ, "select 1"))
    scan, *failed = [each async for each in measure(seeded, tried, 1, 1)]
    assert scan.scanned == ["posts"]
    assert [each.error for each in failed] == [
        "DivisionByZeroError: division by zero",
        "no arguments are there",
        "has no line in arguments.py",
    ]


async def test_takes_a_seeded_database(database_url: str) -> None:
    """Another one has nothing that arguments could be drawn from."""
    with pytest.raises(DatabaseError, match="that `lyceum db seed` has filled"):
        await anext(measure(database_url, [], 1, 1))


async def test_command(seeded: str, tmp_path: Path) -> None:
    """It writes a report, keeps plans and compares with them; 1 if a promise is broken."""
    lyceum = Command(tmp_path, database_url=seeded)
    kept = tmp_path / "plans.json"
    command = ("db", "performance", "--only", "votes", "--samples", "2", "--plans", str(kept))
    done = await lyceum(*command, "--keep", "--promise", SLOW, "--out", str(tmp_path))
    assert (done.code, done.output.split(",")[0]) == (0, "6 statements"), done
    assert "No promise is broken." in (tmp_path / "performance.md").read_text()
    assert (tmp_path / "performance.svg").read_text().startswith("<svg")
    shapes = json.loads(kept.read_text())
    shapes["votes.post"][-1] = "Seq Scan on posts"
    kept.write_text(json.dumps(shapes))
    done = await lyceum(*command, "--promise", "0", "--json")
    told = json.loads(done.output)
    assert (done.code, len(told["broken"])) == (1, 6)
    assert list(told["changed"]) == ["votes.post"]
    assert told["changed"]["votes.post"][0] == "-Seq Scan on posts"
    done = await lyceum(*command, "--promise", SLOW)
    assert (done.code, done.output.splitlines()[0]) == (0, "votes.post has another plan:")
    complaint = (await lyceum("db", "performance", "--only", "vote")).complaint
    assert "there is no statement and no family vote; the families are " in complaint


def found(*measured: Measured) -> Found:
    """A report on these statements, with 100 ms promised."""
    plan = Plan(300, 6000, 7, datetime(2026, 1, 1, tzinfo=UTC).date(), 2)
    return Found(
        plan, "18.1", datetime(2026, 1, 2, tzinfo=UTC), 9, 0.1, measured, {"a.b": ["+Sort"]}
    )


def test_report() -> None:
    """It names what is broken and which plans changed, in words and in the chart."""
    slow = Measured("a.b", "READ", (0.2,), (0.3,), 1.0, plans.Buffers(3, 4), ("Sort",), ("posts",))
    fails = Measured("a.<c>", "READ", error="it failed")
    text = markdown(found(slow, fails), "chart.svg")
    assert (
        "- a.b: p95 200.0 ms, promised 100\n- a.b: reads all of posts\n- a.<c>: it failed" in text
    )
    assert "| `a.b` | 200.00 | 200.00 | 200.00 | 300.00 | 300.00 | 1.0 | 3 + 4 |" in text
    assert "```diff\n+Sort\n```" in text
    drawn = chart(found(slow, fails))
    assert drawn.index("a.b") < drawn.index("a.&lt;c&gt;")
    assert "Plans are as they were kept." in markdown(
        Found(*[getattr(found(), name) for name in Found.__struct_fields__[:-1]], {}), "c"
    )
    assert chart(found()).endswith("</svg>\n")


def test_quantile() -> None:
    """The time that so many don't exceed."""
    assert [quantile([3.0, 1.0, 2.0, 4.0], share) for share in (0.0, 0.5, 0.95)] == [1.0, 3.0, 4.0]
    assert quantile([], 0.5) == 0.0


def test_shape() -> None:
    """Partitions are all alike, numbers don't matter, and neither do scans of small tables."""
    scan = {"Node Type": "Index Scan", "Index Name": "xp_events_2026_01_at_idx", "Plan Rows": 7}
    other = {**scan, "Index Name": "xp_events_2026_02_at_idx", "Plan Rows": 9}
    whole = {"Node Type": "Parallel Seq Scan", "Relation Name": "user_progress_3"}
    course = {"Node Type": "Seq Scan", "Relation Name": "courses"}
    plan = {"Node Type": "Append", "Plans": [scan, other, whole, course]}
    assert plans.shape(plan) == [
        "Append",
        "  Index Scan by xp_events_at_idx",
        "  Parallel Seq Scan on user_progress",
        "  Seq Scan on courses",
    ]
    assert plans.scanned(plan, {"user_progress_3": 5.0, "courses": 5.0}, 5.0) == ["user_progress"]
    assert plans.scanned(plan, {"user_progress_3": 4.0}, 5.0) == []
    assert plans.differences(["a", "b"], ["a", "c"]) == ["-b", "+c"]
