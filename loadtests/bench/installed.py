"""Gets the peers from npm and PyPI, exactly those of the lock files, when they are needed first."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

PEERS = Path(__file__).parents[1] / "peers"
REQUIREMENTS = PEERS / "requirements.txt"


class NotInstalled(Exception):
    """What a peer needs is not there and could not be had."""


def node_modules() -> Path:
    """The folder of the Node peers, as locked."""
    if shutil.which("npm") is None:
        raise NotInstalled("Node.js is needed for the peers from npm")
    lock, mark = PEERS / "package-lock.json", PEERS / "node_modules" / ".locked"
    if not mark.exists() or mark.read_bytes() != lock.read_bytes():
        _run("npm", "ci", "--no-audit", "--no-fund", "--loglevel=error", folder=PEERS)
        shutil.copy(lock, mark)
    return PEERS / "node_modules"


def python(cache: Path) -> Path:
    """The interpreter of the Python peer's own environment, as locked."""
    environment = (cache / "pycrdt-websocket").absolute()
    interpreter, mark = environment / "bin" / "python", environment / ".locked"
    if not mark.exists() or mark.read_bytes() != REQUIREMENTS.read_bytes():
        _run(sys.executable, "-m", "venv", "--clear", str(environment), folder=PEERS)
        _run(
            str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
            "--require-hashes", "-r", str(REQUIREMENTS), folder=PEERS,
        )  # fmt: skip
        shutil.copy(REQUIREMENTS, mark)
    return interpreter


def versions() -> dict[str, str]:
    """The locked versions by peer."""
    lock = json.loads((PEERS / "package-lock.json").read_text())["packages"]
    hocuspocus = lock["node_modules/@hocuspocus/server"]["version"]
    pycrdt = re.search(r"^pycrdt-websocket==(\S+)", REQUIREMENTS.read_text(), re.MULTILINE)
    assert pycrdt is not None
    return {
        "y-websocket-server": lock["node_modules/@y/websocket-server"]["version"],
        "hocuspocus": hocuspocus,
        "hocuspocus-postgres": hocuspocus,
        "pycrdt-websocket": pycrdt[1],
    }


def _run(*command: str, folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise NotInstalled(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
