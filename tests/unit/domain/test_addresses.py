"""Which address a socket comes from."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.addresses import client_address, site

PROXIES = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.7", "", "203.0.113.7"),
        ("203.0.113.7", "198.51.100.1", "203.0.113.7"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", " 198.51.100.1 , 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "6.6.6.6, nonsense, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "6.6.6.6,", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
        ("10.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
        ("fd00::1", "2001:db8::1", "2001:db8::1"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("", "198.51.100.1", None),
    ],
)
def test_client(peer: str, forwarded: str, client: str | None) -> None:
    """The header is read from its end for as long as trusted proxies speak."""
    expected = None if client is None else ip_address(client)
    assert client_address(peer, forwarded, PROXIES) == expected


@given(
    lies=st.lists(st.ip_addresses().map(str) | st.text(max_size=20), max_size=5),
    client=st.ip_addresses(v=4).filter(lambda ip: ip not in ip_network("10.0.0.0/8")),
)
def test_nobody_can_lie_about_it(lies: list[str], client: object) -> None:
    """Whatever a client writes into the header, what the proxy appended counts; and without a
    proxy nothing of it does.
    """
    header = ",".join([*lies, str(client)])
    assert client_address("10.1.2.3", header, PROXIES) == client
    assert client_address(str(client), header, PROXIES) == client


@pytest.mark.parametrize(
    ("address", "counted_as"),
    [
        ("198.51.100.1", "198.51.100.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("127.0.0.1", ""),
        ("::1", ""),
    ],
)
def test_site(address: str, counted_as: str) -> None:
    """A customer's IPv6 network counts as one address; this machine is not counted."""
    assert site(ip_address(address)) == counted_as
    assert site(None) == ""
