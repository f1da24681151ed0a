"""A Merkle tree over a list of leaves, as RFC 6962 and RFC 9162 have it, with SHA-256.

A root stands for all leaves in their order; an inclusion proof shows with a few hashes that one
leaf is at its place among them.
"""

from collections.abc import Sequence
from hashlib import sha256

# Without prefixes a node could be passed off as a leaf that holds two hashes.
LEAF = b"\x00"
NODE = b"\x01"
HASH_BYTES = 32


def leaf_hash(content: bytes) -> bytes:
    """The hash of one leaf."""
    return sha256(LEAF + content).digest()


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over the hashes of leaves; without any, the hash of nothing."""
    if not leaves:
        return sha256().digest()
    level = list(leaves)
    while len(level) > 1:
        level = _above(level)
    return level[0]


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """What a verifier needs beside the leaf at an index, from the bottom up."""
    path = []
    level = list(leaves)
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        level, index = _above(level), index // 2
    return path


def is_included(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether a leaf's hash is the one at an index of the tree of that size and root.

    The algorithm of RFC 9162, section 2.1.3.2.
    """
    if not 0 <= index < size:
        return False
    last, found = size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if index & 1 or index == last:
            found = _node(sibling, found)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            found = _node(found, sibling)
        index, last = index >> 1, last >> 1
    return last == 0 and found == root


def _above(level: Sequence[bytes]) -> list[bytes]:
    """The nodes over a level; one without a sibling rises as it is.

    That makes the tree of the RFC, which splits at the largest power of two below the size.
    """
    pairs = [_node(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
    return [*pairs, level[-1]] if len(level) % 2 else pairs


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(NODE + left + right).digest()
