"""The command: `python -m loadtests.bench`."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import click
import uvloop

from loadtests.bench.catalogue import catalogue
from loadtests.bench.machine import machine, raise_file_limit
from loadtests.bench.peers import PEERS
from loadtests.bench.processes import pin
from loadtests.bench.report import write_report
from loadtests.bench.results import OtherMachine, Results
from loadtests.bench.runner import Plan, run


@click.group(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
def main() -> None:
    """Lyceum and servers of its kind, side by side, judged by what arrives."""


def _names(known: list[str]) -> Any:
    def read(_context: Any, _parameter: Any, value: str | None) -> list[str]:
        if not value:
            return known
        names = value.split(",")
        if unknown := set(names) - set(known):
            raise click.BadParameter(f"{', '.join(sorted(unknown))}; known: {', '.join(known)}")
        return names

    return read


@main.command("run")
@click.option("--peers", callback=_names(list(PEERS)), help="Servers, by comma [all].")
@click.option(
    "--scenarios", callback=_names(list(catalogue(False))), help="Scenarios, by comma [all]."
)
@click.option("--repeats", type=click.IntRange(1), default=3, help="Runs of each.")
@click.option("--seconds", type=click.FloatRange(0.1), default=10.0, help="To measure in each run.")
@click.option("--scale", type=click.Choice(["small", "full"]), default="full")
@click.option("--generators", type=click.IntRange(1, 32), default=1, help="Generator processes.")
@click.option("--server-core", type=int, default=0, help="Core of the server and its database.")
@click.option("--generator-cores", default="1", help="Cores of the generators, by comma.")
@click.option("--no-pinning", is_flag=True, help="Let the system choose the cores.")
@click.option(
    "--connections", type=click.IntRange(20), default=10_000, help="Of the scenario idle."
)
@click.option(
    "--document",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A Yjs update with the large document [a generated history of 260,000 operations].",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path(".make/bench/results.json"),
    help="Results so far, after every run.",
)
def run_command(
    peers: list[str],
    scenarios: list[str],
    repeats: int,
    seconds: float,
    scale: str,
    generators: int,
    server_core: int,
    generator_cores: str,
    no_pinning: bool,
    connections: int,
    document: Path | None,
    out: Path,
) -> None:
    """Measure. Ends with 1 if an edit was lost or a server failed; times are never judged."""
    raise_file_limit()
    out.parent.mkdir(parents=True, exist_ok=True)
    cores = [int(core) for core in generator_cores.split(",")]
    plan = Plan(
        peers=peers,
        scenarios=scenarios,
        repeats=repeats,
        seconds=seconds,
        small=scale == "small",
        generators=generators,
        server_cores=[] if no_pinning else [server_core],
        generator_cores=[] if no_pinning else cores,
        document=document,
        connections=connections,
    )
    results: dict[str, Any] = {
        "command": "python -m loadtests.bench " + " ".join(sys.argv[1:]),
        "machine": machine(),
        "seconds": seconds,
        "repeats": repeats,
        "scale": scale,
        "generators": generators,
        "pinned": not no_pinning,
        "runs": [],
    }

    def keep(result: dict[str, Any]) -> None:
        results["runs"].append(result)
        out.write_text(json.dumps(results, indent=1))

    if not no_pinning:
        pin(cores[:1])
    try:
        uvloop.run(run(plan, click.echo, keep))
    except (KeyboardInterrupt, asyncio.CancelledError):
        click.echo("interrupted; what was measured is kept", err=True)
        sys.exit(130)
    if any(result["error"] for result in results["runs"]):
        sys.exit(1)


@main.command()
@click.argument(
    "results",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option(
    "-o",
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("docs/benchmarks.md"),
    help="The page; charts go into a folder of its name, whose notes.md says where we are behind.",
)
def report(results: tuple[Path, ...], out: Path) -> None:
    """Write the page about one or more files of results of the same machine."""
    try:
        write_report(Results.read(*results), out)
    except OtherMachine as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"wrote {out}")
