"""Pages of long lists: opaque cursors that stay right while the list changes."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from typing import Annotated, Generic, TypeVar

import msgspec
from litestar.params import Parameter
from msgspec import Struct

from server.errors import BadRequest

T = TypeVar("T")
K = TypeVar("K")

FIRST = 2**62  # above all ids: a list that begins with the newest begins below it
MAX_LIMIT = 200
CHECK_BYTES = 6

Limit = Annotated[
    int, Parameter(ge=1, le=MAX_LIMIT, description="How many at most.", required=False)
]
Cursor = Annotated[
    str | None,
    Parameter(
        description="`next` of the page before, asked for in the same way.",
        min_length=1,
        max_length=2048,
        required=False,
    ),
]


class Page(Struct, Generic[T], frozen=True):
    """One page; next: the cursor of the page behind it, null on the last one."""

    items: list[T]
    next: str | None


def encode_cursor(key: object, of: object = "") -> str:
    """A key of a list as a cursor. of: which list it is; for others the cursor is none.

    The check is no secret: whoever makes up a cursor sees what they may see anyway. It tells a
    program that mixes lists up or cuts cursors off what it did.
    """
    encoded = msgspec.json.encode(key)
    return urlsafe_b64encode(_check(encoded, of) + encoded).decode().rstrip("=")


def decode_cursor(cursor: str | None, kind: type[K], first: K, of: object = "") -> K:
    """The key in a cursor of that list, `first` without one; raises BadRequest."""
    if cursor is None:
        return first
    try:
        key = msgspec.json.decode(
            urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))[CHECK_BYTES:], type=kind
        )
    except (ValueError, msgspec.DecodeError):
        key = None
    if key is None or encode_cursor(key, of) != cursor:
        raise BadRequest("This cursor is none that the server gave out for this list.")
    return key


def _check(encoded: bytes, of: object) -> bytes:
    return blake2b(msgspec.json.encode(of) + encoded, digest_size=CHECK_BYTES).digest()
