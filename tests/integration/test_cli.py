"""The `lyceum` command as users meet it: what it does, and one clear line when it can't."""

import asyncio
import signal
import socket
from pathlib import Path

import asyncpg
import pytest

from server.domain.roles import Role
from server.errors import Forbidden, Unauthorized
from server.ids import SessionName
from server.persistence import revocations
from server.persistence.migrations import migrate, read_migrations
from server.persistence.types import Connection
from server.sessions.access import Access
from server.sessions.tokens import Tokens
from tests.support.command import Command, finished
from tests.support.postgres import PostgresInstance
from tests.support.server import LyceumServer
from tests.support.waiting import eventually

SECRET = "0123456789abcdef0123456789abcdef"
COUNT = len(read_migrations())


@pytest.fixture
def lyceum(tmp_path: Path) -> Command:
    """The command, in an empty folder."""
    return Command(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--help"], "LYCEUM_"),
        (["serve", "--help"], "--port"),
        (["db", "--help"], "rollback"),
        (["db", "rollback", "-h"], "--to"),
        (["token", "--help"], "--session"),
        (["revoke", "--help"], "--token"),
        (["--version"], "lyceum"),
    ],
)
async def test_help(lyceum: Command, arguments: list[str], word: str) -> None:
    """Everything explains itself, whatever the configuration."""
    done = await lyceum(*arguments, port="wrong")
    assert (done.code, done.errors) == (0, "")
    assert word in done.output


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("PORT", "80a", ["'80a'", "1 to 65535"]),
        ("PORT", "65536", ["'65536'", "1 to 65535"]),
        ("DATABASE_URL", "mysql://u:sesame@h/db", ["u:…@h/db", "postgresql://"]),
        ("DATABASE_URL", "u:sesame@h/db", ["u:…@h/db", "postgresql://"]),
        ("DATABASE_URL", "host=h password=sesame", ["host=h", "postgresql://"]),
        ("AUTH_SECRET", "sesame", ["32 bytes"]),
        ("GUESTS", "all", ["'all'", "editor, viewer and off"]),
        ("LOG_FORMAT", "xml", ["'xml'", "console and json"]),
        ("LINGER_SECONDS", "soon", ["'soon'", "seconds, 0 or more"]),
        ("HISTORY_SECONDS", "-1", ["'-1'", "seconds, 0 or more"]),
        ("DRAIN_SECONDS", "nan", ["'nan'", "seconds, 0 or more"]),
        ("LIMIT_MESSAGE_BYTES", "1e6", ["'1e6'", "whole number"]),
        ("LIMIT_JOURNAL_QUEUE_BYTES", "-1", ["'-1'", "0 lifts"]),
    ],
)
async def test_wrong_setting(lyceum: Command, variable: str, value: str, words: list[str]) -> None:
    """A setting that is not allowed: its name, its value but no secret, and what is allowed."""
    complaint = (await lyceum("serve", **{variable.lower(): value})).complaint
    assert complaint.startswith(f"LYCEUM_{variable}=")
    for word in words:
        assert word in complaint
    assert "sesame" not in complaint


async def test_wrong_option(lyceum: Command) -> None:
    """An option out of its range is explained before anything starts."""
    done = await lyceum("serve", "--port", "65536")
    assert done.code == 2
    assert "65536 is not in the range" in done.errors
    assert not (lyceum.folder / "data").exists()


async def test_several_processes_need_what_is_not_there_yet(lyceum: Command) -> None:
    """They are refused with the reason, and nothing is made; one is what there is."""
    complaint = (await lyceum("serve", "--workers", "2", redis_url="redis://localhost")).complaint
    assert "--workers 2" in complaint
    assert "LYCEUM_REDIS_URL" in complaint
    assert "does not exist yet" in complaint
    assert not (lyceum.folder / "data").exists()


async def test_port_taken(lyceum: Command) -> None:
    """A port that is taken is named, with both ways to choose another; nothing was made."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        complaint = (await lyceum("serve", "--port", str(port))).complaint
    assert f"port {port} on 127.0.0.1 is taken" in complaint
    assert "--port" in complaint
    assert "LYCEUM_PORT" in complaint
    assert not (lyceum.folder / "data").exists()


@pytest.mark.parametrize("host", ["192.0.2.1", "no address", "a..b"])
async def test_address_of_nobody(lyceum: Command, host: str) -> None:
    """An address that this machine does not have is named, with where it was set."""
    complaint = (await lyceum("serve", host=host)).complaint
    assert f"can't listen on {host}" in complaint
    assert "LYCEUM_HOST" in complaint


async def test_unwritable_data_dir(lyceum: Command) -> None:
    """A data directory that can't be made is named, with the variable and the reason."""
    (lyceum.folder / "file").touch()
    data = lyceum.folder / "file" / "data"
    for arguments in (["serve", "--port", "0"], ["db", "migrate"]):
        complaint = (await lyceum(*arguments, data_dir=str(data))).complaint
        assert str(data) in complaint
        assert "Not a directory" in complaint
        assert "LYCEUM_DATA_DIR" in complaint


async def test_unreachable_database(lyceum: Command) -> None:
    """A database that nobody answers for is named, without its password."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    url = f"postgresql://lyceum:sesame@127.0.0.1:{port}/lyceum"
    serve, status = await asyncio.gather(
        lyceum("serve", "--port", "0", database_url=url),
        lyceum("db", "status", database_url=url),
    )
    for done in (serve, status):
        assert f"lyceum:…@127.0.0.1:{port}/lyceum can't be reached" in done.complaint
        assert "LYCEUM_DATABASE_URL" in done.complaint


async def test_wrong_password(lyceum: Command, database_url: str) -> None:
    """A database that does not let us in tells why; no password is shown."""
    password = database_url.split(":")[2].partition("@")[0]
    wrong = database_url.replace(password, "sesame")
    complaint = (await lyceum("serve", "--port", "0", database_url=wrong)).complaint
    assert "password authentication failed" in complaint
    assert "sesame" not in complaint


async def test_newer_database(lyceum: Command, database_url: str, connection: Connection) -> None:
    """A database that a newer program has brought forward is left alone."""
    await connection.execute("insert into schema_migrations values ($1, 'later', '')", COUNT + 1)
    complaint = (await lyceum("serve", "--port", "0", database_url=database_url)).complaint
    assert f"the database is at version {COUNT + 1}" in complaint


async def test_second_server(server: LyceumServer, lyceum: Command) -> None:
    """A second server on a data directory learns who uses it; the first goes on."""
    data = server.folder / "data"
    complaint = (await lyceum("serve", "--port", "0", data_dir=str(data))).complaint
    assert f"another lyceum server (pid {server.pid}) uses {data}" in complaint
    assert await server.status("/readyz")


async def test_db_beside_a_server(server: LyceumServer, lyceum: Command) -> None:
    """The db commands use the database of the server that runs on the data directory."""
    lyceum.settings["data_dir"] = str(server.folder / "data")
    status = await lyceum("db", "status")
    assert (status.code, status.errors) == (0, "")
    assert status.output.splitlines()[0] == "0001_journal  applied"
    done = await lyceum("db", "migrate")
    assert (done.code, done.output) == (0, f"the schema is at version {COUNT}\n")
    done = await lyceum("db", "url")
    assert (done.code, done.errors) == (0, "")
    connection = await asyncpg.connect(done.output.strip())
    assert await connection.fetchval("select count(*) from schema_migrations") == COUNT
    await connection.close()


async def test_db_without_a_server(lyceum: Command) -> None:
    """Without a server the database runs for the time of a command, and is not left behind."""
    status = await lyceum("db", "status")
    assert status.code == 1
    assert "0001_journal  missing" in status.output
    done = await lyceum("db", "migrate")
    assert done.code == 0
    assert done.output.splitlines()[0] == "applied 0001_journal"
    assert done.output.splitlines()[-1] == f"the schema is at version {COUNT}"
    status = await lyceum("db", "status")
    assert (status.code, "missing" in status.output) == (0, False)
    assert not (lyceum.folder / "data/postgres/postmaster.pid").exists()
    complaint = (await lyceum("db", "url")).complaint
    assert f"no server runs on {lyceum.folder / 'data'}" in complaint


async def test_db_rollback(lyceum: Command, database_url: str, connection: Connection) -> None:
    """Going back asks first, says what it did, and leaves a database that goes forward again."""
    lyceum.settings["database_url"] = database_url
    done = await lyceum("db", "rollback", "--to", "0", answer="n\n")
    assert done.code == 1
    assert "Aborted" in done.errors
    assert await connection.fetchval("select to_regclass('documents')") == "documents"

    done = await lyceum("db", "rollback", "--to", "0", answer="y\n")
    assert done.code == 0
    assert "\nundone 0001_journal\n" in done.output
    assert await connection.fetchval("select to_regclass('documents')") is None
    done = await lyceum("db", "rollback", "--to", "0", "--yes")
    assert done.output == "nothing above version 0\n"
    assert len((await migrate(connection, read_migrations())).done) == COUNT

    done = await lyceum("db", "url")
    assert done.output == f"{database_url}\n"


async def test_token_is_admitted(lyceum: Command) -> None:
    """A token that the command prints opens the sessions named in it, in the role asked for."""
    access = Access(Tokens(SECRET), "off")
    lyceum.settings["auth_secret"] = SECRET
    arguments = ["--user", "u1", "--name", "Ünal 例", "--ttl", "60"]
    some, everything = await asyncio.gather(
        lyceum("token", *arguments, "--session", "a", "--session", "b-*", "--role", "viewer"),
        lyceum("token", "--user", "u2"),
    )
    assert (some.code, some.errors) == (0, "")
    token = some.output.strip()
    for name in ("a", "b-1"):
        identity = access.identify(token, SessionName(name))
        assert (identity.grant, identity.user) == (Role.VIEWER, "u1")
        assert identity.name == "Ünal 例"
    with pytest.raises(Forbidden):
        access.identify(token, SessionName("c"))
    with pytest.raises(Unauthorized):
        Access(Tokens(SECRET[::-1]), "off").identify(token, SessionName("a"))
    identity = access.identify(everything.output.strip(), SessionName("whatever"))
    assert (identity.grant, identity.user, identity.name) == (None, "u2", None)


async def test_token_without_a_secret(lyceum: Command) -> None:
    """Without a secret there is no token, but a word on how to make one."""
    complaint = (await lyceum("token", "--user", "u1")).complaint
    assert complaint.startswith("LYCEUM_AUTH_SECRET is not set")


async def test_revoke(lyceum: Command, database_url: str, connection: Connection) -> None:
    """A token by its id, or what a user has; said in one line, and kept in the database."""
    one = await lyceum("revoke", "--token", "t1", database_url=database_url)
    assert (one.code, one.output) == (0, "revoked the token t1\n")
    user = await lyceum("revoke", "--user", "ann", database_url=database_url)
    assert user.output.startswith("revoked the tokens of ann issued until 20")
    rows = await revocations.after(connection, 0)
    assert [(row.token_id, row.user) for row in rows] == [("t1", None), (None, "ann")]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ([], "either --user or --token"),
        (["--user", "ann", "--token", "t1"], "either --user or --token"),
        (["--token", "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl"], "not the token itself"),
    ],
    ids=["none", "both", "a token"],
)
async def test_revoke_what(lyceum: Command, arguments: list[str], word: str) -> None:
    """What can't be meant is refused, and a token is not shown again."""
    complaint = (await lyceum("revoke", *arguments)).complaint
    assert word in complaint
    assert "eyJ" not in complaint


async def test_revoke_in_an_old_schema(lyceum: Command, postgres: PostgresInstance) -> None:
    """A database that the program was not migrated to is left alone."""
    url = await postgres.create_empty_database()
    complaint = (await lyceum("revoke", "--user", "ann", database_url=url)).complaint
    assert "lyceum db migrate" in complaint


async def test_bad_keys(lyceum: Command) -> None:
    """A server does not start with them: the setting, the file, the key and the remedy."""
    path = lyceum.folder / "keys.json"
    complaint = (await lyceum("serve", auth_jwks_file=str(path))).complaint
    assert complaint.startswith(f"LYCEUM_AUTH_JWKS_FILE={path}: the file can't be read")
    path.write_text('{"keys": [{"kty": "oct", "kid": "k1", "k": "sesame"}]}')
    complaint = (await lyceum("serve", auth_jwks_file=str(path))).complaint
    assert "key 'k1' is symmetric; remove it" in complaint
    assert "sesame" not in complaint


@pytest.mark.parametrize(
    ("arguments", "number", "code"),
    [
        (["serve", "--port", "0"], signal.SIGINT, 0),
        (["serve", "--port", "0"], signal.SIGTERM, 0),
        (["db", "migrate"], signal.SIGINT, 130),
    ],
)
async def test_ended_during_the_start(
    lyceum: Command, arguments: list[str], number: signal.Signals, code: int
) -> None:
    """Ctrl-C while the database is made: no traceback, nothing left behind, all well next time."""
    data = lyceum.folder / "data"
    process = await lyceum.start(*arguments)
    await eventually(lambda: list(data.glob("postgres-initdb-*/new")), 30)
    process.send_signal(number)
    done = await finished(process)
    assert done.code == code
    assert "Traceback" not in done.errors
    assert not list(data.glob("postgres-initdb-*"))
    assert (await lyceum("db", "migrate")).code == 0


async def test_ended_while_the_database_is_away(lyceum: Command) -> None:
    """Ctrl-C while the server waits for its database ends it at once, and cleanly."""
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, says nothing
        url = f"postgresql://lyceum@127.0.0.1:{silent.getsockname()[1]}/lyceum"
        process = await lyceum.start("serve", "--port", "0", database_url=url)
        caller, _ = await asyncio.to_thread(silent.accept)
        process.send_signal(signal.SIGINT)
        done = await finished(process)
        caller.close()
    assert (done.code, done.output) == (0, "")
    assert "Traceback" not in done.errors
