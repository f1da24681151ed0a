"""What a value may be that has to be one of several: msgspec says only that it is none of them."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import inspect


def with_choices(message: str, taken: Any, path: str = "") -> str:
    """msgspec's word on what is wrong with a value, and the words that are allowed there.

    taken: the type of what was sent. path: to the value within it, as msgspec writes it.
    """
    if not message.startswith("Invalid enum value"):
        return message
    kind = inspect.type_info(taken)
    for step in re.findall(r"[^.\[\]]+", path):
        kind = _within(kind, step)
    return f"{message}; allowed are {', '.join(map(repr, _choices(kind)))}"


def _within(kind: inspect.Type, step: str) -> inspect.Type:
    for part in _alternatives(kind):
        if isinstance(part, inspect.CollectionType):
            return part.item_type
        if isinstance(part, inspect.StructType):
            for field in part.fields:
                if field.encode_name == step:
                    return field.type
    return kind


def _choices(kind: inspect.Type) -> Iterator[Any]:
    for part in _alternatives(kind):
        if isinstance(part, inspect.LiteralType):
            yield from part.values


def _alternatives(kind: inspect.Type) -> Sequence[inspect.Type]:
    """Those of a union; a type that is none is its only one."""
    while isinstance(kind, inspect.Metadata):
        kind = kind.type
    return kind.types if isinstance(kind, inspect.UnionType) else (kind,)
