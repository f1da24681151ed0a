"""Webhooks lead to public addresses, however they are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.webhooks.addresses import Target, UrlRefused, is_public, read_url

PRIVATE = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::10.0.0.1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2002:c0a8:101::1",
    "3fff::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]
PUBLIC = [
    "1.1.1.1",
    "93.184.215.14",
    "172.32.0.1",
    "2606:2800:21f:cb07:6820:80da:af6b:8b2c",
    "::ffff:1.1.1.1",
    "64:ff9b::1.1.1.1",
    "2002:101:101::1",
]
WRITTEN_ODDLY = [
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://0177.0.0.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://127.0.0.01/",
    "http://127.0.0.1.0x1/",
    "http://300.1.1.1/",
    "http://1.2.3.4.5/",
    "http://0x/",
    "http://[::1%25eth0]/",
    "http://[127.0.0.1]/",
    "http://[v1.a]/",
    "http://[::1/",
    "http://①②⑦.⓪.⓪.①/",
    "http://127。0。0。1/",
    "http://%31%32%37.0.0.1/",
    "http://a..b/",
    "http://./",
    "http://-a.example/",
    "http://a.example../",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_public(address: str) -> None:
    """Also inside IPv6 addresses that stand for an IPv4 address."""
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public(address: str) -> None:
    """Given out to somebody on the internet."""
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_in_an_ipv6_address_is_judged_as_itself(address: object) -> None:
    """Mapped, translated, or tunnelled."""
    number = int(address)  # type: ignore[call-overload]
    low, high = number & 0xFFFF, number >> 16
    alone = is_public(str(address))
    assert is_public(f"::ffff:{address}") is alone
    assert is_public(f"64:ff9b::{address}") is alone
    assert is_public(f"2002:{high:x}:{low:x}::1") is alone


@given(st.ip_addresses())
def test_what_python_knows_as_not_global_is_not_public(address: object) -> None:
    """Ours is the narrower word."""
    if is_public(str(address)):
        assert address.is_global  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://a.example", Target("https", "a.example", 443, "/", "")),
        ("http://a.example/b/c?d=e&f", Target("http", "a.example", 80, "/b/c", "d=e&f")),
        ("HTTPS://A.Example.:8443/B", Target("https", "a.example", 8443, "/B", "")),
        ("http://1.1.1.1:81/", Target("http", "1.1.1.1", 81, "/", "")),
        ("http://1.1.1.1./", Target("http", "1.1.1.1", 80, "/", "")),
        ("http://[2606:2800::0001]/", Target("http", "2606:2800::1", 80, "/", "")),
        (
            "http://xn--bcher-kva.example/%C3",
            Target("http", "xn--bcher-kva.example", 80, "/%C3", ""),
        ),
        ("http://my_service:8080/", Target("http", "my_service", 8080, "/", "")),
        ("http://a1.example.1x/", Target("http", "a1.example.1x", 80, "/", "")),
    ],
)
def test_a_url_in_parts(url: str, target: Target) -> None:
    """Host and scheme in lower case, a last dot gone, the port filled in."""
    assert read_url(url) == target


@pytest.mark.parametrize("url", WRITTEN_ODDLY)
def test_addresses_in_odd_spellings_are_refused(url: str) -> None:
    """Since others read them as addresses that were not checked."""
    with pytest.raises(UrlRefused):
        read_url(url)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://a.example/", "https://"),
        ("file:///etc/passwd", "https://"),
        ("gopher://a.example/", "https://"),
        ("//a.example/", "https://"),
        ("a.example", "https://"),
        ("http://user@a.example/", "user name"),
        ("http://a.example:80@127.0.0.1/", "user name|can't be read"),
        ("http://1.1.1.1\\@127.0.0.1/", "backslash"),
        ("http://a.example/#b", "fragment"),
        ("http://a.example/#", "fragment"),
        ("http://a.example:99999/", "port"),
        ("http://a.example:x/", "port"),
        ("http://a.example:0/", "port 0"),
        ("http:///path", "neither a name"),
        ("http://a b.example/", "printable"),
        ("http://a.example/\r\nx: y", "printable"),
        ("http://a.example/\0", "printable"),
        ("http://é.example/", "printable"),
        ("http://a.example/" + "x" * 2048, "2048"),
        ("http://" + "a." * 127 + "example/", "neither a name"),
        ("http://[::1%25lo]/", "zone"),
        ("http://[::g]/", "no IPv6|can't be read"),
        ("http://2130706433/", "four decimal numbers"),
        ("", "printable"),
    ],
)
def test_what_is_refused_is_explained(url: str, why: str) -> None:
    """The error says what a URL may not have."""
    with pytest.raises(UrlRefused, match=why):
        read_url(url)


@given(st.text(max_size=40) | st.from_regex(r"https?://[!-~]{1,40}", fullmatch=True))
def test_any_text_is_a_target_or_refused(url: str) -> None:
    """Nothing else comes out, and a host is never an address in disguise."""
    try:
        target = read_url(url)
    except UrlRefused:
        return
    assert target.scheme in ("http", "https")
    assert 0 < target.port < 65536
    assert target.path.startswith("/")
    label = target.host.rpartition(".")[2]
    assert target.address or not label.isdecimal()
