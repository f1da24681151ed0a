"""What each kind of setting may be: texts become values, and an error says what is allowed."""

import ipaddress
from pathlib import Path
from typing import Literal

from server.domain.addresses import Network
from server.domain.envelope import Keyring
from server.domain.origins import normal

Guests = Literal["editor", "viewer", "off"]
LogFormat = Literal["console", "json"]
Sessions = Literal["open", "created"]
Private = Literal["off", "allow"]
Deflate = Literal["large", "off"]

MOST_DAYS = 36_500


def port(value: str) -> int:
    """Where to listen."""
    if not value.isdecimal() or not 0 <= int(value) <= 65535:
        raise ValueError("allowed is a port number, 1 to 65535 (0 takes any free one)")
    return int(value)


def _is_postgres_url(value: str) -> bool:
    return value.startswith(("postgres://", "postgresql://"))


def postgres_url(value: str) -> str | None:
    """Where a database is."""
    if not _is_postgres_url(value):
        raise ValueError("allowed is postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
    return value


def postgres_urls(value: str) -> tuple[str, ...]:
    """Where databases are."""
    urls = tuple(item.strip() for item in value.split(","))
    if not all(map(_is_postgres_url, urls)):
        raise ValueError("allowed are postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with commas")
    return urls


def secret(value: str) -> str | None:
    """A key of HS256."""
    if len(value.encode()) < 32:
        raise ValueError("at least 32 bytes are needed; `openssl rand -hex 32` makes some")
    if "-----BEGIN" in value:
        raise ValueError("this is a key of a pair; public ones go into LYCEUM_AUTH_JWKS_FILE")
    return value


def keys(value: str) -> Keyring | None:
    """Keys of personal data."""
    return Keyring.parse(value)


def file(value: str) -> Path | None:
    """A path, from here."""
    return Path(value).absolute()


def guests(value: str) -> Guests:
    """What people without a token may be."""
    if value == "editor":
        return "editor"
    if value == "viewer":
        return "viewer"
    if value == "off":
        return "off"
    raise ValueError("allowed are editor, viewer and off")


def sessions(value: str) -> Sessions:
    """How sessions come to be."""
    if value == "open":
        return "open"
    if value == "created":
        return "created"
    raise ValueError("allowed are open (a join makes the session) and created (only over REST)")


def private(value: str) -> Private:
    """Whether webhooks may lead anywhere."""
    if value == "off":
        return "off"
    if value == "allow":
        return "allow"
    raise ValueError("allowed are off (webhooks lead to public addresses only) and allow")


def origins(value: str) -> frozenset[str]:
    """Which pages may connect."""
    try:
        return frozenset(
            item if item == "*" else normal(item) for item in map(str.strip, value.split(","))
        )
    except ValueError:
        raise ValueError(
            "allowed are origins of pages with commas between, as https://school.example; * is all"
        ) from None


def networks(value: str) -> tuple[Network, ...]:
    """Addresses and networks."""
    try:
        return tuple(ipaddress.ip_network(item.strip()) for item in value.split(","))
    except ValueError:
        raise ValueError(
            "allowed are addresses and networks with commas between, as 10.0.0.0/8"
        ) from None


def log_format(value: str) -> LogFormat:
    """For people or for machines."""
    if value == "console":
        return "console"
    if value == "json":
        return "json"
    raise ValueError("allowed are console and json")


def deflate(value: str) -> Deflate:
    """What is sent compressed."""
    if value == "large":
        return "large"
    if value == "off":
        return "off"
    raise ValueError("allowed are large (what is large is sent compressed) and off")


def seconds(value: str) -> float:
    """A time, or 0."""
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1e10:
        raise ValueError("allowed is a number of seconds, 0 or more")
    return number


def interval(value: str) -> float:
    """How often, in seconds."""
    every = seconds(value)
    if not 0.1 <= every <= 3600:
        raise ValueError("allowed is a number of seconds, 0.1 to 3600")
    return every


def share(value: str) -> float:
    """A part of the event loop."""
    try:
        part = float(value)
    except ValueError:
        part = 0.0
    if not 0.01 <= part <= 1:
        raise ValueError("allowed is a part of the event loop, 0.01 to 1")
    return part


def longest(value: str) -> float:
    """How long at most, in seconds."""
    most = seconds(value)
    if most > 10:
        raise ValueError("allowed is a number of seconds, 0 (at once) to 10")
    return most


def pool_size(value: str) -> int:
    """How many connections."""
    if not value.isdecimal() or not 2 <= int(value) <= 200:
        raise ValueError("allowed is a number of connections, 2 to 200")
    return int(value)


def milliseconds(value: str) -> float:
    """A time in seconds; 0 for none."""
    if not value.isdecimal() or int(value) > 3_600_000:
        raise ValueError("allowed is a number of milliseconds, 1 or more; 0 logs no statement")
    return int(value) / 1000


def days(value: str) -> int:
    """A number of days; 0 for all."""
    if not value.isdecimal() or int(value) > MOST_DAYS:
        raise ValueError(f"allowed is a number of days, 1 to {MOST_DAYS}; 0 keeps everything")
    return int(value)


def limit(value: str) -> int:
    """A bound; 0 for none."""
    if not value.isdecimal():
        raise ValueError("allowed is a whole number, 0 or more; 0 lifts the limit")
    return int(value)
