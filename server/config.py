"""Configuration: read from the environment once, validated at once, explained when wrong."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from server import allowed
from server.allowed import Deflate, Guests, LogFormat, Private, Sessions
from server.domain.addresses import Network
from server.domain.envelope import Keyring
from server.domain.origins import OriginPolicy
from server.errors import ConfigError

T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """Bounds on what clients may make the server hold; 0 lifts one.

    message_bytes: one WebSocket message. document_bytes: one document as it is stored.
    pending_bytes: updates of one document that wait for what they build on. awareness_bytes: one
    participant's presence state. outbox_bytes: what one socket may be owed before its updates
    give way to one diff. journal_queue_bytes: updates that wait to be saved, over all documents;
    past it writers are sent away until it drains. documents_per_socket: documents open on one
    Hocuspocus socket. waiting_bytes: what all joins of one socket may send before they are let in.
    request_bytes: the body of one HTTP request. requests_per_second: to the API, of one user or one
    address of guests, five times as many at once. chat_characters: one chat message.
    chat_messages_per_second: of one user, five times as many at once.
    activity_events: rows of activity that wait to be saved; past it new ones are shed.
    runs_per_second: reports of runs by one user, five times as many at once.
    """

    message_bytes: int = 16 * 2**20
    document_bytes: int = 64 * 2**20
    pending_bytes: int = 16 * 2**20
    awareness_bytes: int = 64 * 2**10
    outbox_bytes: int = 1 * 2**20
    journal_queue_bytes: int = 128 * 2**20
    documents_per_socket: int = 1_000
    waiting_bytes: int = 16 * 2**20
    unauthenticated_seconds: int = 30
    unauthenticated_documents: int = 100
    messages_per_second: int = 500
    bytes_per_second: int = 4 * 2**20
    sockets_per_address: int = 1_000
    request_bytes: int = 16 * 2**20
    requests_per_second: int = 100
    request_seconds: int = 30
    chat_characters: int = 4_000
    chat_messages_per_second: int = 2
    activity_events: int = 100_000
    runs_per_second: int = 1


@dataclass(frozen=True)
class Pace:
    """How soon the participants of a session are told what happened in it, under load.

    …_share: of the event loop that telling those of one session takes at most, roughly.
    …_longest_seconds: that they wait at most all the same. Presence may wait longer than edits.
    """

    fanout_share: float = 0.4
    fanout_longest_seconds: float = 0.05
    presence_share: float = 0.2
    presence_longest_seconds: float = 0.5


DEFAULT_PACE = Pace()


@dataclass(frozen=True)
class Pooling:
    """Connections to the database, and what is told of what runs on them.

    size: connections of one pool at most. slow_seconds: from when on a statement is logged; 0: none
    is. pooler_url: the same database by way of PgBouncer, for short transactions. replica_urls:
    standbys that are read. replica_lag_seconds: how old what they show may be.
    """

    size: int = 10
    slow_seconds: float = 0.1
    pooler_url: str | None = None
    replica_urls: tuple[str, ...] = ()
    replica_lag_seconds: float = 5.0


DEFAULT_POOLING = Pooling()


@dataclass(frozen=True)
class Config:
    """Everything that can be set; `Config.read` makes one from the environment."""

    host: str = "127.0.0.1"
    port: int = 8000
    database_url: str | None = None
    data_dir: Path = Path(".lyceum")
    auth_secret: str | None = None
    jwks_file: Path | None = None
    auth_issuer: str | None = None
    auth_audience: str | None = None
    keys: Keyring | None = None
    keys_file: Path | None = None
    guests: Guests = "editor"
    sessions: Sessions = "open"
    origins: frozenset[str] = frozenset()
    trusted_proxies: tuple[Network, ...] = ()
    log_format: LogFormat = "console"
    deflate: Deflate = "large"
    linger_seconds: float = 30.0
    history_seconds: float = 86_400.0
    drain_seconds: float = 3.0
    activity_seconds: float = 10.0
    activity_retention_days: int = 400
    events_retention_days: int = 0
    audit_key_file: Path | None = None
    audit_roots_file: Path | None = None
    audit_seconds: float = 5.0
    webhooks_private: Private = "off"
    webhook_changed_seconds: float = 60.0
    pace: Pace = DEFAULT_PACE
    pooling: Pooling = DEFAULT_POOLING
    limits: Limits = field(default_factory=Limits)

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_loopback(self.host)

    @property
    def origin_policy(self) -> OriginPolicy:
        """Which pages may speak to the server."""
        return OriginPolicy(self.origins, self.guests != "off", self.loopback)

    @classmethod
    def read(
        cls, environ: Mapping[str, str], host: str | None = None, port: int | None = None
    ) -> "Config":
        """The configuration that an environment and the command line describe.

        Raises ConfigError, naming the variable, its value and what is allowed.
        """
        read = _Reader(environ)
        host = host or read.text("LYCEUM_HOST") or cls.host
        database_url = read.parsed("LYCEUM_DATABASE_URL", None, allowed.postgres_url)
        local = is_loopback(host) and database_url is None
        if read.text("LYCEUM_KEYS") and read.text("LYCEUM_KEYS_FILE"):
            raise ConfigError("LYCEUM_KEYS and LYCEUM_KEYS_FILE are both set; allowed is one")
        guests: Guests = "editor" if local else "off"
        return cls(
            host=host,
            port=port if port is not None else read.parsed("LYCEUM_PORT", cls.port, allowed.port),
            database_url=database_url,
            data_dir=Path(read.text("LYCEUM_DATA_DIR") or cls.data_dir).absolute(),
            auth_secret=read.parsed("LYCEUM_AUTH_SECRET", None, allowed.secret),
            jwks_file=read.parsed("LYCEUM_AUTH_JWKS_FILE", None, allowed.file),
            auth_issuer=read.text("LYCEUM_AUTH_ISSUER"),
            auth_audience=read.text("LYCEUM_AUTH_AUDIENCE"),
            keys=read.parsed("LYCEUM_KEYS", None, allowed.keys),
            keys_file=read.parsed("LYCEUM_KEYS_FILE", None, allowed.file),
            guests=read.parsed("LYCEUM_GUESTS", guests, allowed.guests),
            sessions=read.parsed("LYCEUM_SESSIONS", cls.sessions, allowed.sessions),
            origins=read.parsed("LYCEUM_ORIGINS", cls.origins, allowed.origins),
            trusted_proxies=read.parsed(
                "LYCEUM_TRUSTED_PROXIES", cls.trusted_proxies, allowed.networks
            ),
            log_format=read.parsed("LYCEUM_LOG_FORMAT", cls.log_format, allowed.log_format),
            deflate=read.parsed("LYCEUM_DEFLATE", cls.deflate, allowed.deflate),
            linger_seconds=read.parsed(
                "LYCEUM_LINGER_SECONDS", cls.linger_seconds, allowed.seconds
            ),
            history_seconds=read.parsed(
                "LYCEUM_HISTORY_SECONDS", cls.history_seconds, allowed.seconds
            ),
            drain_seconds=read.parsed("LYCEUM_DRAIN_SECONDS", cls.drain_seconds, allowed.seconds),
            activity_seconds=read.parsed(
                "LYCEUM_ACTIVITY_SECONDS", cls.activity_seconds, allowed.interval
            ),
            activity_retention_days=read.parsed(
                "LYCEUM_ACTIVITY_RETENTION_DAYS", cls.activity_retention_days, allowed.days
            ),
            events_retention_days=read.parsed(
                "LYCEUM_EVENTS_RETENTION_DAYS", cls.events_retention_days, allowed.days
            ),
            audit_key_file=read.parsed("LYCEUM_AUDIT_KEY_FILE", None, allowed.file),
            audit_roots_file=read.parsed("LYCEUM_AUDIT_ROOTS_FILE", None, allowed.file),
            audit_seconds=read.parsed("LYCEUM_AUDIT_SECONDS", cls.audit_seconds, allowed.interval),
            webhooks_private=read.parsed(
                "LYCEUM_WEBHOOKS_PRIVATE", cls.webhooks_private, allowed.private
            ),
            webhook_changed_seconds=read.parsed(
                "LYCEUM_WEBHOOK_CHANGED_SECONDS", cls.webhook_changed_seconds, allowed.seconds
            ),
            pace=Pace(
                fanout_share=read.parsed("LYCEUM_FANOUT_SHARE", Pace.fanout_share, allowed.share),
                fanout_longest_seconds=read.parsed(
                    "LYCEUM_FANOUT_LONGEST_SECONDS", Pace.fanout_longest_seconds, allowed.longest
                ),
                presence_share=read.parsed(
                    "LYCEUM_PRESENCE_SHARE", Pace.presence_share, allowed.share
                ),
                presence_longest_seconds=read.parsed(
                    "LYCEUM_PRESENCE_LONGEST_SECONDS",
                    Pace.presence_longest_seconds,
                    allowed.longest,
                ),
            ),
            pooling=Pooling(
                size=read.parsed("LYCEUM_POOL_SIZE", Pooling.size, allowed.pool_size),
                slow_seconds=read.parsed(
                    "LYCEUM_SLOW_QUERY_MS", Pooling.slow_seconds, allowed.milliseconds
                ),
                pooler_url=read.parsed("LYCEUM_POOLER_URL", None, allowed.postgres_url),
                replica_urls=read.parsed(
                    "LYCEUM_REPLICA_URLS", Pooling.replica_urls, allowed.postgres_urls
                ),
                replica_lag_seconds=read.parsed(
                    "LYCEUM_REPLICA_MAX_LAG_SECONDS", Pooling.replica_lag_seconds, allowed.interval
                ),
            ),
            limits=Limits(
                **{
                    name: read.parsed(f"LYCEUM_LIMIT_{name.upper()}", default, allowed.limit)
                    for name, default in _defaults(Limits).items()
                }
            ),
        )


def is_loopback(host: str) -> bool:
    """Whether an address or host name is one that only this machine reaches."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _defaults(limits: type[Limits]) -> dict[str, int]:
    return {name: getattr(limits(), name) for name in limits.__dataclass_fields__}


class _Reader:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ

    def text(self, name: str) -> str | None:
        return self.environ.get(name) or None

    def parsed(self, name: str, default: T, parse: Callable[[str], T]) -> T:
        value = self.text(name)
        if value is None:
            return default
        try:
            return parse(value)
        except ValueError as error:
            raise ConfigError(f"{name}={_shown(name, value)}: {error}") from None


def without_password(url: str) -> str:
    """A database's URL, or what was meant as one, as it may be shown."""
    url = re.sub(r"(password=)[^&\s]*", r"\1…", url)
    return re.sub(r":(?!//).*@", ":…@", url, count=1)


def _shown(name: str, value: str) -> str:
    """The value as an error may show it: no secret, no password."""
    return "…" if "SECRET" in name or name == "LYCEUM_KEYS" else repr(without_password(value))
