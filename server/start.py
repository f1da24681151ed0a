"""The start of a server: what has to be there first, so that nothing waits for what comes later.

Clients that come back after a crash try again after longer and longer pauses; so the port is open
at once, and they wait in its queue. The database starts while the rest of the program is imported.
"""

import asyncio
import errno
import gc
import os
import resource
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from server.config import Config
from server.errors import StartError
from server.persistence.database import Database
from server.store import database_url

BACKLOG = 4096

# Serves until the future is done; takes the database, the socket that listens, the future, and when
# the start began.
Run = Callable[[Database, socket.socket, "asyncio.Future[None]", float], Awaitable[int]]


async def serve(config: Config) -> int:
    """Run the server until a signal ends it; returns the exit code.

    Raises StartError or ConfigError, in one line, if it can't start.
    """
    started = time.monotonic()
    _check_keys(config)
    gc.disable()  # what is imported stays; the program turns it on again when it is whole
    _allow_many_sockets()
    listener = _listen(config.host, config.port)
    stopping = _stop_on_signals()
    async with AsyncExitStack() as stack:
        stack.callback(listener.close)
        ready = await _or_stopped(_prepare(stack, config), stopping)
        if ready is None:
            return 0
        run, database = ready
        return await run(database, listener, stopping, started)


def _check_keys(config: Config) -> None:
    """Complain about keys that can't be used before a database is made."""
    if config.jwks_file is not None:
        from server.sessions.keys import KeyFile  # late: it takes long, and most have no such file

        KeyFile(config.jwks_file)


async def _or_stopped(
    preparing: Coroutine[Any, Any, tuple[Run, Database]], stopping: "asyncio.Future[None]"
) -> tuple[Run, Database] | None:
    """What is prepared; None if a signal came first."""
    task = asyncio.create_task(preparing)
    ending: list[asyncio.Future[Any]] = [task, stopping]
    await asyncio.wait(ending, return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return None
    return task.result()


async def _prepare(stack: AsyncExitStack, config: Config) -> tuple[Run, Database]:
    """The program, and the database once it is up."""
    database = asyncio.create_task(_database(stack, config))
    try:
        return await asyncio.to_thread(_program, config), await database
    finally:
        database.cancel()
        await asyncio.gather(database, return_exceptions=True)


def _program(config: Config) -> Run:
    # late, and in a thread: it takes most of a second, in which the loop starts the database
    from server import app

    return partial(app.run, config)


async def _database(stack: AsyncExitStack, config: Config) -> Database:
    database = await Database.open(
        await stack.enter_async_context(database_url(config)), config.pooling
    )
    stack.push_async_callback(database.close)
    return database


def _allow_many_sockets() -> None:
    """Take as many file descriptors as the system grants; the usual 1,024 are few."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except (OSError, UnicodeError) as error:  # the latter from names that no host can have
        listener.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise StartError(
                f"port {port} on {host} is taken; stop what listens there,"
                " or choose another with --port or LYCEUM_PORT"
            ) from None
        reason = error.strerror if isinstance(error, OSError) else "no valid name"
        raise StartError(
            f"can't listen on {host} port {port}: {reason};"
            " give an address of this machine with --host or LYCEUM_HOST"
        ) from None
    listener.setblocking(False)
    return listener


def _stop_on_signals() -> "asyncio.Future[None]":
    """Done at the first SIGTERM or SIGINT; the second ends the process at once."""
    loop = asyncio.get_running_loop()
    stopping: asyncio.Future[None] = loop.create_future()

    def stop(number: int) -> None:
        if stopping.done():
            os._exit(128 + number)
        stopping.set_result(None)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    return stopping
