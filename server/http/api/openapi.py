"""The API's description (OpenAPI 3.1): the framework's, made complete and readable."""

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from inspect import cleandoc
from typing import Any

import msgspec
from litestar import Litestar
from litestar.serialization import encode_json
from msgspec import Struct

from server.errors import LyceumError
from server.http.api.examples import ANSWERS, BODIES, PARAMETERS, TAKEN, VERSIONED
from server.http.api.problems import PROBLEM_JSON, REASONS, spaced, type_of

METHODS = ("get", "put", "post", "patch", "delete")
ANYTHING = {"description": "Any JSON."}
NOISE = ("deprecated", "allowEmptyValue", "allowReserved")
ETAG = {"description": "For If-Match.", "schema": {"type": "string"}}
LOCATION = {"description": "Where the new thing is read.", "schema": {"type": "string"}}
HEADERS: dict[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}}},
    429: {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}},
    503: {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}},
}
SUCCESS = {200: "Done.", 201: "Made.", 202: "It will be done.", 204: "Done; there is no body."}

Schema = dict[str, Any]


def described(api: Litestar, models: Iterable[type[Struct]]) -> bytes:
    """The description as JSON.

    models: what routes take and give. The framework forgets some of what they say of themselves.
    """
    schema: Schema = msgspec.json.decode(_renamed(encode_json(api.openapi_schema.to_schema())))
    schemas = schema["components"]["schemas"]
    used = [model for model in models if model.__name__ in schemas]
    _, exact = msgspec.json.schema_components(
        used, schema_hook=lambda _: ANYTHING, ref_template="#/components/schemas/{name}"
    )
    schema["components"]["schemas"] = _tidy(schemas | exact)
    schema["components"]["responses"] = {str(status): _refusal(status) for status in REASONS}
    del schema["servers"]  # whoever serves this serves the API
    schema["x-problems"] = [*_problems()]
    for path in schema["paths"].values():
        for method in METHODS:
            if method in path:
                path[method] = _operation(_tidy(path[method]))
    return msgspec.json.encode(schema)


def _renamed(encoded: bytes) -> bytes:
    """Pages get names that can be read: PageOfSessionView for Page_server.….SessionView_."""
    names = {
        name: f"{name.partition('_')[0]}Of{name.rstrip('_').rpartition('.')[2]}"
        for name in msgspec.json.decode(encoded)["components"]["schemas"]
        if name.endswith("_")
    }
    text = encoded.decode()
    for old, new in names.items():
        text = text.replace(old, new)
    return text.encode()


def _tidy(node: Any) -> Any:
    """Without noise, and each type said in the shortest way."""
    if isinstance(node, list):
        return [_tidy(part) for part in node]
    if not isinstance(node, dict):
        return node
    tidied = {key: _tidy(value) for key, value in node.items() if value or key not in NOISE}
    for bound in ("maximum", "minimum"):
        if isinstance(tidied.get(bound), float):
            tidied[bound] = int(tidied[bound])
    word = "anyOf" if "anyOf" in tidied else "oneOf"
    choices = tidied.get(word, [])
    plain = [choice for choice in choices if choice != {"type": "null"}]
    if len(plain) == 1 and isinstance(plain[0].get("type"), str):
        del tidied[word]
        nullable = len(plain) < len(choices)
        kind = plain[0]["type"]
        tidied = {**plain[0], **tidied, "type": [kind, "null"] if nullable else kind}
    elif len(choices) == 1:
        del tidied[word]
        tidied = {**choices[0], **tidied}
    return tidied


def _operation(operation: Schema) -> Schema:
    responses, id = operation["responses"], operation["operationId"]
    statuses = {int(status) for status in responses}
    if id in TAKEN:
        operation["requestBody"] = {"required": True, "content": TAKEN[id]}
    if "requestBody" in operation:
        statuses |= {413, 415}
        if id in BODIES:
            for content in operation["requestBody"]["content"].values():
                content.setdefault("example", BODIES[id])
    for parameter in operation.get("parameters", []):
        _parameter(parameter)
    for status in sorted(statuses):
        if status in REASONS:
            responses[str(status)] = {"$ref": f"#/components/responses/{status}"}
        else:
            _success(responses[str(status)], status, id)
    operation["responses"] = {key: responses[key] for key in sorted(responses)}
    return operation


def _success(response: Schema, status: int, id: str) -> None:
    response["description"] = SUCCESS[status]
    response["headers"] = {"ETag": ETAG} if id in VERSIONED else {}
    if status == HTTPStatus.CREATED:
        response["headers"]["Location"] = LOCATION
    if id in ANSWERS:
        response["content"] = ANSWERS[id]


def _parameter(parameter: Schema) -> None:
    """What its name says holds in every path. Texts are there or not, never null."""
    schema = parameter["schema"]
    schema.pop("description", None)
    if schema.get("type") == ["string", "null"]:
        schema["type"] = "string"
    for key, value in PARAMETERS.get(parameter["name"], {}).items():
        (parameter if key in ("description", "example") else schema)[key] = value


def _refusal(status: int) -> Schema:
    refusal: Schema = {
        "description": REASONS[status],
        "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    return {**refusal, "headers": HEADERS[status]} if status in HEADERS else refusal


def _problems() -> Iterator[dict[str, str | int]]:
    """Every type that a problem may have, and what it means."""
    found = {error.__name__: (error.http_status, error.__doc__) for error in _below(LyceumError)}
    found["MethodNotAllowed"] = (
        405,
        "This path does not take this method; Allow names those it does.",
    )
    found["RequestEntityTooLarge"] = (
        413,
        "The body has more bytes than LYCEUM_LIMIT_REQUEST_BYTES.",
    )
    for name, (status, meaning) in sorted(found.items(), key=lambda entry: (entry[1][0], entry[0])):
        if status != HTTPStatus.INTERNAL_SERVER_ERROR:
            yield {
                "type": type_of(name),
                "title": spaced(name),
                "status": status,
                "meaning": cleandoc(meaning or "").partition("\n")[0],
            }


def _below(error: type[LyceumError]) -> Iterator[type[LyceumError]]:
    for kind in error.__subclasses__():
        yield kind
        yield from _below(kind)
