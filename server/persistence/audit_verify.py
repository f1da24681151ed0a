"""Verifies the audit log against its seals in one pass, and proves single rows."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from msgspec import Struct

from server.domain.audit import Keys, Proof, Row, Seal, make_proof
from server.domain.audit_check import Checker, Finding
from server.errors import AuditError
from server.persistence import audit
from server.persistence.audit_roots import exported
from server.persistence.types import Connection

# Otherwise all rows might be sorted before the first one comes.
BY_INDEX = "set local enable_sort = off"
MOST_FINDINGS = 1_000  # that are kept; the others are counted


class Report(Struct):
    """What was looked at, and what was found; waiting: rows that are not sealed yet.

    not_exported: seals that are newer than the exported ones; None if there is no such file.
    """

    rows: int = 0
    seals: int = 0
    waiting: int = 0
    not_exported: int | None = None
    found: int = 0
    findings: list[Finding] = []

    def add(self, findings: Iterator[Finding]) -> None:
        """Count findings and keep the first ones."""
        for finding in findings:
            self.found += 1
            if len(self.findings) < MOST_FINDINGS:
                self.findings.append(finding)


async def verify(
    connection: Connection, keys: Keys, roots: Path | None, tell: Callable[[Report], None]
) -> Report:
    """Compare all rows with all seals; tell: called with the report so far, again and again."""
    report = Report()
    checker = Checker(keys, None if roots is None else _exported(roots))
    # One snapshot: a row that is committed meanwhile must not be taken for one put in later.
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute(BY_INDEX)
        rows = audit.all_rows(connection)
        row = await _next(rows)
        async for seal, leaves in audit.all_seals(connection):
            end = max((part.stop for part in seal.ranges), default=0)
            while row is not None and row.id < end:
                report.add(checker.row(row))
                report.rows += 1
                row = await _next(rows)
            report.add(checker.seal(seal, leaves))
            report.seals += 1
            tell(report)
        while row is not None:
            if row.id <= checker.floor:
                report.add(checker.row(row))
            else:
                report.waiting += 1
            report.rows += 1
            row = await _next(rows)
    report.add(checker.end())
    report.waiting += checker.waiting
    report.not_exported = None if roots is None else checker.not_exported
    return report


async def prove(connection: Connection, id: int) -> Proof:
    """Prove that a seal covers a row as it is; raises AuditError if none does."""
    row = await audit.read_row(connection, id)
    if row is None:
        raise AuditError(f"the audit log has no row {id}")
    covering = await audit.covering_seal(connection, id)
    if covering is None:
        raise AuditError(f"row {id} is not sealed yet; the server does that every few seconds")
    proof = make_proof(row, covering.leaves, covering.seal)
    if not proof.fits:
        raise AuditError(
            f"row {id} is not what seal {covering.seal.number} covers; `lyceum db verify-audit`"
            " tells what was changed"
        )
    return proof


async def _next(rows: AsyncIterator[Row]) -> Row | None:
    return await anext(rows, None)


def _exported(path: Path) -> Iterator[Seal]:
    try:
        yield from exported(path)
    except OSError as error:
        raise AuditError(f"the exported seals in {path} can't be read: {error.strerror}") from None
