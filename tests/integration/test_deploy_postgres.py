"""Debian's Postgres starts with the files of deploy/, and lets in whom they name, as they say."""

import os
import signal
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

import asyncpg
import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from server.persistence import postmaster, roles
from server.persistence.embedded import EmbeddedPostgres
from server.persistence.types import Connection
from tests.support.logins import connected
from tests.support.postgres import debian_binaries
from tests.support.waiting import eventually

DEPLOY = Path(__file__).parents[2] / "deploy"
SERVERS, OFFICE, HERE = "10.20.1.0/24", "10.20.2.0/24", "127.0.0.1/32"
# Of this machine, and of no interest here: size, folders, and an archive that is not there.
OURS = {
    "shared_buffers": "64MB",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "archive_command": "/bin/true",
}
# What initdb writes into its file as well; a setting that is given twice counts the second time.
TWICE = {"max_connections", "max_wal_size", "timezone", "log_timezone"}
LOGINS = """
create role live login password 'secret' in role lyceum_server;
create role numbers login password 'secret' in role lyceum_analyst;
create role stranger login password 'secret';
create role root login superuser password 'secret';
grant select on pg_file_settings, pg_hba_file_rules to live;
grant execute on function pg_show_all_file_settings(), pg_hba_file_rules() to live;
"""


class Production(NamedTuple):
    """A Postgres that runs with the files. process: the postmaster; folder: the cluster's."""

    process: subprocess.Popen[bytes]
    folder: Path
    port: int
    trust: ssl.SSLContext

    @asynccontextmanager
    async def login(
        self,
        user: str,
        password: str = "secret",
        database: str = "lyceum",
        tls: ssl.SSLContext | bool | None = None,
    ) -> AsyncIterator[Connection]:
        """A connection over the network."""
        connection = await asyncpg.connect(
            host="127.0.0.1",
            port=self.port,
            user=user,
            password=password,
            database=database,
            ssl=self.trust if tls is None else tls,
        )
        try:
            yield connection
        finally:
            await connection.close()

    async def admits(self, user: str) -> bool:
        """Whether somebody gets in."""
        async with self.login(user) as connection:
            return bool(await connection.fetchval("select true"))

    def use_rules(self, network: str) -> None:
        """Take this machine for a part of a network, from now on."""
        write_rules(self.folder, network)
        self.process.send_signal(signal.SIGHUP)


def write_rules(folder: Path, network: str) -> None:
    """Say who gets in where this machine is a part of a network."""
    rules = (DEPLOY / "pg_hba.conf").read_text()
    (folder / "pg_hba.conf").write_text(rules.replace(network, HERE))


def make_certificate(folder: Path) -> None:
    """A certificate for this machine that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "database")])
    here = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(here, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "server.crt").write_bytes(certificate.public_bytes(pem))
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.key").write_bytes(secret)
    (folder / "server.key").chmod(0o600)


@pytest_asyncio.fixture(scope="module")
async def production(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Production]:
    """One for all tests; this machine is one of the servers' network."""
    data = tmp_path_factory.mktemp("production")
    first = EmbeddedPostgres(data, binaries=debian_binaries())  # its database is called lyceum
    await first.start()
    try:
        async with connected(first.url) as connection:
            await roles.ensure(connection)
            await connection.execute(LOGINS)
    finally:
        await first.stop()

    cluster = data / "postgres"
    account = postmaster.account_for(cluster)
    lines = [f"{name} = '{value}'" for name, value in OURS.items()]
    (cluster / "lyceum.conf").write_text((DEPLOY / "postgresql.conf").read_text())
    with (cluster / "postgresql.conf").open("a") as file:
        file.write("\n".join(["", "include 'lyceum.conf'", *lines, ""]))
    write_rules(cluster, SERVERS)
    make_certificate(cluster)
    for name in ("lyceum.conf", "server.crt", "server.key"):
        if account is not None:
            os.chown(cluster / name, account.uid, account.gid)
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    folder = os.open(cluster, os.O_RDONLY | os.O_DIRECTORY)
    log = os.open(data / "production.log", os.O_CREAT | os.O_WRONLY)
    process = postmaster.spawn(
        [debian_binaries() / "postgres", "-D", f"/proc/self/fd/{folder}", f"--port={port}"],
        account,
        output=log,
        keep=[folder],
        at_our_death=signal.SIGQUIT,
    )
    os.close(folder)
    os.close(log)
    trust = ssl.create_default_context(cafile=cluster / "server.crt")
    running = Production(process, cluster, port, trust)
    try:
        await eventually(lambda: running.admits("live"), 30)
        yield running
    finally:
        await postmaster.shut_down(process)


async def test_every_setting_is_taken(production: Production) -> None:
    """Postgres knows each line of both files and runs with it, but for those of this machine."""
    async with production.login("live") as connection:
        left = await connection.fetch("select name from pg_file_settings where not applied")
        assert {row["name"].lower() for row in left} <= TWICE | set(OURS)
        assert not await connection.fetch("select from pg_file_settings where error is not null")
        rules = await connection.fetch("select type, error from pg_hba_file_rules")
        assert [row["type"] for row in rules].count("hostssl") == 7
        assert not [row["error"] for row in rules if row["error"]]
        assert await connection.fetchval("show wal_compression") == "lz4"
        assert await connection.fetchval("show archive_mode") == "on"


async def test_in_tls_only(production: Production) -> None:
    """TLS 1.3 with the server's own certificate; without TLS, or with an older one, nobody is."""
    async with production.login("live") as connection:
        used = await connection.fetchrow(
            "select ssl, version from pg_stat_ssl where pid = pg_backend_pid()"
        )
        assert tuple(used or ()) == (True, "TLSv1.3")
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError, match="no encryption"):
        async with production.login("live", tls=False):
            pass
    old = ssl.create_default_context(cafile=production.folder / "server.crt")
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionError)):
        async with production.login("live", tls=old):
            pass


@pytest.mark.parametrize(
    ("user", "password", "database", "why"),
    [
        ("live", "wrong", "lyceum", "password authentication failed"),
        ("live", "secret", "postgres", "rejects connection"),
        ("stranger", "secret", "lyceum", "rejects connection"),
        ("root", "secret", "lyceum", "rejects connection"),
        ("numbers", "secret", "lyceum", "rejects connection"),
    ],
)
async def test_others_are_refused(
    production: Production, user: str, password: str, database: str, why: str
) -> None:
    """A wrong password, another database, a login of no group, a superuser, an analyst where the
    servers are: none gets in over the network."""
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError, match=why):
        async with production.login(user, password, database):
            pass


async def test_each_network_has_its_logins(production: Production) -> None:
    """Where staff sits analysts get in, and the server's login does not."""
    production.use_rules(OFFICE)
    try:
        await eventually(lambda: production.admits("numbers"))
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
            await production.admits("live")
    finally:
        production.use_rules(SERVERS)
        await eventually(lambda: production.admits("live"))


async def test_passwords_are_scram(production: Production) -> None:
    """A password that is set is kept in the form that its rule asks for, and asked for as such."""
    async with production.login("live") as connection:
        assert await connection.fetchval("show password_encryption") == "scram-sha-256"
        await connection.execute("alter role current_user password 'other'")
    async with production.login("live", "other") as connection:
        await connection.execute("alter role current_user password 'secret'")


async def test_log_keeps_what_people_wrote_to_itself(production: Production) -> None:
    """A slow statement and a row that is refused are logged without their values."""
    async with production.login("live") as connection:
        await connection.execute("create temporary table notes (body text unique)")
        await connection.execute("insert into notes values ($1)", "sesame")
        with pytest.raises(asyncpg.UniqueViolationError, match="notes_body_key"):
            await connection.execute("insert into notes values ($1)", "sesame")
        await connection.execute("select pg_sleep(0.51), $1::text", "sesame")
    log = production.folder.parent / "production.log"
    await eventually(lambda: "pg_sleep" in log.read_text())
    assert "notes_body_key" in log.read_text()
    assert "sesame" not in log.read_text()
