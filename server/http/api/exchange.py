"""Documents over REST in forms that other programs know: exported, and imported as an edit."""

import asyncio
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, Literal

from litestar import Response, put
from litestar.params import Parameter
from msgspec import Meta, Struct

from server import telemetry
from server.documents.exchange import export, put_markdown, put_prosemirror
from server.documents.names import Format, Naming
from server.documents.prosemirror import Mark as Mark  # the description shows it
from server.documents.prosemirror import Node
from server.http.api.document_edits import Edited, edit, visit
from server.http.api.etags import IfMatch
from server.http.api.problems import problems
from server.http.api.services import Caller
from server.ids import SessionName
from server.sessions.session import Session

MEDIA_TYPES: dict[Format, str] = {
    "text": "text/plain",
    "json": "application/json",
    "prosemirror": "application/json",
    "markdown": "text/markdown",
}
SOME_FIELD = "The shared type's name; without it, the one that it can be."
MaybeField = Annotated[
    str | None,
    Parameter(description=SOME_FIELD, min_length=1, max_length=255, required=False),
]

# Taking large documents apart is work for the processor: one after the other, beside the loop.
_one_at_a_time = asyncio.Semaphore(1)
_beside = ThreadPoolExecutor(1, thread_name_prefix="exchange")


class ProseMirrorDocument(Struct, frozen=True, forbid_unknown_fields=True):
    """A document as ProseMirror and Tiptap write it. attrs: of the document, are not kept."""

    type: Literal["doc"]
    content: list[Node] = []
    attrs: dict[str, Any] | None = None


class MarkdownNew(Struct, frozen=True, forbid_unknown_fields=True):
    """What a document is to say, in CommonMark."""

    markdown: Annotated[str, Meta(max_length=200_000)]


async def exported(session: Session, format: Format, field: str | None) -> Response[bytes]:
    """The document as it is now in a form."""
    async with _one_at_a_time:
        session.tick()
        headers = {"etag": session.etag}
        with telemetry.holding("export", session=session.name):
            encoded = session.document.encode()
        running = asyncio.get_running_loop()
        body = await running.run_in_executor(_beside, export, encoded, format, field)
    return Response(body.encode(), media_type=MEDIA_TYPES[format], headers=headers)


@put(
    "/sessions/{name:str}/document/prosemirror",
    summary="Replace rich text by ProseMirror JSON",
    responses=problems(409, 412),
)
async def put_prosemirror_document(
    caller: Caller,
    session_name: SessionName,
    data: ProseMirrorDocument,
    field: MaybeField = None,
    if_match: IfMatch = None,
) -> Edited:
    """Have an XmlFragment hold these nodes, as an editor with y-prosemirror would. Takes an editor.

    Blocks that stay as they are keep others' carets and edits.
    """

    def make(session: Session, encoded: bytes, client_id: int) -> bytes:
        return put_prosemirror(encoded, field, data.content, client_id)

    return await _import(caller, session_name, if_match, make)


@put(
    "/sessions/{name:str}/document/markdown",
    summary="Replace rich text or a text by Markdown",
    responses=problems(409, 412),
)
async def put_markdown_document(
    caller: Caller,
    session_name: SessionName,
    data: MarkdownNew,
    field: MaybeField = None,
    names: Annotated[
        Naming | None,
        Parameter(
            description="Whose names nodes get; without it, those that are in use there.",
            required=False,
        ),
    ] = None,
    if_match: IfMatch = None,
) -> Edited:
    """Have an XmlFragment hold what Markdown says, or a text the Markdown. Takes an editor.

    Without a field it is the only XmlFragment, else the text `content`; a document without either
    becomes what its session's type is.
    """

    def make(session: Session, encoded: bytes, client_id: int) -> bytes:
        prose = session.details.type == "prose"
        return put_markdown(encoded, field, data.markdown, client_id, prose, names)

    return await _import(caller, session_name, if_match, make)


async def _import(
    caller: Caller,
    name: SessionName,
    if_match: str | None,
    make: Callable[[Session, bytes, int], bytes],
) -> Edited:
    """Make an edit beside the loop; what others write meanwhile is merged, as with any edit."""
    session, _ = await visit(caller, name, if_match)
    async with _one_at_a_time:
        session.tick()
        client_id = random.randrange(1, 2**32)  # its own: others may edit for others meanwhile
        with telemetry.holding("import", session=session.name):
            encoded = session.document.encode()
        running = asyncio.get_running_loop()
        update = await running.run_in_executor(_beside, make, session, encoded, client_id)
    session, visitor = await visit(caller, name, if_match)
    return await edit(session, visitor, update)


HANDLERS = [put_prosemirror_document, put_markdown_document]
