"""How Postgres would run a statement whatever its parameters are; no value is in such a plan."""

import re
import secrets

from server.persistence.types import Connection

# One plan for all values. All partitions are shown, as those that are needed depends on values, and
# for none of them none is.
LIMITS = """
set local lock_timeout = '500ms';
set local statement_timeout = '3s';
set local plan_cache_mode = force_generic_plan;
set local enable_partition_pruning = off
"""
PARAMETER = re.compile(r"\$(\d+)")
MOST_CHARACTERS = 8_000


async def generic_plan(connection: Connection, sql: str, role: str | None = None) -> str:
    """The plan as text, cut where it is very long. role: as whom; None: as whoever connected.

    The statement is not run, and what its parameters were is not asked for. Raises what asyncpg
    does, as for statements that have no plan.
    """
    name = f"explained_{secrets.token_hex(4)}"  # where a pooler lends it, one may be left there
    unknown = ["null"] * max((int(number) for number in PARAMETER.findall(sql)), default=0)
    values = f" ({', '.join(unknown)})" if unknown else ""
    async with connection.transaction(readonly=True):
        await connection.execute(LIMITS)
        if role is not None:
            await connection.execute(f"set local role {role}")
        await connection.execute(f"prepare {name} as {sql}")
        rows = await connection.fetch(f"explain execute {name}{values}")
        await connection.execute(f"deallocate {name}")
    plan = "\n".join(row[0] for row in rows)
    return plan if len(plan) <= MOST_CHARACTERS else plan[:MOST_CHARACTERS] + "…"
