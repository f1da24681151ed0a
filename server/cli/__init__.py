"""The command `lyceum`: its parts, a module each; they read, ask and print, others do the work."""

import click

from server.cli.db import db
from server.cli.documents import export_document
from server.cli.serve import serve
from server.cli.tokens import revoke, token


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    commands=[serve, db, token, revoke, export_document],
)
@click.version_option(package_name="lyceum")
def main() -> None:
    """Lyceum, a real-time collaboration server for Yjs editors.

    Configuration comes from the environment (LYCEUM_…); README.md has the table.
    """
