"""Writes docs/benchmarks.md and its charts from the results of a benchmark."""

from collections.abc import Iterator
from pathlib import Path

from loadtests.bench.catalogue import catalogue
from loadtests.bench.goals import OURS, Goal, goals
from loadtests.bench.plots import Panel, svg
from loadtests.bench.results import MEASURES, Measure, Results, Value

INTRODUCTION = """\
# Benchmarks

Lyceum and servers of its kind on the same machine, side by side: `make bench`. Written by
`python -m loadtests.bench report`; the text between the figures is in `loadtests/bench/report.py`.

Every figure is the median of the runs, with the least and the most of them in brackets. Edits are
real Yjs updates over real WebSockets; a latency runs from the moment an edit is written to a
sender's socket to the moment its marker is found in what another client's socket received. After
each run every client has to have every edit, and somebody who joins fresh has to find each of
them in the document, once: a run in which one is missing shows as failed, not as a figure.
"""
METHOD = """\
## How it is measured

- The server, with its database if it has one, is pinned to one core and the generator to another.
  CPU is that of the whole process tree (100 % is the core), memory its proportional set size.
- Lyceum runs as in production: each edit is committed to Postgres (`fsync` on), clients come with
  signed tokens, limits are on (those for one address are raised, as all clients share one).
  y-websocket-server, Hocuspocus and pycrdt-websocket keep documents in memory, without tokens;
  `hocuspocus-postgres` stores whole documents some seconds after a change.
- Peers alternate within each repeat, in an order that rotates, each run on a fresh server.
- The generator watches itself: “≥” marks figures where its own core was full or its own event
  loop late, so that the server could do more than it was asked. Only some receivers look up every
  marker; the others count them.
- *The highest rate* grows by 1.6 until p99 reaches 250 ms, then the last interval is halved.
- *Cursors*: a move counts when the receiver has it, or a newer one of the same cursor.
- *SIGKILL*: the server is started again at once, and each client tries every 100 ms or so; what
  the clients have and the server lost (all of it, without a journal) they bring back.
- *Acknowledged*: Hocuspocus says so once an edit is applied in memory, Lyceum once it is committed.
- y-websocket-server needs `@y/protocols@1.0.6-1`. pycrdt-websocket forgets clients that join while
  a session is being opened, so one client opens each session before the others come.
"""


def write_report(results: Results, path: Path) -> None:
    """Write the page, and the charts into a folder of its name beside it.

    notes.md in that folder, if there is one, is put below the goals.
    """
    charts = path.with_suffix("")
    charts.mkdir(parents=True, exist_ok=True)
    titles = {name: scenario.title for name, scenario in catalogue().items()}
    lines = [INTRODUCTION]
    if results.about["scale"] != "full":
        lines.append("**This was a small run: it judges correctness; its figures say nothing.**\n")
    lines += [*_summary(results), *_goals(results, titles)]
    notes = charts / "notes.md"
    if notes.exists():  # written by people: what was missed and why, with profiles
        lines.append(notes.read_text())
    for scenario in results.scenarios:
        chart = charts / f"{scenario}.svg"
        chart.write_text(svg(titles[scenario], _panels(results, scenario), OURS))
        lines += [
            f"## {titles[scenario]}\n",
            f"![{titles[scenario]}]({charts.name}/{chart.name})\n",
        ]
        lines += _table(results, scenario)
        lines += _failures(results, scenario)
    lines += [METHOD, *_machine(results)]
    path.write_text("\n".join(lines))


def _summary(results: Results) -> Iterator[str]:
    yield "| | " + " | ".join(results.peers) + " |"
    yield "|---|" + "---|" * len(results.peers)
    titles = {name: scenario.title for name, scenario in catalogue().items()}
    for scenario in results.scenarios:
        measures = MEASURES[scenario]
        cells = [
            " / ".join(_short(results, scenario, peer, measure) for measure in measures)
            if results.runs(scenario, peer)
            else "–"
            for peer in results.peers
        ]
        labels = " / ".join(f"{one.label}{', ' + one.unit if one.unit else ''}" for one in measures)
        yield f"| {titles[scenario]}: {labels} | " + " | ".join(cells) + " |"
    yield ""


def _goals(results: Results, titles: dict[str, str]) -> Iterator[str]:
    found = goals(results)
    if not found:
        return
    yield "## Goals\n"
    yield "| | goal | wanted | reached | |\n|---|---|---|---|---|"
    for goal in found:
        sign = "≥" if goal.at_least else "≤"
        yield (
            f"| {titles[goal.scenario]} | {goal.what} | {sign} {_figure(goal.wanted)} {goal.unit} |"
            f" {_figure(goal.reached)} {goal.unit} | {'met' if goal.met else '**missed**'} |"
        )
    yield ""
    yield from _behind([goal for goal in found if not goal.met], titles)


def _behind(missed: list[Goal], titles: dict[str, str]) -> Iterator[str]:
    yield "### Where we are behind\n"
    if not missed:
        yield "Nowhere, by these goals.\n"
    for goal in missed:
        times = goal.reached / goal.wanted if goal.wanted else 0.0
        yield f"- {titles[goal.scenario]}: {goal.what}; we are at {times:.2f} of what is wanted."
    yield ""


def _panels(results: Results, scenario: str) -> list[Panel]:
    peers = [peer for peer in results.peers if results.runs(scenario, peer)]
    return [
        Panel(
            f"{measure.label}{', ' + measure.unit if measure.unit else ''}",
            [_bar(results, scenario, peer, measure) for peer in peers],
        )
        for measure in MEASURES[scenario]
    ]


def _bar(
    results: Results, scenario: str, peer: str, measure: Measure
) -> tuple[str, Value | None, str]:
    shown = _short(results, scenario, peer, measure)
    return peer, _scaled(results, scenario, peer, measure), shown


def _table(results: Results, scenario: str) -> Iterator[str]:
    measures = MEASURES[scenario]
    yield (
        "| | "
        + " | ".join(f"{one.label} {one.unit}".strip() for one in measures)
        + (" | generator's core | other load |")
    )
    yield "|---|" + "---|" * (len(measures) + 2)
    for peer in results.peers:
        if not results.runs(scenario, peer):
            continue
        cells = [_spread(results, scenario, peer, measure) for measure in measures]
        own = results.number(scenario, peer, "generator_cpu")
        cells.append("–" if own is None else f"{own:.0%}")
        cells.append(f"{max(run['others_cpu'] for run in results.runs(scenario, peer)):.0%}")
        yield f"| {peer} | " + " | ".join(cells) + " |"
    yield ""


def _failures(results: Results, scenario: str) -> Iterator[str]:
    for peer in results.peers:
        errors = results.errors(scenario, peer)
        if errors:
            runs = len(results.runs(scenario, peer))
            yield f"{peer} failed {len(errors)} of {runs} runs: `{errors[0]}`\n"


def _scaled(results: Results, scenario: str, peer: str, measure: Measure) -> Value | None:
    value, factor = results.value(scenario, peer, measure.name), measure.factor
    if value is None:
        return None
    return Value(value.median * factor, value.least * factor, value.most * factor)


def _short(results: Results, scenario: str, peer: str, measure: Measure) -> str:
    value = _scaled(results, scenario, peer, measure)
    if value is None:
        return "failed"
    rate = measure.name == "highest_rate"
    mark = "≥ " if rate and results.limited(scenario, peer) else ""
    return mark + _figure(value.median)


def _spread(results: Results, scenario: str, peer: str, measure: Measure) -> str:
    value = _scaled(results, scenario, peer, measure)
    short = _short(results, scenario, peer, measure)
    if value is None:
        return short
    return f"{short} ({_figure(value.least)}–{_figure(value.most)})"


def _figure(number: float) -> str:
    """Two or three digits that count."""
    if abs(number) >= 100:
        return f"{number:,.0f}"
    return f"{number:.2g}" if abs(number) < 10 else f"{number:.1f}"


def _machine(results: Results) -> Iterator[str]:
    about = results.about
    yield "## Machine and command\n"
    for name, value in about["machine"].items():
        yield f"- {name}: {value}"
    runs, seconds, processes = about["repeats"], about["seconds"], about["generators"]
    yield f"- {runs} runs of {seconds:g} s each; generator processes: {processes}"
    yield f"\n```sh\n{about['command']}\n```\n"
