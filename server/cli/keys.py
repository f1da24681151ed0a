"""`lyceum db new-key`: the keys that personal data is encrypted with."""

from pathlib import Path

import click

from server.cli.running import fail, json_option, print_json, read_config
from server.errors import KeysError
from server.persistence.key_files import add_key


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
