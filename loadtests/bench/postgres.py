"""A Postgres for a peer: the one that Lyceum embeds, with the same settings, on its own.

Prints its URL, and ends with its standard input or at SIGTERM.
"""

import asyncio
import signal
import sys
from functools import partial
from pathlib import Path

import uvloop

from server import telemetry
from server.persistence.embedded import EmbeddedPostgres


async def _serve(folder: Path) -> None:
    telemetry.configure_logging("json")  # to standard error: the URL is all that goes out
    postgres = EmbeddedPostgres(folder)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(partial(asyncio.StreamReaderProtocol, reader), sys.stdin)
    waiting = asyncio.create_task(reader.read())
    waiting.add_done_callback(lambda _: ended.set())
    await postgres.start()
    try:
        sys.stdout.write(f"{postgres.url}\n")
        sys.stdout.flush()
        await ended.wait()
    finally:
        waiting.cancel()
        await postgres.stop()


if __name__ == "__main__":
    uvloop.run(_serve(Path(sys.argv[1])))
