"""The Merkle tree against published vectors and against another implementation.

Vectors: the reference tree of eight leaves and its proofs in the tests of github.com/google/certificate-transparency
(python/ct/crypto/merkle_test.py, Apache-2.0), which that project publishes for RFC 6962.
"""

from __future__ import annotations

import pytest
from pymerkle import InmemoryTree

from kuntur.oversight import merkle

LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    bytes.fromhex(text)
    for text in (
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    )
]
CONSISTENCY = [
    (1, 1, []),
    (
        1,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        [
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]


def reference_tree() -> merkle.Tree:
    return merkle.Tree(merkle.leaf_hash(leaf) for leaf in LEAVES)


def test_empty_tree() -> None:
    assert merkle.Tree().root().hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_leaf_and_node_hashes() -> None:
    assert merkle.leaf_hash(bytes.fromhex("101112131415161718191a1b1c1d1e1f")).hex() == (
        "3bfb960453ebaebf33727da7a1f4db38acc051d381b6da20d6d4e88f0eabfd7a"
    )
    assert merkle.node_hash(bytes(range(0x20)), bytes(range(0x20, 0x40))).hex() == (
        "1a378704c17da31e2d05b6d121c2bb2c7d76f6ee6fa8f983e596c2d034963c57"
    )


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_of_the_reference_leaves(size: int) -> None:
    assert reference_tree().root(size) == ROOTS[size - 1]
    assert merkle.Tree(merkle.leaf_hash(leaf) for leaf in LEAVES[:size]).root() == ROOTS[size - 1]


@pytest.mark.parametrize(("old", "new", "proof"), CONSISTENCY)
def test_consistency_proofs(old: int, new: int, proof: list[str]) -> None:
    expected = [bytes.fromhex(text) for text in proof]
    assert reference_tree().consistency_proof(old, new) == expected
    assert merkle.verify_consistency(old, new, ROOTS[old - 1], ROOTS[new - 1], expected)
    if expected:
        assert not merkle.verify_consistency(old, new, ROOTS[old - 1], ROOTS[new - 1], expected[:-1])
        assert not merkle.verify_consistency(old, new, ROOTS[new - 1], ROOTS[old - 1], expected)


def test_inclusion_paths_of_rfc_6962_section_2_1_3() -> None:
    """The worked example of RFC 6962 2.1.3: seven leaves, PATH(0), PATH(3), PATH(4) and PATH(6)."""
    tree = merkle.Tree(merkle.leaf_hash(leaf) for leaf in LEAVES[:7])
    a, b, c, d, e, f, j = (merkle.leaf_hash(leaf) for leaf in LEAVES[:7])
    g, h, i = merkle.node_hash(a, b), merkle.node_hash(c, d), merkle.node_hash(e, f)
    k, L = merkle.node_hash(g, h), merkle.node_hash(i, j)
    assert tree.root() == merkle.node_hash(k, L)
    assert tree.inclusion_proof(0) == [b, h, L]
    assert tree.inclusion_proof(3) == [c, g, L]
    assert tree.inclusion_proof(4) == [f, j, k]
    assert tree.inclusion_proof(6) == [i, k]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13, 21, 64, 100])
def test_agrees_with_pymerkle(size: int) -> None:
    theirs = InmemoryTree(algorithm="sha256")
    ours = merkle.Tree()
    for k in range(size):
        data = f"entry {k}".encode()
        theirs.append_entry(data)
        ours.append(merkle.leaf_hash(data))
    assert ours.root() == theirs.get_root()
    for old in range(1, size + 1):
        assert ours.root(old) == theirs.get_root(old)
