"""A generator process: simulated clients, told what to do in lines of JSON on standard input."""

import asyncio
import json
import random
import socket
import sys
import time
from array import array
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import uvloop

from loadtests.bench.client import Client, CursorLog, State
from loadtests.bench.dialects import DIALECTS
from loadtests.bench.histogram import Histogram
from loadtests.bench.ledger import EDITS, Ledger
from loadtests.bench.monitor import Monitor
from loadtests.bench.processes import pin
from loadtests.bench.updates import Author
from server.sessions.tokens import make_token

JOIN_TIMEOUT = 120.0  # seconds, and…
SLOWEST = 40.0  # …a second for so many clients
TURN = 0.001  # seconds between looks at what is due: less would spin and starve receivers
GIVE_UP = 30.0  # seconds after which a client tries another socket, as y-websocket's does
PER_ADDRESS = 20_000  # sockets from one loopback address, which has 28,000 ports
MIXED = 0x9E3779B1  # odd: spreads client ids over 32 bits, each once

now = time.perf_counter
Session = tuple[str, int, int]  # name, number in the ledger, clients


class Generator:
    """The operations; `group` names the clients that one is about."""

    def __init__(self, ledger: Ledger, index: int) -> None:
        self._ledger = ledger
        self._index = index
        self._first = self._next = EDITS * index
        self._ids = count(1)
        self._groups: dict[str, list[Client]] = {}
        self._monitor = Monitor()
        self._random = random.Random(index)

    async def open(
        self,
        group: str,
        target: dict[str, Any],
        sessions: list[Session],
        concurrency: int = 100,
        saved: bool = False,
        present: bool = True,
        receive_buffer: int = 0,
        one_first: bool = True,
    ) -> dict[str, Any]:
        """Join sessions, `concurrency` at a time, and return once all are synced.

        one_first: let one client open each session before the others come, as pycrdt-websocket
        forgets those who join while a session is being opened.
        """
        started = now()
        clients = self._groups.setdefault(group, [])
        gate = asyncio.Semaphore(concurrency)
        durations: list[float] = []

        async def join(session: Session) -> None:
            async with gate:
                began = now()
                client = await self._connect(target, session, present, receive_buffer)
                durations.append(now() - began)
                if saved:
                    client.unsaved = deque()
                clients.append(client)

        first = [session for session in sessions if session[2]] if one_first else []
        others = [one for one in sessions for _ in range(one[2] - (one_first and one[2] > 0))]
        patience = JOIN_TIMEOUT + (len(first) + len(others)) / SLOWEST
        async with asyncio.timeout(patience):
            for wanted in (first, others):
                async with asyncio.TaskGroup() as joins:
                    for session in wanted:
                        joins.create_task(join(session))
        return {"seconds": now() - started, "joins": Histogram.of(durations).pairs()}

    async def _connect(
        self, target: dict[str, Any], session: Session, present: bool, receive_buffer: int = 0
    ) -> Client:
        number = next(self._ids)
        client_id = ((self._index << 26 | number) * MIXED) % 2**32
        author = Author(client_id)
        client = self._client(target, session, author, present)
        await self._start(client, target, receive_buffer, number)
        await client.synced
        return client

    def _client(
        self, target: dict[str, Any], session: Session, author: Author, present: bool
    ) -> Client:
        secret = target["secret"]
        token = make_token(secret, f"u{author.client}", None, None, 86_400) if secret else ""
        dialect = DIALECTS[target["dialect"]](target["prefix"], session[0], token)
        address = (target["host"], target["port"])
        return Client(address, dialect, author, self._ledger, session[1], present)

    async def _start(
        self, client: Client, target: dict[str, Any], receive_buffer: int, number: int
    ) -> None:
        address = (target["host"], target["port"])
        loop = asyncio.get_running_loop()
        sock = socket.socket()
        sock.setblocking(False)
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if self._index or number >= PER_ADDRESS:
            sock.bind((f"127.0.{self._index}.{1 + number // PER_ADDRESS}", 0))
        try:
            await loop.sock_connect(sock, address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.create_connection(lambda: client, sock=sock)
        except BaseException:
            sock.close()
            raise

    async def sample(self, group: str, budget: float, rate: float) -> None:
        """Look up every marker at as many receivers as a budget of markers a second allows.

        rate: edits a second in each session. Once chosen, a group's receivers stay the same.
        """
        clients = self._groups[group]
        if any(client.latencies is not None for client in clients):
            return
        sampled = set(
            self._random.sample(range(len(clients)), min(len(clients), int(budget / rate) or 1))
        )
        for index, client in enumerate(clients):
            if index in sampled:
                client.latencies = array("d")

    async def type(
        self, group: str, rate: float, seconds: float, padding: int = 0
    ) -> dict[str, Any]:
        """Make edits at an even rate, by everyone in turn."""
        clients = self._groups[group]
        turns = self._random.sample(clients, len(clients))
        pad = b"." * padding
        start = self._next

        def edit(index: int) -> None:
            turns[index % len(turns)].type(start + index, pad)

        return await self._paced(rate, seconds, edit)

    async def _paced(
        self, rate: float, seconds: float, act: Callable[[int], None]
    ) -> dict[str, Any]:
        total = int(rate * seconds)
        if self._next + total > self._first + EDITS:
            raise RuntimeError("the ledger is full: fewer steps, or more generators")
        start, done, latest = self._next, 0, 0.0
        self._next += total
        self._monitor.report()
        began = now()
        while done < total:
            passed = now() - began
            latest = max(latest, passed - done / rate)
            for index in range(done, min(total, int(passed * rate) + 1)):
                act(index)
                done = index + 1
            await asyncio.sleep(max(TURN, began + done / rate - now()))
        took = now() - began
        return {
            "range": (start, start + done),
            "seconds": took,
            "latest": latest,
            "monitor": self._monitor.report(),
        }

    async def settle(
        self, group: str, expected: dict[str, int], timeout: float = 60.0
    ) -> dict[str, Any]:
        """Wait until everybody has all edits (a number for each session) or time is up."""
        wanted = {int(session): edits for session, edits in expected.items()}
        began = now()
        clients = self._groups[group]
        lacking = clients
        while True:
            lacking = [client for client in lacking if client.lacks(wanted[client.session]) > 0]
            if not lacking or now() - began > timeout:
                break
            await asyncio.sleep(0.01)
        return {
            "seconds": now() - began,
            "lacking": sum(client.lacks(wanted[client.session]) for client in lacking),
            "closed": [c.why_closed for c in clients if c.state is State.CLOSED][:3],
            "delivered": sum(client.counted for client in clients),
        }

    async def collect(self, group: str) -> dict[str, Any]:
        """Latencies since the last time, and what the sockets carried."""
        clients = self._groups[group]
        latencies, saved = Histogram(), Histogram()
        for client in clients:
            if client.cursors is not None:
                latencies += Histogram.of(client.cursors.latencies)
                del client.cursors.latencies[:]
            elif client.latencies:
                latencies += Histogram.of(client.latencies)
                del client.latencies[:]
            saved += Histogram.of(client.saved)
            del client.saved[:]
        return {
            "latencies": latencies.pairs(),
            "saved": saved.pairs(),
            "unsaved": sum(len(client.unsaved or ()) for client in clients),
            "frames": sum(client.frames for client in clients),
            "bytes": sum(client.received_bytes for client in clients),
            "monitor": self._monitor.report(),
        }

    async def cursors(
        self, group: str, rate: float, seconds: float, sampled: int
    ) -> dict[str, Any]:
        """Move everybody's cursor `rate` times a second."""
        clients, first = self._groups[group], self._next
        for own in self._random.sample(range(len(clients)), min(sampled, len(clients))):
            clients[own].cursors = CursorLog(self._ledger, first, len(clients), own)

        def move(index: int) -> None:
            client = clients[index % len(clients)]
            self._ledger.note(first + index, 0, now())
            client.renew_presence(
                b'{"user":{"name":"user %d","color":"#30bced"},"cursor":{"anchor":%d,"head":%d},'
                b'"move":"<:%07x>"}' % (client.author.client, index, index, first + index)
            )

        return await self._paced(rate * len(clients), seconds, move)

    async def cursors_settle(self, group: str, turns: int, timeout: float = 60.0) -> int:
        """Wait until all cursors are seen at their last place; returns how many are not."""
        logs = [client.cursors for client in self._groups[group] if client.cursors is not None]
        deadline = now() + timeout
        while True:
            lacking = sum(log.lacks(turns) for log in logs)
            if not lacking or now() > deadline:
                return lacking
            await asyncio.sleep(0.01)

    async def renew(self, group: str, every: float, seconds: float) -> dict[str, Any]:
        """Renew everybody's presence now and then, spread evenly."""
        clients = self._groups[group]
        turns = self._random.sample(clients, len(clients))
        return await self._paced(
            len(clients) / every,
            seconds,
            lambda index: turns[index % len(turns)].renew_presence(),
        )

    async def upload(self, group: str, update: str) -> None:
        """Everybody makes one edit, given in hexadecimal."""
        for client in self._groups[group]:
            client.send(client.dialect.update(bytes.fromhex(update)))

    async def documents(self, group: str) -> list[str]:
        """The different documents that clients got when they joined, in hexadecimal."""
        return [found.hex() for found in {client.document for client in self._groups[group]}]

    async def pause(self, group: str) -> None:
        """Stop reading from the sockets."""
        for client in self._groups[group]:
            client.pause()

    async def resume(self, group: str) -> None:
        """Read again."""
        for client in self._groups[group]:
            client.resume()

    async def saved_settle(self, group: str, timeout: float = 60.0) -> int:
        """Wait until all edits are acknowledged; returns how many are not."""
        deadline = now() + timeout
        while True:
            unsaved = sum(len(client.unsaved or ()) for client in self._groups[group])
            if not unsaved or now() > deadline:
                return unsaved
            await asyncio.sleep(0.01)

    async def come_back(
        self, group: str, target: dict[str, Any], retry: float, timeout: float = 120.0
    ) -> dict[str, float]:
        """Once the sockets are lost, join again and again until it works; when first and last."""
        clients = self._groups[group]

        async def back(index: int) -> float:
            old = clients[index]
            await old.gone
            while True:
                dialect, author = old.dialect, old.author
                client = Client(old.address, dialect, author, self._ledger, old.session)
                with suppress(OSError):  # a time-out is one
                    await self._start(client, target, 0, index)
                    async with asyncio.timeout(GIVE_UP):
                        await client.synced
                    clients[index] = client
                    return now()
                client.abort()
                await asyncio.sleep(self._random.uniform(0.5, 1.5) * retry)

        async with asyncio.timeout(timeout):
            times = await asyncio.gather(*map(back, range(len(clients))))
        return {"first": min(times, default=now()), "last": max(times, default=now())}

    async def closed(self, group: str) -> list[str]:
        """Why clients are gone that should not be."""
        return [c.why_closed for c in self._groups[group] if c.state is State.CLOSED]

    async def close_all(self) -> None:
        """Leave everywhere."""
        for group in list(self._groups):
            await self.close(group)

    async def close(self, group: str) -> None:
        """Leave."""
        for client in self._groups.pop(group, []):
            client.abort()


async def _serve(path: Path, processes: int, index: int, core: int) -> None:
    pin([core] if core >= 0 else [])
    generator = Generator(Ledger(path, processes), index)
    reader = asyncio.StreamReader(limit=2**26)
    await asyncio.get_running_loop().connect_read_pipe(
        partial(asyncio.StreamReaderProtocol, reader), sys.stdin
    )
    while line := await reader.readline():
        order = json.loads(line)
        try:
            result = await getattr(generator, order["do"])(**order["with"])
            answer = {"result": result}
        except Exception as error:
            if isinstance(error, ExceptionGroup):
                error = error.exceptions[0]
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt, BrokenPipeError):
        uvloop.run(_serve(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
