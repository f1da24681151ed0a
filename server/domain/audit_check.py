"""Compares the rows of the audit log with the seals over them, and says what does not fit.

Seals come in the order of their numbers and rows in the order of their ids; nothing is kept but the
hashes of rows that no seal so far covers, of which there are few.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from msgspec import Struct

from server.domain.audit import NO_SEAL, Keys, Row, Seal
from server.domain.merkle import root_of

What = Literal[
    "row changed",
    "row removed",
    "row inserted",
    "seal changed",
    "seal removed",
    "seal not exported",
]


class Finding(Struct, frozen=True, omit_defaults=True):
    """Something that does not fit; row: its id. `text` says it in words."""

    what: What
    text: str
    seal: int | None = None
    row: int | None = None


class Leaf(NamedTuple):
    """What is kept of a row: its hash, and what it is about."""

    hash: bytes
    about: str

    @classmethod
    def of(cls, row: Row) -> "Leaf":
        """See the class."""
        return cls(row.leaf, f"{row.action} on {row.table_name} {row.row_key or ''}".rstrip())


class Checker:
    """See the module. exported: the seals of the file off the database, in its order, if any."""

    def __init__(self, keys: Keys, exported: Iterable[Seal] | None) -> None:
        self._keys = keys
        self._exported = None if exported is None else iter(exported)
        self._next_exported: Seal | None = None
        self._before: Seal | None = None
        self._before_is_good = True
        self._leaves: dict[int, Leaf] = {}
        self.not_exported = 0  # seals behind the newest one of the file

    @property
    def floor(self) -> int:
        """Up to this id every row is sealed."""
        return self._before.floor if self._before else 0

    @property
    def waiting(self) -> int:
        """Rows so far that no seal covers yet."""
        return len(self._leaves)

    def row(self, row: Row) -> Iterator[Finding]:
        """Take in the next row; all rows up to a seal's last one come before the seal."""
        if row.id in self._leaves:
            text = f"row {row.id} is there twice: one of the two was inserted"
            yield Finding("row inserted", text, None, row.id)
        else:
            self._leaves[row.id] = Leaf.of(row)

    def seal(self, seal: Seal, leaves: Sequence[bytes]) -> Iterator[Finding]:
        """Take in the next seal, with the hashes of its rows as they were when it was made."""
        problems = [*self._chain(seal), *self._signature(seal)]
        yield from problems
        yield from self._export(seal)
        yield from self._rows(seal, leaves)
        self._before, self._before_is_good = seal, not problems
        yield from self.inserted()

    def inserted(self) -> Iterator[Finding]:
        """Rows that no seal covers, though all rows up to some id are covered."""
        number = self._before.number if self._before else None
        for id in [id for id in self._leaves if id <= self.floor]:
            leaf = self._leaves.pop(id)
            text = f"row {id} ({leaf.about}) was inserted after seal {number} was made"
            yield Finding("row inserted", text, number, id)

    def end(self) -> Iterator[Finding]:
        """Nothing more comes."""
        if self._exported is not None:
            newest = self._before.number if self._before else 0
            for seal in self._through_exported(None):
                if seal.number > newest:
                    yield _removed(seal.number, "was exported and is not in the database")
        yield from self.inserted()

    def _chain(self, seal: Seal) -> Iterator[Finding]:
        expected = self._before.number + 1 if self._before else 1
        if seal.number > expected:
            last = seal.number - 1
            yield _removed(expected, "is missing" if last == expected else f"to {last} are missing")
        elif self._before_is_good:
            previous = self._before.hash if self._before else NO_SEAL
            if seal.previous != previous:
                yield _changed(seal, "does not follow from the seal before it")

    def _signature(self, seal: Seal) -> Iterator[Finding]:
        objection = self._keys.objection(seal)
        if objection is not None:
            yield _changed(seal, objection)

    def _export(self, seal: Seal) -> Iterator[Finding]:
        if self._exported is None:
            return
        for exported in self._through_exported(seal.number):
            if exported.number == seal.number:
                if exported != seal:
                    yield _changed(seal, "is another one than was exported")
                return
        if self._next_exported is None:
            self.not_exported += 1
        else:
            text = f"seal {seal.number} is not among the exported ones"
            yield Finding("seal not exported", text, seal.number)

    def _through_exported(self, number: int | None) -> Iterator[Seal]:
        """Exported seals up to a number; the next one stays for later."""
        assert self._exported is not None
        while True:
            exported = self._next_exported or next(self._exported, None)
            self._next_exported = exported
            if exported is None or (number is not None and exported.number > number):
                return
            self._next_exported = None
            yield exported

    def _rows(self, seal: Seal, leaves: Sequence[bytes]) -> Iterator[Finding]:
        size = sum(map(len, seal.ranges))
        if size != seal.rows or len(leaves) != seal.rows:
            yield _changed(
                seal, f"names {size} rows, counts {seal.rows} and has {len(leaves)} hashes"
            )
            for id in [id for id in self._leaves if any(id in part for part in seal.ranges)]:
                del self._leaves[id]
            return
        ids = [id for part in seal.ranges for id in part]
        found = [self._leaves.pop(id, None) for id in ids]
        if root_of(leaves) != seal.root:
            yield _changed(seal, "has hashes of rows that don't give its root")
            if root_of([leaf.hash for leaf in found if leaf]) == seal.root:
                return
        for id, leaf, expected in zip(ids, found, leaves, strict=True):
            if leaf is None:
                text = f"row {id} is missing; seal {seal.number} covers it"
                yield Finding("row removed", text, seal.number, id)
            elif leaf.hash != expected:
                text = f"row {id} ({leaf.about}) is not what seal {seal.number} covers"
                yield Finding("row changed", text, seal.number, id)


def _changed(seal: Seal, text: str) -> Finding:
    return Finding("seal changed", f"seal {seal.number} {text}", seal.number)


def _removed(number: int, text: str) -> Finding:
    return Finding("seal removed", f"seal {number} {text}", number)
