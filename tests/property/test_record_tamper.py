"""Nothing in a record can be changed, cut or put in unnoticed: all bytes of a small one, samples of a larger one."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from kuntur.model.records import Actor, LogEntry, Purpose
from kuntur.oversight import ledger, merkle
from kuntur.oversight.audit import CHECKPOINTS, ENTRIES, KEY, LEAVES, RecordBytes, audit
from kuntur.store import record as store

ACTOR, PURPOSE = Actor(id="quispe", role="commander"), Purpose(code="test", text="patrulla de práctica")
FIELDS = ("entries", "leaves", "checkpoints", "key")
FILES = {ENTRIES: "entries", LEAVES: "leaves", CHECKPOINTS: "checkpoints", KEY: "key"}


def build(folder: Path, size: int) -> RecordBytes:
    with store.Record.open(folder / "record", name="kuntur/test", keys_folder=folder / "keys") as record:
        for k in range(size):
            record.append(
                t_ns=1_800_000_000_000_000_000 + k,
                actor=ACTOR,
                purpose=PURPOSE,
                action="note",
                subject=f"cóndor-{k}",
                inputs={"plan": "ab" * 32},
                detail={"share_prob": k / 7, "nested": [k, None, {"ñ": True}]},
            )
    return store.read(folder / "record")[0]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> RecordBytes:
    return build(tmp_path_factory.mktemp("small"), 3)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> RecordBytes:
    return build(tmp_path_factory.mktemp("large"), 120)


def test_the_untouched_record_is_intact(small: RecordBytes, large: RecordBytes) -> None:
    for data, size in ((small, 3), (large, 120)):
        verification, entries = audit(data)
        assert verification.ok, verification.findings
        assert verification.entries == verification.covered == len(entries) == size


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("mask", [0x01, 0x20, 0xFF])
def test_every_changed_byte_is_noticed(small: RecordBytes, field: str, mask: int) -> None:
    data: bytes = getattr(small, field)
    for at in range(len(data)):
        changed = data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]
        verification, _ = audit(replace(small, **{field: changed}))
        assert not verification.ok, (field, at)
        assert verification.findings


@pytest.mark.parametrize("field", FIELDS)
def test_every_truncation_is_noticed(small: RecordBytes, field: str) -> None:
    data: bytes = getattr(small, field)
    for end in range(len(data)):
        assert not audit(replace(small, **{field: data[:end]}))[0].ok, (field, end)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_changed_byte_in_a_larger_record_is_named(large: RecordBytes, data: st.DataObject) -> None:
    field = data.draw(st.sampled_from(["entries", "leaves"]))
    content: bytes = getattr(large, field)
    at = data.draw(st.integers(0, len(content) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != content[at]))
    changed = replace(large, **{field: content[:at] + bytes([byte]) + content[at + 1 :]})
    verification, _ = audit(changed)
    index = content[:at].count(b"\n") if field == "entries" else at // merkle.HASH_BYTES
    first = verification.findings[0]
    assert verification.verdict == "damaged" or (at == len(content) - 1 and verification.verdict == "interrupted")
    assert first.index == index
    assert FILES[first.file] == field


def changed_entry(data: RecordBytes, index: int) -> RecordBytes:
    """Somebody changes one entry and its kept hash too, but cannot sign."""
    lines = data.entries.split(b"\n")[:-1]
    entry = ledger.parse_entry(lines[index])
    lines[index] = ledger.entry_bytes(replace(entry, subject="somebody else"))
    leaves = b"".join(merkle.leaf_hash(line) for line in lines)
    return replace(data, entries=b"".join(line + b"\n" for line in lines), leaves=leaves)


@pytest.mark.parametrize("index", [0, 1, 57, 118, 119])
def test_a_rewritten_entry_is_named_by_its_checkpoint(large: RecordBytes, index: int) -> None:
    verification, _ = audit(changed_entry(large, index))
    assert verification.verdict == "damaged"
    first = verification.findings[0]
    assert (first.file, first.index, first.action) == (ENTRIES, index, "note")
    assert first.t_ns == 1_800_000_000_000_000_000 + index


def cut(data: RecordBytes, size: int) -> RecordBytes:
    """The record as it stood after its first `size` entries."""
    lines = data.entries.split(b"\n")
    notes = data.checkpoints.split(b"\n")
    return RecordBytes(
        entries=b"".join(line + b"\n" for line in lines[:size]),
        leaves=data.leaves[: 32 * size],
        checkpoints=b"".join(line + b"\n" for line in notes[: 5 * size]),
        key=data.key,
    )


def test_a_record_cut_back_to_an_earlier_state_needs_the_copy_kept_outside(large: RecordBytes) -> None:
    note = large.checkpoints.decode().split("\n")[-6:]
    kept = "\n".join(note)
    shorter = cut(large, 80)
    assert audit(shorter)[0].ok
    verification, _ = audit(shorter, outside_note=kept)
    assert verification.verdict == "damaged"
    assert "missing" in verification.findings[0].reason
    assert audit(large, outside_note=kept)[0].ok
    early = "\n".join(large.checkpoints.decode().split("\n")[5 * 39 : 5 * 40]) + "\n"
    verification, _ = audit(large, outside_note=early)
    assert verification.ok
    assert "40 entries" in verification.notes[0]


def forged(data: RecordBytes, origin: str, key: Ed25519PrivateKey) -> RecordBytes:
    """Somebody rewrites entry 5 and signs everything anew with `key`."""
    other = changed_entry(data, 5)
    tree, notes = merkle.Tree(), []
    for line in other.entries.split(b"\n")[:-1]:
        tree.append(merkle.leaf_hash(line))
        notes.append(ledger.sign_checkpoint(origin, len(tree), tree.root(), key))
    text = ledger.verifier_key(origin, key.public_key().public_bytes_raw())
    return replace(other, checkpoints="".join(notes).encode(), key=f"{text}\n".encode())


def test_a_record_signed_anew_needs_the_key_or_the_checkpoint_kept_outside(large: RecordBytes) -> None:
    origin = large.checkpoints.decode().split("\n")[0]
    forgery = forged(large, origin, Ed25519PrivateKey.generate())
    assert audit(forgery)[0].ok
    assert not audit(forgery, outside_key=large.key.decode())[0].ok
    early = "\n".join(large.checkpoints.decode().split("\n")[5 * 39 : 5 * 40]) + "\n"
    assert not audit(forgery, outside_note=early)[0].ok


def test_even_the_holder_of_the_key_cannot_rewrite_what_a_kept_checkpoint_covers(tmp_path: Path) -> None:
    data = build(tmp_path, 10)
    key = store.private_key(tmp_path / "keys")
    notes = data.checkpoints.decode().split("\n")
    forgery = forged(data, notes[0], key)
    assert audit(forgery)[0].ok
    before, after = ("\n".join(notes[5 * k : 5 * k + 5]) + "\n" for k in (4, 5))
    assert audit(forgery, outside_note=before)[0].ok  # covers entries 0..4 only, which were left alone
    verification, _ = audit(forgery, outside_note=after)
    assert verification.verdict == "damaged"


def test_moved_doubled_and_dropped_entries_are_noticed(large: RecordBytes) -> None:
    lines = large.entries.split(b"\n")[:-1]
    for order in ([1, 0, *range(2, 120)], [0, 0, *range(1, 120)], [*range(60), *range(61, 120)]):
        chosen = [lines[k] for k in order]
        leaves = b"".join(merkle.leaf_hash(line) for line in chosen)
        changed = replace(large, entries=b"".join(line + b"\n" for line in chosen), leaves=leaves)
        assert audit(changed)[0].verdict == "damaged"


def test_entries_put_in_behind_the_last_checkpoint_are_noticed(large: RecordBytes) -> None:
    last = ledger.parse_entry(large.entries.split(b"\n")[-2])
    extra = [ledger.entry_bytes(LogEntry(**{**asdict(last), "index": 120 + k})) for k in range(2)]
    for count, verdict in ((1, "interrupted"), (2, "damaged")):
        lines = extra[:count]
        changed = replace(
            large,
            entries=large.entries + b"".join(line + b"\n" for line in lines),
            leaves=large.leaves + b"".join(merkle.leaf_hash(line) for line in lines),
        )
        verification, _ = audit(changed)
        assert (verification.verdict, verification.uncovered) == (verdict, count)
        assert verification.findings[0].index == 120


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.binary(max_size=100), st.binary(max_size=300), st.binary(max_size=120))
def test_rubbish_is_never_intact_and_never_a_crash(a: bytes, b: bytes, c: bytes, d: bytes) -> None:
    assert not audit(RecordBytes(entries=a, leaves=b, checkpoints=c, key=d))[0].ok


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_rubbish_in_place_of_one_line_is_named(small: RecordBytes, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, 2))
    junk = data.draw(
        st.binary(max_size=200).filter(lambda raw: b"\n" not in raw)
        | st.sampled_from([b"[" * 5000, b'{"a":1e999}', b"1" * 5000, b'{"index":0,"index":0}', b"null"])
    )
    lines = small.entries.split(b"\n")
    lines[index] = junk
    verification, _ = audit(replace(small, entries=b"\n".join(lines)))
    assert verification.verdict == "damaged"
    assert verification.findings[0].index == index


def test_all_pairs_of_files_from_two_records_disagree(tmp_path: Path, small: RecordBytes) -> None:
    other = build(tmp_path, 3)
    for mine in itertools.product((True, False), repeat=4):
        if all(mine) or not any(mine):
            continue
        mixed = {f: getattr(small if own else other, f) for f, own in zip(FIELDS, mine, strict=True)}
        verification, _ = audit(RecordBytes(**mixed))
        # The entries of both are alike, so only checkpoints and key tell the records apart.
        assert verification.ok == (mine[2] == mine[3]), mine
