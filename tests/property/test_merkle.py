"""Merkle proofs: every honest one is accepted, anything else is not."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from kuntur.oversight import merkle


def definition(leaves: list[bytes]) -> bytes:
    """MTH as RFC 6962 2.1 writes it, without any caching."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + definition(leaves[:k]) + definition(leaves[k:])).digest()


def leaves(size: int) -> list[bytes]:
    return [merkle.leaf_hash(str(k).encode()) for k in range(size)]


sizes = st.integers(1, 200)


@given(sizes, st.data())
def test_roots_follow_the_definition(size: int, data: st.DataObject) -> None:
    tree = merkle.Tree(leaves(size))
    older = data.draw(st.integers(0, size))
    assert tree.root(older) == definition(leaves(older))


@given(sizes, st.data())
def test_inclusion(size: int, data: st.DataObject) -> None:
    tree = merkle.Tree(leaves(size))
    older = data.draw(st.integers(1, size))
    index = data.draw(st.integers(0, older - 1))
    proof, root, leaf = tree.inclusion_proof(index, older), tree.root(older), leaves(size)[index]
    assert merkle.verify_inclusion(index, older, leaf, proof, root)
    assert len(proof) <= older.bit_length()
    other = data.draw(st.integers(0, size))
    if other != index:
        assert not merkle.verify_inclusion(other, older, leaf, proof, root)
    assert not merkle.verify_inclusion(index, older, merkle.leaf_hash(b"?"), proof, root)
    assert not merkle.verify_inclusion(index, older, leaf, [*proof, root], root)
    if proof:
        assert not merkle.verify_inclusion(index, older, leaf, proof[:-1], root)
        k = data.draw(st.integers(0, len(proof) - 1))
        changed = bytes([proof[k][0] ^ 1]) + proof[k][1:]
        assert not merkle.verify_inclusion(index, older, leaf, [*proof[:k], changed, *proof[k + 1 :]], root)


@given(sizes, st.data())
def test_consistency(size: int, data: st.DataObject) -> None:
    tree = merkle.Tree(leaves(size))
    older = data.draw(st.integers(1, size))
    proof, old_root, root = tree.consistency_proof(older, size), tree.root(older), tree.root()
    assert merkle.verify_consistency(older, size, old_root, root, proof)
    assert not merkle.verify_consistency(older, size, merkle.leaf_hash(b"?"), root, proof)
    assert not merkle.verify_consistency(older, size, old_root, merkle.leaf_hash(b"?"), proof)
    assert not merkle.verify_consistency(older, size, old_root, root, [*proof, root])
    assert not merkle.verify_consistency(0, size, old_root, root, proof)
    if proof:
        assert not merkle.verify_consistency(older, size, old_root, root, proof[:-1])
        k = data.draw(st.integers(0, len(proof) - 1))
        changed = bytes([proof[k][0] ^ 1]) + proof[k][1:]
        assert not merkle.verify_consistency(older, size, old_root, root, [*proof[:k], changed, *proof[k + 1 :]])


@given(st.integers(2, 100), st.data())
def test_a_rewritten_past_has_no_consistency_proof(size: int, data: st.DataObject) -> None:
    """An entry changed, then everything after it hashed anew: no honest proof of the new tree fits the old root."""
    older = data.draw(st.integers(1, size - 1))
    index = data.draw(st.integers(0, older - 1))
    rewritten = leaves(size)
    rewritten[index] = merkle.leaf_hash(b"rewritten")
    old_root, forged = merkle.Tree(leaves(older)).root(), merkle.Tree(rewritten)
    proof = forged.consistency_proof(older, size)
    assert not merkle.verify_consistency(older, size, old_root, forged.root(), proof)
