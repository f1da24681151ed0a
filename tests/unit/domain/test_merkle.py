"""A Merkle root stands for its leaves and their order, and a proof for one leaf at its place."""

from hashlib import sha256

from hypothesis import assume, given
from hypothesis import strategies as st

from server.domain.merkle import HASH_BYTES, inclusion_proof, is_included, leaf_hash, root_of

contents = st.lists(st.binary(max_size=3), min_size=1, max_size=70)
hashes = st.binary(min_size=HASH_BYTES, max_size=HASH_BYTES)


def hashed(items: list[bytes]) -> list[bytes]:
    return [leaf_hash(item) for item in items]


def by_definition(items: list[bytes]) -> bytes:
    """The root as RFC 6962, section 2.1, defines it."""
    if not items:
        return sha256(b"").digest()
    if len(items) == 1:
        return sha256(b"\x00" + items[0]).digest()
    split = 1 << (len(items) - 1).bit_length() - 1
    return sha256(b"\x01" + by_definition(items[:split]) + by_definition(items[split:])).digest()


@given(items=st.lists(st.binary(max_size=3), max_size=70))
def test_the_root_is_that_of_the_rfc(items: list[bytes]) -> None:
    """Level by level the same tree comes out as by the definition."""
    assert root_of(hashed(items)) == by_definition(items)


@given(items=contents, data=st.data())
def test_any_other_list_has_another_root(items: list[bytes], data: st.DataObject) -> None:
    """A leaf changed, removed, inserted or swapped with another one changes the root."""
    at = data.draw(st.integers(0, len(items) - 1))
    other = data.draw(st.integers(0, len(items) - 1))
    new = data.draw(st.binary(max_size=3))
    swapped = items.copy()
    swapped[at], swapped[other] = items[other], items[at]
    for changed in (
        [*items[:at], new, *items[at + 1 :]],
        items[:at] + items[at + 1 :],
        [*items[:at], new, *items[at:]],
        swapped,
    ):
        assert (root_of(hashed(changed)) == root_of(hashed(items))) == (changed == items)


@given(items=contents)
def test_each_leaf_can_be_proven(items: list[bytes]) -> None:
    """With as many hashes as the tree is high, at most."""
    leaves = hashed(items)
    root = root_of(leaves)
    for index, leaf in enumerate(leaves):
        path = inclusion_proof(leaves, index)
        assert len(path) <= (len(items) - 1).bit_length()
        assert is_included(leaf, index, len(leaves), path, root)


@given(items=contents, leaf=hashes, data=st.data())
def test_no_other_leaf_can_be_proven(items: list[bytes], leaf: bytes, data: st.DataObject) -> None:
    """Another leaf, place, size, path or root does not verify with a proof."""
    leaves = hashed(items)
    root, size = root_of(leaves), len(leaves)
    index = data.draw(st.integers(0, size - 1))
    path = inclusion_proof(leaves, index)
    right = leaves[index]
    assume(leaf not in (right, root))
    assert not is_included(leaf, index, size, path, root)
    assert not is_included(right, index, size, path, leaf)
    assert not is_included(right, index, size, [*path, leaf], root)
    for outside in (-1, size, size + 1):
        assert not is_included(right, outside, size, path, root)
    for other in range(size):
        if leaves[other] != right:
            assert not is_included(right, other, size, path, root)
    if path:
        assert not is_included(right, index, size, path[:-1], root)
        at = data.draw(st.integers(0, len(path) - 1))
        assume(path[at] != leaf)
        assert not is_included(right, index, size, [*path[:at], leaf, *path[at + 1 :]], root)


def test_a_node_is_no_leaf() -> None:
    """Two hashes put together as the content of one leaf don't have the root of the two."""
    left, right = hashed([b"left", b"right"])
    assert root_of([left, right]) != root_of([leaf_hash(left + right)])
