"""Audited changes, seals over them, and what verification says."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from server.domain.audit import Keys
from server.persistence.audit_verify import Report, verify
from server.persistence.types import Connection

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
KEYS = Keys([KEY.public_key()])

CHANGE = (
    "insert into revocations (token_id) select gen_random_uuid()::text from generate_series(1, $1)"
)

# What an owner can do to get past what guards the log.
UNGUARDED = """
alter table audit_log disable trigger user;
alter table audit_seals disable trigger user;
do $$
declare part text;
begin
    for part in select inhrelid::regclass::text from pg_inherits
        where inhparent = 'audit_log'::regclass
    loop
        execute format('alter table %I disable trigger user', part);
    end loop;
end
$$;
"""


async def change(connection: Connection, rows: int = 1) -> None:
    """Change something that is audited, so that the log has so many rows more."""
    await connection.execute(CHANGE, rows)


async def verified(connection: Connection, roots: Path | None = None) -> Report:
    """What verification says."""
    return await verify(connection, KEYS, roots, lambda _: None)


async def found(connection: Connection, roots: Path | None = None) -> list[tuple[object, ...]]:
    """What does not fit: kind, seal and row of each finding."""
    report = await verified(connection, roots)
    return [(finding.what, finding.seal, finding.row) for finding in report.findings]
