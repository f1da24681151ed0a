"""Configuration: what the environment says, checked at once and explained when wrong."""

from base64 import b64encode
from dataclasses import fields
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.config import Config, Limits, Pace, Pooling, is_loopback
from server.errors import ConfigError

SECRET = "s" * 32
URL = "postgresql://lyceum:hunter2@db.example:5432/lyceum"


def test_an_empty_environment_gives_a_server_for_this_machine() -> None:
    """Loopback, port 8000, embedded database, guests may write."""
    config = Config.read({})
    assert config == Config(data_dir=Path(".lyceum").absolute())
    assert (config.host, config.port, config.guests) == ("127.0.0.1", 8000, "editor")
    assert config.loopback


def test_every_setting_is_read() -> None:
    """Each variable reaches its field."""
    config = Config.read(
        {
            "LYCEUM_HOST": "0.0.0.0",
            "LYCEUM_PORT": "0",
            "LYCEUM_DATABASE_URL": URL,
            "LYCEUM_DATA_DIR": "/somewhere",
            "LYCEUM_AUTH_SECRET": SECRET,
            "LYCEUM_AUTH_JWKS_FILE": "/keys.json",
            "LYCEUM_AUTH_ISSUER": "https://id.example",
            "LYCEUM_AUTH_AUDIENCE": "lyceum",
            "LYCEUM_KEYS_FILE": "/keys",
            "LYCEUM_GUESTS": "viewer",
            "LYCEUM_ORIGINS": "https://School.example:443, http://localhost:5173",
            "LYCEUM_TRUSTED_PROXIES": "10.0.0.0/8, 192.0.2.1",
            "LYCEUM_LOG_FORMAT": "json",
            "LYCEUM_DEFLATE": "off",
            "LYCEUM_LINGER_SECONDS": "1.5",
            "LYCEUM_HISTORY_SECONDS": "0",
            "LYCEUM_DRAIN_SECONDS": "2",
            "LYCEUM_ACTIVITY_SECONDS": "0.5",
            "LYCEUM_ACTIVITY_RETENTION_DAYS": "0",
            "LYCEUM_EVENTS_RETENTION_DAYS": "90",
            "LYCEUM_WEBHOOKS_PRIVATE": "allow",
            "LYCEUM_WEBHOOK_CHANGED_SECONDS": "5",
            "LYCEUM_POOL_SIZE": "20",
            "LYCEUM_SLOW_QUERY_MS": "250",
            "LYCEUM_POOLER_URL": URL,
            "LYCEUM_REPLICA_URLS": f"{URL}, {URL}",
            "LYCEUM_REPLICA_MAX_LAG_SECONDS": "1",
            "LYCEUM_FANOUT_SHARE": "1",
            "LYCEUM_FANOUT_LONGEST_SECONDS": "0",
            "LYCEUM_PRESENCE_SHARE": "0.01",
            "LYCEUM_PRESENCE_LONGEST_SECONDS": "10",
        }
    )
    assert config == Config(
        host="0.0.0.0",
        port=0,
        database_url=URL,
        data_dir=Path("/somewhere"),
        auth_secret=SECRET,
        jwks_file=Path("/keys.json"),
        auth_issuer="https://id.example",
        auth_audience="lyceum",
        keys_file=Path("/keys"),
        guests="viewer",
        origins=frozenset({"https://school.example", "http://localhost:5173"}),
        trusted_proxies=(ip_network("10.0.0.0/8"), ip_network("192.0.2.1")),
        log_format="json",
        deflate="off",
        linger_seconds=1.5,
        history_seconds=0,
        drain_seconds=2,
        activity_seconds=0.5,
        activity_retention_days=0,
        events_retention_days=90,
        webhooks_private="allow",
        webhook_changed_seconds=5,
        pace=Pace(1, 0, 0.01, 10),
        pooling=Pooling(20, 0.25, URL, (URL, URL), 1),
    )
    assert not config.loopback


@pytest.mark.parametrize("limit", [field.name for field in fields(Limits)])
@pytest.mark.parametrize("value", [0, 12345])
def test_every_limit_is_read(limit: str, value: int) -> None:
    """Each bound has its variable; the others keep their defaults."""
    config = Config.read({f"LYCEUM_LIMIT_{limit.upper()}": str(value)})
    assert config.limits == Limits(**{limit: value})


def test_the_command_line_goes_before_the_environment() -> None:
    """Also port 0, which takes any free one."""
    environ = {"LYCEUM_HOST": "192.0.2.1", "LYCEUM_PORT": "9000"}
    config = Config.read(environ, host="::1", port=0)
    assert (config.host, config.port) == ("::1", 0)


@pytest.mark.parametrize("name", ["LYCEUM_PORT", "LYCEUM_GUESTS", "LYCEUM_DATABASE_URL"])
def test_an_empty_variable_is_none(name: str) -> None:
    """As shells and compose files leave them behind."""
    assert Config.read({name: ""}) == Config.read({})


@pytest.mark.parametrize(
    "environ",
    [
        {"LYCEUM_HOST": "0.0.0.0"},
        {"LYCEUM_HOST": "lyceum.example"},
        {"LYCEUM_DATABASE_URL": URL},
    ],
    ids=["all addresses", "a name", "a shared database"],
)
def test_guests_stay_out_of_a_server_that_others_reach(environ: dict[str, str]) -> None:
    """Only on loopback with the embedded database are guests let in unasked."""
    assert Config.read(environ).guests == "off"
    assert Config.read({**environ, "LYCEUM_GUESTS": "editor"}).guests == "editor"


@pytest.mark.parametrize("guests", ["editor", "viewer", "off"])
def test_guests_may_be_set(guests: str) -> None:
    """To each of the three."""
    assert Config.read({"LYCEUM_GUESTS": guests}).guests == guests


@pytest.mark.parametrize("deflate", ["large", "off"])
def test_compression_may_be_set(deflate: str) -> None:
    """To what is large, or off."""
    assert Config.read({"LYCEUM_DEFLATE": deflate}).deflate == deflate


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_the_log_format_may_be_set(log_format: str) -> None:
    """To each of the two."""
    assert Config.read({"LYCEUM_LOG_FORMAT": log_format}).log_format == log_format


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("LYCEUM_PORT", "http", "port number"),
        ("LYCEUM_PORT", "65536", "port number"),
        ("LYCEUM_PORT", "-1", "port number"),
        ("LYCEUM_DATABASE_URL", "mysql://db/lyceum", "postgresql://"),
        ("LYCEUM_GUESTS", "yes", "editor, viewer and off"),
        ("LYCEUM_ORIGINS", "school.example", "as https://school.example"),
        ("LYCEUM_ORIGINS", "https://a.example,", "with commas between"),
        ("LYCEUM_TRUSTED_PROXIES", "proxy", "addresses and networks"),
        ("LYCEUM_TRUSTED_PROXIES", "10.0.0.1/8", "addresses and networks"),
        ("LYCEUM_LOG_FORMAT", "xml", "console and json"),
        ("LYCEUM_DEFLATE", "all", "large (what is large is sent compressed) and off"),
        ("LYCEUM_LINGER_SECONDS", "soon", "seconds, 0 or more"),
        ("LYCEUM_LINGER_SECONDS", "-1", "seconds, 0 or more"),
        ("LYCEUM_HISTORY_SECONDS", "nan", "seconds, 0 or more"),
        ("LYCEUM_DRAIN_SECONDS", "inf", "seconds, 0 or more"),
        ("LYCEUM_ACTIVITY_SECONDS", "0", "0.1 to 3600"),
        ("LYCEUM_ACTIVITY_SECONDS", "often", "seconds"),
        ("LYCEUM_ACTIVITY_RETENTION_DAYS", "1.5", "0 keeps everything"),
        ("LYCEUM_ACTIVITY_RETENTION_DAYS", "99999", "1 to 36500"),
        ("LYCEUM_WEBHOOKS_PRIVATE", "on", "off (webhooks lead to public addresses only)"),
        ("LYCEUM_WEBHOOK_CHANGED_SECONDS", "often", "seconds, 0 or more"),
        ("LYCEUM_POOL_SIZE", "1", "2 to 200"),
        ("LYCEUM_POOL_SIZE", "many", "number of connections"),
        ("LYCEUM_SLOW_QUERY_MS", "0.5", "number of milliseconds"),
        ("LYCEUM_POOLER_URL", "pgbouncer:6432", "postgresql://"),
        ("LYCEUM_REPLICA_URLS", "postgres://replica,other", "with commas"),
        ("LYCEUM_REPLICA_MAX_LAG_SECONDS", "0", "0.1 to 3600"),
        ("LYCEUM_FANOUT_SHARE", "25%", "0.01 to 1"),
        ("LYCEUM_FANOUT_SHARE", "0", "0.01 to 1"),
        ("LYCEUM_PRESENCE_SHARE", "1.1", "0.01 to 1"),
        ("LYCEUM_PRESENCE_SHARE", "nan", "0.01 to 1"),
        ("LYCEUM_FANOUT_LONGEST_SECONDS", "-1", "seconds, 0"),
        ("LYCEUM_FANOUT_LONGEST_SECONDS", "11", "0 (at once) to 10"),
        ("LYCEUM_PRESENCE_LONGEST_SECONDS", "soon", "seconds, 0"),
        ("LYCEUM_LIMIT_MESSAGE_BYTES", "16MB", "0 lifts the limit"),
        ("LYCEUM_LIMIT_MESSAGE_BYTES", "-1", "0 lifts the limit"),
    ],
)
def test_a_wrong_value_is_explained(name: str, value: str, allowed: str) -> None:
    """The error names the variable, the value and what is allowed."""
    with pytest.raises(ConfigError) as error:
        Config.read({name: value})
    assert str(error.value).startswith(f"{name}={value!r}: ")
    assert allowed in str(error.value)


def test_a_short_secret_is_refused_and_not_shown() -> None:
    """Nor does any error show a database's password."""
    with pytest.raises(ConfigError, match="at least 32 bytes") as error:
        Config.read({"LYCEUM_AUTH_SECRET": "hunter2"})
    assert "hunter2" not in str(error.value)
    with pytest.raises(ConfigError) as error:
        Config.read({"LYCEUM_DATABASE_URL": URL.replace("postgresql", "mysql")})
    assert "hunter2" not in str(error.value)
    with pytest.raises(ConfigError) as error:
        Config.read({"LYCEUM_REPLICA_URLS": f"{URL},{URL},elsewhere"})
    assert "hunter2" not in str(error.value)
    assert "lyceum:…@db.example" in str(error.value)


def test_encryption_keys_may_be_given() -> None:
    """As they are or in a file, not both; an error shows nothing of them."""
    key = b64encode(b"hunter2!" * 4).decode()
    keys = Config.read({"LYCEUM_KEYS": f"2:{key}"}).keys
    assert keys is not None
    assert keys.newest.id == 2
    assert "hunter2" not in repr(keys)
    with pytest.raises(ConfigError, match=r"^LYCEUM_KEYS=…: the key 2 is not the base64") as error:
        Config.read({"LYCEUM_KEYS": f"2:{key}A"})
    assert key[:10] not in str(error.value)
    with pytest.raises(ConfigError, match="both set; allowed is one"):
        Config.read({"LYCEUM_KEYS": f"2:{key}", "LYCEUM_KEYS_FILE": "keys"})


@pytest.mark.parametrize("kind", ["PUBLIC", "RSA PUBLIC", "PRIVATE"])
def test_a_key_of_a_pair_is_no_secret(kind: str) -> None:
    """Everybody knows the public one; the error says where it belongs, and does not show it."""
    with pytest.raises(ConfigError, match="LYCEUM_AUTH_JWKS_FILE") as error:
        Config.read({"LYCEUM_AUTH_SECRET": f"-----BEGIN {kind} KEY-----\n{'A' * 60}"})
    assert "AAA" not in str(error.value)


def test_a_secret_is_measured_in_bytes() -> None:
    """16 characters of two bytes each are enough."""
    assert Config.read({"LYCEUM_AUTH_SECRET": "é" * 16}).auth_secret == "é" * 16


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.0.1", False),
        ("localhost.example", False),
    ],
)
def test_loopback_is_recognised(host: str, loopback: bool) -> None:
    """Addresses by their range, names only if they are `localhost`."""
    assert is_loopback(host) is loopback


@given(
    st.sampled_from(["PORT", "GUESTS", "LINGER_SECONDS", "DATABASE_URL", "LIMIT_OUTBOX_BYTES"]),
    st.text(max_size=12),
)
def test_any_value_is_taken_or_explained(name: str, value: str) -> None:
    """No text in the environment makes anything but a configuration or a ConfigError."""
    try:
        Config.read({f"LYCEUM_{name}": value})
    except ConfigError as error:
        explanation = str(error)
    else:
        explanation = name
    assert name in explanation
