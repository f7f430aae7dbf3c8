"""The tamper-evident record on disk: an append is on the disk, hashed and signed, before it returns.

    record/
      entries.jsonl   one entry a line, canonical JSON
      leaves          32 bytes an entry: its RFC 6962 leaf hash
      checkpoints     one C2SP signed note an entry: size and Merkle root up to and including it
      key.pub         the public key that signs them

The private key lies elsewhere (`keys_folder`) and never comes near the record. Files are written in the order above,
each flushed to the disk before the next, so a power cut leaves at most one unfinished append: `Record.open` then
refuses and `recover` finishes it, saying in the record itself what it found.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from kuntur.errors import BusyError, RecordError
from kuntur.model.records import Actor, Checkpoint, LogEntry, Purpose
from kuntur.oversight import ledger, merkle
from kuntur.oversight.audit import CHECKPOINTS, ENTRIES, KEY, LEAVES, RecordBytes, Verification, audit, split_notes

PRIVATE_KEY = "record-ed25519.pem"


class Record:
    """One record, open for appending by one writer. Use `Record.open`; it is a context manager.

    After any failure to append it refuses everything else: what cannot be written down must not be done.
    """

    def __init__(self, folder: Path, key: Ed25519PrivateKey, origin: str, lock: BinaryIO, data: RecordBytes) -> None:
        self.folder = folder
        self.origin = origin
        self._key = key
        self._lock = lock
        # Appending in a thread of its own: Ctrl-C in the caller's cannot stop an append half-way.
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="record")
        self._failed = ""
        self._entries = [ledger.parse_entry(line) for line in data.entries.split(b"\n")[:-1]]
        self._tree = tree(data)
        self._note = newest_note(data)
        self._files = {name: (folder / name).open("ab", buffering=0) for name in (ENTRIES, LEAVES, CHECKPOINTS)}

    @classmethod
    def open(cls, folder: Path, *, name: str = "kuntur", keys_folder: Path | None = None) -> Record:
        """Open `folder` for appending, creating it (and, on first use, the station's private key) when it is not there.

        name: the beginning of a new record's origin, such as "kuntur/tambo_quemado"; random characters make it unique.
        Raises BusyError when another writer has it, RecordError when it is damaged or its last append is unfinished.
        """
        key = private_key(keys_folder or default_keys_folder())
        if not (folder / KEY).exists():
            _create(folder, name, key)
        lock = _locked(folder)
        try:
            data = _read(folder)
            verification, _ = audit(data)
            if verification.verdict == "damaged":
                raise RecordError(
                    f"The record {folder} is damaged. {verification.findings[0]}.",
                    remedy="Keep it as it is for the overseer and start a new one in another folder.",
                )
            if verification.verdict == "interrupted" and data.entries + data.leaves + data.checkpoints:
                raise RecordError(
                    f"The last append to the record {folder} was not finished. {verification.findings[0]}.",
                    remedy="Run `kuntur record recover` on it: what was left unfinished is then said in the record.",
                )
            origin = verification.origin
            if verification.key != _verifier_key(origin, key):
                raise RecordError(
                    f"The record {folder} is signed with another key than this station's.",
                    remedy="Continue it where it was begun, or start a new record.",
                )
            return cls(folder, key, origin, lock, data)
        except BaseException:
            lock.close()
            raise

    def append(
        self,
        *,
        t_ns: int,
        actor: Actor,
        purpose: Purpose,
        action: str,
        subject: str,
        inputs: Mapping[str, str] | None = None,
        outputs: Mapping[str, str] | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> LogEntry:
        """Write one entry; when this returns it is on the disk and signed. Raises RecordError otherwise.

        A clock that stepped back cannot make times decrease: the entry then carries the time of the one before it, and
        its detail says by how much the clock was behind (`clock_behind_ns`).
        """
        if self._lock.closed:
            raise RecordError(f"The record {self.folder} is closed.", remedy="Open it again.")
        entry = LogEntry(
            index=0,
            t_ns=t_ns,
            actor=f"{actor.role}:{actor.id}",
            purpose=_words(purpose),
            action=action,
            subject=subject,
            inputs=dict(inputs or {}),
            outputs=dict(outputs or {}),
            detail=dict(detail or {}),
        )
        return self._writer.submit(self._append, entry).result()

    def _append(self, entry: LogEntry) -> LogEntry:
        if self._failed:
            raise RecordError(f"The record {self.folder} failed before ({self._failed}) and stays shut.", remedy=_FULL)
        last_t_ns = self._entries[-1].t_ns if self._entries else entry.t_ns
        detail = dict(entry.detail)
        if entry.t_ns < last_t_ns:
            detail["clock_behind_ns"] = last_t_ns - entry.t_ns
        t_ns = max(entry.t_ns, last_t_ns)
        line = ledger.entry_bytes(replace(entry, index=len(self._entries), t_ns=t_ns, detail=detail))
        written = ledger.parse_entry(line)  # what the record holds, not what was passed in
        try:
            self._write(line)
        except OSError as error:
            self._failed = str(error)
            raise RecordError(
                f"The record {self.folder} cannot be written: {error}. Nothing was done.", remedy=_FULL
            ) from error
        self._entries.append(written)
        return written

    def _write(self, line: bytes) -> None:
        leaf = merkle.leaf_hash(line)
        _put(self._files[ENTRIES], line + b"\n")
        _put(self._files[LEAVES], leaf)
        self._tree.append(leaf)
        note = ledger.sign_checkpoint(self.origin, len(self._tree), self._tree.root(), self._key)
        _put(self._files[CHECKPOINTS], note.encode())
        self._note = note

    @property
    def note(self) -> str:
        """The newest checkpoint as a signed note: give a copy to the overseer. Empty while the record is."""
        return self._note

    @property
    def verifier_key(self) -> str:
        """The public key as the overseer should keep it."""
        return _verifier_key(self.origin, self._key)

    def checkpoint(self) -> Checkpoint:
        """The newest checkpoint."""
        if not self._note:
            raise RecordError(f"The record {self.folder} holds no entry yet.", remedy="Append one.")
        return ledger.open_checkpoint(self._note, self.origin, self._key.public_key().public_bytes_raw())

    def entries(self) -> tuple[LogEntry, ...]:
        return tuple(self._entries)

    def close(self) -> None:
        """Finish the append under way, if any, and let others write."""
        self._writer.shutdown(wait=True)
        for file in self._files.values():
            file.close()
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


_FULL = "Make room on the disk or repair it, run `kuntur verify` on the record, then start again."


def read(folder: Path) -> tuple[RecordBytes, bool]:
    """The record's bytes and whether somebody is appending to it just now.

    While it is being appended to, only what its newest checkpoint covers is returned.
    """
    if not folder.is_dir():
        raise RecordError(f"There is no record at {folder}.", remedy="Name the folder that holds entries.jsonl.")
    data = _read(folder)
    with (folder / KEY).open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _covered(data), True
        return _read(folder), False


def verify(folder: Path, *, outside_note: str | None = None, outside_key: str | None = None) -> Verification:
    """Audit the record in `folder`; see `oversight.audit`."""
    data, in_use = read(folder)
    verification, _ = audit(data, outside_note=outside_note, outside_key=outside_key)
    known = {ENTRIES, LEAVES, CHECKPOINTS, KEY}
    notes = [f"{path.name} is no part of a record" for path in sorted(folder.iterdir()) if path.name not in known]
    if in_use:
        notes.append("the record is being written just now: checked up to its newest checkpoint")
    return replace(verification, notes=(*verification.notes, *notes))


def tree(data: RecordBytes) -> merkle.Tree:
    """The Merkle tree over a record's entries."""
    return merkle.Tree(merkle.leaf_hash(line) for line in data.entries.split(b"\n")[:-1])


def newest_note(data: RecordBytes) -> str:
    """The newest checkpoint as it stands in the file; empty when there is none."""
    notes, _ = split_notes(data.checkpoints)
    return notes[-1].decode("utf-8", errors="replace") if notes else ""


def recover(
    folder: Path, *, t_ns: int, actor: Actor, purpose: Purpose, keys_folder: Path | None = None
) -> LogEntry | None:
    """Finish an append that a power cut or a full disk left unfinished; None when there is nothing to do.

    The half-written line, if any, is taken out of the entries and kept, in hex, in the detail of a new entry "recover",
    which also names any entry that was complete but unsigned: what it announced was not done. The entries file is
    replaced in one step, so that recovering can itself be interrupted. Raises RecordError for a record that is damaged
    in any other way.
    """
    key = private_key(keys_folder or default_keys_folder())
    with _locked(folder):
        data = _read(folder)
        verification, entries = audit(data)
        if verification.verdict == "damaged":
            raise RecordError(
                f"The record {folder} was not interrupted, it is damaged. {verification.findings[0]}.",
                remedy="Keep it as it is for the overseer and start a new one in another folder.",
            )
        if verification.key != _verifier_key(verification.origin, key):
            raise RecordError(
                f"The record {folder} is signed with another key than this station's.",
                remedy="Recover it where it was written.",
            )
        if verification.ok or not (data.entries + data.leaves + data.checkpoints):
            return None
        whole, _, half = data.entries.rpartition(b"\n")
        lines = whole.split(b"\n") if whole else []
        entry = LogEntry(
            index=len(lines),
            t_ns=max(t_ns, verification.last_t_ns or 0),
            actor=f"{actor.role}:{actor.id}",
            purpose=_words(purpose),
            action="recover",
            subject=verification.origin,
            inputs={},
            outputs={},
            detail={
                "cut_off_hex": half[:16_000].hex(),
                "cut_off_bytes": len(half),
                "not_done": [e.index for e in entries[verification.covered :]],
            },
        )
        lines.append(ledger.entry_bytes(entry))
        tree = merkle.Tree(merkle.leaf_hash(line) for line in lines)
        notes, _ = split_notes(data.checkpoints)
        notes.append(ledger.sign_checkpoint(verification.origin, len(tree), tree.root(), key).encode())
        _replace(folder / ENTRIES, b"\n".join(lines) + b"\n")
        _replace(folder / LEAVES, b"".join(merkle.leaf_hash(line) for line in lines))
        _replace(folder / CHECKPOINTS, b"".join(notes))
        return entry


def default_keys_folder() -> Path:
    """Where this user's station keeps its private key: the user's data folder (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "kuntur" / "keys"


def private_key(keys_folder: Path) -> Ed25519PrivateKey:
    """The station's signing key, made on first use and readable by its owner alone."""
    path = keys_folder / PRIVATE_KEY
    if not path.exists():
        keys_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        pem = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        _create_private(path, pem)
    if path.stat().st_mode & 0o077:
        raise RecordError(
            f"The private key {path} can be read by others.",
            remedy="Treat it as lost: move it away, let a new one be made, and tell the overseer. Then chmod 600.",
        )
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise RecordError(
            f"The private key {path} cannot be read: {error}.", remedy="Move it away to let a new one be made."
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise RecordError(f"The private key {path} is not an Ed25519 key.", remedy="Move it away to get a new one.")
    return key


def _create_private(path: Path, pem: bytes) -> None:
    """Write a key whole or not at all; when two processes make the first one at once, one of them wins."""
    draft = path.with_suffix(f".{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        _put(file, pem)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    _sync_folder(path.parent)


def _create(folder: Path, name: str, key: Ed25519PrivateKey) -> None:
    if folder.exists() and any(folder.iterdir()):
        raise RecordError(
            f"{folder} is not empty and holds no record.", remedy="Name an empty or a new folder for the record."
        )
    origin = f"{name}/{secrets.token_hex(8)}"
    ledger.check_origin(origin)
    folder.mkdir(parents=True, exist_ok=True)
    for file in (ENTRIES, LEAVES, CHECKPOINTS):
        (folder / file).touch()
    _replace(folder / KEY, f"{_verifier_key(origin, key)}\n".encode())


def _words(purpose: Purpose) -> str:
    return f"{purpose.code}: {purpose.text}" if purpose.text else purpose.code


def _verifier_key(origin: str, key: Ed25519PrivateKey) -> str:
    return ledger.verifier_key(origin, key.public_key().public_bytes_raw())


def _read(folder: Path) -> RecordBytes:
    """The files in the reverse order of their writing, so that each holds at least what the one before it speaks of."""
    try:
        parts = {name: (folder / name).read_bytes() for name in (KEY, CHECKPOINTS, LEAVES, ENTRIES)}
    except OSError as error:
        raise RecordError(
            f"The record {folder} cannot be read: {error}.",
            remedy=f"A record has the files {ENTRIES}, {LEAVES}, {CHECKPOINTS} and {KEY}.",
        ) from error
    return RecordBytes(entries=parts[ENTRIES], leaves=parts[LEAVES], checkpoints=parts[CHECKPOINTS], key=parts[KEY])


def _covered(data: RecordBytes) -> RecordBytes:
    notes, _ = split_notes(data.checkpoints)
    try:
        size = int(notes[-1].split(b"\n")[1]) if notes else 0
    except ValueError:
        return data
    lines = data.entries.split(b"\n")[:-1][:size]
    return RecordBytes(
        entries=b"".join(line + b"\n" for line in lines),
        leaves=data.leaves[: size * merkle.HASH_BYTES],
        checkpoints=b"".join(notes),
        key=data.key,
    )


def _locked(folder: Path) -> BinaryIO:
    """The public key file, held open and locked: one writer. The lock goes with the process, however it ends."""
    try:
        file = (folder / KEY).open("rb")
    except OSError as error:
        raise RecordError(f"There is no record at {folder}: {error}.", remedy="Name a record's folder.") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise BusyError(
            f"Somebody else is writing the record {folder}.", remedy="Wait for them, or use another folder."
        ) from error
    return file


def _put(file: Any, data: bytes) -> None:
    """Write all of `data` and have it on the disk."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
    file.flush()
    os.fsync(file.fileno())


def _replace(path: Path, data: bytes) -> None:
    draft = path.with_name(f"{path.name}.draft")
    with draft.open("wb") as file:
        _put(file, data)
    draft.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
