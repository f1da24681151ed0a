"""A real PgBouncer before a test's Postgres, with the settings of deploy/."""

import asyncio
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from urllib.parse import parse_qs, urlsplit, urlunsplit

from server.persistence import postmaster
from tests.support.logins import connected
from tests.support.waiting import eventually

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "pgbouncer.ini"
PROGRAM = Path("/usr/sbin/pgbouncer")  # where Debian's package puts it
OURS = "rolname in ('lyceum_live', 'lyceum_web')"


class PgBouncer:
    """One that runs. url: of a database of a test, by way of it."""

    def __init__(self, port: int, log: Path) -> None:
        self.port = port
        self.log = log

    def url(self, url: str) -> str:
        """The URL of the same database and login through it."""
        parts = urlsplit(url)
        netloc = f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{self.port}"
        return urlunsplit(parts._replace(netloc=netloc, query="sslmode=disable"))


@asynccontextmanager
async def pgbouncer(
    superuser_url: str, cluster: Path, bounded: bool = True, **changed: str
) -> AsyncIterator[PgBouncer]:
    """Before all databases of a Postgres, for the logins that it has now.

    superuser_url: a URL that Postgres listens at; cluster: its folder, whose owner PgBouncer is run
    as. bounded: with the time-outs of deploy/. changed: settings.
    """
    account = postmaster.account_for(cluster)
    with tempfile.TemporaryDirectory(prefix="lyceum-pgbouncer-") as name:
        folder = Path(name)
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            port = free.getsockname()[1]
        async with connected(superuser_url) as superuser:
            rows = await superuser.fetch(_statement_for_users())
        (folder / "users").write_text("".join(f"{row[0]}\n" for row in rows))
        settings = {
            "listen_port": str(port),
            "auth_file": str(folder / "users"),
            "server_tls_sslmode": "disable",  # a socket of this machine
            "server_tls_ca_file": "",
            **changed,
        }
        (folder / "ini").write_text(_configuration(superuser_url, bounded, settings))
        for path in (folder, folder / "users", folder / "ini"):
            if account is not None:
                os.chown(path, account.uid, account.gid)
        log = os.open(folder / "log", os.O_CREAT | os.O_WRONLY)
        process = postmaster.spawn(
            [PROGRAM, folder / "ini"],
            account,
            output=log,
            keep=[],
            at_our_death=signal.SIGTERM,
        )
        os.close(log)
        running = PgBouncer(port, folder / "log")
        try:
            await eventually(lambda: _listens(port, process), what="PgBouncer")
            yield running
        finally:
            process.kill()
            await postmaster.ended(process)


def _statement_for_users() -> str:
    """The one that deploy/ tells, for all logins."""
    lines = CONFIGURATION.read_text().splitlines()
    (statement,) = [line for line in lines if line.startswith(";   select ")]
    assert OURS in statement
    return statement.lstrip("; ").replace(OURS, "rolpassword is not null")


def _configuration(url: str, bounded: bool, settings: dict[str, str]) -> str:
    """That of deploy/ with other addresses, and for whichever database."""
    host = parse_qs(urlsplit(url).query)["host"][0]
    lines = []
    for line in CONFIGURATION.read_text().splitlines():
        name = line.partition(" =")[0]
        if line.startswith("lyceum = "):
            query = line[line.index(" connect_query=") :] if bounded else ""
            lines.append(f"* = host={host} port=5432{query}")
        elif name in settings:
            lines.append(f"{name} = {settings.pop(name)}")
        else:
            lines.append(line)
    lines += [f"{name} = {value}" for name, value in settings.items()]
    return "\n".join([*lines, ""])


async def _listens(port: int, process: "subprocess.Popen[bytes]") -> bool:
    assert process.poll() is None
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
    return True
