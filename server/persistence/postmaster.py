"""Postgres as a process: as whom it runs, how it is started, found and ended."""

import asyncio
import ctypes
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from server.errors import DatabaseError

# The server's environment holds its secrets, and PG… variables that mean other databases.
ENVIRONMENT = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
FAST_SHUTDOWN = signal.SIGINT
IMMEDIATE_SHUTDOWN = signal.SIGQUIT
# For the last checkpoint of a busy database on a slow disk. No longer: Postgres 18 never ends a
# fast shutdown that comes while it recovers from a backend's crash; its log makes it whole.
FAST_SECONDS = 20.0
LEFTOVER_SECONDS = 4.0  # the same, while a start waits for it
IMMEDIATE_SECONDS = 30.0
POLL_SECONDS = 0.05
PR_SET_PDEATHSIG = 1  # linux/prctl.h

log = structlog.get_logger()
libc = ctypes.CDLL(None, use_errno=True)
prctl = libc.prctl  # found now: a child may not look, as another thread may have held the linker


@dataclass(frozen=True)
class Account:
    """A user of this machine."""

    uid: int
    gid: int

    @property
    def name(self) -> str:
        """The user's name, or its number if it has none."""
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return str(self.uid)


def account_for(cluster: Path) -> Account | None:
    """As whom Postgres runs: as we do (None), but never as root, which it refuses.

    Under root it is the cluster's owner, and for a new cluster `postgres` or else `nobody`.
    """
    owner = cluster.stat() if cluster.exists() else None
    if os.geteuid() != 0:
        if owner and owner.st_uid != os.geteuid():
            name = Account(owner.st_uid, owner.st_gid).name
            raise DatabaseError(f"{cluster} belongs to user {name}; run as that user or as root")
        return None
    if owner and owner.st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(user.pw_uid, user.pw_gid)
    raise DatabaseError(
        "Postgres can't run as root, and there is no user postgres or nobody; run the server as"
        " another user, or set LYCEUM_DATABASE_URL"
    )


def spawn(
    arguments: Sequence[str | Path],
    account: Account | None,
    *,
    output: int,
    keep: Sequence[int],
    at_our_death: signal.Signals,
) -> subprocess.Popen[bytes]:
    """Start a program that ends with us: the kernel sends it `at_our_death` when we are gone.

    Must run in a thread that lives as long as the process, since the kernel watches the thread.
    output: the descriptor for all that it writes. keep: descriptors it inherits.
    """
    us = os.getpid()
    death_signal = int(at_our_death)

    # After the change of user, which would clear it. In the child, where coverage sees nothing.
    def end_with_us() -> None:  # pragma: no cover
        prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != us:
            os._exit(1)  # we died before the kernel knew

    return subprocess.Popen(  # noqa: S603 - our own binaries, no input from anybody
        [os.fspath(argument) for argument in arguments],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd="/",
        env=ENVIRONMENT,
        umask=0o077,
        pass_fds=keep,
        user=None if account is None else account.uid,
        group=None if account is None else account.gid,
        extra_groups=None if account is None else [],
        start_new_session=True,  # Ctrl-C in a terminal must not stop it under the server
        preexec_fn=end_with_us,
    )


async def ended(process: subprocess.Popen[bytes], within: float | None = None) -> bool:
    """Whether a process ended within so many seconds; None waits for as long as it lives.

    It polls: that works with every event loop and kernel, and leaves the forking to `spawn`.
    """
    deadline = None if within is None else time.monotonic() + within
    while process.poll() is None:
        if deadline is not None and time.monotonic() >= deadline:
            return False
        await asyncio.sleep(POLL_SECONDS)
    return True


async def shut_down(postmaster: subprocess.Popen[bytes]) -> None:
    """End a postmaster of ours: fast (sessions cut, all data written), at last by force."""
    try:
        postmaster.send_signal(FAST_SHUTDOWN)
        if await ended(postmaster, within=FAST_SECONDS):
            return
        log.warning("postgres does not stop, stopping it at once", pid=postmaster.pid)
        postmaster.send_signal(IMMEDIATE_SHUTDOWN)
        if await ended(postmaster, within=IMMEDIATE_SECONDS):
            return
        log.error("postgres does not stop, killing it", pid=postmaster.pid)
        postmaster.kill()
        await ended(postmaster)
    except asyncio.CancelledError:
        postmaster.send_signal(IMMEDIATE_SHUTDOWN)  # nobody waits any more; its log makes it whole
        raise


def status(cluster: Path, pid: int) -> str:
    """What a postmaster says of itself in its pid file: `starting`, `ready`, …, or nothing yet."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return ""
    # the 8th line, says miscadmin.h; the first is whose it is
    return lines[7].strip() if len(lines) > 7 and lines[0] == str(pid) else ""


def leftover(cluster: Path, socket_dir: Path) -> int | None:
    """The pid of a living postmaster that an earlier server left on this cluster."""
    pid = _recorded_pid(cluster)
    return pid if pid is not None and _is_postmaster(pid, cluster, socket_dir) else None


async def end_leftover(cluster: Path, socket_dir: Path) -> None:
    """Have a leftover postmaster stop, and wait for it; call only while holding the lock."""
    began = time.monotonic()
    told = -2.0
    while (pid := leftover(cluster, socket_dir)) is not None:
        waited = time.monotonic() - began
        if waited >= told + 2:
            told = waited
            log.info("stopping the postgres of an earlier server", pid=pid, seconds=round(waited))
            with suppress(ProcessLookupError):
                os.kill(pid, FAST_SHUTDOWN if waited < LEFTOVER_SECONDS else IMMEDIATE_SHUTDOWN)
        await asyncio.sleep(POLL_SECONDS)


def clear_traces(cluster: Path, socket_dir: Path) -> None:
    """Remove what would hinder a start though no postmaster lives; call after `end_leftover`.

    socket_dir: one that is known to be private (see `data_dir.make_private`).

    Postgres itself copes with a postmaster.pid whose process is gone. It gives up on an empty
    one, and on one whose number went to another process meanwhile (usual in containers). Should
    sessions of the dead postmaster still be there, Postgres sees that in the shared memory.
    """
    pid_file = cluster / "postmaster.pid"
    if pid_file.exists():
        pid = _recorded_pid(cluster)
        if pid is None or Path("/proc", str(pid)).exists():
            log.warning("removing a stale postmaster.pid", pid=pid)
            pid_file.unlink(missing_ok=True)
    for name in (".s.PGSQL.5432", ".s.PGSQL.5432.lock"):
        (socket_dir / name).unlink(missing_ok=True)


def _recorded_pid(cluster: Path) -> int | None:
    try:
        return int((cluster / "postmaster.pid").read_text().partition("\n")[0])
    except (FileNotFoundError, ValueError):
        return None


def _is_postmaster(pid: int, cluster: Path, socket_dir: Path) -> bool:
    process = Path("/proc", str(pid))
    try:
        arguments = (process / "cmdline").read_bytes().split(b"\0")
        if not arguments[0].endswith(b"postgres"):
            return False
        # The arguments are open to all; the folder, in a container, not even to root. The folder
        # also tells when the data directory was renamed meanwhile.
        named = any(argument.endswith(os.fsencode(socket_dir)) for argument in arguments)
        return named or (process / "cwd").samefile(cluster)
    except OSError:
        return False
