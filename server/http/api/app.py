"""The API as one ASGI application, and the way that requests come to it."""

from importlib.metadata import version

from litestar import Litestar, Request, Response, Router, get
from litestar.datastructures import State
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme, Tag
from litestar.types import ASGIApp as LitestarApp
from starlette.types import ASGIApp, Receive, Scope, Send

from server.http.api import chat, document, participants, sessions, webhooks
from server.http.api.problems import HANDLERS
from server.http.api.services import Services, provide_caller, provide_name, provide_services

PREFIX = "/api"
DESCRIPTION = """
One more way into the sessions, for programs: what is edited and said here reaches everybody who is
there at once, and is answered after it is saved.

Show a token as `Authorization: Bearer …`; without one you are a guest. Session names stand in
paths percent-encoded, slashes too. Whatever is no success is a problem (RFC 9457).
"""
TAGS = {
    "Sessions": sessions.HANDLERS,
    "Participants": participants.HANDLERS,
    "Document": document.HANDLERS,
    "Chat": chat.HANDLERS,
    "Webhooks": webhooks.HANDLERS,
}


def make_api(services: Services) -> LitestarApp:
    """The API; serves paths below /api/v1, and its description at /api/openapi.json."""
    routers = [
        Router("/api/v1", route_handlers=list(handlers), tags=[tag])
        for tag, handlers in TAGS.items()
    ]
    return Litestar(
        route_handlers=[*routers, openapi_json],
        dependencies={
            "services": Provide(provide_services, sync_to_thread=False),
            "caller": Provide(provide_caller, sync_to_thread=False),
            "session_name": Provide(provide_name, sync_to_thread=False),
        },
        exception_handlers=HANDLERS,
        state=State({"services": services}),
        request_max_body_size=services.limits.request_bytes or None,
        openapi_config=OpenAPIConfig(
            title="Lyceum",
            version=version("lyceum"),
            description=DESCRIPTION,
            components=Components(
                security_schemes={
                    "token": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")
                }
            ),
            security=[{"token": []}, {}],
            tags=[Tag(name=tag) for tag in TAGS],
            use_handler_docstrings=True,
            enabled_endpoints=set(),
        ),
        logging_config=None,
    )


@get("/api/openapi.json", include_in_schema=False, sync_to_thread=False)
def openapi_json(request: Request[None, None, State]) -> Response[dict[str, object]]:
    """The API's description."""
    return Response(request.app.openapi_schema.to_schema())


class Dispatch:
    """Hands requests below /api to the API, and all others to the pages.

    The API's paths are matched as they were sent: a session's name may hold a slash.
    """

    def __init__(self, api: LitestarApp, pages: ASGIApp) -> None:
        self._api = api
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        path = scope.get("path", "")
        if path != PREFIX and not path.startswith(f"{PREFIX}/"):
            await self._pages(scope, receive, send)
            return
        raw = scope["raw_path"].partition(b"?")[0].decode("latin-1")
        await self._api({**scope, "path": raw}, receive, send)  # type: ignore[arg-type]
