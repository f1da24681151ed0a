"""ETags, by which two who change the same thing notice each other."""

import re
from typing import Annotated

from litestar.params import HeaderParameter

from server.errors import BadRequest
from server.persistence.collaboration import VersionMismatch

ENTITY_TAG = re.compile(r'(?:W/)?"(?P<tag>[\x21\x23-\x7e\x80-\xff]*)"')

IfMatch = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match",
        description="Only if the ETag is still this one; without it, or with `*`, in any case.",
        schema_extra={"pattern": r'^(\*|(W/)?"[\u0021\u0023-\u007e\u0080-\u00ff]*")$'},
        required=False,
    ),
]


def etag(version: object) -> str:
    """The header that names a version."""
    return f'"{version}"'


def tag_in(if_match: str | None) -> str | None:
    """The tag that an If-Match header names, None for any; raises BadRequest.

    Weak ones count as well: proxies that compress make them of ours.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    found = ENTITY_TAG.fullmatch(if_match.strip())
    if found is None:
        raise BadRequest("If-Match has to be the one ETag of what was read, quotes included, or *.")
    return found["tag"]


def version_in(if_match: str | None, prefix: str = "") -> int | None:
    """The version that an If-Match header names behind a prefix, None for any.

    Raises BadRequest, and VersionMismatch if it is no version of this thing.
    """
    tag = tag_in(if_match)
    if tag is None:
        return None
    number = tag.removeprefix(prefix)
    if not tag.startswith(prefix) or not re.fullmatch("[0-9]{1,18}", number):
        raise VersionMismatch
    return int(number)
