"""Which sockets are let in at all, before anybody says who they are: by page and by address."""

from collections import Counter
from collections.abc import Sequence

import structlog
from websockets.datastructures import Headers

from server.domain.addresses import Network, client_address, site
from server.domain.origins import OriginPolicy
from server.errors import ForeignPage, LyceumError, TooManySockets

log = structlog.get_logger()

MOST_TOLD = 100  # origins that are logged, so that nobody fills the log with made-up ones


class Gate:
    """Knows which pages may connect, and how many sockets each address has.

    trusted: the proxies whose X-Forwarded-For counts. most: sockets of one address; 0 lifts it.
    """

    def __init__(self, origins: OriginPolicy, trusted: Sequence[Network], most: int) -> None:
        self._origins = origins
        self._trusted = trusted
        self._most = most
        self._sockets: Counter[str] = Counter()
        self._sites: dict[object, str] = {}  # of sockets that are counted
        self._told: set[str] = set()

    def admit(self, socket: object, peer: str, headers: Headers) -> LyceumError | None:
        """Why a socket may not come in; None if it may, and from now on it is counted.

        peer: its other end.
        """
        origins, host = headers.get_all("Origin"), ",".join(headers.get_all("Host"))
        if not self._origins.allows(origins, host):
            self._tell(", ".join(origins) or host)
            return ForeignPage()
        found = self._site(peer, headers)
        if not self._most or not found:
            return None
        if self._sockets[found] >= self._most:
            return TooManySockets()
        self._sites[socket] = found
        self._sockets[found] += 1
        return None

    def _tell(self, page: str) -> None:
        if page not in self._told and len(self._told) < MOST_TOLD:
            self._told.add(page)
            log.warning("page refused; LYCEUM_ORIGINS says which may connect", origin=page[:200])

    def leave(self, socket: object) -> None:
        """A socket is gone, whether it had come in or not."""
        found = self._sites.pop(socket, None)
        if found is not None:
            self._sockets[found] -= 1
            if not self._sockets[found]:
                del self._sockets[found]

    def _site(self, peer: str, headers: Headers) -> str:
        forwarded = ",".join(headers.get_all("X-Forwarded-For"))
        return site(client_address(peer, forwarded, self._trusted))
