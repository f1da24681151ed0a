"""Errors as RFC 9457 problem details: every answer that is no success is one."""

import math
import re
from collections.abc import Set
from http import HTTPStatus
from typing import Any

import structlog
from litestar import Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec
from msgspec import Struct, field, json

from server.errors import BadRequest, LyceumError, TooFast, Unauthorized, Unavailable
from server.http.api.choices import with_choices
from server.persistence.database import LASTING, PASSING, describe

log = structlog.get_logger()

PROBLEM_JSON = "application/problem+json"
RETRY_AFTER = 1  # seconds

Asked = Request[Any, Any, State]


class FieldError(Struct, frozen=True):
    """What is wrong with one field of the body, or one parameter; field: empty for all of it."""

    field: str
    message: str


class Invalid(BadRequest):
    """The request does not fit what is expected here."""

    def __init__(self, errors: list[FieldError]) -> None:
        told = "; ".join(f"{error.field}: {error.message}".strip(": ") for error in errors)
        super().__init__(f"The request does not fit what is expected here: {told}.")
        self.errors = errors


class Problem(Struct, frozen=True, omit_defaults=True):
    """What went wrong (RFC 9457). type: leads to what it means. detail: a sentence for people."""

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
    return Response(
        Problem(type_of(title), spaced(title), status, detail, errors or []),
        status_code=status,
        media_type=PROBLEM_JSON,
        headers=headers,
    )


def spaced(name: str) -> str:
    """A problem's name as a title."""
    return re.sub("(?!^)([A-Z])", r" \1", name).capitalize()


def type_of(name: str) -> str:
    """What leads to the meaning of a problem of that name."""
    return f"/api/docs#{spaced(name).lower().replace(' ', '-')}"


def encoded(error: LyceumError) -> bytes:
    """An error of ours as the body of an answer that is given before a request is routed."""
    name = type(error).__name__
    return json.encode(Problem(type_of(name), spaced(name), error.http_status, str(error)))


def on_lyceum_error(request: Asked, error: LyceumError) -> Response[Problem]:
    """An error of ours: its class names the problem, its text is for people."""
    headers = {}
    if isinstance(error, Unauthorized):
        bad = ', error="invalid_token"' if "authorization" in request.headers else ""
        headers["www-authenticate"] = f'Bearer realm="lyceum"{bad}'
    elif isinstance(error, TooFast):
        headers["retry-after"] = str(math.ceil(error.retry_after))
    elif isinstance(error, Unavailable):
        headers["retry-after"] = str(RETRY_AFTER)
    errors = error.errors if isinstance(error, Invalid) else None
    return problem(error.http_status, type(error).__name__, str(error), errors, headers)


def on_validation(request: Asked, error: ValidationException) -> Response[Problem]:
    """A parameter that does not fit its description; each wrong one is named."""
    found = error.extra if isinstance(error.extra, list) else []
    parameters = request.route_handler.parsed_fn_signature.parameters
    errors = []
    for entry in found:
        key, message = entry.get("key", ""), entry["message"]
        if key in parameters:
            message = with_choices(message, parameters[key].annotation)
        errors.append(FieldError(key, message))
    # The framework also lists what it looked for in vain, by name alone; that is nobody's fault.
    wrong = [entry for entry in errors if entry.message != repr(entry.field)]
    return on_lyceum_error(request, Invalid(wrong))


def on_http(request: Asked, error: HTTPException) -> Response[Problem]:
    """What the framework refuses: unknown paths, methods, bodies that are too large."""
    title = HTTPStatus(error.status_code).phrase.title().replace(" ", "").replace("-", "")
    headers = dict(error.headers or {})
    match error.status_code:
        case 404:
            detail = "There is nothing at this path; /api/docs says what there is."
        case 405:
            headers["allow"] = allowed(set(headers["allow"].split(", ")))
            detail = f"{request.method} is not for this path; it takes {headers['allow']}."
        case 413:
            most = request.app.state.services.limits.request_bytes
            detail = f"The body of a request has at most {most} bytes."
        case _:
            detail = error.detail
    return problem(error.status_code, title, detail, headers=headers)


def allowed(methods: Set[str]) -> str:
    """Methods as the Allow header has them; where one may GET one may ask for the HEAD."""
    return ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))


def on_unfit(request: Asked, error: Exception) -> Response[Problem]:
    """The database will never take that; our own checks should have said so."""
    log.error("request does not fit the database", path=request.url.path, why=describe(error))
    return problem(400, "BadRequest", "The request holds something that can't be stored.")


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
    **dict.fromkeys(LASTING, on_unfit),
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
    415: "The body's type is not what is expected.",
    429: "Too fast; Retry-After says how long to wait.",
    503: "Not now; try again.",
}


def problems(*statuses: int) -> dict[int, ResponseSpec]:
    """What a route may answer besides success, for its description; some are common to all."""
    common = (400, 401, 403, 404, 410, 429, 503)
    return {
        status: ResponseSpec(
            Problem,
            description=REASONS[status],
            generate_examples=False,
            media_type=PROBLEM_JSON,
        )
        for status in sorted({*common, *statuses})
    }
