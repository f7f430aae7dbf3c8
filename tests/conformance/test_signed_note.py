"""Signed notes against the published vector of Go's golang.org/x/mod/sumdb/note (note_test.go), byte for byte."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kuntur.errors import RecordError
from kuntur.oversight import ledger

NAME = "PeterNeumann"
PUBLIC = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PRIVATE = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"  # the Go suite's throw-away test key
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
SIGNATURE = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
NOTE = f"{TEXT}\n— {NAME} {SIGNATURE}\n"


def public_key() -> bytes:
    return ledger.parse_verifier_key(PUBLIC)[1]


def test_verifier_key_and_key_id() -> None:
    name, key = ledger.parse_verifier_key(PUBLIC)
    assert name == NAME
    assert ledger.key_id(name, key).hex() == "c74f20a3"
    assert ledger.verifier_key(name, key) == PUBLIC


def test_signing_gives_the_published_note() -> None:
    key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(PRIVATE)[1:])
    assert ledger.sign_note(TEXT, NAME, key) == NOTE


def test_opening_the_published_note() -> None:
    assert ledger.open_note(NOTE, NAME, public_key()) == (TEXT, SIGNATURE)


def test_signatures_of_witnesses_are_passed_over() -> None:
    witness = ledger.sign_note(TEXT, "witness.example/w", Ed25519PrivateKey.generate()).rpartition("\n\n")[2]
    assert ledger.open_note(f"{TEXT}\n{witness}— {NAME} {SIGNATURE}\n", NAME, public_key())[0] == TEXT
    with pytest.raises(RecordError, match="no signature"):
        ledger.open_note(f"{TEXT}\n{witness}", NAME, public_key())


@pytest.mark.parametrize("at", range(len(PUBLIC)))
def test_every_change_to_a_verifier_key_is_noticed(at: int) -> None:
    changed = PUBLIC[:at] + chr(ord(PUBLIC[at]) + 1) + PUBLIC[at + 1 :]
    with pytest.raises(RecordError):
        ledger.parse_verifier_key(changed)


def test_a_note_with_another_text_is_refused() -> None:
    with pytest.raises(RecordError, match="signature"):
        ledger.open_note(NOTE.replace("cryptography", "cryptographY"), NAME, public_key())


def test_the_example_checkpoint_of_the_specification_is_read() -> None:
    """Text of the example in https://c2sp.org/tlog-checkpoint, signed anew because its private key is not published."""
    key = Ed25519PrivateKey.generate()
    origin = "example.com/behind-the-sofa"
    text = f"{origin}\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    point = ledger.open_checkpoint(ledger.sign_note(text, origin, key), origin, key.public_key().public_bytes_raw())
    assert (point.origin, point.size) == (origin, 20852163)
    root = base64.b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")
    assert point.root_sha256 == root.hex()
    assert ledger.sign_checkpoint(origin, 20852163, root, key) == ledger.sign_note(text, origin, key)


@pytest.mark.parametrize("size", ["", "01", "-1", "1.0", "٣", "1" * 30])
def test_tree_sizes_have_one_spelling(size: str) -> None:
    key, origin = Ed25519PrivateKey.generate(), "example.com/log"
    note = ledger.sign_note(f"{origin}\n{size}\n{base64.b64encode(bytes(32)).decode()}\n", origin, key)
    with pytest.raises(RecordError, match="tree size"):
        ledger.open_checkpoint(note, origin, key.public_key().public_bytes_raw())
