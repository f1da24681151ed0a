"""A user's socket: joins, reads in a greenlet of its own, and comes back when it is lost."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from random import random
from urllib.parse import quote, urlencode

import gevent
from gevent.event import Event as Flag

from loadtests.locust import wire
from loadtests.locust.replica import Replica
from loadtests.locust.report import JOIN, SOCKET, Report
from loadtests.locust.sockets import Lost, WebSocket

JOIN_TIMEOUT = 30.0  # seconds
LONGEST_PAUSE = 2.5  # seconds between two tries; what y-websocket waits at most

Read = Callable[[bytes], Iterator[tuple[str, wire.Event]]]


class Connection:
    """One socket for one document or, in Hocuspocus's dialect, for many."""

    def __init__(
        self, url: str, read: Read, replicas: Iterable[Replica], token: str, report: Report
    ) -> None:
        self._url = url
        self._read = read
        self._replicas = {replica.dialect.address: replica for replica in replicas}
        self._token = token
        self._report = report
        self._socket: WebSocket | None = None
        self._closed = False
        self._joined_once = False
        self._synced = Flag()
        self._greenlet = gevent.spawn(self._run)

    def wait_synced(self) -> bool:
        """Wait until all documents are there, and say whether they are."""
        return bool(self._synced.wait(JOIN_TIMEOUT))

    def announce(self) -> None:
        """Renew the presence in every document."""
        for replica in self._replicas.values():
            replica.announce()

    def close(self) -> None:
        """Leave."""
        self._closed = True
        if self._socket is not None:
            self._socket.close()
        self._greenlet.kill()

    def _run(self) -> None:
        tries = 0
        while not self._closed:
            try:
                self._stay()
            except Lost as error:
                if self._closed:
                    return
                self._report.failed(SOCKET if self._joined_once else JOIN, str(error))
                tries = 0 if self._synced.is_set() else tries + 1
                self._synced.clear()
            finally:
                for replica in self._replicas.values():
                    replica.offline()
            gevent.sleep(min(0.1 * 2**tries, LONGEST_PAUSE) * (0.5 + random()))

    def _stay(self) -> None:
        since = time.perf_counter()
        self._socket = socket = WebSocket(self._url)
        try:
            for replica in self._replicas.values():
                replica.online(self._send, self._token)
            for frame in socket.messages():
                for address, event in self._read(frame):
                    replica = self._replicas[address]
                    was_synced = replica.synced
                    replica.receive(event)
                    if replica.synced and not was_synced:
                        self._joined(since)
        except ValueError as error:
            raise Lost(f"not understood: {error}") from None
        finally:
            socket.close()

    def _joined(self, since: float) -> None:
        self._report.took(JOIN, since)
        if all(replica.synced for replica in self._replicas.values()):
            self._joined_once = True
            self._synced.set()

    def _send(self, frame: bytes) -> None:
        assert self._socket is not None
        with suppress(Lost):  # the reading greenlet learns it too, and comes back
            self._socket.send(frame)


def join_ywebsocket(url: str, replica: Replica, token: str, report: Report) -> Connection:
    """A y-websocket client; `url` is the server's."""
    query = "?" + urlencode({"token": token}) if token else ""
    path = f"{url}/yjs/{quote(replica.session, safe='')}{query}"
    return Connection(path, wire.read_ywebsocket, [replica], token, report)


def join_hocuspocus(
    url: str, replicas: Iterable[Replica], token: str, report: Report
) -> Connection:
    """A Hocuspocus client; `url` is the server's."""
    return Connection(f"{url}/hocuspocus", wire.read_hocuspocus, replicas, token, report)
