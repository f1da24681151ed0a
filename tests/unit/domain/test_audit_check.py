"""Whatever is done to sealed rows is found, however they were committed and sealed."""

from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from server.domain.audit import Keys, Row, Seal, make_seal
from server.domain.audit_check import Checker, Finding

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ROW = Row(1, 0, "9", None, "r", "l", None, "t", "{}", "INSERT", None, "{}")

Sealed = tuple[Seal, list[bytes]]


@st.composite
def logs(draw: st.DrawFn) -> tuple[list[Row], list[Sealed]]:
    """Rows that were committed in any order, some never, and the seals made meanwhile."""
    ids = draw(st.permutations(range(1, draw(st.integers(2, 20)) + 1)))
    lost = draw(st.sets(st.sampled_from(ids), max_size=min(3, len(ids) - 1)))
    rows = {id: replace(ROW, id=id, new=f'{{"n": {id}}}') for id in ids if id not in lost}
    left, done, seals = list(rows), set(lost), list[Sealed]()
    while left:
        batch = sorted(left[: draw(st.integers(1, len(left)))])
        left = [id for id in left if id not in batch]
        done |= set(batch)
        floor = next(id for id in range(1, len(ids) + 2) if id not in done) - 1
        leaves = [(id, rows[id].leaf) for id in batch]
        before = seals[-1][0] if seals else None
        seals.append((make_seal(leaves, floor, before, 0, KEY), [leaf for _, leaf in leaves]))
    return [rows[id] for id in sorted(rows)], seals


def check(rows: Sequence[Row], seals: Sequence[Sealed], exported: Sequence[Seal]) -> list[Finding]:
    """What a checker finds that is given all of them."""
    checker = Checker(Keys([KEY.public_key()]), exported)
    left = sorted(rows, key=lambda row: row.id)
    found: list[Finding] = []
    for seal, leaves in seals:
        while left and left[0].id < seal.ranges[-1].stop:
            found += checker.row(left.pop(0))
        found += checker.seal(seal, leaves)
    for row in left:
        found += checker.row(row)
    return [*found, *checker.end()]


def pairs(found: Sequence[Finding]) -> set[tuple[str, int | None]]:
    """Kinds and rows of findings."""
    return {(finding.what, finding.row) for finding in found}


@given(log=logs(), data=st.data())
def test_changes_are_found(log: tuple[list[Row], list[Sealed]], data: st.DataObject) -> None:
    """A changed, removed, inserted or swapped row is named, and no other one; else nothing is."""
    rows, seals = log
    exported = [seal for seal, _ in seals]
    assert check(rows, seals, exported) == []
    at = data.draw(st.integers(0, len(rows) - 1), "place")
    row, others = rows[at], rows[:at] + rows[at + 1 :]
    changed = replace(row, actor=1)
    assert pairs(check([*others, changed], seals, exported)) == {("row changed", row.id)}
    assert pairs(check(others, seals, exported)) == {("row removed", row.id)}
    assert ("row inserted", row.id) in pairs(check([*rows, changed], seals, exported))
    for id in set(range(1, exported[-1].floor + 1)) - {row.id for row in rows}:
        inserted = check([*rows, replace(row, id=id)], seals, exported)
        assert pairs(inserted) == {("row inserted", id)}
    if others:
        other = data.draw(st.sampled_from(others), "other")
        swapped = [replace(row, id=other.id), replace(other, id=row.id)]
        rest = [each for each in others if each is not other]
        assert pairs(check([*rest, *swapped], seals, exported)) == {
            ("row changed", row.id),
            ("row changed", other.id),
        }


@given(log=logs(), data=st.data())
def test_lost_seals_are_found(log: tuple[list[Row], list[Sealed]], data: st.DataObject) -> None:
    """By the chain, or the newest ones by what was exported."""
    rows, seals = log
    exported = [seal for seal, _ in seals]
    at = data.draw(st.integers(0, len(seals) - 1))
    found = check(rows, seals[:at] + seals[at + 1 :], exported)
    assert ("seal removed", at + 1) in {(finding.what, finding.seal) for finding in found}
    found = check(rows, seals, exported[:at] + exported[at + 1 :])
    if at < len(seals) - 1:
        assert [(finding.what, finding.seal) for finding in found] == [
            ("seal not exported", at + 1)
        ]
    else:
        assert found == []
