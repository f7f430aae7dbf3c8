"""The audit of a whole record, from its four files' bytes alone: what `kuntur verify` does, without a file system."""

from __future__ import annotations

import itertools
from hashlib import sha256
from typing import Any, Literal

from msgspec import Struct

from kuntur.errors import RecordError
from kuntur.model.records import Checkpoint, LogEntry
from kuntur.oversight import ledger, merkle
from kuntur.oversight.ledger import content_sha256

ENTRIES, LEAVES, CHECKPOINTS, KEY = "entries.jsonl", "leaves", "checkpoints", "key.pub"
NOTE_LINES = 5  # origin, size, root, empty, signature
LAUNCH_PERMITS = ("fly", "launch")


class RecordBytes(Struct, frozen=True, kw_only=True):
    """The four files of a record folder as they are on disk."""

    entries: bytes
    leaves: bytes
    checkpoints: bytes
    key: bytes


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that is wrong: in which file, at which entry, and why."""

    file: str
    reason: str
    index: int | None = None
    t_ns: int | None = None
    action: str | None = None

    def __str__(self) -> str:
        where = self.file if self.index is None else f"{self.file}, entry {self.index}"
        what = "" if self.action is None else f" ({self.action}, t_ns {self.t_ns})"
        return f"{where}{what}: {self.reason}"


class Verification(Struct, frozen=True, kw_only=True):
    """The verdict on a record.

    intact: everything agrees and the last checkpoint covers every entry. interrupted: all that is signed agrees, but
    the tail was left unfinished, as a power cut in the middle of one append leaves it; nothing unsigned can be relied
    on. damaged: something was changed, lost or put in; `findings[0]` is the first bad place.
    """

    verdict: Literal["intact", "interrupted", "damaged"]
    origin: str
    key: str
    entries: int
    covered: int
    checkpoints: int
    root_sha256: str
    first_t_ns: int | None
    last_t_ns: int | None
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return self.verdict == "intact"

    @property
    def uncovered(self) -> int:
        """Entries that no checkpoint vouches for."""
        return max(0, self.entries - self.covered)


def audit(
    record: RecordBytes, *, outside_note: str | None = None, outside_key: str | None = None
) -> tuple[Verification, tuple[LogEntry, ...]]:
    """Check everything in a record against everything else, and against what an overseer kept outside it.

    outside_note: a checkpoint of this record copied away earlier. outside_key: the public key the overseer trusts, as
    in `key.pub`; without it the record's own key is used, which a forger of the whole record could have replaced.
    """
    return _Audit(record, outside_note, outside_key).run()


class _Audit:
    """One pass over a record; each step adds findings, in the order a reader meets them."""

    def __init__(self, record: RecordBytes, outside_note: str | None, outside_key: str | None) -> None:
        self.record = record
        self.outside_note = outside_note
        self.outside_key = outside_key
        self.findings: list[Finding] = []
        self.unfinished: list[Finding] = []
        self.notes: list[str] = []
        self.origin, self.key_text = "", ""
        self.public_key = b""
        self.entries: list[LogEntry] = []
        self.signed: list[Checkpoint] = []
        self.vouched = 0  # the first `vouched` entries are exactly what a good checkpoint was signed over
        self.misfits: list[int] = []  # entries whose hash is not the one kept beside them
        self.tree = merkle.Tree()

    def run(self) -> tuple[Verification, tuple[LogEntry, ...]]:
        if self._read_key():
            self._read_entries()
            self._read_checkpoints()
            self._blame_misfits()
            self._check_against_outside()
            self._check_coverage()
            self.findings += check_order(self.entries)
            self.findings += check_launches(self.entries)
            drawn, open_draws = check_draws(self.entries)
            self.findings += drawn
            self.notes += [f"the draw committed at entry {i} has not been revealed" for i in open_draws]
        findings = _in_order(self.findings)
        verdict: Literal["intact", "interrupted", "damaged"] = (
            "damaged" if findings else "interrupted" if self.unfinished else "intact"
        )
        verification = Verification(
            verdict=verdict,
            origin=self.origin,
            key=self.key_text,
            entries=len(self.entries),
            covered=self.signed[-1].size if self.signed else 0,
            checkpoints=len(self.signed),
            root_sha256=self.tree.root().hex(),
            first_t_ns=self.entries[0].t_ns if self.entries else None,
            last_t_ns=self.entries[-1].t_ns if self.entries else None,
            findings=(*findings, *self.unfinished),
            notes=tuple(self.notes),
        )
        return verification, tuple(self.entries)

    def _read_key(self) -> bool:
        try:
            text = self.record.key.decode("utf-8")
            if not text.endswith("\n"):
                raise RecordError("not a public key: the line end is missing")
            self.origin, self.public_key = ledger.parse_verifier_key(text[:-1])
        except (RecordError, UnicodeDecodeError) as error:
            self.findings.append(Finding(file=KEY, reason=_reason(error)))
            return False
        self.key_text = text[:-1]
        if self.outside_key is not None and self.outside_key.strip() != self.key_text:
            self.findings.append(Finding(file=KEY, reason="not the public key you trust"))
        return True

    def _read_entries(self) -> None:
        *lines, tail = self.record.entries.split(b"\n")
        leaves = self.record.leaves
        whole, rest = divmod(len(leaves), merkle.HASH_BYTES)
        for index, line in enumerate(lines):
            leaf = merkle.leaf_hash(line)
            kept = leaves[index * merkle.HASH_BYTES : (index + 1) * merkle.HASH_BYTES] if index < whole else None
            try:
                entry = ledger.parse_entry(line)
            except RecordError as error:
                self.findings.append(Finding(file=ENTRIES, index=index, reason=error.message))
                entry = None
            if entry is not None and entry.index != index:
                self.findings.append(Finding(file=ENTRIES, index=index, reason=f"calls itself entry {entry.index}"))
            if kept is not None and kept != leaf:
                self.misfits.append(index)
            self.tree.append(leaf)
            self.entries.append(entry if entry and entry.index == index else _unreadable(index, self.entries))
        if tail:
            where = Finding(
                file=ENTRIES, index=len(lines), reason=f"the last line is cut off ({len(tail)} bytes, no line end)"
            )
            self.unfinished.append(where)
        if whole > len(lines):
            reason = f"{whole} hashes for {len(lines)} entries: entries are missing"
            self.findings.append(Finding(file=LEAVES, index=len(lines), reason=reason))
        elif rest or whole < len(lines):
            reason = f"holds {len(leaves)} bytes, {merkle.HASH_BYTES * len(lines)} belong there"
            self.unfinished.append(Finding(file=LEAVES, index=whole, reason=reason))

    def _read_checkpoints(self) -> None:
        notes, tail = split_notes(self.record.checkpoints)
        for number, note in enumerate(notes, start=1):
            try:
                point = ledger.open_checkpoint(note.decode("utf-8"), self.origin, self.public_key)
            except (RecordError, UnicodeDecodeError) as error:
                self.findings.append(Finding(file=CHECKPOINTS, reason=f"checkpoint {number}: {_reason(error)}"))
                continue
            finding = self._judge(point, f"checkpoint {number}")
            previous = self.signed[-1].size if self.signed else 0
            if finding is None and point.size <= previous:
                reason = f"checkpoint {number} covers {point.size} entries, not more than the one before ({previous})"
                finding = Finding(file=CHECKPOINTS, reason=reason)
            if finding is None:
                self.vouched = max(self.vouched, point.size)
            else:
                self.findings.append(finding)
            self.signed.append(point)
        if tail:
            reason = f"the last checkpoint is cut off ({len(tail)} bytes)"
            self.unfinished.append(Finding(file=CHECKPOINTS, reason=reason))

    def _judge(self, point: Checkpoint, name: str) -> Finding | None:
        """What is wrong with the entries if this checkpoint is right."""
        if point.size > len(self.tree):
            reason = f"entries are missing: {name} was signed over {point.size}, only {len(self.tree)} are here"
            return Finding(file=ENTRIES, index=len(self.tree), reason=reason)
        root = self.tree.root(point.size)
        if root.hex() != point.root_sha256:
            reason = f"not what {name}, over {point.size} entries, was signed over"
            return _at(self.entries[min(self.vouched, point.size - 1)], reason) if point.size else None
        if 0 < self.vouched <= point.size:  # what an overseer who holds two checkpoints and no entries would check
            proof = self.tree.consistency_proof(self.vouched, point.size)
            if not merkle.verify_consistency(self.vouched, point.size, self.tree.root(self.vouched), root, proof):
                reason = f"{name} is not a continuation of the one over {self.vouched} entries"
                return Finding(file=CHECKPOINTS, reason=reason)
        return None

    def _blame_misfits(self) -> None:
        """Where an entry and its kept hash differ: if a checkpoint vouches for the entry, the hash was changed."""
        for index in self.misfits:
            entry = self.entries[index]
            if index < self.vouched:
                reason = "the hash kept here is not that of the entry, which is as it was signed"
                self.findings.append(_at(entry, reason, file=LEAVES))
            else:
                self.findings.append(_at(entry, f"its hash is not the one kept in '{LEAVES}'"))

    def _check_against_outside(self) -> None:
        if self.outside_note is None:
            return
        try:
            point = ledger.open_checkpoint(self.outside_note, self.origin, self.public_key)
        except RecordError as error:
            self.findings.append(Finding(file="your copy of a checkpoint", reason=error.message))
            return
        finding = self._judge(point, "your copy of a checkpoint")
        if finding is not None:
            self.findings.append(finding)
        else:
            self.notes.append(f"consistent with your copy of the checkpoint over {point.size} entries")

    def _check_coverage(self) -> None:
        covered = self.signed[-1].size if self.signed else 0
        loose = [e for e in self.entries[covered:] if e.action != "recover"]
        if not self.entries:
            self.unfinished.append(Finding(file=ENTRIES, reason="the record holds no entry"))
        elif len(loose) > 1:
            reason = f"{len(loose)} entries from here on are covered by no checkpoint; a power cut leaves one at most"
            self.findings.append(_at(loose[0], reason))
        elif covered < len(self.entries):
            reason = "covered by no checkpoint: its append was not finished, so what it announces was not done"
            self.unfinished.append(_at(self.entries[covered], reason))


def split_notes(data: bytes) -> tuple[list[bytes], bytes]:
    """The checkpoints in a file of concatenated five-line notes, and an unfinished rest."""
    lines = data.split(b"\n")
    whole = (len(lines) - 1) // NOTE_LINES
    notes = [b"\n".join(lines[i * NOTE_LINES : (i + 1) * NOTE_LINES]) + b"\n" for i in range(whole)]
    return notes, b"\n".join(lines[whole * NOTE_LINES :])


def check_order(entries: list[LogEntry]) -> list[Finding]:
    """Times never go back."""
    pairs = itertools.pairwise(entries)
    return [
        _at(b, f"its time is {(a.t_ns - b.t_ns) / 1e9:.3f} s before that of the entry before it")
        for a, b in pairs
        if b.t_ns < a.t_ns
    ]


def check_launches(entries: list[LogEntry]) -> list[Finding]:
    """Every launch names a permit that was granted before it, for the same subject, and holds at its time."""
    granted: dict[str, dict[str, Any]] = {}
    findings = []
    for entry in entries:
        if entry.action == "permit":
            permit, identity = entry.detail.get("permit"), entry.outputs.get("permit", "")
            if not isinstance(permit, dict) or content_sha256(permit) != identity:
                findings.append(_at(entry, "the permit it grants is not the one whose hash it states"))
            else:
                granted[identity] = permit
        elif entry.action == "launch":
            reason = _launch_fault(entry, granted.get(entry.inputs.get("permit", "")))
            if reason:
                findings.append(_at(entry, reason))
    return findings


def _launch_fault(entry: LogEntry, permit: dict[str, Any] | None) -> str:
    if permit is None:
        return "a launch without a permit granted before it"
    if permit.get("action") not in LAUNCH_PERMITS or permit.get("subject") != entry.subject:
        return f"a launch of {entry.subject} on a permit to {permit.get('action')} given to {permit.get('subject')}"
    if not permit.get("from_t_ns", 0) <= entry.t_ns <= permit.get("until_t_ns", 0):
        return "a launch outside the time of its permit"
    return ""


def check_draws(entries: list[LogEntry]) -> tuple[list[Finding], list[int]]:
    """Every revealed seed has the hash committed to before; also the indices of commitments not revealed yet."""
    committed: dict[str, int] = {}
    findings = []
    for entry in entries:
        if entry.action == "commit_draw":
            committed[entry.outputs.get("commitment", "")] = entry.index
        elif entry.action == "reveal_draw":
            try:
                seed = bytes.fromhex(entry.detail.get("seed", ""))
            except (TypeError, ValueError):
                findings.append(_at(entry, "the seed it reveals is not hex"))
                continue
            if committed.pop(sha256(seed).hexdigest(), None) is None:
                findings.append(_at(entry, "the seed it reveals was not committed to before"))
    return findings, sorted(committed.values())


def _in_order(findings: list[Finding]) -> list[Finding]:
    """The key first, then entries by their number (one finding each, the first made), then what concerns no entry."""
    unique: dict[tuple[str, int | None, str], Finding] = {}
    for finding in findings:
        reason = finding.reason if finding.index is None else ""
        unique.setdefault((finding.file, finding.index, reason), finding)
    return sorted(unique.values(), key=lambda f: (f.file != KEY, f.index is None, f.index or 0, f.file != ENTRIES))


def _at(entry: LogEntry, reason: str, *, file: str = ENTRIES) -> Finding:
    return Finding(file=file, index=entry.index, t_ns=entry.t_ns, action=entry.action, reason=reason)


def _unreadable(index: int, before: list[LogEntry]) -> LogEntry:
    """Stands in for a line that cannot be read, so that those after it keep their numbers."""
    t_ns = before[-1].t_ns if before else 0
    return LogEntry(
        index=index, t_ns=t_ns, actor="", purpose="", action="unreadable", subject="", inputs={}, outputs={}, detail={}
    )


def _reason(error: Exception) -> str:
    return error.message if isinstance(error, RecordError) else f"not UTF-8: {error}"
