"""What was measured, as Markdown with a chart. Pure."""

from collections.abc import Sequence
from datetime import datetime
from html import escape

from msgspec import Struct

from server.persistence.performance.measure import Measured, quantile
from server.persistence.seeding.plan import Plan

NAMES, BARS, NUMBERS, ROW = 260, 340, 90, 20  # widths and a height of the chart
COLOUR, BROKEN, TEXT = "#8ba3b8", "#d9480f", "#6e7781"  # readable on light and on dark
GOAL = 0.010  # seconds; beside what is promised it is only told


class Found(Struct, frozen=True):
    """All that was measured on a database, and what is promised.

    promise: seconds that no statement's warm p95 may reach. changed: lines that left and came, of
    plans that are not as they were kept, by name.
    """

    plan: Plan
    postgres: str
    at: datetime
    samples: int
    promise: float
    measured: Sequence[Measured]
    changed: dict[str, list[str]]

    def broken(self) -> list[str]:
        """What was promised and is not so, a line each."""
        return [line for each in self.measured for line in self._broken(each)]

    def _broken(self, each: Measured) -> list[str]:
        lines = [f"{each.name}: {each.error}"] if each.error else []
        p95 = quantile(each.warm, 0.95)
        if p95 >= self.promise:
            lines.append(f"{each.name}: p95 {p95 * 1000:.1f} ms, promised {self.promise * 1000:g}")
        lines += [f"{each.name}: reads all of {table}" for table in each.scanned]
        return lines


def markdown(found: Found, chart: str) -> str:
    """The report; chart: the name of the picture beside it."""
    plan = found.plan
    over = sum(quantile(each.warm, 0.95) >= GOAL for each in found.measured)
    parts = [
        "# Performance",
        f"{plan.users:,} people and {plan.events:,} events (seed {plan.seed}, {plan.months} months"
        f" until {plan.until}) on PostgreSQL {found.postgres}, {found.at:%Y-%m-%d %H:%M} UTC."
        f" {len(found.measured)} statements, {found.samples} times each with other arguments, in"
        " transactions that were undone. Times are in milliseconds, with the round trip; cold is"
        " the first time on a new connection. Pages are of one run: found in memory + read.",
        f"{over} statements have a warm p95 of {GOAL * 1000:g} ms or more.",
        _list("Broken promises", found.broken(), "No promise is broken."),
        f"![p95 of each statement]({chart})",
        _table(found.measured),
        _plans(found.changed),
    ]
    return "\n\n".join(parts) + "\n"


def _list(title: str, lines: Sequence[str], none: str) -> str:
    return none if not lines else "\n".join([f"## {title}", "", *(f"- {line}" for line in lines)])


def _table(measured: Sequence[Measured]) -> str:
    lines = [
        "| statement | p50 | p95 | p99 | cold p50 | cold most | rows | pages |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for each in measured:
        times = [quantile(each.warm, share) for share in (0.5, 0.95, 0.99)]
        times += [quantile(each.cold, 0.5), max(each.cold, default=0.0)]
        cells = " | ".join(f"{seconds * 1000:.2f}" for seconds in times)
        pages = f"{each.buffers.hit:,} + {each.buffers.read:,}"
        lines.append(f"| `{each.name}` | {cells} | {each.rows:.1f} | {pages} |")
    return "\n".join(lines)


def _plans(changed: dict[str, list[str]]) -> str:
    if not changed:
        return "Plans are as they were kept."
    parts = ["## Plans that are not as they were kept"]
    for name, lines in changed.items():
        parts += [f"`{name}`", "\n".join(["```diff", *lines, "```"])]
    return "\n\n".join(parts)


def chart(found: Found) -> str:
    """The warm p95 of each statement as bars (SVG), the slowest first."""
    slowest = sorted(found.measured, key=lambda each: -quantile(each.warm, 0.95))
    longest = max((quantile(each.warm, 0.95) for each in slowest), default=0.0) or 1.0
    parts = [
        line
        for place, each in enumerate(slowest)
        for line in _bar(each.name, quantile(each.warm, 0.95), longest, place * ROW, found.promise)
    ]
    width, height = NAMES + BARS + NUMBERS, ROW * len(slowest)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
        f' height="{height}" font-family="system-ui, sans-serif" font-size="12" role="img">'
        "<title>p95 of each statement</title>"
    )
    return "\n".join([head, *parts, "</svg>"]) + "\n"


def _bar(name: str, seconds: float, longest: float, top: int, promise: float) -> list[str]:
    wide, middle = BARS * seconds / longest, top + ROW * 0.7
    colour = BROKEN if seconds >= promise else COLOUR
    return [
        f'<text x="{NAMES - 8}" y="{middle:.1f}" fill="{TEXT}" text-anchor="end">'
        f"{escape(name)}</text>",
        f'<rect x="{NAMES}" y="{top + 3}" width="{wide:.1f}" height="{ROW - 6}" fill="{colour}"/>',
        f'<text x="{NAMES + wide + 6:.1f}" y="{middle:.1f}" fill="{TEXT}">'
        f"{seconds * 1000:.2f} ms</text>",
    ]
