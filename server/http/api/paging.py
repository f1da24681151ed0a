"""Pages of long lists: opaque cursors that stay right while the list changes."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated, Generic, TypeVar

import msgspec
from litestar.params import Parameter
from msgspec import Struct

from server.errors import BadRequest

T = TypeVar("T")
K = TypeVar("K")

MAX_LIMIT = 200

Limit = Annotated[
    int, Parameter(ge=1, le=MAX_LIMIT, description="How many at most.", required=False)
]
Cursor = Annotated[str | None, Parameter(description="`next` of the page before.", required=False)]


class Page(Struct, Generic[T], frozen=True):
    """One page; next: the cursor of the page behind it, null on the last one."""

    items: list[T]
    next: str | None


def encode_cursor(key: object) -> str:
    """A key of a list as a cursor."""
    return urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def decode_cursor(cursor: str | None, kind: type[K], first: K) -> K:
    """The key in a cursor, `first` without one; raises BadRequest."""
    if cursor is None:
        return first
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        return msgspec.json.decode(urlsafe_b64decode(padded), type=kind)
    except (ValueError, msgspec.DecodeError):
        raise BadRequest("This cursor is none that the server gave out.") from None
