"""Whatever is done to the log or its seals behind the triggers' back is found and named."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from server.domain.audit import Proof, Seal, make_seal, name_of
from server.errors import AuditError
from server.persistence.audit import add_seal, all_rows, all_seals, microseconds, moment
from server.persistence.audit_verify import prove
from server.persistence.database import Database, connect
from server.persistence.sealing import Sealer
from server.persistence.types import Connection
from tests.support.audit import KEY, OTHER_KEY, UNGUARDED, change, found, verified
from tests.support.postgres import PostgresInstance

KEEP = """
create table kept_rows as table audit_log;
create table kept_seals as table audit_seals;
"""
RESTORE = """
delete from audit_log;
delete from audit_seals;
insert into audit_log table kept_rows;
insert into audit_seals table kept_seals;
select setval('audit_log_id_seq', 9);
"""


class Log:
    """A log of nine rows in three seals, past what guards them, that can be made whole again."""

    def __init__(self, connection: Connection, sealer: Sealer, roots: Path) -> None:
        self.connection = connection
        self.sealer = sealer
        self.roots = roots
        self.exported = roots.read_bytes()

    @property
    def lines(self) -> list[bytes]:
        """What was exported, seal by seal."""
        return self.exported.splitlines(keepends=True)

    def export(self, *lines: bytes) -> None:
        """Have these lines in the file instead."""
        self.roots.write_bytes(b"".join(lines))

    async def restore(self) -> None:
        """Make it as it was."""
        await self.connection.execute(RESTORE)
        self.export(self.exported)

    async def do(self, statement: str, *arguments: object) -> None:
        """Do something to the log or its seals."""
        await self.connection.execute(statement, *arguments)

    async def found(self, statement: str = "") -> list[tuple[object, ...]]:
        """What does not fit; with a statement, after that alone was done."""
        if statement:
            await self.restore()
            await self.do(statement)
        return await found(self.connection, self.roots)


@pytest_asyncio.fixture(scope="module")
async def whole_log(
    postgres: PostgresInstance, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Log]:
    """One for all tests."""
    url = await postgres.create_database()
    database = await Database.open(url)
    connection = await connect(url)
    roots = tmp_path_factory.mktemp("audit") / "roots"
    sealer = Sealer(database, KEY, roots, 1)
    for _ in range(3):
        await change(connection, 3)
        assert await sealer.once()
    await connection.execute(UNGUARDED + KEEP)
    yield Log(connection, sealer, roots)
    connection.terminate()
    await database.close()


@pytest_asyncio.fixture
async def log(whole_log: Log) -> Log:
    """It, as it should be."""
    await whole_log.restore()
    assert await whole_log.found() == []
    return whole_log


async def test_a_changed_row(log: Log) -> None:
    """Whatever of it was changed; it and its seal are named."""
    for column in (
        "at = at + interval '1 microsecond'",
        "transaction = '1'",
        "actor = 1",
        "actor_role = 'x'",
        "login = 'x'",
        "request_id = ''",
        "table_name = 'x'",
        "row_key = '{}'",
        "new = jsonb_set(new, '{token_id}', '\"x\"')",
        "action = 'UPDATE', old = '{}'",
    ):
        changed = await log.found(f"update audit_log set {column} where id = 5")
        assert changed == [("row changed", 2, 5)], column
    (finding,) = (await verified(log.connection)).findings
    assert "row 5 (UPDATE on revocations" in finding.text
    assert "seal 2" in finding.text


async def test_removed_rows(log: Log) -> None:
    """The first, one in the middle, and the last."""
    assert await log.found("delete from audit_log where id in (1, 5, 9)") == [
        ("row removed", 1, 1),
        ("row removed", 2, 5),
        ("row removed", 3, 9),
    ]


async def test_more_is_missing_than_one_can_read(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first findings are kept, all are counted."""
    monkeypatch.setattr("server.persistence.audit_verify.MOST_FINDINGS", 4)
    await log.do("delete from audit_log")
    report = await verified(log.connection)
    assert (report.rows, report.found, len(report.findings)) == (0, 9, 4)


INSERT = """
insert into audit_log
select $1, at + $2 * interval '1 second', transaction, actor, actor_role, login, request_id,
    table_name, row_key, action, old, new
from audit_log
where id = 5
"""


async def test_an_inserted_row(log: Log) -> None:
    """With a number that was free, or with one that another row has."""
    for end in ("rollback", "commit", "rollback"):
        await log.do("begin")
        await change(log.connection)
        await log.do(end)
    assert await log.sealer.once()
    for free in (10, 12):
        await log.do(INSERT, free, 0)
        assert await log.found() == [("row inserted", 4, free)]
        await log.do("delete from audit_log where id = $1", free)
    await log.restore()
    await log.do(INSERT, 5, 1)
    assert (await log.found())[0] == ("row inserted", None, 5)


async def test_swapped_rows(log: Log) -> None:
    """Both are named, also when they are of different seals."""
    swap = "update audit_log set id = case id when 2 then -7 else -2 end where id in (2, 7);"
    swapped = await log.found(swap + "update audit_log set id = -id where id < 0")
    assert swapped == [("row changed", 1, 2), ("row changed", 3, 7)]


async def test_a_row_not_sealed_yet(log: Log) -> None:
    """Is counted, and no finding; nor is one that was committed late."""
    await change(log.connection, 2)
    report = await verified(log.connection, log.roots)
    assert (report.waiting, report.rows, report.seals, report.found) == (2, 11, 3, 0)


async def test_a_changed_seal(log: Log) -> None:
    """Whatever of it was changed; the rows are still known to be right where that can be."""
    for column in (
        "root = sha256('x')",
        "floor_id = floor_id + 100",
        "sealed_at = sealed_at + interval '1 second'",
        "signature = sha256('x') || sha256('x')",
        "previous = root",
        "key_id = 'x'",
        "leaves = set_byte(leaves, 0, get_byte(leaves, 0) # 1)",
    ):
        findings = await log.found(f"update audit_seals set {column} where number = 2")
        assert set(findings) == {("seal changed", 2, None)}, column
    for ids in ("{[4,8)}", "{[1,9223372036854775807)}", "{[5,8)}"):
        findings = await log.found(f"update audit_seals set ids = '{ids}' where number = 2")
        assert ("seal changed", 2, None) in findings, ids


async def test_a_removed_seal(log: Log) -> None:
    """One of the middle is named; the newest only the exported file knows of."""
    findings = await log.found("delete from audit_seals where number = 2")
    assert findings[0] == ("seal removed", 2, None)
    assert await log.found("delete from audit_seals where number = 3") == [
        ("seal removed", 3, None)
    ]
    assert await log.found("delete from audit_seals") == [
        ("seal removed", number, None) for number in (1, 2, 3)
    ]
    findings = await log.found("delete from audit_seals where number < 3")
    assert findings[0] == ("seal removed", 1, None)


async def forge(log: Log, key: Ed25519PrivateKey) -> tuple[Seal, list[bytes]]:
    """Change row 9 and make a new seal 3 over it."""
    await log.do("update audit_log set actor = 1 where id = 9")
    async with log.connection.transaction():
        rows = [row async for row in all_rows(log.connection)][6:]
        _, (before, _), _ = [sealed async for sealed in all_seals(log.connection)]
    await log.do("delete from audit_seals where number = 3")
    leaves = [(row.id, row.leaf) for row in rows]
    return make_seal(leaves, 9, before, 1_000_000, key), [leaf for _, leaf in leaves]


async def test_a_seal_signed_anew(log: Log) -> None:
    """A changed row that was sealed again with another key, under that or the right name."""
    forged, leaves = await forge(log, OTHER_KEY)
    for seal in (forged, replace(forged, key=name_of(KEY.public_key()))):
        await log.do("delete from audit_seals where number = 3")
        await add_seal(log.connection, seal, leaves)
        assert await found(log.connection) == [("seal changed", 3, None)]


async def test_a_seal_signed_anew_with_the_key(log: Log) -> None:
    """Somebody who has the key as well is found out by the exported file."""
    await add_seal(log.connection, *await forge(log, KEY))
    assert await found(log.connection) == []
    assert await log.found() == [("seal changed", 3, None)]


async def test_a_seal_that_was_not_exported(log: Log) -> None:
    """In between it is a finding; behind the newest one it is only counted."""
    log.export(log.lines[0], log.lines[2])
    assert await log.found() == [("seal not exported", 2, None)]
    log.export(log.lines[0], log.lines[1][:-9])
    report = await verified(log.connection, log.roots)
    assert (report.found, report.not_exported) == (0, 2)
    with pytest.raises(AuditError, match="can't be read"):
        await verified(log.connection, log.roots / "nowhere")


async def test_a_proof(log: Log) -> None:
    """A row is proven by a few hashes; not one that is missing, waiting or changed."""
    proof = await prove(log.connection, 5)
    assert (proof.row.id, proof.seal.number, proof.fits) == (5, 2, True)
    assert len(msgspec.json.encode(proof)) < 2_000
    assert msgspec.json.decode(msgspec.json.encode(proof), type=Proof) == proof
    await change(log.connection)
    await log.do("update audit_log set actor = 1 where id = 6")
    for id, word in ((6, "not what seal 2 covers"), (10, "not sealed yet"), (99, "no row 99")):
        with pytest.raises(AuditError, match=word):
            await prove(log.connection, id)


def test_moments() -> None:
    """Seals give them to the microsecond."""
    assert microseconds(moment(1_795_651_200_000_001)) == 1_795_651_200_000_001
