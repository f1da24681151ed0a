"""The document over REST: read as text, JSON or Yjs update, and edited as anybody edits it."""

from base64 import b64decode
from typing import Annotated, Literal

from litestar import Request, Response, get, patch, post, put
from litestar.datastructures import State
from litestar.params import Parameter
from msgspec import Meta, Struct

from server.documents import text
from server.documents.reading import text_of
from server.domain.roles import Role
from server.errors import BadRequest, ProtocolError
from server.http.api.bodies import OCTETS, expect
from server.http.api.etags import IfMatch, etag, tag_in
from server.http.api.problems import problems
from server.http.api.services import Caller, until_saved
from server.ids import SessionName
from server.persistence.collaboration import VersionMismatch
from server.sessions.session import Session
from server.sessions.visitor import Visitor

Field = Annotated[
    str,
    Parameter(description="The shared type's name.", min_length=1, max_length=255, required=False),
]
Format = Literal["text", "update", "state-vector"]


class TextNew(Struct, frozen=True, forbid_unknown_fields=True):
    """What a text is to be."""

    text: Annotated[str, Meta(max_length=10_000_000)]


class TextPatched(Struct, frozen=True, forbid_unknown_fields=True):
    """Changes of a text, in places of the text as it was before."""

    patches: Annotated[list[text.Patch], Meta(min_length=1, max_length=10_000)]


class Edited(Struct, frozen=True):
    """An edit is saved. etag: of the document after it."""

    etag: str


@get(
    "/sessions/{name:str}/document",
    summary="Read the document",
    responses=problems(),
)
async def read_document(
    caller: Caller,
    session_name: SessionName,
    format: Format = "text",
    field: Field = "content",
    state_vector: Annotated[
        str | None,
        Parameter(
            description="Only what somebody with this state vector (base64url) lacks.",
            pattern="^[A-Za-z0-9_-]+=*$",
            required=False,
        ),
    ] = None,
) -> Response[bytes]:
    """The document as it is now, with all that was received."""
    session, _, _ = await caller.session(session_name)
    session.tick()
    headers = {"etag": session.etag}
    match format:
        case "text":
            body = text_of(session.document.encode(), field).encode()
            return Response(body, media_type="text/plain", headers=headers)
        case "update":
            body = _diff(session, state_vector)
        case "state-vector":
            body = session.document.state_vector
    return Response(body, media_type=OCTETS, headers=headers)


def _diff(session: Session, state_vector: str | None) -> bytes:
    """What somebody lacks; raises BadRequest."""
    if state_vector is None:
        return session.document.encode()
    try:
        padded = state_vector + "=" * (-len(state_vector) % 4)
        return session.document.diff(b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, ProtocolError):
        raise BadRequest("state_vector has to be a Yjs state vector as base64url.") from None


@post(
    "/sessions/{name:str}/document/updates",
    summary="Apply a Yjs update",
    responses=problems(409),
    status_code=200,
)
async def apply_update(
    request: Request[None, None, State], caller: Caller, session_name: SessionName
) -> Edited:
    """The body is the update (format v1). Takes an editor."""
    expect(request, OCTETS)
    update = await request.body()
    session, visitor = await _visit(caller, session_name)
    return await _edit(session, visitor, update)


@put(
    "/sessions/{name:str}/document/text",
    summary="Replace a text",
    responses=problems(409, 412),
)
async def put_text(
    caller: Caller,
    session_name: SessionName,
    data: TextNew,
    field: Field = "content",
    if_match: IfMatch = None,
) -> Edited:
    """Changes only what differs, so that others' edits and carets stay. Takes an editor."""
    session, visitor = await _visit(caller, session_name, if_match)
    update = text.replace_text(session.document.encode(), field, data.text, session.client_id)
    return await _edit(session, visitor, update)


@patch(
    "/sessions/{name:str}/document/text",
    summary="Change a text in places",
    responses=problems(409, 412),
)
async def patch_text(
    caller: Caller,
    session_name: SessionName,
    data: TextPatched,
    field: Field = "content",
    if_match: IfMatch = None,
) -> Edited:
    """Places are counted in UTF-16 units, as Yjs and JavaScript count. Takes an editor."""
    session, visitor = await _visit(caller, session_name, if_match)
    update = text.patch_text(session.document.encode(), field, data.patches, session.client_id)
    return await _edit(session, visitor, update)


async def _visit(
    caller: Caller, name: SessionName, if_match: str | None = None
) -> tuple[Session, Visitor]:
    """The session as somebody who may edit it, as it is now; nothing may be awaited before the
    edit, or it may not be any more."""
    session, identity, _ = await caller.session(name, Role.EDITOR)
    session.tick()
    tag = tag_in(if_match)
    if tag is not None and etag(tag) != session.etag:
        raise VersionMismatch
    return session, Visitor(identity)


async def _edit(session: Session, visitor: Visitor, update: bytes) -> Edited:
    """Have everybody see an edit, and wait until it is saved."""
    try:
        session.edit(visitor, update)
    except ProtocolError as error:
        raise BadRequest(f"The body is no Yjs update: {error}") from None
    edited = Edited(session.etag)
    await until_saved(visitor.saved)
    return edited


HANDLERS = [read_document, apply_update, put_text, patch_text]
