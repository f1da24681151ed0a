"""The check at the end: is everything everywhere that was typed, and all that was acknowledged?

Typing has stopped. Every user's document must become equal to what a fresh client reads, every
acknowledged mark must be in that once and in its author's order, and no edit may be left without
an acknowledgement. What is not so after `settle` seconds becomes a failure in Locust's report.
"""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence

import gevent
from gevent.pool import Pool

from loadtests.locust.replica import Replica
from loadtests.locust.report import FINAL, PEER, SAVED
from loadtests.locust.school import School
from server.domain.roles import Role

POLL = 0.05  # seconds
AT_ONCE = 20  # sessions
LEAST = 2.0  # seconds that each session has, however long others took


def finish(school: School) -> int:
    """Check, and say how many failures there were in the whole test; once."""
    if school.over:
        return school.report.failures
    school.over = True
    if school.replicas and not any(replica.marks() for replica in school.replicas):
        school.report.failed(PEER, "nobody typed anything")
    taken: dict[str, list[Replica]] = defaultdict(list)
    for replica in school.replicas:
        taken[replica.session].append(replica)
    deadline = time.perf_counter() + school.settle
    pool = Pool(AT_ONCE)
    for session, replicas in taken.items():
        pool.spawn(_check, school, session, replicas, deadline)
    pool.join(raise_error=True)
    school.close()
    return school.report.failures


def _check(school: School, session: str, replicas: list[Replica], deadline: float) -> None:
    since = time.perf_counter()
    fresh = school.sit(session, "fresh", hocuspocus=True)
    connection = school.connect([fresh], Role.VIEWER)
    deadline = max(deadline, since + LEAST)
    while time.perf_counter() < deadline:
        if fresh.synced and all(_settled(replica, fresh) for replica in replicas):
            break
        gevent.sleep(POLL)
    problems = [problem for replica in replicas for problem in _problems(replica, fresh)]
    if not fresh.synced:
        problems.append((FINAL, f"{session} could not be read"))
    for row, why in problems:
        school.report.failed(row, why)
    if not problems:
        school.report.took(FINAL, since)
    connection.close()


def _settled(replica: Replica, fresh: Replica) -> bool:
    return (
        replica.unsaved == 0
        and replica.length == fresh.length
        and replica.content() == fresh.content()
        and replica.marks() == fresh.marks()
    )


def _problems(replica: Replica, fresh: Replica) -> Iterator[tuple[str, str]]:
    """What is wrong with one participant's document: the row of the report, and why."""
    who = f"{replica.author} in {replica.session}"
    if replica.unsaved:
        yield SAVED, f"{replica.unsaved} edits of {who} were never acknowledged"
    if not fresh.synced:
        return
    there, here = fresh.marks(), replica.marks()
    own = [number for author, number in there if author == replica.author]
    if lost := sorted(set(replica.saved_marks) - set(own)):
        yield FINAL, f"acknowledged to {who}, but not there: {_some(lost)}"
    if own != sorted(set(own)):
        yield FINAL, f"edits of {who} are there twice, or out of order"
    if missing := sorted(set(there) - set(here)):
        yield PEER, f"did not arrive at {who}: {_some(missing)}"
    if unknown := sorted(set(here) - set(there)):
        yield FINAL, f"{who} has what a fresh client lacks: {_some(unknown)}"
    elif not missing and replica.content() != fresh.content():
        yield FINAL, f"the text of {who} is not what a fresh client reads"


def _some(items: Sequence[object]) -> str:
    shown = ", ".join(map(str, items[:5]))
    return shown if len(items) <= 5 else f"{shown} and {len(items) - 5} more"
