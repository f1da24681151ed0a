"""The machine that was measured on, and what it lets one process do."""

import platform
import resource
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path


def raise_file_limit() -> int:
    """As many open files as the system allows, for us and for the servers; returns how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def machine() -> dict[str, str]:
    """What a reader needs to judge the figures."""
    return {
        "processor": _field("/proc/cpuinfo", "model name"),
        "cores": str(len(list(Path("/sys/devices/system/cpu").glob("cpu[0-9]*")))),
        "memory": _field("/proc/meminfo", "MemTotal"),
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
