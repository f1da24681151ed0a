"""Writes one edit as a Yjs update: what is inserted beside what, and what is deleted."""

import json
from collections import defaultdict
from typing import Any

from server.documents.items import Id, Item, Shared, utf16_units
from server.documents.tree import Tree
from server.protocol.lib0 import varstring, varuint
from server.protocol.structs import (
    ANY,
    FORMAT,
    HAS_ORIGIN,
    HAS_PARENT_SUB,
    HAS_RIGHT_ORIGIN,
    STRING,
    TYPE,
    TYPES_WITH_NAME,
)
from server.protocol.values import value


class Edit:
    """An edit that grows. client: of the edit; nobody else may write under it."""

    def __init__(self, tree: Tree, client: int) -> None:
        self._client = client
        self._start = self._clock = tree.clock(client)
        self._structs: list[bytes] = []
        self._deletes: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)

    def delete(self, client: int, clock: int, length: int) -> None:
        """Delete so many units from a clock on, and all that they hold."""
        self._deletes[client].append((clock, length))

    def delete_item(self, item: Item) -> None:
        """Delete a whole item."""
        self.delete(item.client, item.clock, item.length)

    def encode(self) -> bytes:
        """The update."""
        parts = [varuint(1 if self._structs else 0)]
        if self._structs:
            parts += map(varuint, (len(self._structs), self._client, self._start))
            parts += self._structs
        parts.append(varuint(len(self._deletes)))
        for client, ranges in self._deletes.items():
            parts += map(varuint, (client, len(ranges)))
            parts += (varuint(number) for edges in sorted(ranges) for number in edges)
        return b"".join(parts)

    def text(self, place: "Place", text: str) -> None:
        """Insert characters."""
        self._insert(place, STRING, varstring(text), utf16_units(text))

    def format(self, place: "Place", key: str, setting: Any) -> None:
        """Have what follows formatted so; None ends a format."""
        setting = json.dumps(setting, ensure_ascii=False, separators=(",", ":"))
        self._insert(place, FORMAT, varstring(key) + varstring(setting), 1)

    def shared(self, place: "Place", kind: int, name: str = "") -> Id:
        """Insert an empty shared type; returns what its content names it by."""
        named = varstring(name) if kind in TYPES_WITH_NAME else b""
        return self._insert(place, TYPE, varuint(kind) + named, 1)

    def set(self, place: "Place", key: str, new: Any) -> None:
        """Set a key of a shared type, behind the value that it has."""
        self._insert(place, ANY, varuint(1) + value(new), 1, key)

    def _insert(
        self, place: "Place", kind: int, content: bytes, length: int, key: str | None = None
    ) -> Id:
        left, right = place.left, place.right
        flags = (HAS_ORIGIN if left else 0) | (HAS_RIGHT_ORIGIN if right else 0)
        parts = [bytes((kind | flags | (0 if key is None else HAS_PARENT_SUB),))]
        parts += (varuint(number) for side in (left, right) if side for number in side)
        if not flags:
            if isinstance(place.parent, str):
                parts += [varuint(1), varstring(place.parent)]
            else:
                parts += map(varuint, (0, *place.parent))
            if key is not None:
                parts.append(varstring(key))
        self._structs.append(b"".join([*parts, content]))
        inserted = (self._client, self._clock)
        self._clock += length
        place.left = (self._client, self._clock - 1)
        return inserted


class Place:
    """Where the next thing is inserted, and then the one behind it."""

    __slots__ = ("left", "parent", "right")

    def __init__(self, parent: str | Id, left: Id | None = None, right: Id | None = None) -> None:
        self.parent = parent
        self.left = left
        self.right = right

    @classmethod
    def behind(cls, parent: Shared, left: Item | None) -> "Place":
        """Behind an item of a sequence, or at its start."""
        right = parent.first if left is None else left.right
        return cls(
            parent.parent,
            None if left is None else left.last_id,
            None if right is None else right.id,
        )

    @classmethod
    def of_key(cls, parent: Shared, key: str) -> "Place":
        """Where a key's next value belongs."""
        tail = parent.tails.get(key)
        return cls(parent.parent, None if tail is None else tail.last_id)


def canonical(data: Any) -> str:
    """Equal for attributes that mean the same: null is the same as none."""
    return json.dumps(_present(data), sort_keys=True)


def _present(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _present(inner) for key, inner in data.items() if inner is not None}
    return [_present(inner) for inner in data] if isinstance(data, list) else data
