"""What processes cost, from /proc: CPU and memory of whole trees, and of all others."""

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

TICKS = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")
DATABASE = "postgres"  # what the kernel calls a database's processes


class Amount(NamedTuple):
    """What trees used or hold, and what of that is their databases'."""

    all: float
    database: float

    @property
    def own(self) -> float:
        """The rest."""
        return self.all - self.database


def pin(cores: Iterable[int]) -> None:
    """Keep this process, and what it starts from now on, on these cores; none: anywhere."""
    if wanted := set(cores):
        with suppress(OSError):
            os.sched_setaffinity(0, wanted)


def tree(roots: Iterable[int]) -> set[int]:
    """Processes and all that descend from them."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdecimal():
            with suppress(OSError, IndexError):
                fields = _stat(int(entry.name))
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found: set[int] = set()
    todo = list(roots)
    while todo:
        pid = todo.pop()
        found.add(pid)
        todo += children.get(pid, [])
    return found


def cpu_seconds(roots: Iterable[int]) -> Amount:
    """CPU time that trees have used; what ended in them counts once its parent has waited."""
    found = {True: 0, False: 0}
    for pid in tree(roots):
        with suppress(OSError, IndexError):
            ticks = sum(int(field) for field in _stat(pid)[11:15])
            found[_is_database(pid)] += ticks
    return Amount((found[True] + found[False]) / TICKS, found[True] / TICKS)


def memory(roots: Iterable[int]) -> Amount:
    """Bytes that trees hold: proportional set size, in which a shared page counts once."""
    found = {True: 0, False: 0}
    for pid in tree(roots):
        with suppress(OSError):
            for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    found[_is_database(pid)] += int(line.split()[1]) * 1024
    return Amount(found[True] + found[False], found[True])


def machine_seconds() -> float:
    """CPU time of everything on this machine, and what its hypervisor took from it."""
    fields = (PROC / "stat").read_text().splitlines()[0].split()[1:]
    user, nice, system, _idle, _iowait, irq, softirq, stolen, *_ = map(int, fields)
    return (user + nice + system + irq + softirq + stolen) / TICKS


def end_tree(root: int) -> None:
    """Kill what is left of a tree of ours."""
    for pid in tree([root]):
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def _is_database(pid: int) -> bool:
    return (PROC / str(pid) / "comm").read_text().strip() == DATABASE


def _stat(pid: int) -> list[str]:
    """The fields of a process's stat from the third, its state, on."""
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
