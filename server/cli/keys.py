"""`lyceum db new-key`, `keys` and `rotate-keys`: the keys that personal data is encrypted with."""

import sys
from pathlib import Path

import click

from server.cli.running import (
    check_schema,
    fail,
    json_option,
    print_json,
    read_config,
    with_database,
)
from server.domain.envelope import Keyring
from server.errors import DatabaseError, KeysError
from server.persistence import encryption_keys
from server.persistence.database import PASSING, describe
from server.persistence.encryption_keys import StoredKey
from server.persistence.key_files import add_key, keyring
from server.persistence.rotation import Progress, Rotated, rotate
from server.persistence.types import Connection


@click.command("new-key")
@click.option(
    "--file", "path", type=click.Path(path_type=Path), help="The key file [LYCEUM_KEYS_FILE]."
)
@json_option
def db_new_key(path: Path | None, as_json: bool) -> None:
    """Make a key that personal data is encrypted with, in a file for its owner alone.

    A file that exists gets one more; docs/privacy.md says what to do with it. Without the file all
    personal data is lost: back it up, and not where the database's backups are.
    """
    path = path or read_config().keys_file
    if path is None:
        fail("new-key needs a file: set LYCEUM_KEYS_FILE, or give --file")
    try:
        id = add_key(path.absolute())
    except KeysError as error:
        fail(str(error))
    if as_json:
        print_json({"id": id, "file": str(path.absolute())})
        return
    click.echo(f"added the key {id} to {path.absolute()}")


@click.command("keys")
@json_option
def db_keys(as_json: bool) -> None:
    """List the keys of personal data and what needs them; exit code 1 if one is missing or wrong.

    Shows nothing of the keys themselves.
    """
    ring = read_keys()

    async def work(connection: Connection) -> list[StoredKey]:
        await check_schema(connection)
        return await encryption_keys.everything(connection)

    stored = with_database(work)
    given = {key.id: key.fingerprint for key in ring}
    found = {key.id: _judged(key, given) for key in stored}
    unused = sorted(given.keys() - found.keys())
    if as_json:
        keys = [key._asdict() | {"given": found[key.id]} for key in stored]
        print_json({"keys": [_without_bytes(key) for key in keys], "unused": unused})
    else:
        for key in stored:
            needs = f"{key.people} data keys, {key.emails} e-mail addresses"
            click.echo(f"{key.id}  {key.status:8}  {needs}  {found[key.id]}")
        for id in unused:
            click.echo(f"{id}  new; `lyceum db rotate-keys` takes the newest into use")
    if any(found[key.id] != "given" for key in stored if key.status != "RETIRED"):
        sys.exit(1)


def _judged(key: StoredKey, given: dict[int, bytes]) -> str:
    if key.id not in given:
        return "missing"
    return "given" if given[key.id] == key.fingerprint else "wrong"


def _without_bytes(key: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in key.items() if name != "fingerprint"}


@click.command("rotate-keys")
@json_option
def db_rotate_keys(as_json: bool) -> None:
    """Take the newest key into use, and everything over from the keys before it.

    Everything goes on meanwhile, for servers that were given the new key before. It may be ended
    and started again at any time, also several times at once. Exit code 1 if a key is needed still.
    """
    ring = read_keys()

    async def work(connection: Connection) -> Rotated:
        await check_schema(connection)
        try:
            return await rotate(connection, ring, _tell)
        except PASSING as error:
            raise DatabaseError(f"keys can't be rotated: {describe(error)}") from error

    done = with_database(work)
    if as_json:
        print_json(done._asdict())
    else:
        took = f"{done.people} people taken over in {done.seconds:.1f} s"
        click.echo(f"the key {done.active} is in use; {took}")
        for id in done.retired:
            click.echo(f"the key {id} is retired; nothing needs it but backups from before")
        for user in done.damaged:
            click.echo(f"the data of person {user} can't be decrypted, and is left as it is")
    if done.damaged:
        sys.exit(1)


def _tell(progress: Progress) -> None:
    left = progress.seconds_left
    click.echo(
        f"{progress.done} people done, {progress.left} left, {progress.rate:.0f} a second"
        + (f", about {left:.0f} s to go" if left is not None else ""),
        err=True,
    )


def read_keys() -> Keyring:
    """The keys that the configuration names; a problem with them ends the command."""
    try:
        return keyring(read_config())
    except KeysError as error:
        fail(str(error))
