"""`lyceum db verify-audit`: whether the audit log is as it was sealed; proofs of single rows."""

import sys
import time
from pathlib import Path
from typing import BinaryIO

import click
import msgspec

from server.cli.running import fail, json_option, print_json, read_config, with_database
from server.config import Config
from server.domain.audit import Keys, Proof
from server.errors import AuditError, DatabaseError
from server.persistence.audit import moment
from server.persistence.audit_keys import own_keys, read_keys, roots_file
from server.persistence.audit_verify import Report, prove, verify
from server.persistence.database import PASSING, describe
from server.persistence.types import Connection

TELL_EVERY = 2.0  # seconds


@click.command("verify-audit")
@click.option(
    "--public-key",
    type=click.Path(path_type=Path),
    help="PEM file with the keys of the seals [LYCEUM_AUDIT_KEY_FILE].",
)
@click.option(
    "--roots",
    type=click.Path(path_type=Path),
    help="File that seals were exported to [LYCEUM_AUDIT_ROOTS_FILE].",
)
@click.option(
    "--prove", "row", type=click.IntRange(1), help="Print a proof of the row with this id."
)
@click.option("--check-proof", type=click.File("rb"), help="Check a proof; needs no database.")
@json_option
def db_verify_audit(
    public_key: Path | None,
    roots: Path | None,
    row: int | None,
    check_proof: BinaryIO | None,
    as_json: bool,
) -> None:
    """Find what was changed in the audit log since it was sealed; exit code 1 if anything was.

    docs/audit.md tells what is logged and sealed, and what that proves.
    """
    config = read_config()
    try:
        keys = _keys(config, public_key)
        if check_proof is not None:
            _check(keys, check_proof.read(), as_json)
            return
    except AuditError as error:
        fail(str(error))
    if row is not None:
        proof = with_database(lambda connection: _prove(connection, keys, row))
        click.echo(msgspec.json.format(msgspec.json.encode(proof)))
        return
    exported = roots or _own_roots(config)
    report = with_database(lambda connection: _verify(connection, keys, exported))
    if as_json:
        print_json(msgspec.to_builtins(report))
    else:
        _print(report, roots_file(config))
    sys.exit(1 if report.found else 0)


def _keys(config: Config, public_key: Path | None) -> Keys:
    keys = own_keys(config) if public_key is None else read_keys(public_key)
    if keys is None:
        raise AuditError(
            "no key to verify seals with: give --public-key, or set LYCEUM_AUDIT_KEY_FILE"
        )
    return keys.verifying


def _own_roots(config: Config) -> Path | None:
    path = roots_file(config)
    missing = config.audit_roots_file is None and path is not None and not path.exists()
    return None if missing else path


async def _verify(connection: Connection, keys: Keys, roots: Path | None) -> Report:
    started = told = time.monotonic()

    def tell(report: Report) -> None:
        nonlocal told
        if time.monotonic() - told >= TELL_EVERY:
            told = time.monotonic()
            click.echo(
                f"{report.rows:,} rows in {report.seals:,} seals looked at"
                f" after {told - started:.0f} s",
                err=True,
            )

    try:
        return await verify(connection, keys, roots, tell)
    except PASSING as error:
        raise DatabaseError(f"the audit log can't be read: {describe(error)}") from error


async def _prove(connection: Connection, keys: Keys, id: int) -> Proof:
    try:
        proof = await prove(connection, id)
    except PASSING as error:
        raise DatabaseError(f"the audit log can't be read: {describe(error)}") from error
    objection = keys.objection(proof.seal)
    if objection is not None:
        raise AuditError(f"row {id} can't be proven: seal {proof.seal.number} {objection}")
    return proof


def _check(keys: Keys, text: bytes, as_json: bool) -> None:
    try:
        proof = msgspec.json.decode(text, type=Proof)
    except msgspec.DecodeError as error:
        raise AuditError(f"this is no proof: {error}") from None
    row, seal = proof.row, proof.seal
    objection = keys.objection(seal)
    if objection is not None:
        raise AuditError(f"the proof fails: seal {seal.number} {objection}")
    if not proof.fits:
        raise AuditError(f"the proof fails: row {row.id} is not what seal {seal.number} covers")
    if as_json:
        print_json({"row": row.id, "seal": seal.number, "sealed_at": moment(seal.sealed_at)})
        return
    click.echo(
        f"row {row.id} ({row.action} on {row.table_name}, {moment(row.at)}) is as it was when seal"
        f" {seal.number} was made, {moment(seal.sealed_at)}, signed with the key {seal.key}"
    )


def _print(report: Report, roots: Path | None) -> None:
    for finding in report.findings:
        click.echo(finding.text)
    if report.found > len(report.findings):
        click.echo(f"… and {report.found - len(report.findings):,} more")
    click.echo(
        f"{report.rows:,} rows and {report.seals:,} seals, {report.waiting:,} rows not sealed"
    )
    if report.not_exported is None:
        why = "LYCEUM_AUDIT_ROOTS_FILE names none" if roots is None else f"{roots} is not there yet"
        click.echo(f"not compared with exported seals: {why}")
    elif report.not_exported:
        click.echo(f"{report.not_exported:,} of the newest seals are not exported")
    click.echo("nothing was changed" if not report.found else f"{report.found:,} findings")
