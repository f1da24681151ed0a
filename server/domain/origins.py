"""Which pages may speak to the server from a browser. Pure.

A browser names the page's origin (RFC 6454) and can't be made to lie about it; other programs name
none. It matters where guests may come in: any page in the browser of somebody who can reach the
server could else read and write there (cross-site WebSocket hijacking). Where all need a token, the
token decides, since no cookie is sent along by itself.
"""

from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def normal(origin: str) -> str:
    """An origin in its one spelling, without the scheme's own port.

    Raises ValueError if it is none: scheme://host or scheme://host:port.
    """
    parts = urlsplit(origin)
    if not parts.scheme or not parts.hostname or origin.count("/") != 2:
        raise ValueError("no origin")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("no origin")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    default = PORTS.get(parts.scheme)
    port = "" if parts.port in (None, default) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


@dataclass(frozen=True)
class OriginPolicy:
    """Which origins may connect.

    listed: those that were named, in their normal spelling; "*" names all. Without any it follows
    from the server. guests: whether somebody may come in without a token. loopback: whether only
    this machine reaches the server.
    """

    listed: frozenset[str] = frozenset()
    guests: bool = True
    loopback: bool = False

    def allows(self, origins: Collection[str], host: str) -> bool:
        """Whether a request with these Origin headers and this Host header may be served."""
        if "*" in self.listed or (not self.listed and not self.guests):
            return True
        if not origins:
            return self._may_ask(host)
        return len(origins) == 1 and all(self._may_connect(origin, host) for origin in origins)

    def _may_connect(self, origin: str, host: str) -> bool:
        """Whether a page is listed, or the server's own."""
        try:
            page = normal(origin)
            if page in self.listed:
                return True
            if self.loopback:
                return _is_loopback(page)
            # A proxy in front may have taken the TLS away.
            return page == normal(f"{urlsplit(page).scheme}://{host}")
        except ValueError:
            return False

    def _may_ask(self, host: str) -> bool:
        """Whether a request without Origin is all right.

        A page whose made-up name leads to this machine (DNS rebinding) reads without naming an
        origin, but names its host.
        """
        if not self.loopback or not self.guests:
            return True
        listed = {urlsplit(origin).netloc for origin in self.listed}
        return host in listed or _is_loopback(f"//{host}")


def _is_loopback(url: str) -> bool:
    try:
        name = urlsplit(url).hostname or ""
    except ValueError:
        return False
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
