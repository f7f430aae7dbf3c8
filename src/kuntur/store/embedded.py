"""One watch in one folder: SQLite in WAL mode, for one writing process and any number of readers.

What arrives is kept raw, in the order of arrival, before anything is made of it; tracks and alerts can always be made
again from it. The feed is written with synchronous NORMAL (a power cut may cost the last fraction of a second), alerts
and acknowledgements with FULL (once written, they stay).

SQLite recovers from a damaged or lost end of its log by dropping it without a word. So every batch of the feed carries
the SHA-256 of its rows chained to the batch before, and a small file `head` beside the database says which batch was
the last: when the database comes back shorter than that, the loss is found on opening, written down in the table
`losses`, and shown by `losses()`. A batch whose hash does not fit is damage or tampering and stops the opening.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final

import msgspec
from msgspec import Struct

from kuntur.errors import BusyError, StoreError
from kuntur.model.tracks import Acknowledgement, Alert, FeedItem, Track

FORMAT: Final = 1
_GENESIS: Final = hashlib.sha256(b"kuntur watch feed 1").digest()
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS feed (
    seq INTEGER PRIMARY KEY, t_ns INTEGER NOT NULL, source TEXT NOT NULL, kind TEXT NOT NULL, payload BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS batches (
    batch INTEGER PRIMARY KEY, first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL, sha256 BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS losses (
    first_seq INTEGER PRIMARY KEY, last_seq INTEGER NOT NULL, reason TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS tracks (id INTEGER PRIMARY KEY, t_ns INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS alerts (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, t_ns INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS acknowledgements (
    seq INTEGER PRIMARY KEY, alert_id TEXT NOT NULL, t_ns INTEGER NOT NULL, actor TEXT NOT NULL, note TEXT NOT NULL);
"""


class Loss(Struct, frozen=True, kw_only=True):
    """Feed items that were written once and are not there any more: a marked gap."""

    first_seq: int
    last_seq: int
    reason: str


class _Head(Struct, frozen=True, kw_only=True):
    """The last batch that was committed, as the file beside the database has it."""

    batch: int
    last_seq: int
    sha256: str


def _chain(previous: bytes, rows: Sequence[tuple[int, int, str, str, bytes]]) -> bytes:
    digest = hashlib.sha256(previous)
    digest.update(msgspec.msgpack.encode(rows))
    return digest.digest()


class WatchStore:
    """The store of one watch. Opening verifies the whole chain (about a second per half million items).

    Raises StoreError where there is no store to read, the database is damaged, or a batch does not fit its hash;
    BusyError where another process writes into it. Use as a context manager, or call `close`.
    """

    def __init__(self, folder: Path | str, *, read_only: bool = False, verify: bool = True) -> None:
        self.folder = Path(folder)
        self.path = self.folder / "watch.sqlite"
        self._head_path = self.folder / "head"
        self._read_only = read_only
        self._lock: IO[bytes] | None = None
        if read_only and not self.path.is_file():
            raise StoreError(f"There is no stored watch in {self.folder}.", remedy="Name a folder that a watch wrote.")
        try:
            self._open()
            if verify:
                self.verify()
            if not read_only:
                self._mark_loss()
        except sqlite3.DatabaseError as error:
            self.close()
            raise self._damaged(error) from error
        except BaseException:
            self.close()
            raise

    # --- opening and closing

    def _open(self) -> None:
        if self._read_only:
            self._db = sqlite3.connect(f"{self.path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
            self._durability = ""
        else:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._take_lock()
            self._db = sqlite3.connect(self.path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._durability = ""
            with self._transaction("FULL"):
                for statement in _SCHEMA.split(";"):
                    self._db.execute(statement)
                self._db.execute("INSERT OR IGNORE INTO meta VALUES ('format', ?)", (str(FORMAT),))
        if self.meta("format") != str(FORMAT):
            raise StoreError(
                f"{self.path} has format {self.meta('format')}; this Kuntur reads format {FORMAT}.",
                remedy="Read it with the Kuntur that wrote it.",
            )
        self._batch, self._seq, self._hash = 0, 0, _GENESIS
        for row in self._db.execute("SELECT batch, last_seq, sha256 FROM batches ORDER BY batch DESC LIMIT 1"):
            self._batch, self._seq, self._hash = row
        for (lost_to,) in self._db.execute("SELECT last_seq FROM losses ORDER BY last_seq DESC LIMIT 1"):
            self._seq = max(self._seq, lost_to)  # numbers are never given twice: a gap stays visible

    def _take_lock(self) -> None:
        self._lock = (self.folder / "lock").open("ab")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            self._lock = None
            raise BusyError(
                f"Another process is writing the watch in {self.folder}.", remedy="Stop it, or use another folder."
            ) from error

    def close(self) -> None:
        """Close the database and let go of the folder."""
        if hasattr(self, "_db"):
            self._db.close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> WatchStore:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _damaged(self, error: sqlite3.Error) -> StoreError:
        return StoreError(
            f"The stored watch {self.path} cannot be read: {error}.", remedy="Restore it from a copy of the folder."
        )

    @contextlib.contextmanager
    def _transaction(self, durability: str) -> Iterator[None]:
        """One transaction, committed with this `synchronous` setting, or not at all."""
        if self._read_only:
            raise StoreError(f"The watch in {self.folder} was opened for reading only.")
        try:
            if self._durability != durability:
                self._db.execute(f"PRAGMA synchronous = {durability}")
                self._durability = durability
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise StoreError(
                f"The watch in {self.folder} could not be written: {error}.",
                remedy="Free disk space or put the folder right; nothing was half-written.",
            ) from error

    # --- the feed

    def append(self, items: Sequence[FeedItem]) -> None:
        """Write one batch of the feed, in this order: all of it or nothing."""
        if not items:
            return
        first = self._seq + 1
        rows = [(first + k, item.t_ns, item.source, item.kind, item.payload) for k, item in enumerate(items)]
        digest = _chain(self._hash, rows)
        with self._transaction("NORMAL"):
            self._db.executemany("INSERT INTO feed VALUES (?, ?, ?, ?, ?)", rows)
            self._db.execute("INSERT INTO batches VALUES (?, ?, ?, ?)", (self._batch + 1, first, rows[-1][0], digest))
        self._batch, self._seq, self._hash = self._batch + 1, rows[-1][0], digest
        self._write_head()

    def _write_head(self) -> None:
        head = _Head(batch=self._batch, last_seq=self._seq, sha256=self._hash.hex())
        fresh = self._head_path.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(head))
        fresh.replace(self._head_path)

    def items(self, from_t_ns: int | None = None, to_t_ns: int | None = None) -> Iterator[FeedItem]:
        """The feed in the order of arrival, optionally only items with from_t_ns <= t_ns < to_t_ns."""
        low = -(2**63) if from_t_ns is None else from_t_ns
        high = 2**63 - 1 if to_t_ns is None else to_t_ns
        rows = self._read(
            "SELECT t_ns, source, kind, payload FROM feed WHERE t_ns >= ? AND t_ns < ? ORDER BY seq", (low, high)
        )
        for t_ns, source, kind, payload in rows:
            yield FeedItem(t_ns=t_ns, source=source, kind=kind, payload=payload)

    def items_after(self, seq: int, most: int = 10_000) -> list[tuple[int, FeedItem]]:
        """The next items of the feed after this sequence number, with theirs: how another process follows a watch."""
        rows = self._read("SELECT * FROM feed WHERE seq > ? ORDER BY seq LIMIT ?", (seq, most))
        return [
            (number, FeedItem(t_ns=t_ns, source=source, kind=kind, payload=payload))
            for number, t_ns, source, kind, payload in rows
        ]

    def _read(self, sql: str, values: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._db.execute(sql, values)
        except sqlite3.DatabaseError as error:
            raise self._damaged(error) from error

    # --- loss and damage

    def verify(self) -> None:
        """Recompute the chain over the whole feed. Raises StoreError naming the first batch that does not fit."""
        feed = self._db.execute("SELECT seq, t_ns, source, kind, payload FROM feed ORDER BY seq")
        previous, next_seq = _GENESIS, 1
        marked = {loss.first_seq: loss.last_seq for loss in self.losses()}
        for batch, first, last, digest in self._db.execute("SELECT * FROM batches ORDER BY batch"):
            if next_seq in marked and marked[next_seq] == first - 1:
                next_seq = first
            rows = feed.fetchmany(last - first + 1)
            if first != next_seq or [row[0] for row in rows] != list(range(first, last + 1)):
                raise self._misfit(batch, f"items {next_seq}..{last} are not all there")
            if _chain(previous, rows) != digest:
                raise self._misfit(batch, f"items {first}..{last} are not what was written")
            previous, next_seq = digest, last + 1
        if feed.fetchone() is not None:
            raise self._misfit(self._batch, "items lie behind its end")

    def _misfit(self, batch: int, what: str) -> StoreError:
        return StoreError(
            f"The stored watch {self.path} is damaged from batch {batch}: {what}.",
            remedy="Restore it from a copy; a replay may still be made of what lies before.",
        )

    def _head(self) -> _Head | None:
        try:
            return msgspec.json.decode(self._head_path.read_bytes(), type=_Head)
        except (FileNotFoundError, msgspec.DecodeError):  # not yet written, or cut by the same power failure
            return None

    def _lost_tail(self) -> Loss | None:
        head = self._head()
        if head is None or head.last_seq <= self._seq:
            return None
        return Loss(
            first_seq=self._seq + 1,
            last_seq=head.last_seq,
            reason="the end of the database's log was lost (power failure or damage)",
        )

    def _mark_loss(self) -> None:
        loss = self._lost_tail()
        if loss is None:
            return
        with self._transaction("FULL"):
            self._db.execute("INSERT INTO losses VALUES (?, ?, ?)", (loss.first_seq, loss.last_seq, loss.reason))
        self._seq = loss.last_seq

    def losses(self) -> list[Loss]:
        """Every stretch of the feed known to be lost, in order; the one just found included."""
        known = [
            Loss(first_seq=a, last_seq=b, reason=why)
            for a, b, why in self._read("SELECT first_seq, last_seq, reason FROM losses ORDER BY first_seq")
        ]
        tail = self._lost_tail()
        return [*known, tail] if tail else known

    # --- what was made of it

    def save_tracks(self, tracks: Sequence[Track]) -> None:
        """Keep the latest state of each of these tracks."""
        if tracks:
            rows = [(track.id, track.t_ns, msgspec.json.encode(track)) for track in tracks]
            with self._transaction("NORMAL"):
                self._db.executemany("INSERT OR REPLACE INTO tracks VALUES (?, ?, ?)", rows)

    def tracks(self) -> list[Track]:
        return [msgspec.json.decode(body, type=Track) for (body,) in self._read("SELECT body FROM tracks ORDER BY id")]

    def save_alerts(self, alerts: Sequence[Alert]) -> None:
        """Write alerts durably. An alert already there (same id) stays as it was."""
        if alerts:
            rows = [(alert.id, alert.t_ns, msgspec.json.encode(alert)) for alert in alerts]
            with self._transaction("FULL"):
                self._db.executemany("INSERT OR IGNORE INTO alerts (id, t_ns, body) VALUES (?, ?, ?)", rows)

    def alerts(self) -> list[Alert]:
        """In the order they were raised."""
        return [msgspec.json.decode(body, type=Alert) for (body,) in self._read("SELECT body FROM alerts ORDER BY seq")]

    def acknowledge(self, acknowledgement: Acknowledgement) -> bool:
        """Write down durably that a person has seen to an alert. False when there is no such alert.

        A store opened for reading may acknowledge too: whoever only follows a watch is still answered.
        """
        a = acknowledgement
        if not list(self._read("SELECT 1 FROM alerts WHERE id = ?", (a.alert_id,))):
            return False
        statement = "INSERT INTO acknowledgements (alert_id, t_ns, actor, note) VALUES (?, ?, ?, ?)"
        values = (a.alert_id, a.t_ns, a.actor, a.note)
        if not self._read_only:
            with self._transaction("FULL"):
                self._db.execute(statement, values)
            return True
        try:
            with contextlib.closing(sqlite3.connect(self.path)) as db, db:
                db.execute("PRAGMA synchronous = FULL")
                db.execute(statement, values)
        except sqlite3.DatabaseError as error:
            raise self._damaged(error) from error
        return True

    def acknowledgements(self) -> list[Acknowledgement]:
        """In the order they were given."""
        rows = self._read("SELECT alert_id, t_ns, actor, note FROM acknowledgements ORDER BY seq")
        return [Acknowledgement(alert_id=i, t_ns=t, actor=who, note=note) for i, t, who, note in rows]

    def meta(self, key: str) -> str | None:
        """A fact about the watch as a whole (area, tasking, clock), or None."""
        for (value,) in self._read("SELECT value FROM meta WHERE key = ?", (key,)):
            return str(value)
        return None

    def set_meta(self, key: str, value: str) -> None:
        with self._transaction("FULL"):
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))
