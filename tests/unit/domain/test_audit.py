"""What is hashed of a row, what is signed of a seal, and what a proof shows."""

from hashlib import sha256
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import astuple, replace

from server.domain.audit import NO_SEAL, Keys, Proof, Row, Seal, make_proof, make_seal, multirange

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
KEYS = Keys([KEY.public_key()])
ROW = Row(7, 1_795_651_200_000_000, "9", None, "r", "l", None, "t", '{"id": 1}', "INSERT", None, "")

texts = st.text(max_size=5)
rows = st.builds(
    Row,
    id=st.integers(1, 2**63 - 1),
    at=st.integers(),
    transaction=texts,
    actor=st.none() | st.integers(),
    actor_role=texts,
    login=texts,
    request_id=st.none() | texts,
    table_name=texts,
    row_key=st.none() | texts,
    action=texts,
    old=st.none() | texts,
    new=st.none() | texts,
)
some_ids = st.sets(st.integers(1, 60), min_size=1).map(sorted)


def sealed(ids: list[int], before: Seal | None = None) -> tuple[list[Row], Seal]:
    """Rows with these ids and a seal over them."""
    made = [replace(ROW, id=id) for id in ids]
    return made, make_seal([(row.id, row.leaf) for row in made], 3, before, 1_000_000, KEY)


def test_the_bytes_of_a_row_stay_as_they_are() -> None:
    """Written out once: were they others, nothing that was sealed before would verify."""
    written = (
        b"\x00\x01\x00\x00\x00\x017\x00\x00\x00\x101795651200000000\x00\x00\x00\x019\xff\xff\xff\xff"
        b"\x00\x00\x00\x01r\x00\x00\x00\x01l\xff\xff\xff\xff\x00\x00\x00\x01t"
        b'\x00\x00\x00\x09{"id": 1}\x00\x00\x00\x06INSERT\xff\xff\xff\xff\x00\x00\x00\x00'
    )
    assert ROW.leaf == sha256(written).digest()
    assert replace(ROW, new=None).leaf != ROW.leaf  # nothing is not the empty text


@given(one=rows, other=rows)
def test_different_rows_have_different_hashes(one: Row, other: Row) -> None:
    """Also if text moves from one field to the next."""
    assert (one.leaf == other.leaf) == (one == other)
    moved = replace(one, old=f"{one.old}{one.new}", new="")
    assert moved == one or moved.leaf != one.leaf


@given(ids=st.sets(st.integers(1, 200)).map(sorted))
def test_ids_are_kept_in_ranges(ids: list[int]) -> None:
    """All of them and no others, in as few ranges as there can be."""
    seal = Seal(1, multirange(ids), 0, len(ids), b"", b"", 0, "", b"")
    assert [id for part in seal.ranges for id in part] == ids
    assert all(
        one.stop < next.start for one, next in zip(seal.ranges, seal.ranges[1:], strict=False)
    )


def test_seals_are_a_chain() -> None:
    """Each holds the hash of the one before; the first one that of none."""
    _, first = sealed([1, 2])
    _, second = sealed([3], first)
    assert (first.number, first.previous) == (1, NO_SEAL)
    assert (second.number, second.previous) == (2, first.hash)
    assert KEYS.objection(first) is KEYS.objection(second) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("number", 2),
        ("ids", "{[1,3),[5,6)}"),
        ("floor", 4),
        ("rows", 2),
        ("root", bytes(32)),
        ("previous", b"\x01" * 32),
        ("sealed_at", 0),
        ("signature", bytes(64)),
    ],
)
def test_a_changed_seal_is_found(field: str, value: Any) -> None:
    """Whatever of it was changed, the signature fits no more."""
    _, seal = sealed([1, 2, 4])
    objection = KEYS.objection(replace(seal, **{field: value}))
    assert objection == "has a signature that is not its key's"


def test_a_seal_signed_anew_with_another_key_is_found() -> None:
    """Under that key's name, or under the name of the right one."""
    made, seal = sealed([1, 2])
    forged = make_seal([(row.id, row.leaf) for row in made], 3, None, 1_000_000, OTHER_KEY)
    assert "none of those given" in str(KEYS.objection(forged))
    assert KEYS.objection(replace(forged, key=seal.key)) == "has a signature that is not its key's"
    assert Keys([KEY.public_key(), OTHER_KEY.public_key()]).objection(forged) is None


@given(ids=some_ids, data=st.data())
def test_a_row_can_be_proven(ids: list[int], data: st.DataObject) -> None:
    """Each row of a seal, through JSON; and no longer once anything in it is another."""
    made, seal = sealed(ids)
    row = data.draw(st.sampled_from(made))
    proof = make_proof(row, [each.leaf for each in made], seal)
    assert msgspec.json.decode(msgspec.json.encode(proof), type=Proof) == proof
    assert proof.fits
    changed = list(astuple(row))
    at = data.draw(st.integers(0, len(changed) - 1))
    changed[at] = data.draw(st.sampled_from([0, "x"]).filter(lambda value: value != changed[at]))
    assert not msgspec.structs.replace(proof, row=Row(*changed)).fits


def test_a_row_of_another_seal_can_not() -> None:
    """One that lies between those of a seal has no proof."""
    made, seal = sealed([1, 3])
    with pytest.raises(ValueError, match="row 2 is not in seal 1"):
        make_proof(replace(ROW, id=2), [row.leaf for row in made], seal)
