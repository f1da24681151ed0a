"""`lyceum db verify-audit` beside a server that seals, and what it says of what was changed."""

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from server.persistence.database import PASSING, Database
from server.persistence.integrity import CHECKS
from server.persistence.sealing import Sealer
from server.persistence.types import Connection
from tests.support.audit import KEY, change
from tests.support.command import Command
from tests.support.postgres import PostgresInstance
from tests.support.server import LyceumServer
from tests.support.waiting import eventually


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """The file of the key that signs."""
    path = tmp_path / "audit.pem"
    path.write_bytes(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(0o600)
    return path


@pytest.fixture
def public_key(tmp_path: Path) -> Path:
    """The file of its public one."""
    path = tmp_path / "public.pem"
    path.write_bytes(KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return path


async def keep_changing(url: str) -> None:
    """Change something again and again, until the database is gone."""
    connection = await asyncpg.connect(url)
    try:
        while True:
            await change(connection)
    except PASSING:
        connection.terminate()


async def test_a_server_seals(
    make_server: Callable[..., LyceumServer], tmp_path: Path, public_key: Path
) -> None:
    """With nothing configured: what changes is sealed, also by killed and by ending servers.

    Before, nothing is there to compare with.
    """
    server = make_server(audit_seconds="0.1")
    beside = Command(tmp_path, data_dir=str(server.folder / "data"))
    assert (await beside("db", "migrate")).code == 0
    done = await beside("db", "verify-audit", "--public-key", str(public_key))
    assert done.code == 0, done
    assert "audit-roots.jsonl is not there yet" in done.output
    await server.start()
    changing = asyncio.create_task(keep_changing((await beside("db", "url")).output.strip()))
    await eventually(lambda: server.metric("lyceum_audit_rows_sealed_total"))
    await server.kill()
    await changing
    await server.start()
    connection = await asyncpg.connect((await beside("db", "url")).output.strip())
    await change(connection, 2)
    await connection.close()
    assert await server.stop() == 0
    done = await beside("db", "verify-audit", "--json")
    assert done.code == 0, done
    report = json.loads(done.output)
    assert report["rows"] >= 3
    assert (report["waiting"], report["not_exported"], report["findings"]) == (0, 0, [])


async def test_what_was_changed_is_named(
    database: Database, connection: Connection, tmp_path: Path, key: Path, public_key: Path
) -> None:
    """Row and seal, in words and as JSON, with exit code 1; and a proof that needs no database."""
    roots = tmp_path / "roots"
    lyceum = Command(tmp_path, database_url=database._url, audit_key_file=str(key))
    nowhere = Command(tmp_path, database_url="postgresql://127.0.0.1:1/none")
    await change(connection, 5)
    assert await Sealer(database, KEY, roots, 1).once()
    await change(connection, 1)
    done = await lyceum("db", "verify-audit")
    assert (done.code, done.errors) == (0, ""), done
    assert done.output.splitlines() == [
        "6 rows and 1 seals, 1 rows not sealed",
        "not compared with exported seals: LYCEUM_AUDIT_ROOTS_FILE names none",
        "nothing was changed",
    ]
    proof = tmp_path / "proof.json"
    proof.write_text((await lyceum("db", "verify-audit", "--prove", "3")).output)
    check = ("db", "verify-audit", "--public-key", str(public_key), "--check-proof", str(proof))
    done = await nowhere(*check)
    assert done.code == 0, done
    assert "row 3 (INSERT on revocations, " in done.output
    proof.write_text(proof.read_text().replace("INSERT", "DELETE"))
    assert "row 3 is not what seal 1 covers" in (await nowhere(*check)).complaint

    part = await connection.fetchval("select tableoid::regclass::text from audit_log limit 1")
    await connection.execute(f"alter table {part} disable trigger user")
    await connection.execute("update audit_log set actor = 7 where id = 3")
    done = await lyceum("db", "verify-audit", "--roots", str(roots))
    assert done.code == 1
    assert "row 3 (INSERT on revocations" in done.output
    assert "is not what seal 1 covers" in done.output
    assert done.output.splitlines()[-1] == "1 findings"
    done = await lyceum("db", "verify-audit", "--json", audit_roots_file=str(roots))
    assert done.code == 1
    report = json.loads(done.output)
    assert report["findings"][0] | {"text": ""} == {
        "what": "row changed",
        "seal": 1,
        "row": 3,
        "text": "",
    }


async def test_what_it_needs(tmp_path: Path, key: Path, postgres: PostgresInstance) -> None:
    """A key and a schema; a key that others may read is refused."""
    lyceum = Command(tmp_path, database_url=await postgres.create_empty_database())
    assert "no key to verify seals with" in (await lyceum("db", "verify-audit")).complaint
    settings = {"audit_key_file": str(key)}
    complaint = (await lyceum("db", "verify-audit", **settings)).complaint
    assert "the audit log can't be read" in complaint
    os.chmod(key, 0o644)
    assert "mode 0644" in (await lyceum("db", "verify-audit", **settings)).complaint
    assert "mode 0644" in (await lyceum("serve", "--port", "0", **settings)).complaint


async def test_integrity_without_a_schema(postgres: PostgresInstance, tmp_path: Path) -> None:
    """It says which command makes it."""
    lyceum = Command(tmp_path, database_url=await postgres.create_empty_database())
    done = await lyceum("db", "integrity")
    assert (done.code, done.output) == (1, "")
    assert "run `lyceum db migrate` first" in done.complaint


async def test_integrity(database: Database, connection: Connection, tmp_path: Path) -> None:
    """`lyceum db integrity` says which checks hold, and names the rows where one does not."""
    lyceum = Command(tmp_path, database_url=database._url)
    await connection.execute("insert into documents (name, last_seq) values ('lesson', 7)")
    done = await lyceum("db", "integrity")
    assert done.code == 1
    assert "WRONG   journal-end: not so that documents end where" in done.output
    assert "(lesson): last_seq 7, newest row 0" in done.output
    assert done.output.splitlines()[-1] == f"2 of {len(CHECKS)} checks failed"
    done = await lyceum("db", "integrity", "--json")
    assert done.code == 1
    report = json.loads(done.output)
    assert report["failed"] == 2
    assert {check["name"] for check in report["checks"] if check["found"]} == {
        "journal-end",
        "journal-gaps",
    }
