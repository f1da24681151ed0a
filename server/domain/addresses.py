"""Which address a socket comes from, also behind proxies, and what counts as one address. Pure."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

ONE_SITE = 64  # bits of an IPv6 address: what one customer gets, and may spread over


def client_address(peer: str, forwarded: str, trusted: Sequence[Network]) -> Address | None:
    """Where a request comes from; None if even the peer has no IP address.

    peer: the other end of the socket. forwarded: X-Forwarded-For, to which each proxy appends whom
    it heard. It is read from its end, for as long as a proxy that is trusted speaks: what stands
    before that, anybody may have written.
    """
    address = _parsed(peer)
    entries = forwarded.split(",") if forwarded else []
    while entries and address is not None and is_one_of(address, trusted):
        before = _parsed(entries.pop())
        if before is None:
            break
        address = before
    return address


def is_one_of(address: Address, networks: Sequence[Network]) -> bool:
    """Whether an address lies in one of the networks."""
    return any(address in network for network in networks)


def site(address: Address | None) -> str:
    """What is counted together: an IPv4 address, or an IPv6 network of 64 bits.

    Empty, so not counted, for this machine: a proxy that is not trusted stands for everybody.
    """
    if address is None or address.is_loopback:
        return ""
    if isinstance(address, IPv6Address):
        return str(ip_network((address, ONE_SITE), strict=False))
    return str(address)


@lru_cache(maxsize=1_000)  # schools come from one address, and all at once
def _parsed(text: str) -> Address | None:
    """An address, with or without a port; IPv4 in IPv6's clothes is IPv4."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
