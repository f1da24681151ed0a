"""Which pages may connect."""

import pytest

from server.domain.origins import OriginPolicy, normal

HERE = "127.0.0.1:8000"
SCHOOL = "https://school.example"
LISTED = frozenset({SCHOOL})


@pytest.mark.parametrize(
    ("policy", "origins", "host", "allowed"),
    [
        # Guests on this machine: only its own pages, whatever port they come from.
        (OriginPolicy(loopback=True), [], HERE, True),
        (OriginPolicy(loopback=True), ["http://127.0.0.1:8000"], HERE, True),
        (OriginPolicy(loopback=True), ["http://localhost:5173"], HERE, True),
        (OriginPolicy(loopback=True), ["http://app.localhost"], "[::1]:8000", True),
        (OriginPolicy(loopback=True), ["https://evil.example"], HERE, False),
        (OriginPolicy(loopback=True), ["http://localhost.evil.example"], HERE, False),
        (OriginPolicy(loopback=True), ["null"], HERE, False),
        (OriginPolicy(loopback=True), ["http://evil.example:8000"], "evil.example:8000", False),
        (OriginPolicy(loopback=True), [], "evil.example:8000", False),
        (OriginPolicy(loopback=True), [], "", False),
        # Guests from elsewhere: the server's own pages, with or without TLS in front.
        (OriginPolicy(), [], "school.example", True),
        (OriginPolicy(), [SCHOOL], "school.example", True),
        (OriginPolicy(), ["https://school.example:443"], "school.example", True),
        (OriginPolicy(), ["http://school.example:8000"], "school.example:8000", True),
        (OriginPolicy(), ["http://school.example:9000"], "school.example:8000", False),
        (OriginPolicy(), ["https://evil.example"], "school.example", False),
        (OriginPolicy(), [SCHOOL, "https://evil.example"], "school.example", False),
        (OriginPolicy(), ["https://evil.example/school.example"], "school.example", False),
        (OriginPolicy(), ["https://school.example@evil.example"], "school.example", False),
        (OriginPolicy(), ["https://[bad"], "school.example", False),
        # Listed pages, besides the server's own.
        (OriginPolicy(LISTED), [SCHOOL], HERE, True),
        (OriginPolicy(LISTED), ["https://SCHOOL.example:443"], HERE, True),
        (OriginPolicy(LISTED), ["http://school.example"], HERE, False),
        (OriginPolicy(LISTED), ["https://sub.school.example"], HERE, False),
        (OriginPolicy(LISTED), ["https://lyceum.example"], "lyceum.example", True),
        (OriginPolicy(LISTED, loopback=True), [SCHOOL], "school.example", True),
        (OriginPolicy(LISTED, loopback=True), [], "school.example", True),
        (OriginPolicy(LISTED, loopback=True), [], "evil.example", False),
        (OriginPolicy(LISTED, loopback=True), ["http://evil.example"], "evil.example", False),
        # Who needs a token may come from anywhere, unless pages are listed.
        (OriginPolicy(guests=False), ["https://lms.example"], "school.example", True),
        (OriginPolicy(LISTED, guests=False), ["https://lms.example"], "school.example", False),
        (OriginPolicy(LISTED, guests=False, loopback=True), [], "school.example", True),
        (OriginPolicy(frozenset({"*"})), ["https://evil.example"], "school.example", True),
        (OriginPolicy(frozenset({"*"})), ["null"], "school.example", True),
    ],
)
def test_policy(policy: OriginPolicy, origins: list[str], host: str, allowed: bool) -> None:
    """Another page in the browser of somebody who may be here does not get in."""
    assert policy.allows(origins, host) is allowed


@pytest.mark.parametrize(
    ("origin", "spelled"),
    [
        ("https://School.Example:443", SCHOOL),
        ("http://localhost:80", "http://localhost"),
        ("http://localhost:5173", "http://localhost:5173"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("moz-extension://1234", "moz-extension://1234"),
    ],
)
def test_one_spelling(origin: str, spelled: str) -> None:
    """Case and the scheme's own port do not matter."""
    assert normal(origin) == spelled


@pytest.mark.parametrize(
    "text",
    ["", "null", "school.example", "https://", "https://a/", "https://a/b", "https://u@a", "//a"],
)
def test_no_origin(text: str) -> None:
    """What is no origin is not taken for one."""
    with pytest.raises(ValueError):
        normal(text)
