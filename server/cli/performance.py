"""`lyceum db performance`: every named statement, measured on a seeded database."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from server.cli.running import connected, fail, json_option, print_json, with_url
from server.persistence.performance import plans
from server.persistence.performance.measure import Measured, measure, quantile, queries, seeded
from server.persistence.performance.report import Found, chart, markdown
from server.persistence.queries import Query
from server.persistence.seeding.plan import Plan

PROMISE = 100.0  # milliseconds
CHART = "performance.svg"


@click.command("performance")
@click.option("--samples", type=click.IntRange(1), default=200, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Draws the arguments.")
@click.option(
    "--promise",
    type=float,
    default=PROMISE,
    show_default=True,
    help="Milliseconds that the p95 of no statement may reach.",
)
@click.option("--only", multiple=True, metavar="NAME", help="A statement or a family; repeatable.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where performance.md and its chart go.",
)
@click.option(
    "--plans",
    "kept_plans",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Plans to compare with (JSON).",
)
@click.option("--keep", is_flag=True, help="Write the plans there instead.")
@json_option
def db_performance(
    samples: int,
    seed: int,
    promise: float,
    only: tuple[str, ...],
    out: Path | None,
    kept_plans: Path | None,
    keep: bool,
    as_json: bool,
) -> None:
    """Measure every named statement of the school on a database that `lyceum db seed` has filled.

    Nothing is changed: writes are undone. Exit code 1 if a p95 is not as promised, or if a large
    table is read from end to end; plans that are not as they were kept are only listed.
    """
    if keep and kept_plans is None:
        raise click.UsageError("--keep needs --plans")
    chosen = _chosen(only)

    async def work(url: str) -> Found:
        async with connected(url) as connection:
            plan: Plan = (await seeded(connection)).plan
            version = await connection.fetchval("show server_version")
        measured: list[Measured] = []
        async for each in measure(url, chosen, seed, samples):
            measured.append(each)
            _tell(each, len(measured), len(chosen))
        now = datetime.now(UTC)
        changed = {} if keep else _changed(measured, kept_plans)
        return Found(plan, version, now, samples, promise / 1000, measured, changed)

    found = with_url(work, quiet=True)
    if keep and kept_plans is not None:
        shapes = {each.name: each.shape for each in found.measured}
        kept_plans.write_text(json.dumps(shapes, indent=1, sort_keys=True) + "\n")
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "performance.md").write_text(markdown(found, CHART))
        (out / CHART).write_text(chart(found))
    _print(found, as_json)
    sys.exit(1 if found.broken() else 0)


def _chosen(only: tuple[str, ...]) -> list[Query]:
    """The statements of these names and families, or all."""
    there = queries()
    families = {_family(query) for query in there}
    if unknown := set(only) - families - {query.name for query in there}:
        known = ", ".join(sorted(families))
        fail(f"there is no statement and no family {min(unknown)}; the families are {known}")
    return [each for each in there if not only or each.name in only or _family(each) in only]


def _family(query: Query) -> str:
    return query.name.partition(".")[0]


def _tell(each: Measured, done: int, of: int) -> None:
    what = each.error or f"p95 {quantile(each.warm, 0.95) * 1000:.2f} ms"
    click.echo(f"{done}/{of} {each.name}: {what}", err=True)


def _changed(measured: list[Measured], kept: Path | None) -> dict[str, list[str]]:
    if kept is None:
        return {}
    before: dict[str, list[str]] = json.loads(kept.read_text())
    compared = {
        each.name: plans.differences(before.get(each.name, []), list(each.shape))
        for each in measured
        if not each.error
    }
    return {name: lines for name, lines in compared.items() if lines}


def _print(found: Found, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "statements": [_object(each) for each in found.measured],
                "broken": found.broken(),
                "changed": found.changed,
            }
        )
        return
    for name, lines in found.changed.items():
        click.echo(f"{name} has another plan:")
        for line in lines:
            click.echo(f"  {line}")
    for line in found.broken():
        click.echo(line)
    slowest = max(found.measured, key=lambda each: quantile(each.warm, 0.95), default=None)
    if slowest is not None:
        p95 = quantile(slowest.warm, 0.95) * 1000
        click.echo(
            f"{len(found.measured)} statements, the slowest {slowest.name}: p95 {p95:.1f} ms"
        )


def _object(each: Measured) -> dict[str, Any]:
    return {
        "name": each.name,
        "kind": each.kind,
        "p50": quantile(each.warm, 0.5),
        "p95": quantile(each.warm, 0.95),
        "p99": quantile(each.warm, 0.99),
        "cold": sorted(each.cold),
        "rows": each.rows,
        "hit": each.buffers.hit,
        "read": each.buffers.read,
        "scanned": list(each.scanned),
        "plan": list(each.shape),
        "error": each.error or None,
    }
