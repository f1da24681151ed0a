"""What the routes work with, and who asks them."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar
from unicodedata import category
from urllib.parse import unquote

from litestar import Request
from litestar.datastructures import State

from server.config import Limits
from server.domain.details import Details
from server.domain.identity import Bearer, Identity
from server.domain.roles import Role
from server.errors import BadRequest, Forbidden, Unauthorized, Unavailable
from server.http.api.pace import Pace
from server.ids import SessionName
from server.persistence import collaboration
from server.persistence.database import Database
from server.sessions.access import Access
from server.sessions.chat import Chat
from server.sessions.events import Events
from server.sessions.registry import Registry, check_name
from server.sessions.revoked import Revoked
from server.sessions.runs import Runs
from server.sessions.session import Session
from server.webhooks.management import Webhooks

SAVE_TIMEOUT = 10.0  # seconds that a request waits for COMMIT
MAX_USER = 255
T = TypeVar("T")


@dataclass(frozen=True)
class Services:
    """The parts of the server that the API speaks to."""

    database: Database
    registry: Registry
    access: Access
    chat: Chat
    webhooks: Webhooks
    revoked: Revoked
    runs: Runs
    events: Events
    limits: Limits
    pace: Pace


class Caller:
    """Whoever asks, with the token that came along; empty for a guest."""

    def __init__(self, services: Services, token: str) -> None:
        self._services = services
        self.token = token

    @property
    def bearer(self) -> Bearer:
        """Who it is wherever; raises Unauthorized for a guest."""
        return self._services.access.bearer(self.token)

    @property
    def user(self) -> str | None:
        """The token's user; None without a good one."""
        with suppress(Unauthorized, Unavailable):
            return self.bearer.user if self.token else None
        return None

    def identity(self, name: SessionName) -> Identity:
        """Who it is for a session; raises Unauthorized, Forbidden."""
        return self._services.access.identify(self.token, name)

    async def details(
        self, name: SessionName, least: Role = Role.VIEWER
    ) -> tuple[Details, Identity, Role]:
        """A session without its document, and what the caller is in it.

        Raises Unauthorized, Forbidden (also if the role is below `least`), NotFound, Gone.
        """
        identity = self.identity(name)
        session = self._services.registry.peek(name)
        if session is not None and not session.broken:
            details = session.details
        else:
            async with self._services.database.acquire() as connection:
                details = await collaboration.read(connection, name)
        return details, identity, _role(details, identity, least)

    async def session(
        self, name: SessionName, least: Role = Role.VIEWER
    ) -> tuple[Session, Identity, Role]:
        """The session with its document, opened if need be; raises as `details`."""
        _, identity, _ = await self.details(name, least)
        session = await self._services.registry.visit(name, create=False)
        return session, identity, _role(session.details, identity, least)


def _role(details: Details, identity: Identity, least: Role) -> Role:
    role = details.role_of(identity)
    if role is None:
        raise Forbidden("You are not let into this session.")
    if role < least:
        raise Forbidden(f"That takes a {least.label}; here you are a {role.label}.")
    return role


def rate_key(identity: Identity) -> object:
    """Whom a request is counted to; guests over REST are one, as nothing tells them apart."""
    return identity.user or "guests over REST"


async def until_saved(saving: "asyncio.Future[T]") -> T:
    """What was saved; raises Unavailable if that takes too long, though it may still happen."""
    try:
        return await asyncio.wait_for(asyncio.shield(saving), SAVE_TIMEOUT)
    except TimeoutError:
        raise Unavailable("Not saved yet, and it may still be; look before you repeat.") from None


def provide_services(state: State) -> Services:
    """The services, as every route gets them."""
    services: Services = state.services
    return services


def provide_caller(request: Request[None, None, State], services: Services) -> Caller:
    """Who asks, by the Authorization header.

    Raises Unauthorized if that is no bearer token, and TooFast.
    """
    header = request.headers.get("authorization", "")
    scheme, _, token = header.partition(" ")
    if header and (scheme.lower() != "bearer" or not token.strip()):
        raise Unauthorized("The Authorization header has to be: Bearer TOKEN.")
    caller = Caller(services, token.strip())
    services.pace.count(request, caller.user)
    return caller


def provide_name(request: Request[None, None, State]) -> SessionName:
    """The session's name in the path, which is matched as it was sent."""
    name = _unquoted(request.path_params["name"])
    check_name(name)
    return SessionName(name)


def user_in(segment: str) -> str:
    """The user id in a part of the path; raises BadRequest if no token could have it."""
    user = _unquoted(segment)
    if len(user) > MAX_USER or any(category(char) == "Cc" for char in user):
        raise BadRequest(f"A user id has 1 to {MAX_USER} characters, no control characters.")
    return user


def _unquoted(segment: str) -> str:
    try:
        return unquote(segment, errors="strict")
    except UnicodeDecodeError:
        raise BadRequest("The path is not UTF-8.") from None
