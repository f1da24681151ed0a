"""Bodies of requests: taken only as what they say they are, and read strictly."""

import re
from typing import Any

import msgspec
from litestar import Request
from litestar.datastructures import State

from server.errors import BadRequest, LyceumError
from server.http.api.choices import with_choices
from server.http.api.problems import FieldError, Invalid

JSON = "application/json"
OCTETS = "application/octet-stream"
AT = re.compile(r" - at `\$\.?(?P<path>.*)`$")
FIELD = re.compile(r"field `(?P<name>[^`]*)`")


class UnsupportedMediaType(LyceumError):
    """A body of this type is not taken here."""

    http_status = 415


class StrictRequest(Request[Any, Any, State]):
    """A request whose JSON is decoded right into what its route takes: no text becomes a number.

    A page of another origin can send JSON as text/plain without asking; so that is refused.
    """

    async def json(self) -> Any:
        """The body; raises UnsupportedMediaType, BadRequest, Invalid."""
        expect(self, JSON)
        field = self.route_handler.parsed_data_field
        assert field is not None
        try:
            return msgspec.json.decode(await self.body(), type=field.annotation)
        except msgspec.ValidationError as error:
            raise Invalid([_wrong_field(str(error), field.annotation)]) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadRequest(f"The body is no JSON: {error}.") from None
        except RecursionError:
            raise BadRequest("The body is nested too deeply.") from None


def expect(request: Request[Any, Any, State], media_type: str) -> None:
    """Raise UnsupportedMediaType unless the body says that it is of this type."""
    said = request.content_type[0].strip().lower()
    if said != media_type:
        got = f"not {said}" if said else "and none was said"
        raise UnsupportedMediaType(f"Content-Type has to be {media_type}, {got}.")


def _wrong_field(message: str, taken: Any) -> FieldError:
    """What msgspec says about a value, with the place apart. taken: the type of the body."""
    at = AT.search(message)
    path = at["path"] if at else ""
    message = message[: at.start()] if at else message
    named = FIELD.search(message)
    if named:  # one that is missing or unknown; the path leads to what it should be in
        path = f"{path}.{named['name']}" if path else named["name"]
    return FieldError(path, with_choices(message, taken, path))
