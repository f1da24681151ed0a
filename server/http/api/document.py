"""The document over REST: read as text, JSON or Yjs update, and edited as anybody edits it."""

from base64 import b64decode
from typing import Annotated, Literal

from litestar import Request, Response, get, patch, post, put
from litestar.datastructures import State
from litestar.params import Parameter
from msgspec import Meta, Struct

from server import telemetry
from server.documents import text
from server.documents.exchange import TEXT_FIELD
from server.documents.names import Format
from server.documents.reading import text_of
from server.errors import BadRequest, ProtocolError
from server.http.api.bodies import OCTETS, expect
from server.http.api.document_edits import Edited, edit, visit
from server.http.api.etags import IfMatch
from server.http.api.exchange import MEDIA_TYPES, MaybeField, exported
from server.http.api.problems import problems
from server.http.api.services import Caller
from server.ids import SessionName
from server.sessions.session import Session

Field = Annotated[
    str,
    Parameter(description="The shared type's name.", min_length=1, max_length=255, required=False),
]
Form = Format | Literal["update", "state-vector"]


class TextNew(Struct, frozen=True, forbid_unknown_fields=True):
    """What a text is to be."""

    text: Annotated[str, Meta(max_length=10_000_000)]


class TextPatched(Struct, frozen=True, forbid_unknown_fields=True):
    """Changes of a text, in places of the text as it was before."""

    patches: Annotated[list[text.Patch], Meta(min_length=1, max_length=10_000)]


@get(
    "/sessions/{name:str}/document",
    summary="Read the document",
    responses=problems(),
)
async def read_document(
    caller: Caller,
    session_name: SessionName,
    format: Form = "text",
    field: MaybeField = None,
    state_vector: Annotated[
        str | None,
        Parameter(
            description="Only what somebody with this state vector (base64url) lacks.",
            pattern="^[A-Za-z0-9_-]+=*$",
            required=False,
        ),
    ] = None,
) -> Response[bytes]:
    """The document as it is now, with all that was received.

    The only text or rich text that there is needs no `field`; JSON then has all root types.
    """
    session, _, _ = await caller.session(session_name)
    session.tick()
    headers = {"etag": session.etag}
    with telemetry.holding("export", session=session.name):
        match format:
            case "update":
                body = _diff(session, state_vector)
                return Response(body, media_type=OCTETS, headers=headers)
            case "state-vector":
                body = session.document.state_vector
                return Response(body, media_type=OCTETS, headers=headers)
            case "text" if body := _text(session, field):
                return Response(body, media_type=MEDIA_TYPES["text"], headers=headers)
    return await exported(session, format, field)


def _text(session: Session, field: str | None) -> bytes:
    return text_of(session.document.encode(), field or TEXT_FIELD).encode()


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
    session, visitor = await visit(caller, session_name)
    return await edit(session, visitor, update)


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
    session, visitor = await visit(caller, session_name, if_match)
    with telemetry.holding("edit over REST", session=session.name):
        update = text.replace_text(session.document.encode(), field, data.text, session.client_id)
    return await edit(session, visitor, update)


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
    session, visitor = await visit(caller, session_name, if_match)
    with telemetry.holding("edit over REST", session=session.name):
        update = text.patch_text(session.document.encode(), field, data.patches, session.client_id)
    return await edit(session, visitor, update)


HANDLERS = [read_document, apply_update, put_text, patch_text]
