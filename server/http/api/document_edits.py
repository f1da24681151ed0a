"""How any route edits a document: as somebody who may, and answered once it is saved."""

from msgspec import Struct

from server.domain.roles import Role
from server.errors import BadRequest, ProtocolError
from server.http.api.etags import etag, tag_in
from server.http.api.services import Caller, until_saved
from server.ids import SessionName
from server.persistence.collaboration import VersionMismatch
from server.sessions.session import Session
from server.sessions.visitor import Visitor


class Edited(Struct, frozen=True):
    """An edit is saved. etag: of the document after it."""

    etag: str


async def visit(
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


async def edit(session: Session, visitor: Visitor, update: bytes) -> Edited:
    """Have everybody see an edit, and wait until it is saved."""
    try:
        session.edit(visitor, update)
    except ProtocolError as error:
        raise BadRequest(f"The body is no Yjs update: {error}") from None
    edited = Edited(session.etag)
    await until_saved(visitor.saved)
    return edited
