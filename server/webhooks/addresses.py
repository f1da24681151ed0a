"""Where webhooks may lead: which URLs are understood, and which addresses are public. Pure.

A URL is read once, here, and what is called is put together from its parts, so that no two
readers can understand it differently.
"""

import re
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple
from urllib.parse import urlsplit

from server.errors import BadRequest

MAX_URL = 2_048
MAX_HOST = 253
HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.(?!-)[a-z0-9_-]{1,63})*")
NUMERIC_LABEL = re.compile(r"\d+|0x[0-9a-f]*")
PRINTABLE = re.compile(r"[!-~]+")
PORTS = {"http": 80, "https": 443}

IPV6_PUBLIC = IPv6Network("2000::/3")  # all that is given out
NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
SPECIAL = [
    ip_network(network)
    for network in (
        "192.0.0.0/24",  # RFC 6890: protocols' own; one cloud has its metadata there
        "168.63.129.16/32",  # the platform's own services inside Azure
        "192.88.99.0/24",  # RFC 7526: relays of 6to4
        "2001::/23",  # RFC 2928: protocols' own, Teredo among them
        "2001:db8::/32",
        "3fff::/20",  # RFC 9637: documentation
    )
]


class AddressRefused(BadRequest):
    """Webhooks lead to public addresses only; LYCEUM_WEBHOOKS_PRIVATE=allow lifts that."""


class UrlRefused(BadRequest):
    """This is no URL that a webhook can have."""


class Target(NamedTuple):
    """A webhook's URL in parts. host: lower case, an IP address or a name."""

    scheme: str
    host: str
    port: int
    path: str
    query: str

    @property
    def address(self) -> str | None:
        """The host if it is an IP address."""
        return self.host if _is_address(self.host) else None


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet, also in what is embedded in it.

    Not public are: private, loopback, link-local (cloud metadata among them), shared (RFC 6598),
    multicast, reserved and documentation addresses.
    """
    ip = ip_address(address)
    if isinstance(ip, IPv6Address):
        embedded = _embedded(ip)
        if embedded is not None:
            ip = embedded
        elif ip not in IPV6_PUBLIC:
            return False
    if any(ip in network for network in SPECIAL):
        return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def _embedded(ip: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that traffic to an IPv6 address would reach in the end."""
    if ip in NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour


def read_url(url: str) -> Target:
    """A URL in parts; raises UrlRefused, saying what is wrong with it."""
    if len(url) > MAX_URL:
        raise UrlRefused(f"A webhook's URL has at most {MAX_URL} characters.")
    if not PRINTABLE.fullmatch(url) or "\\" in url:
        raise UrlRefused("A webhook's URL has only printable ASCII characters, and no backslash.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UrlRefused("The host or the port of this URL can't be read.") from None
    if parts.scheme not in PORTS:
        raise UrlRefused("A webhook's URL begins with https:// or http://.")
    if "@" in parts.netloc:
        raise UrlRefused("A webhook's URL has no user name and no password.")
    if parts.fragment or url.endswith("#"):
        raise UrlRefused("A webhook's URL has no fragment (#…).")
    if port == 0:
        raise UrlRefused("A webhook can't have the port 0.")
    host = _host(parts.netloc, parts.hostname or "")
    return Target(parts.scheme, host, port or PORTS[parts.scheme], parts.path or "/", parts.query)


def _host(netloc: str, host: str) -> str:
    if netloc.startswith("["):
        if "%" in host:
            raise UrlRefused("An IPv6 address in a webhook's URL has no zone (%…).")
        try:
            return str(IPv6Address(host))
        except ValueError:
            raise UrlRefused("What stands in brackets is no IPv6 address.") from None
    host = host.removesuffix(".")
    if len(host) > MAX_HOST or not HOST.fullmatch(host):
        raise UrlRefused(
            "The host of this URL is neither a name nor an address;"
            " write international names as they are looked up (xn--…)."
        )
    if NUMERIC_LABEL.fullmatch(host.rpartition(".")[2]) and not _is_address(host):
        raise UrlRefused("Write an IPv4 address as four decimal numbers, without leading zeros.")
    return host


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
