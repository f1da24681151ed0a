"""Writes docs/benchmarks.md and its charts from the results of a benchmark."""

import math
import re
from collections.abc import Iterator
from pathlib import Path

from loadtests.bench import prose
from loadtests.bench.catalogue import catalogue
from loadtests.bench.goals import OURS, Goal, goals
from loadtests.bench.installed import versions
from loadtests.bench.plots import Bar, Panel, svg
from loadtests.bench.results import MEASURES, Measure, Results, Value

LOCAL_PATH = re.compile(r"(?<![\w.])/(?:[^\s/]+/)+")  # of an absolute path, all but the name
TITLES = {name: scenario.title for name, scenario in catalogue().items()}


def write_report(results: Results, path: Path) -> None:
    """Write the page, and the charts into a folder of its name beside it.

    notes.md in that folder, if there is one, is put below the goals: why some were missed.
    """
    charts = path.with_suffix("")
    charts.mkdir(parents=True, exist_ok=True)
    notes = charts / "notes.md"
    lines = [prose.INTRODUCTION]
    if results.small:
        lines.append(prose.SMALL)
    lines += [*_compared(results), *_in_short(results), *_goals(results)]
    if notes.exists():  # written by people
        lines += ["### Where we are behind, and why\n", notes.read_text()]
    for scenario in results.scenarios:
        chart = charts / f"{scenario}.svg"
        chart.write_text(svg(TITLES[scenario], list(_panels(results, scenario)), OURS))
        lines += [
            f"## {TITLES[scenario]}\n",
            f"{prose.ABOUT[scenario]}\n",
            f"![{TITLES[scenario]}]({charts.name}/{chart.name})\n",
            *_table(results, scenario),
            *_failures(results, scenario),
        ]
    lines += [prose.METHOD, *_machine(results)]
    path.write_text("\n".join(lines).rstrip() + "\n")


def _compared(results: Results) -> Iterator[str]:
    known = versions() | {OURS: results.machine["lyceum"]}
    yield "| | version | what is on |\n|---|---|---|"
    for peer in results.peers:
        name, what = prose.WHAT[peer]
        yield f"| {name} | {known[peer]} | {what} |"
    yield ""


def _in_short(results: Results) -> Iterator[str]:
    """What tells most, the best of each row in bold."""
    yield "## In short\n"
    yield "| | " + " | ".join(results.peers) + " |"
    yield "|---|" + "---|" * len(results.peers)
    for scenario in results.scenarios:
        for measure in (one for one in MEASURES[scenario] if one.telling):
            numbers = [
                (number if measure.more else -number)
                for peer in results.peers
                if (number := results.number(scenario, peer, measure.name)) is not None
            ]
            cells = [
                _cell(results, scenario, peer, measure, best=max(numbers, default=math.nan))
                for peer in results.peers
            ]
            yield f"| {TITLES[scenario]}: {measure.label} | " + " | ".join(cells) + " |"
    yield ""


def _cell(results: Results, scenario: str, peer: str, measure: Measure, best: float) -> str:
    if not results.runs(scenario, peer):
        return "–"
    short = _short(results, scenario, peer, measure)
    number = results.number(scenario, peer, measure.name)
    return f"**{short}**" if number is not None and abs(number) == abs(best) else short


def _goals(results: Results) -> Iterator[str]:
    found = goals(results)
    if not found:
        return
    met = sum(goal.met for goal in found)
    yield f"## Goals: {met} of {len(found)} met\n"
    yield "| | goal | wanted | reached | |\n|---|---|---|---|---|"
    for goal in found:
        sign = "≥" if goal.at_least else "≤"
        yield (
            f"| {TITLES[goal.scenario]} | {goal.what} | {sign} {_figure(goal.wanted, goal.unit)} |"
            f" {_figure(goal.reached, goal.unit)} | {_verdict(goal)} |"
        )
    yield ""


def _verdict(goal: Goal) -> str:
    if goal.met:
        return "met"
    return "**failed**" if math.isnan(goal.reached) else f"**missed**, {goal.off:.2g} ×"


def _panels(results: Results, scenario: str) -> Iterator[Panel]:
    for measure in MEASURES[scenario]:
        bars = [
            _bar(results, scenario, peer, measure)
            for peer in results.peers
            if results.runs(scenario, peer)
        ]
        yield Panel(measure.label + (" (more is better)" if measure.more else ""), bars)


def _bar(results: Results, scenario: str, peer: str, measure: Measure) -> Bar:
    value = _scaled(results, scenario, peer, measure)
    label = _short(results, scenario, peer, measure)
    part = _part(results, scenario, peer, measure)
    if part:
        label += f", {_figure(part, measure.unit)} of it Postgres"
    return Bar(peer, value, label, part)


def _table(results: Results, scenario: str) -> Iterator[str]:
    measures = MEASURES[scenario]
    labels = [one.label for one in measures]
    yield "| | " + " | ".join([*labels, "generator's core", "other load"]) + " |"
    yield "|---|" + "---|" * (len(measures) + 2)
    for peer in results.peers:
        runs = results.runs(scenario, peer)
        if not runs:
            continue
        cells = [_spread(results, scenario, peer, measure) for measure in measures]
        own = results.number(scenario, peer, "generator_cpu")
        cells.append("–" if own is None else f"{own:.0%}")
        cells.append(f"{max(run['others_cpu'] for run in runs):.0%}")
        yield f"| {peer} | " + " | ".join(cells) + " |"
    yield ""


def _failures(results: Results, scenario: str) -> Iterator[str]:
    for peer in results.peers:
        errors = results.errors(scenario, peer)
        if errors:
            runs = len(results.runs(scenario, peer))
            yield f"{peer} failed {len(errors)} of {runs} runs: `{errors[0]}`\n"


def _scaled(results: Results, scenario: str, peer: str, measure: Measure) -> Value | None:
    value = results.value(scenario, peer, measure.name)
    return value.times(measure.factor) if value else None


def _part(results: Results, scenario: str, peer: str, measure: Measure) -> float:
    found = results.number(scenario, peer, measure.part) if measure.part else None
    return (found or 0.0) * measure.factor


def _short(results: Results, scenario: str, peer: str, measure: Measure) -> str:
    value = _scaled(results, scenario, peer, measure)
    if value is None:
        return "failed"
    mark = ""
    if results.limited(scenario, peer):
        mark = {"highest_rate": "≥ ", "p50_ms": "≤ ", "p99_ms": "≤ "}.get(measure.name, "")
    return mark + _figure(value.median, measure.unit)


def _spread(results: Results, scenario: str, peer: str, measure: Measure) -> str:
    value = _scaled(results, scenario, peer, measure)
    text = _short(results, scenario, peer, measure)
    if value is None:
        return text
    if value.most > value.least:
        edges = (_figure(edge, measure.unit) for edge in (value.least, value.most))
        text += f" ({' – '.join(edges)})"
    part = _part(results, scenario, peer, measure)
    return text + (f"; Postgres {_figure(part, measure.unit)}" if part else "")


def _figure(number: float, unit: str) -> str:
    """Two or three digits that count, and the unit."""
    if math.isnan(number):
        return "–"
    if unit == "ms" and abs(number) >= 1000:
        number, unit = number / 1000, "s"
    if abs(number) >= 100:
        digits = f"{number:,.0f}"
    else:
        digits = f"{number:.2g}" if abs(number) < 10 else f"{number:.1f}"
    return f"{digits} {unit}".rstrip()


def _machine(results: Results) -> Iterator[str]:
    yield "## Machine and commands\n"
    for name, value in results.machine.items():
        yield f"- {name}: {value}"
    yield "\nWith Node.js and Python on such a machine, and nothing else running on it:\n\n```sh"
    yield "make dev"
    for file in results.files:
        yield f".venv/bin/{LOCAL_PATH.sub('', file['command'])}"
    yield ".venv/bin/python -m loadtests.bench report RESULTS.json … # writes this page"
    yield "```\n"
    for file in results.files:
        yield f"- {_told(file)}"


def _told(file: dict[str, object]) -> str:
    generators, pinned = file["generators"], "pinned" if file["pinned"] else "not pinned"
    runs = "1 run" if file["repeats"] == 1 else f"{file['repeats']} runs"
    return (
        f"{runs} of {file['seconds']:g} s of each scenario, {pinned}, "
        f"generator processes: {generators}"
    )
