"""How statements are carried out, each by the role that it is for."""

import json
from collections.abc import Collection, Iterator, Mapping
from types import ModuleType
from typing import Any, NamedTuple

import asyncpg

from server.persistence.queries import Query
from server.persistence.types import Connection


class Tried(NamedTuple):
    """A statement, as whom it runs, and what for."""

    role: str
    arguments: tuple[str, ...]


class Area(NamedTuple):
    """Modules, what each of their statements is tried with, and in what.

    fill: makes so many rows that reading a whole table is no good plan. few: tables of which a
    school has so few rows that it is one.
    """

    name: str
    modules: Collection[ModuleType]
    arguments: Mapping[Query, Tried]
    fill: str
    few: Collection[str]

    def __str__(self) -> str:
        return self.name


def app(*arguments: str) -> Tried:
    """A person's."""
    return Tried("lyceum_app", arguments)


def server(*arguments: str) -> Tried:
    """The server's."""
    return Tried("lyceum_server", arguments)


def staff(*arguments: str) -> Tried:
    """The staff's."""
    return Tried("lyceum_staff", arguments)


def scans(plan: dict[str, Any]) -> Iterator[str]:
    """The tables that a plan reads from end to end; a month without any row costs nothing."""
    if plan["Node Type"] == "Seq Scan" and plan["Total Cost"] > 0:
        yield plan["Relation Name"]
    for part in plan.get("Plans", []):
        yield from scans(part)


async def plan_of(full: Connection, query: Query, tried: Tried, mode: str) -> dict[str, Any]:
    """How a statement is carried out by its role, for somebody."""
    given = f"({', '.join(tried.arguments)})" if tried.arguments else ""
    async with full.transaction():
        await full.execute("select set_config('app.current_user_id', '7', true)")
        await full.execute(f"set local plan_cache_mode = {mode}; set local role {tried.role}")
        await full.execute(f"prepare it as {query.sql}")
        try:
            (row,) = await full.fetch(f"explain (format json) execute it{given}")
        finally:
            await _forget(full)
    return dict(json.loads(row[0])[0]["Plan"])


async def _forget(full: Connection) -> None:
    try:
        await full.execute("deallocate it")
    except asyncpg.PostgresError:
        return  # the transaction has failed, and takes it along
