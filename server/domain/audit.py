"""Rows of the audit log and the seals over them: what exactly is hashed, signed and proven.

A row's bytes are a version byte and its fields in the order below, each as four bytes of length and
its text in UTF-8; a null is the length 0xFFFFFFFF alone. Numbers are decimal, times microseconds
since 1970 in UTC, and JSON is what Postgres prints of a jsonb: keys by length and then bytes, one
blank after «:» and «,», numbers with all their digits. The same row has the same bytes in every
version of Postgres and after a dump was restored.

A seal's bytes are made alike from its fields but the signature. Its hash is the SHA-256 of them,
which the next seal holds, and they are what is signed (Ed25519, RFC 8032).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct
from msgspec.structs import astuple, replace

from server.domain.merkle import inclusion_proof, is_included, leaf_hash, root_of

ROW_VERSION = b"\x01"
SEAL_VERSION = b"lyceum audit seal 1\n"  # what is signed can't be taken for anything else
NULL = b"\xff\xff\xff\xff"
NO_SEAL = bytes(32)  # stands for the seal before the first one
RANGE = re.compile(r"\[(\d+),(\d+)\)")


class Row(Struct, frozen=True):
    """One row of the log; at: microseconds since 1970. JSON is text, as Postgres prints it."""

    id: int
    at: int
    transaction: str
    actor: int | None
    actor_role: str
    login: str
    request_id: str | None
    table_name: str
    row_key: str | None
    action: str
    old: str | None
    new: str | None

    @property
    def leaf(self) -> bytes:
        """Its hash as a leaf of a seal's tree."""
        return leaf_hash(ROW_VERSION + _joined(astuple(self)))


class Seal(Struct, frozen=True):
    """A signed statement on rows: these, with this content, in this order, and after those before.

    ids: of the rows that it covers, as an int8multirange. floor: every row up to this id is covered
    by this seal or an earlier one. sealed_at: microseconds since 1970.
    """

    number: int
    ids: str
    floor: int
    rows: int
    root: bytes
    previous: bytes
    sealed_at: int
    key: str
    signature: bytes

    @property
    def content(self) -> bytes:
        """What is signed."""
        return SEAL_VERSION + _joined(
            value.hex() if isinstance(value, bytes) else value for value in astuple(self)[:-1]
        )

    @property
    def hash(self) -> bytes:
        """What the next seal calls this one."""
        return sha256(self.content).digest()

    @property
    def ranges(self) -> list[range]:
        """The ids of its rows."""
        return [range(int(first), int(end)) for first, end in RANGE.findall(self.ids)]


class Proof(Struct, frozen=True):
    """Shows that a seal covers a row, without any other row; path: from the leaf up."""

    row: Row
    index: int
    path: list[bytes]
    seal: Seal

    @property
    def fits(self) -> bool:
        """Whether the row is what was sealed; the seal's signature is another question."""
        seal = self.seal
        return is_included(self.row.leaf, self.index, seal.rows, self.path, seal.root)


class Keys:
    """The public keys whose signatures count, by their names."""

    def __init__(self, keys: Iterable[Ed25519PublicKey]) -> None:
        self._keys = {name_of(key): key for key in keys}

    def objection(self, seal: Seal) -> str | None:
        """Why a seal's signature does not count; None if it does."""
        key = self._keys.get(seal.key)
        if key is None:
            return f"is signed with the key {seal.key}, which is none of those given"
        try:
            key.verify(seal.signature, seal.content)
        except InvalidSignature:
            return "has a signature that is not its key's"
        return None


def name_of(key: Ed25519PublicKey) -> str:
    """What seals call a key: the beginning of its SHA-256."""
    return sha256(key.public_bytes_raw()).hexdigest()[:16]


def make_seal(
    leaves: Sequence[tuple[int, bytes]],
    floor: int,
    before: Seal | None,
    sealed_at: int,
    key: Ed25519PrivateKey,
) -> Seal:
    """Seal rows, given as ids and hashes in the order of ids, behind the newest seal."""
    unsigned = Seal(
        number=before.number + 1 if before else 1,
        ids=multirange(id for id, _ in leaves),
        floor=floor,
        rows=len(leaves),
        root=root_of([leaf for _, leaf in leaves]),
        previous=before.hash if before else NO_SEAL,
        sealed_at=sealed_at,
        key=name_of(key.public_key()),
        signature=b"",
    )
    return replace(unsigned, signature=key.sign(unsigned.content))


def make_proof(row: Row, leaves: Sequence[bytes], seal: Seal) -> Proof:
    """Prove a row that a seal covers; leaves: of all of them."""
    index = 0
    for ids in seal.ranges:
        if row.id in ids:
            index += row.id - ids.start
            return Proof(row, index, inclusion_proof(leaves, index), seal)
        index += len(ids)
    raise ValueError(f"row {row.id} is not in seal {seal.number}")


def multirange(ids: Iterable[int]) -> str:
    """Rising ids as the text of an int8multirange."""
    return "{" + ",".join(f"[{run.start},{run.stop})" for run in _runs(ids)) + "}"


def _runs(ids: Iterable[int]) -> Iterator[range]:
    run: range | None = None
    for id in ids:
        if run is not None and id == run.stop:
            run = range(run.start, id + 1)
            continue
        if run is not None:
            yield run
        run = range(id, id + 1)
    if run is not None:
        yield run


def _joined(fields: Iterable[object]) -> bytes:
    return b"".join(map(_field, fields))


def _field(value: object) -> bytes:
    if value is None:
        return NULL
    text = str(value).encode()
    return len(text).to_bytes(4, "big") + text
