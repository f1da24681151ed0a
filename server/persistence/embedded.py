"""The embedded Postgres: made at the first start, kept running, stopped with the server."""

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import asyncpg
import structlog

from server.errors import DatabaseError
from server.persistence import initdb, postmaster
from server.persistence.binaries import Binaries, locate
from server.persistence.data_dir import explained, in_use, locked, make_private, socket_dir
from server.persistence.postmaster import Account
from server.persistence.postmaster_log import PostmasterLog

# A journal of small commits, on a machine that does other things too.
SETTINGS = {
    "listen_addresses": "",  # no network: only who may open the socket's folder gets in
    "unix_socket_permissions": "0700",
    "port": "5432",  # a part of the socket's name
    "max_connections": "60",  # the server's pool, the commands beside it and a person with psql
    "shared_buffers": "128MB",  # open documents live in the server's memory, not here
    "fsync": "on",
    "synchronous_commit": "on",  # an acknowledgement promises that the update is on the disk
    "checkpoint_timeout": "15min",  # fewer whole-page images for rows that are written once…
    "max_wal_size": "1GB",  # …but a crash recovery that takes seconds, and little disk
    "jit": "off",  # statements run for milliseconds; compiling them takes longer
    "timezone": "UTC",  # the same days on every machine
    "log_timezone": "UTC",
    "logging_collector": "off",  # its log goes to our descriptor, which root opened if need be
    "log_destination": "stderr",
    "log_line_prefix": "%m [%p] ",
}
BACK_OFF = 0.1, 5.0  # seconds before a restart: the first time, and at most
STEADY_SECONDS = 10.0  # who lived that long starts with the first back-off again
PROGRESS_SECONDS = 2.0
LOG_CHECK_SECONDS = 60.0

log = structlog.get_logger()


class _StillInUse(DatabaseError):
    """Sessions of a postmaster that died still use the database's memory."""


class EmbeddedPostgres:
    """One Postgres cluster in a data directory, and the process that serves it.

    data_dir: made if missing; holds the cluster, its password, its log and the lock.
    binaries: a bin/ folder to use instead of the bundled one. settings: win over SETTINGS.
    Must be started in a thread that outlives it, best the main one (see `postmaster.spawn`).
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        binaries: Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._data = data_dir.absolute()
        self._cluster = self._data / "postgres"
        self._given = binaries
        self._settings = {**SETTINGS, **(settings or {})}
        self._log = PostmasterLog(self._data / "postgres.log")
        self._lock: int | None = None
        self._account: Account | None = None
        self._binaries: Binaries | None = None
        self._password = ""
        self._sockets: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._supervisor: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where asyncpg and psql connect to; known once it was started."""
        if self._sockets is None:
            raise DatabaseError("the embedded database has not been started")
        return _url(self._sockets, self._password)

    @property
    def pid(self) -> int | None:
        """The postmaster's pid, while one lives."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    @classmethod
    def running_url(cls, data_dir: Path) -> str | None:
        """The url of the database that a running server has in this directory, if one runs."""
        data = data_dir.absolute()
        with explained(data):
            if not in_use(data) or not (data / "postgres").exists():
                return None  # nobody there, or still making the database
            return _url(socket_dir(data), initdb.password(data, create=False))

    async def start(self) -> None:
        """Make the cluster if there is none, and return when it accepts connections.

        Takes as long as crash recovery does. Raises DatabaseError, and then nothing runs.
        """
        if self._lock is not None:
            raise DatabaseError(f"the embedded database in {self._data} is already started")
        with explained(self._data):
            self._data.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = locked(self._data)
        try:
            with explained(self._data):
                await self._prepare()
                await self._run()
                await self._create_database()
        except BaseException:
            await self._end()
            raise
        self._supervisor = asyncio.create_task(self._supervise(), name="embedded postgres")

    async def stop(self) -> None:
        """Stop it, all data written; may be called twice, and before a start."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait([self._supervisor])
            self._supervisor = None
        await self._end()

    async def _prepare(self) -> None:
        self._account = postmaster.account_for(self._cluster)
        new = not (self._cluster / "PG_VERSION").exists()
        self._binaries = await asyncio.to_thread(locate, self._given, self._cluster, self._account)
        initdb.clear_unfinished(self._data)
        self._password = initdb.password(self._data, create=new)
        if new:
            sync = self._settings["fsync"] == "on"
            await initdb.create(
                self._cluster, self._binaries, self._account, self._password, sync=sync
            )
        elif self._account is not None and self._cluster.stat().st_uid == 0:
            _hand_over(self._cluster, self._account)
        sockets = socket_dir(self._data)
        make_private(sockets, self._account)
        self._sockets = sockets  # ours to remove, from here on

    async def _run(self) -> None:
        """Start a postmaster and wait until it is ready, past all that is left of another."""
        began = last = time.monotonic()
        while True:
            try:
                await self._run_once()
                break
            except _StillInUse:
                if time.monotonic() - last >= PROGRESS_SECONDS:
                    last = time.monotonic()
                    log.info(
                        "waiting for sessions of a postgres that died", seconds=round(last - began)
                    )
                await asyncio.sleep(BACK_OFF[0])
        seconds = round(time.monotonic() - began, 3)
        log.info("postgres started", pid=self.pid, seconds=seconds, path=str(self._cluster))

    async def _run_once(self) -> None:
        assert self._sockets is not None
        sockets = self._sockets
        make_private(sockets, self._account)  # again: somebody may tidy up /tmp
        await postmaster.end_leftover(self._cluster, sockets)
        postmaster.clear_traces(self._cluster, sockets)
        self._process = process = self._spawn(sockets)
        began = last = time.monotonic()
        while postmaster.status(self._cluster, process.pid) != "ready":
            if process.poll() is not None:
                raise self._failure()
            if time.monotonic() - last >= PROGRESS_SECONDS:
                last = time.monotonic()
                log.info(
                    "postgres is starting", seconds=round(last - began), state=self._log.state()
                )
            await asyncio.sleep(postmaster.POLL_SECONDS)

    def _spawn(self, sockets: Path) -> subprocess.Popen[bytes]:
        assert self._binaries is not None
        settings = {
            "wal_compression": "lz4" if self._binaries.lz4 else "pglz",
            "unix_socket_directories": str(sockets),
            **self._settings,
        }
        cluster = os.open(self._cluster, os.O_RDONLY | os.O_DIRECTORY)
        output = self._log.open()
        try:
            # Its account may not be allowed to walk to the folder, but it holds it open.
            seen = self._cluster if self._account is None else Path(f"/proc/self/fd/{cluster}")
            return postmaster.spawn(
                [
                    self._binaries.folder / "postgres",
                    "-D",
                    seen,
                    *(f"--{name}={value}" for name, value in settings.items()),
                ],
                self._account,
                output=output,
                keep=[] if self._account is None else [cluster],
                at_our_death=postmaster.FAST_SHUTDOWN,
            )
        finally:
            os.close(output)
            os.close(cluster)

    def _failure(self) -> DatabaseError:
        if "pre-existing shared memory block" in self._log.since_start():
            return _StillInUse()
        assert self._process is not None
        return DatabaseError(
            f"Postgres in {self._cluster} does not start (status {self._process.returncode}):"
            f" {self._log.reason()}"
        )

    async def _create_database(self) -> None:
        assert self._sockets is not None
        url = _url(self._sockets, self._password, database="postgres")
        try:
            connection: asyncpg.Connection[Any] = await asyncpg.connect(url, timeout=30)
            try:
                if not await connection.fetchval(
                    "select true from pg_database where datname = 'lyceum'"
                ):
                    await connection.execute("create database lyceum")
            finally:
                connection.terminate()
        except asyncpg.InvalidPasswordError as error:
            raise DatabaseError(
                f"{self._data / initdb.PASSWORD} is not the password of {self._cluster}: put the"
                " right one back"
            ) from error
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise DatabaseError(f"Postgres in {self._cluster} can't be used: {error}") from error

    async def _supervise(self) -> None:
        """Start it again, for as long as it takes, whenever it dies."""
        delay, longest = BACK_OFF
        while True:
            since = time.monotonic()
            assert self._process is not None
            while not await postmaster.ended(self._process, within=LOG_CHECK_SECONDS):
                self._log.bound()
            if time.monotonic() - since >= STEADY_SECONDS:
                delay = BACK_OFF[0]
            log.error("postgres died", status=self._process.returncode, restart_seconds=delay)
            await asyncio.sleep(delay)
            delay = min(2 * delay, longest)
            try:
                await self._run()
            except Exception as error:  # whatever it is, saving must come back when it is over
                log.error("postgres does not start", reason=str(error))

    async def _end(self) -> None:
        if self._process is not None:
            await postmaster.shut_down(self._process)
            self._process = None
            log.info("postgres stopped", path=str(self._cluster))
        if self._lock is not None:
            if self._sockets is not None:
                shutil.rmtree(self._sockets, ignore_errors=True)
            os.close(self._lock)
            self._lock = None


def _url(sockets: Path, password: str, database: str = "lyceum") -> str:
    # with the port, as PGPORT in a tool's environment would win over a default
    return f"postgresql://lyceum:{password}@/{database}?host={sockets}&port=5432"


def _hand_over(cluster: Path, account: Account) -> None:
    """Give a cluster that root owns (restored from a backup) to the account that runs it."""
    for folder, folders, files in os.walk(cluster):
        for name in (".", *folders, *files):
            os.chown(os.path.join(folder, name), account.uid, account.gid, follow_symlinks=False)
