"""`lyceum db maintain`: background jobs, run by hand."""

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from server.cli.running import (
    check_schema,
    connected,
    fail,
    json_option,
    print_json,
    read_config,
    with_url,
)
from server.persistence import jobs, upkeep
from server.persistence.database import connect
from server.persistence.jobs import Job, Run, State, due_at
from server.persistence.school.rollups import ask_rebuild


@click.command("maintain")
@click.option("--job", "names", multiple=True, metavar="NAME", help="Run this one; repeatable.")
@click.option("--all", "everything", is_flag=True, help="Run all, due or not.")
@click.option("--list", "only_list", is_flag=True, help="Tell how they stand; run none.")
@click.option("--rebuild", is_flag=True, help="Count all learning events anew, by `rollups`.")
@json_option
def db_maintain(
    names: tuple[str, ...], everything: bool, only_list: bool, rebuild: bool, as_json: bool
) -> None:
    """Run the background jobs that are due, as servers do; exit code 1 if one fails.

    A job that a server is just running is left to it.
    """
    known = upkeep.jobs(read_config())
    if rebuild:
        names = (*names, "rollups")
    wanted = _wanted(known, names)

    async def look(url: str) -> dict[str, State]:
        async with connected(url) as connection:
            await check_schema(connection)
            return await jobs.states(connection, wanted)

    async def work(url: str) -> list[Run]:
        standing = await look(url)
        if rebuild:
            async with connected(url) as connection:
                await ask_rebuild(connection)
        forced = everything or bool(names)
        return [
            await jobs.attempt(lambda: connect(url), job, only_if_due=not forced)
            for job in wanted
            if forced or _is_due(job, standing)
        ]

    if only_list:
        _print_list(wanted, with_url(look), as_json)
        return
    runs = with_url(work, quiet=True)
    if as_json:
        print_json({"jobs": [run._asdict() for run in runs]})
    else:
        click.echo("\n".join(map(_told, runs)) or "nothing is due")
    if any(run.outcome == "failed" for run in runs):
        sys.exit(1)


def _wanted(known: Sequence[Job], names: Sequence[str]) -> list[Job]:
    unknown = set(names) - {job.name for job in known}
    if unknown:
        there = ", ".join(job.name for job in known)
        fail(f"there is no job {min(unknown)}; there are {there}")
    return [job for job in known if not names or job.name in names]


def _is_due(job: Job, standing: Mapping[str, State]) -> bool:
    state = standing[job.name]
    return due_at(job, state) <= state.now


def _told(run: Run) -> str:
    if run.outcome == "elsewhere":
        return f"{run.job}: another is at it, or has just done it"
    if run.outcome == "failed":
        return f"{run.job}: failed after {run.seconds:.1f} s: {run.error}"
    did = "; ".join(f"{kind} {_worded(what)}" for kind, what in run.did.items())
    return f"{run.job}: {did or 'nothing to do'}"


def _worded(what: Any) -> str:
    return ", ".join(map(str, what)) if isinstance(what, list | tuple) else str(what)


def _print_list(wanted: Sequence[Job], standing: Mapping[str, State], as_json: bool) -> None:
    rows = [(job, standing[job.name]) for job in wanted]
    if as_json:
        told = [
            {**state._asdict(), "every": job.every, "due_at": due_at(job, state)}
            for job, state in rows
        ]
        print_json({"jobs": told})
        return
    for job, state in rows:
        due = due_at(job, state)
        when = "due" if due <= state.now else f"due {_time(due)}"
        last = f"last done {_time(state.succeeded_at)}" if state.succeeded_at else "never done"
        line = f"{job.name}: every {job.every:g} s, {last}, {when}"
        click.echo(line + (f", failing: {state.error}" if state.failing and state.error else ""))


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
