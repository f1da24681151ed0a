"""All that the users of one process share: who sits where, and whether it is over."""

from collections import Counter
from typing import Any

import gevent

from loadtests.locust.connection import Connection, join_hocuspocus, join_ywebsocket
from loadtests.locust.replica import Replica
from loadtests.locust.report import Report
from loadtests.locust.target import websockets_of
from loadtests.locust.wire import Dialect, Hocuspocus, YWebsocket
from server.domain.roles import Role
from server.sessions.tokens import make_token

RENEW_EVERY = 15.0  # seconds; what clients do
TOKEN_LIFE = 7 * 86_400.0  # seconds
MEASURING = 2  # participants of a session and process that report what they see arrive


class School:
    """See the module. Made anew for each test."""

    def __init__(self, environment: Any) -> None:
        options = environment.parsed_options
        self.report = Report(environment)
        self.replicas: list[Replica] = []
        self.over = False
        self.settle = options.settle
        self._host = environment.host
        self._run = options.run
        self._sessions = options.sessions
        self._secret = options.auth_secret
        self._process = max(environment.runner.worker_index, 0)
        self.processes = getattr(options, "expect_workers", 1) or 1
        self._seated: Counter[str] = Counter()
        self._taken: Counter[str] = Counter()
        self._measuring: Counter[str] = Counter()
        self._connections: list[Connection] = []
        self._renewing = gevent.spawn(self._renew)

    def number(self, kind: str) -> int:
        """A number for a user of some kind that no other of this kind has in any process."""
        self._seated[kind] += 1
        return self._process + self.processes * (self._seated[kind] - 1)

    def session(self, number: int) -> str:
        """The session of somebody with a number; neighbours of one process share theirs."""
        return f"load-{self._run}-{number % self._sessions}"

    def place(self, session: str) -> int:
        """How many students of this process sat down in a session before."""
        self._taken[session] += 1
        return self._taken[session] - 1

    def sit(self, session: str, author: str, hocuspocus: bool, watches: bool = False) -> Replica:
        """A document of one user's in a session. watches: it measures in any case."""
        dialect: Dialect = Hocuspocus(session) if hocuspocus else YWebsocket()
        self._measuring[session] += 1
        measures = watches or self._measuring[session] <= MEASURING
        replica = Replica(session, author, dialect, self.report, measures)
        self.replicas.append(replica)
        return replica

    def connect(self, replicas: list[Replica], role: Role) -> Connection:
        """A socket for these documents, which are all of one user and dialect."""
        first, url = replicas[0], websockets_of(self._host)
        token = self._token(first.author, role)
        if first.dialect.acknowledges:
            connection = join_hocuspocus(url, replicas, token, self.report)
        else:
            connection = join_ywebsocket(url, first, token, self.report)
        self._connections.append(connection)
        return connection

    def close(self) -> None:
        """Send everybody home."""
        self._renewing.kill()
        gevent.joinall([gevent.spawn(connection.close) for connection in self._connections])
        self._connections.clear()

    def _token(self, user: str, role: Role) -> str:
        if not self._secret:
            return ""
        grants = {f"load-{self._run}-*": role}
        return make_token(self._secret, user, user, grants, TOKEN_LIFE)

    def _renew(self) -> None:
        while True:
            connections = list(self._connections)
            for connection in connections:
                connection.announce()
                gevent.sleep(RENEW_EVERY / len(connections))
            if not connections:
                gevent.sleep(1)
