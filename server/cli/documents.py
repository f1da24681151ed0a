"""`lyceum export`."""

from typing import BinaryIO, get_args

import click

from server.cli.running import fail, with_database
from server.documents.names import Format
from server.errors import LyceumError
from server.ids import SessionName
from server.persistence import collaboration, documents
from server.persistence.types import Connection


@click.command("export")
@click.argument("session")
@click.option(
    "--format",
    "form",
    type=click.Choice([*get_args(Format), "update"]),
    default="text",
    show_default=True,
    help="What it is to be; update: a Yjs update, with which it can be made anew.",
)
@click.option("--field", help="The shared type's name; without it, the one that it can be.")
@click.option("--output", type=click.File("wb"), default="-", help="Where to [standard output].")
def export_document(session: str, form: str, field: str | None, output: BinaryIO) -> None:
    """Write a session's document as it is saved; docs/export.md says in which forms.

    Works beside a running server or without one.
    """

    from server.documents.exchange import export  # late: a server's start need not wait for it
    from server.sessions.document import Document

    async def work(connection: Connection) -> list[bytes]:
        name = SessionName(session)
        await collaboration.read(connection, name)
        stored = await documents.find(connection, name)
        return [] if stored is None else stored.parts

    encoded = Document.load(with_database(work)).encode()
    try:
        written = encoded if form == "update" else export(encoded, form, field).encode()  # type: ignore[arg-type]
    except LyceumError as error:
        fail(str(error))
    output.write(written)
