"""The watch store: order, durability against kill -9, and loss that is noticed."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kuntur.errors import BusyError, StoreError
from kuntur.model.tracks import Acknowledgement, Alert, FeedItem, Track
from kuntur.store.embedded import Loss, WatchStore


def item(k: int) -> FeedItem:
    return FeedItem(t_ns=1000 + k, source="a", kind="klv", payload=b"%d" % k * (1 + k % 7))


def alert(alert_id: str) -> Alert:
    return Alert(
        id=alert_id,
        t_ns=5,
        kind="crossing",
        severity="urgent",
        text_en="A",
        text_es="B",
        lat_deg=None,
        lon_deg=None,
        chainage_m=12.5,
    )


def test_items_come_back_in_order_of_arrival_across_openings(tmp_path: Path) -> None:
    wanted = [item(k) for k in (3, 1, 2, 9, 4)]
    with WatchStore(tmp_path) as store:
        store.append(wanted[:2])
        store.append([])
    with WatchStore(tmp_path) as store:
        store.append(wanted[2:])
        assert list(store.items()) == wanted
        assert [i.t_ns for i in store.items(1002, 1004)] == [1003, 1002]
    with WatchStore(tmp_path, read_only=True) as store:
        assert list(store.items()) == wanted and store.losses() == []
        with pytest.raises(StoreError, match="reading only"):
            store.append(wanted)


def test_tracks_alerts_acknowledgements_and_meta(tmp_path: Path) -> None:
    track = Track(
        id=7,
        t_ns=1,
        first_t_ns=0,
        state=(1.0, 2.0, 0.5, 0.25),
        cov=tuple(float(k) for k in range(16)),
        status="confirmed",
        size_class="person",
        hits=3,
        lat_deg=-18.0,
        lon_deg=-69.0,
        chainage_m=100.0,
        offset_m=-20.0,
    )
    ack = Acknowledgement(alert_id="x", t_ns=9, actor="officer", note="seen")
    with WatchStore(tmp_path) as store:
        store.save_tracks([track])
        store.save_tracks([track])
        store.save_alerts([alert("x"), alert("y")])
        store.save_alerts([alert("x")])
        assert store.acknowledge(ack)
        assert not store.acknowledge(Acknowledgement(alert_id="z", t_ns=9, actor="officer"))
        store.set_meta("area", "tambo")
    with WatchStore(tmp_path, read_only=True) as store:
        assert store.tracks() == [track]
        assert [a.id for a in store.alerts()] == ["x", "y"]
        assert store.acknowledgements() == [ack]
        assert store.meta("area") == "tambo" and store.meta("nothing") is None


def test_another_process_follows_and_acknowledges(tmp_path: Path) -> None:
    with WatchStore(tmp_path) as store, WatchStore(tmp_path, read_only=True) as follower:
        store.append([item(k) for k in range(5)])
        first = follower.items_after(0, most=3)
        assert [seq for seq, _ in first] == [1, 2, 3] and first[0][1] == item(0)
        store.append([item(5)])
        assert [i for _, i in follower.items_after(3)] == [item(3), item(4), item(5)]
        store.save_alerts([alert("x")])
        assert follower.acknowledge(Acknowledgement(alert_id="x", t_ns=9, actor="officer"))
        assert not follower.acknowledge(Acknowledgement(alert_id="y", t_ns=9, actor="officer"))
        assert [a.alert_id for a in store.acknowledgements()] == ["x"]
        store.append([item(6)])


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    with WatchStore(tmp_path):
        with pytest.raises(BusyError, match="Another process is writing"):
            WatchStore(tmp_path)
        WatchStore(tmp_path, read_only=True).close()
    WatchStore(tmp_path).close()


def test_nothing_to_read_and_not_a_database(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no stored watch"):
        WatchStore(tmp_path / "none", read_only=True)
    (tmp_path / "watch.sqlite").write_bytes(b"this is no database at all" * 100)
    with pytest.raises(StoreError, match="cannot be"):
        WatchStore(tmp_path)


WRITER = """
import sys
from kuntur.model.tracks import FeedItem
from kuntur.store.embedded import WatchStore
store = WatchStore(sys.argv[1])
done = sum(1 for _ in store.items())
while True:
    store.append([FeedItem(t_ns=done + k, source="a", kind="klv", payload=bytes(50)) for k in range(20)])
    done += 20
    print(done, flush=True)
"""


def test_kill_nine_loses_no_written_batch(tmp_path: Path) -> None:
    for _ in range(4):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        assert int(writer.stdout.readline()) > 0
        time.sleep(0.15)
        writer.send_signal(signal.SIGKILL)
        told = [int(line) for line in writer.stdout.read().split("\n")[:-1]]
        writer.wait()
        with WatchStore(tmp_path) as store:
            kept = [i.t_ns for i in store.items()]
            assert kept == list(range(len(kept)))
            assert told and len(kept) >= told[-1]
            assert store.losses() == []


def _copy_of_live_store(tmp_path: Path, batches: int) -> Path:
    """The files as they lie on disk while the writer still holds its log (nothing moved into the database yet)."""
    with WatchStore(tmp_path / "live") as store:
        for batch in range(batches):
            store.append([item(10 * batch + k) for k in range(10)])
        shutil.copytree(tmp_path / "live", tmp_path / "copy")
    return tmp_path / "copy"


def test_a_log_end_dropped_by_sqlite_is_noticed_and_marked(tmp_path: Path) -> None:
    copy = _copy_of_live_store(tmp_path, 8)
    log = copy / "watch.sqlite-wal"
    octets = bytearray(log.read_bytes())
    octets[-2000] ^= 0xFF  # inside the last frames: SQLite drops them without a word
    log.write_bytes(octets)
    with WatchStore(copy, read_only=True) as store:
        kept = len(list(store.items()))
        assert kept in (60, 70)
        assert [(loss.first_seq, loss.last_seq) for loss in store.losses()] == [(kept + 1, 80)]
    for _ in range(2):
        with WatchStore(copy) as store:
            assert len(store.losses()) == 1
    with WatchStore(copy) as store:
        store.append([item(1000)])
        assert store.losses()[0].last_seq == 80
    with WatchStore(copy, read_only=True) as store:
        assert [i.t_ns for i in store.items()][-1] == 2000
        (loss,) = store.losses()
        assert isinstance(loss, Loss) and "lost" in loss.reason


@pytest.mark.parametrize(
    ("statement", "batch"),
    [
        ("UPDATE feed SET payload = x'00' WHERE seq = 25", 3),
        ("UPDATE feed SET t_ns = t_ns + 1 WHERE seq = 1", 1),
        ("DELETE FROM feed WHERE seq = 15", 2),
        ("DELETE FROM feed WHERE seq > 10 AND seq <= 20; DELETE FROM batches WHERE batch = 2", 3),
    ],
)
def test_changed_rows_are_named(tmp_path: Path, statement: str, batch: int) -> None:
    with WatchStore(tmp_path) as store:
        for k in range(5):
            store.append([item(10 * k + j) for j in range(10)])
    with sqlite3.connect(tmp_path / "watch.sqlite") as db:
        db.executescript(statement)
    db.close()
    with pytest.raises(StoreError, match=f"damaged from batch {batch}:"):
        WatchStore(tmp_path, read_only=True)


def test_a_failed_batch_leaves_nothing(tmp_path: Path) -> None:
    with WatchStore(tmp_path) as store:
        store.append([item(1)])
        broken = FeedItem(t_ns=None, source="a", kind="klv", payload=b"")  # type: ignore[arg-type]
        with pytest.raises(StoreError, match="could not be written"):
            store.append([item(2), broken])
        store.append([item(3)])
        assert list(store.items()) == [item(1), item(3)]
        store.verify()
