"""The record on disk: what it promises when it is appended to, copied, locked, cut off in the middle, or full."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from kuntur.errors import BusyError, RecordError
from kuntur.model.records import Actor, Purpose
from kuntur.oversight.audit import CHECKPOINTS, ENTRIES, KEY, LEAVES
from kuntur.store import record as store
from kuntur.store.record import Record

ACTOR, PURPOSE = Actor(id="mamani", role="operator"), Purpose(code="test")
T0_NS = 1_800_000_000_000_000_000


def append(record: Record, t_ns: int = T0_NS, action: str = "note", **fields: Any) -> None:
    record.append(t_ns=t_ns, actor=ACTOR, purpose=PURPOSE, action=action, subject="s", **fields)


def opened(folder: Path) -> Record:
    return Record.open(folder / "record", name="kuntur/test", keys_folder=folder / "keys")


def recover(folder: Path) -> Any:
    return store.recover(folder / "record", t_ns=T0_NS + 10, actor=ACTOR, purpose=PURPOSE, keys_folder=folder / "keys")


def test_what_is_appended_is_on_disk_and_signed_at_once(tmp_path: Path) -> None:
    with opened(tmp_path) as record:
        for k in range(3):
            append(record, T0_NS + k)
            lines = (tmp_path / "record" / ENTRIES).read_bytes().split(b"\n")
            assert len(lines) == k + 2
            assert record.checkpoint().size == k + 1
            assert (tmp_path / "record" / CHECKPOINTS).read_text().endswith(record.note)
    assert store.verify(tmp_path / "record").ok


def test_opening_again_goes_on(tmp_path: Path) -> None:
    for k in range(3):
        with opened(tmp_path) as record:
            assert len(record.entries()) == 2 * k
            append(record)
            append(record)
    verification = store.verify(tmp_path / "record")
    assert verification.ok
    assert verification.entries == 6


def test_a_clock_that_steps_back_is_told_and_times_do_not_decrease(tmp_path: Path) -> None:
    with opened(tmp_path) as record:
        append(record, T0_NS)
        append(record, T0_NS - 5)
        last = record.entries()[-1]
    assert last.t_ns == T0_NS
    assert last.detail == {"clock_behind_ns": 5}
    assert store.verify(tmp_path / "record").ok


def test_what_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as record:
        for detail in ({"x": float("nan")}, {"text": "x" * 70_000}, {"o": object()}):
            with pytest.raises(RecordError):
                append(record, detail=detail)
        append(record)
        assert len(record.entries()) == 1
    assert store.verify(tmp_path / "record").ok


def test_the_private_key_is_private_and_not_in_the_record(tmp_path: Path) -> None:
    with opened(tmp_path) as record:
        append(record)
    key = tmp_path / "keys" / store.PRIVATE_KEY
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert list((tmp_path / "keys").iterdir()) == [key]
    secret = store.private_key(tmp_path / "keys").private_bytes_raw()
    assert sorted(path.name for path in (tmp_path / "record").iterdir()) == sorted([ENTRIES, LEAVES, CHECKPOINTS, KEY])
    for path in (tmp_path / "record").iterdir():
        assert secret not in path.read_bytes()
        assert b"PRIVATE" not in path.read_bytes()


def test_a_private_key_others_can_read_is_refused(tmp_path: Path) -> None:
    opened(tmp_path).close()
    (tmp_path / "keys" / store.PRIVATE_KEY).chmod(0o640)
    with pytest.raises(RecordError, match="read by others"):
        opened(tmp_path)


def test_a_second_writer_is_told_that_it_is_busy_and_a_reader_is_not(tmp_path: Path) -> None:
    with opened(tmp_path) as record:
        append(record)
        with pytest.raises(BusyError):
            opened(tmp_path)
        with pytest.raises(BusyError):
            recover(tmp_path)
        verification = store.verify(tmp_path / "record")
        assert verification.ok
        assert "being written" in verification.notes[-1]
    opened(tmp_path).close()


def test_many_threads_append_one_after_the_other(tmp_path: Path) -> None:
    with opened(tmp_path) as record:
        threads = [threading.Thread(target=lambda: [append(record) for _ in range(10)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [entry.index for entry in record.entries()] == list(range(40))
    assert store.verify(tmp_path / "record").ok


def test_a_failed_append_stops_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = opened(tmp_path)
    append(record)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(RecordError, match="No space left"):
            append(record)
    with pytest.raises(RecordError, match="stays shut"):
        append(record)
    record.close()
    with pytest.raises(RecordError, match="not finished"):
        opened(tmp_path)
    entry = recover(tmp_path)
    assert entry.detail["not_done"] == [1]
    with opened(tmp_path) as again:
        append(again, T0_NS + 20)
    assert store.verify(tmp_path / "record").ok


def three(folder: Path) -> Path:
    with opened(folder) as record:
        for k in range(3):
            append(record, T0_NS + k)
    return folder / "record"


def cut(path: Path, to_bytes: int) -> None:
    path.write_bytes(path.read_bytes()[:to_bytes])


def before_third(folder: Path) -> dict[str, int]:
    """How long each file was before the third entry."""
    entries = (folder / ENTRIES).read_bytes().split(b"\n")
    notes = (folder / CHECKPOINTS).read_bytes().split(b"\n")
    return {
        ENTRIES: sum(len(line) + 1 for line in entries[:2]),
        LEAVES: 64,
        CHECKPOINTS: len(b"\n".join(notes[:10])) + 1,
    }


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
@pytest.mark.parametrize("stage", [ENTRIES, LEAVES, CHECKPOINTS])
def test_a_power_cut_anywhere_in_an_append_is_told_and_recovered(tmp_path: Path, stage: str, share: float) -> None:
    """The files are written in order, so a cut leaves one of them short and those after it without the new entry."""
    folder = three(tmp_path)
    start = before_third(folder)
    order = [ENTRIES, LEAVES, CHECKPOINTS]
    for name in order[order.index(stage) :]:
        grown = (folder / name).stat().st_size - start[name]
        kept = max(1, int(grown * share)) if name == stage and share else 0
        cut(folder / name, start[name] + kept)
    if stage == ENTRIES and share == 0.0:  # nothing of the third entry was written: nothing is wrong
        assert store.verify(folder).ok
        assert recover(tmp_path) is None
        return
    assert store.verify(folder).verdict == "interrupted"
    with pytest.raises(RecordError, match="recover"):
        opened(tmp_path)
    entry = recover(tmp_path)
    assert entry.action == "recover"
    if stage == ENTRIES:
        assert entry.index == 2
        assert entry.detail["cut_off_bytes"] == len(bytes.fromhex(entry.detail["cut_off_hex"])) > 0
    else:
        assert entry.detail["not_done"] == [2]
    verification = store.verify(folder)
    assert verification.ok, verification.findings
    with opened(tmp_path) as record:
        append(record, T0_NS + 50)
    assert store.verify(folder).ok


@pytest.mark.parametrize("stage", [LEAVES, CHECKPOINTS])
def test_a_power_cut_during_recovery_is_recovered_too(tmp_path: Path, stage: str) -> None:
    folder = three(tmp_path)
    cut(folder / ENTRIES, before_third(folder)[ENTRIES] + 7)
    cut(folder / LEAVES, 64)
    cut(folder / CHECKPOINTS, before_third(folder)[CHECKPOINTS])
    older = {name: (folder / name).read_bytes() for name in (LEAVES, CHECKPOINTS)}
    assert recover(tmp_path) is not None
    for name in [LEAVES, CHECKPOINTS][[LEAVES, CHECKPOINTS].index(stage) :]:
        (folder / name).write_bytes(older[name])
    assert store.verify(folder).verdict == "interrupted"
    assert recover(tmp_path) is not None
    assert store.verify(folder).ok


def test_a_damaged_record_is_neither_opened_nor_recovered(tmp_path: Path) -> None:
    folder = three(tmp_path)
    data = bytearray((folder / ENTRIES).read_bytes())
    data[40] ^= 1
    (folder / ENTRIES).write_bytes(bytes(data))
    for attempt in (opened, recover):
        with pytest.raises(RecordError, match="entry 0"):
            attempt(tmp_path)


def test_another_stations_record_is_not_continued(tmp_path: Path) -> None:
    folder = three(tmp_path)
    with pytest.raises(RecordError, match="another key"):
        Record.open(folder, keys_folder=tmp_path / "other-keys")


def test_no_record_and_not_a_record_are_told(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no record"):
        store.verify(tmp_path / "nowhere")
    (tmp_path / "record").mkdir()
    with pytest.raises(RecordError, match="cannot be read"):
        store.verify(tmp_path / "record")
    (tmp_path / "record" / "holiday.jpg").touch()
    with pytest.raises(RecordError, match="not empty"):
        opened(tmp_path)


def test_a_copied_record_verifies_without_the_station(tmp_path: Path) -> None:
    folder = three(tmp_path)
    shutil.copytree(folder, tmp_path / "usb")
    shutil.rmtree(tmp_path / "keys")
    (tmp_path / "usb" / "notes.txt").touch()
    verification = store.verify(tmp_path / "usb")
    assert verification.ok
    assert verification.notes == ("notes.txt is no part of a record",)


WRITER = """
import sys
from pathlib import Path
from kuntur.model.records import Actor, Purpose
from kuntur.store.record import Record
folder = Path(sys.argv[1])
who = {"actor": Actor(id="a", role="system"), "purpose": Purpose(code="test")}
with Record.open(folder / "record", name="kuntur/test", keys_folder=folder / "keys") as record:
    for k in range(100_000):
        record.append(t_ns=k, action="note", subject="s", **who)
        print(k, flush=True)
"""


def start_writer(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A suite started in the background of a shell inherits Ctrl-C as ignored, and would pass that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
    )


def acknowledged(writer: subprocess.Popen[str], stop: int) -> int:
    """Let it append some entries, stop it with this signal, and return how many appends had returned."""
    assert writer.stdout is not None
    for _ in range(30):
        last = writer.stdout.readline()
    writer.send_signal(stop)
    rest, _ = writer.communicate(timeout=20)
    lines = [line for line in [last, *rest.splitlines()] if line.strip()]
    return int(lines[-1]) + 1


def test_a_killed_writer_loses_nothing_it_had_acknowledged(tmp_path: Path) -> None:
    count = acknowledged(start_writer(tmp_path), signal.SIGKILL)
    verification = store.verify(tmp_path / "record")
    assert verification.verdict in ("intact", "interrupted")
    assert verification.covered >= count
    recover(tmp_path)
    with opened(tmp_path) as record:
        append(record)
    assert store.verify(tmp_path / "record").ok


def test_ctrl_c_never_leaves_an_append_half_done(tmp_path: Path) -> None:
    count = acknowledged(start_writer(tmp_path), signal.SIGINT)
    verification = store.verify(tmp_path / "record")
    assert verification.ok, verification.findings
    assert verification.entries in (count, count + 1)
