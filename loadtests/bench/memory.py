"""The scenario about memory: what sessions and documents take, and what they give back."""

import asyncio
import time

from loadtests.bench.herd import Sessions
from loadtests.bench.presence import KIB, SETTLE
from loadtests.bench.processes import Amount
from loadtests.bench.scenarios import Measures
from loadtests.bench.trial import Trial

CROWD = 20  # participants of a session that is shared
PIECE = 10_000  # characters of one paste
PIECES = 100  # a document: a megabyte
PASTES = 20.0  # a second in each document: within what Lyceum reads of one socket
PATIENCE = 30.0  # seconds for a server to let go of what was left
STILL = 5.0  # seconds without another low, after which nothing more is awaited
MIB = KIB * KIB


async def memory(trial: Trial, sessions: int, documents: int) -> Measures:
    """Sessions shared by many, sessions of one, documents of 1 MB; then everybody leaves.

    What a session takes is told from what a connection takes by having as many connections in
    sessions of 20 as alone.
    """
    await _open(trial, "first", trial.sessions(1, 1))
    empty = await _after_rest(trial)
    await _open(trial, "crowds", trial.sessions(sessions // CROWD, CROWD))
    crowds = (await _after_rest(trial)).own - empty.own
    await _open(trial, "alone", trial.sessions(sessions, 1))
    before = await _after_rest(trial)
    alone = before.own - crowds - empty.own
    written = trial.sessions(documents, 1)
    edits = await _write(trial, written)
    full = await _after_rest(trial)
    for group in ("crowds", "alone", "documents"):
        await trial.herd.all("close", group=group)
    left = await _lowest(trial)
    session = (alone - crowds) / (sessions - sessions // CROWD)
    return {
        "kib_session": session / KIB,
        "kib_connection": (alone / sessions - session) / KIB,
        "mib_document": (full.own - before.own) / documents / MIB,
        "full_mib": (full.own - empty.own) / MIB,
        "left_mib": (left - empty.own) / MIB,
        "database_mib": (full.database - empty.database) / MIB,
        "edits": edits,
    }


async def _open(trial: Trial, group: str, wanted: Sessions) -> None:
    await trial.herd.open(group, wanted, target=trial.server.target(), present=False)


async def _after_rest(trial: Trial) -> Amount:
    await trial.rest(SETTLE)
    return await trial.memory()


async def _write(trial: Trial, wanted: Sessions) -> int:
    """Each of the sessions gets its megabyte; how many pastes that took."""
    await _open(trial, "documents", wanted)
    seconds = PIECES / PASTES
    await trial.type("documents", wanted, PASTES * len(wanted), seconds, PIECE)
    await trial.settle("documents")
    return await trial.check_documents(wanted)


async def _lowest(trial: Trial) -> float:
    """The least that the server's own processes hold in the time that they are given."""
    began = lowered = time.perf_counter()
    lowest = (await trial.memory()).own
    while time.perf_counter() - began < PATIENCE and time.perf_counter() - lowered < STILL:
        await asyncio.sleep(0.5)
        held = (await trial.memory()).own
        if held < lowest - MIB:
            lowered = time.perf_counter()
        lowest = min(lowest, held)
    return lowest
