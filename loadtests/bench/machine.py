"""The machine that was measured on, and what it lets one process do."""

import math
import platform
import resource
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

OTHER_FILES = 1_000  # that a process with many sockets may have open besides


def raise_file_limit() -> int:
    """As many open files as the system allows, for us and for the servers; returns how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def processes_for(connections: int) -> int:
    """How many processes it takes to have so many sockets open."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return math.ceil(connections / max(1, hard - OTHER_FILES))


def machine() -> dict[str, str]:
    """What a reader needs to judge the figures."""
    return {
        "processor": _field("/proc/cpuinfo", "model name"),
        "cores": str(len(list(Path("/sys/devices/system/cpu").glob("cpu[0-9]*")))),
        "memory": f"{int(_field('/proc/meminfo', 'MemTotal').split()[0]) / 2**20:.0f} GiB",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "node": _output("node", "--version"),
        "lyceum": metadata.version("lyceum"),
        "pycrdt": metadata.version("pycrdt"),
        "open files": str(resource.getrlimit(resource.RLIMIT_NOFILE)[1]),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return "none"
