"""Errors as RFC 9457 problem details: every answer that is no success is one."""

import math
from http import HTTPStatus
from typing import Any

import structlog
from litestar import Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec
from msgspec import Struct, field

from server.errors import LyceumError, TooFast, Unavailable
from server.persistence.database import PASSING, describe

log = structlog.get_logger()

PROBLEM_JSON = "application/problem+json"
DOCS = "/api/docs#"
RETRY_AFTER = 1  # seconds

Asked = Request[Any, Any, State]


class FieldError(Struct, frozen=True):
    """What is wrong with one field of a request."""

    field: str
    message: str


class Problem(Struct, frozen=True, omit_defaults=True):
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str = ""
    errors: list[FieldError] = field(default_factory=list)


def problem(
    status: int,
    title: str,
    detail: str,
    errors: list[FieldError] | None = None,
    headers: dict[str, str] | None = None,
) -> Response[Problem]:
    """A problem as an answer."""
    if status == HTTPStatus.UNAUTHORIZED:
        headers = {"www-authenticate": "Bearer", **(headers or {})}
    kind = "".join(f"-{char.lower()}" if char.isupper() else char for char in title)
    return Response(
        Problem(f"{DOCS}{kind.strip('-')}", _spaced(title), status, detail, errors or []),
        status_code=status,
        media_type=PROBLEM_JSON,
        headers=headers,
    )


def _spaced(title: str) -> str:
    spaced = "".join(f" {char.lower()}" if char.isupper() else char for char in title).strip()
    return spaced.capitalize()


def on_lyceum_error(request: Asked, error: LyceumError) -> Response[Problem]:
    """An error of ours: its class names the problem, its text is for people."""
    headers = {}
    if isinstance(error, TooFast):
        headers["retry-after"] = str(math.ceil(error.retry_after))
    elif isinstance(error, Unavailable):
        headers["retry-after"] = str(RETRY_AFTER)
    return problem(error.http_status, type(error).__name__, str(error), headers=headers)


def on_validation(request: Asked, error: ValidationException) -> Response[Problem]:
    """A request that does not fit its description; each wrong field is named."""
    found = error.extra if isinstance(error.extra, list) else []
    errors = [
        FieldError(str(entry.get("key", "")), str(entry.get("message", "")))
        for entry in found
        if isinstance(entry, dict)
    ]
    return problem(400, "Invalid", "The request does not fit what is expected here.", errors)


def on_http(request: Asked, error: HTTPException) -> Response[Problem]:
    """What the framework refuses: unknown paths, methods, bodies that can't be read."""
    title = HTTPStatus(error.status_code).phrase.title().replace(" ", "").replace("-", "")
    return problem(error.status_code, title, error.detail, headers=dict(error.headers or {}))


def on_database(request: Asked, error: Exception) -> Response[Problem]:
    """The database is away or slow; nothing was changed that was not acknowledged."""
    log.warning("request failed", path=request.url.path, why=describe(error))
    detail = "The database can't be reached now; try again."
    return problem(503, "Unavailable", detail, headers={"retry-after": str(RETRY_AFTER)})


def on_anything(request: Asked, error: Exception) -> Response[Problem]:
    """A fault of the server's own, whose inside is nobody's business."""
    log.error("request failed", path=request.url.path, exc_info=error)
    return problem(500, "InternalError", "Something went wrong in the server; it was logged.")


HANDLERS: dict[int | type[Exception], Any] = {
    LyceumError: on_lyceum_error,
    ValidationException: on_validation,
    HTTPException: on_http,
    **dict.fromkeys(PASSING, on_database),
    Exception: on_anything,
}

REASONS = {
    400: "The request is not as it should be.",
    401: "A valid token is needed.",
    403: "The role does not allow it.",
    404: "There is no such thing.",
    409: "It does not fit what is there, or the session is closed.",
    410: "The session was deleted.",
    412: "It was changed since it was read.",
    413: "It is too large.",
    429: "Too fast; Retry-After says how long to wait.",
    503: "Not now; try again.",
}


def problems(*statuses: int) -> dict[int, ResponseSpec]:
    """What a route may answer besides success, for its description; some are common to all."""
    common = (400, 401, 403, 404, 410, 503)
    return {
        status: ResponseSpec(
            Problem,
            description=REASONS[status],
            generate_examples=False,
            media_type=PROBLEM_JSON,
        )
        for status in sorted({*common, *statuses})
    }
