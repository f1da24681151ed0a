"""How fast each may ask the API: a user, or all guests of one address."""

import time
from collections.abc import Sequence

from litestar import Request
from litestar.datastructures import State

from server import telemetry
from server.domain.addresses import Network, client_address, site
from server.domain.rates import Rates
from server.errors import TooFast


class Pace:
    """Counts requests. proxies: those whose X-Forwarded-For counts."""

    def __init__(self, per_second: int, proxies: Sequence[Network]) -> None:
        self._rates = Rates(per_second, "requests")
        self._proxies = proxies

    def count(self, request: Request[None, None, State], user: str | None) -> None:
        """Count a request; user: None for one without a good token. Raises TooFast."""
        key = ("user", user) if user is not None else ("address", self._address(request))
        if key == ("address", ""):
            return  # this machine, so maybe everybody behind a proxy
        try:
            self._rates.take(key, time.monotonic())
        except TooFast:
            telemetry.refused.labels("too many requests").inc()
            raise

    def _address(self, request: Request[None, None, State]) -> str:
        peer = request.client.host if request.client else ""
        forwarded = ",".join(request.headers.getall("x-forwarded-for", []))
        return site(client_address(peer, forwarded, self._proxies))
