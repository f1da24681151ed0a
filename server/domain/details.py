"""What makes a document a collaboration session, and who may be what in it. Pure."""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from server.domain.identity import Identity
from server.domain.roles import Role
from server.ids import DocumentId, SessionName

RoleName = Literal["teacher", "editor", "commenter", "viewer"]
RoleOrNone = Literal["teacher", "editor", "commenter", "viewer", "none"]
Status = Literal["ACTIVE", "ARCHIVED", "EXPIRED"]
Type = Literal["code", "prose"]

CLOSED = {
    "ARCHIVED": "This session is archived: you may read it, not change it.",
    "EXPIRED": "This session has expired: you may read it, not change it.",
}


class Permissions(Struct, frozen=True, forbid_unknown_fields=True):
    """Roles in a session of those who have none of their own there.

    everyone: users whose token names no sessions. guests: at most what the server lets guests be.
    """

    everyone: RoleOrNone = "editor"
    guests: RoleOrNone = "editor"


class Details(Struct, frozen=True):
    """A session as the database knows it, beside its document.

    roles: of users who have one of their own, «none» for those who were removed. version: rises
    with every change. capacity: participants at the same time, None without a bound.
    """

    id: DocumentId
    name: SessionName
    title: str
    type: Type
    language: str
    status: Status
    owner: str | None
    permissions: Permissions
    roles: dict[str, RoleOrNone]
    capacity: int | None
    version: int
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None

    def status_at(self, now: float) -> Status:
        """The status at a Unix time: an active session whose time is over has expired."""
        over = self.expires_at is not None and self.expires_at.timestamp() <= now
        return "EXPIRED" if over and self.status == "ACTIVE" else self.status

    def closed_at(self, now: float) -> str:
        """Why nobody may write at a Unix time, in a sentence for people; empty if all is open."""
        return CLOSED.get(self.status_at(now), "")

    def role_of(self, identity: Identity) -> Role | None:
        """What somebody is in this session; None: not let in. docs/access.md explains the rule."""
        if identity.user is None:
            return _lower(identity.grant, _role(self.permissions.guests))
        if identity.grant is Role.TEACHER or identity.user == self.owner:
            return Role.TEACHER
        if identity.user in self.roles:
            return _role(self.roles[identity.user])
        return identity.grant or _role(self.permissions.everyone)


def _role(name: RoleOrNone) -> Role | None:
    return None if name == "none" else Role.named(name)


def _lower(one: Role | None, other: Role | None) -> Role | None:
    return None if one is None or other is None else min(one, other)
