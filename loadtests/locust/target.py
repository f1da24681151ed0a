"""Where the load goes: to this machine and nowhere else."""

from urllib.parse import urlsplit

from server.config import is_loopback

DEFAULT = "http://127.0.0.1:8000"


class ForeignTarget(Exception):
    """A target that is not this machine."""


def checked(host: str) -> str:
    """The base URL if it is on loopback; raises ForeignTarget, which says what is allowed."""
    parts = urlsplit(host)
    if parts.scheme != "http" or not is_loopback(parts.hostname or ""):
        raise ForeignTarget(
            f"{host!r} is not a target: these users only go to a server on this machine,"
            " http://127.0.0.1:PORT, http://[::1]:PORT or http://localhost:PORT"
        )
    return host.rstrip("/")


def websockets_of(host: str) -> str:
    """The base URL of its WebSockets."""
    return "ws" + checked(host).removeprefix("http")
