"""The API as one ASGI application."""

from collections.abc import Sequence
from functools import cache
from importlib.metadata import version

from litestar import Litestar, Response, Router, get, route
from litestar.datastructures import State
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme, Tag
from msgspec import Struct
from starlette.types import ASGIApp

from server.domain.origins import OriginPolicy
from server.http.api import (
    activity,
    chat,
    document,
    document_edits,
    exchange,
    participants,
    problems,
    revocations,
    sessions,
    webhooks,
)
from server.http.api.bodies import StrictRequest
from server.http.api.cors import Pages
from server.http.api.openapi import described
from server.http.api.problems import HANDLERS, allowed
from server.http.api.request_ids import RequestIds
from server.http.api.services import Services, provide_caller, provide_name, provide_services
from server.http.ops import SecurityHeaders

NO_STORE = [(b"cache-control", b"no-store")]
DESCRIPTION = """
One more way into the sessions, for programs: what is edited and said here reaches everybody who is
there at once, and is answered after it is saved.

Show a token as `Authorization: Bearer …`; without one you are a guest. Session names stand in
paths percent-encoded, slashes too. Whatever is no success is a problem (RFC 9457).
"""
MODULES = (
    *(sessions, participants, document, document_edits, exchange, chat, activity),
    *(webhooks, revocations, problems),
)
TAGS: dict[str, tuple[str, Sequence[HTTPRouteHandler]]] = {
    "Sessions": ("Who may meet where, and until when.", sessions.HANDLERS),
    "Participants": ("Who was there, and what each may do.", participants.HANDLERS),
    "Document": ("What is written, read and edited.", [*document.HANDLERS, *exchange.HANDLERS]),
    "Chat": ("What is said beside it.", chat.HANDLERS),
    "Activity": ("Who did how much, and when.", activity.HANDLERS),
    "Webhooks": ("What other servers are told.", webhooks.HANDLERS),
    "Revocations": ("Which tokens count no more.", revocations.HANDLERS),
}


def make_api(services: Services, policy: OriginPolicy) -> ASGIApp:
    """The API, below /api/v1, and its description at /api/openapi.json.

    policy: which pages may use it from a browser.
    """
    api = _make_routes(services)
    return SecurityHeaders(RequestIds(Pages(api, policy)), NO_STORE)  # type: ignore[arg-type]


def _make_routes(services: Services) -> Litestar:
    routers = [
        Router("/api/v1", route_handlers=[*_options(handlers), *handlers], tags=[tag])
        for tag, (_, handlers) in TAGS.items()
    ]
    api = Litestar(
        route_handlers=routers,
        request_class=StrictRequest,
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
            tags=[Tag(name=tag, description=about) for tag, (about, _) in TAGS.items()],
            use_handler_docstrings=True,
            operation_id_creator=lambda handler, _method, _path: handler.handler_name,
            enabled_endpoints=set(),
        ),
        logging_config=None,
    )
    # Describing takes as long as much of the start-up, and few servers are ever asked for it.
    description = cache(lambda: described(api, _models()))

    @get("/api/openapi.json", include_in_schema=False, sync_to_thread=True)
    def openapi_json() -> Response[bytes]:
        """The API's description."""
        return Response(description(), media_type="application/json")

    api.register(openapi_json)
    return api


def _options(handlers: Sequence[HTTPRouteHandler]) -> list[HTTPRouteHandler]:
    """Say which methods a path takes; the framework's own answer forgets all but one."""
    taken: dict[str, set[str]] = {}
    for handler in handlers:
        for path in handler.paths:
            taken.setdefault(path, {"OPTIONS"}).update(handler.http_methods)

    def answering(path: str) -> HTTPRouteHandler:
        def options() -> Response[None]:
            return Response(None, status_code=204, headers={"allow": allowed(taken[path])})

        return route(path, http_method="OPTIONS", include_in_schema=False, sync_to_thread=False)(
            options
        )

    return [answering(path) for path in taken]


def _models() -> list[type[Struct]]:
    """What the routes take and give."""
    return [
        value
        for module in MODULES
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Struct)
    ]
