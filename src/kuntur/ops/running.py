"""Watches that go on in time: one that receives and stores, one that follows a stored one. Both show the same fold.

`RunningWatch` takes telemetry by callback and camera metadata by UDP, writes every item to the store before it folds it
in, and writes every alert to the record (a callback) before anybody sees it. `FollowedWatch` steps the same fold over a
store that another process writes, or over a finished one at a chosen speed. Both are `ops.live.LiveSource`s.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from kuntur.errors import StoreError
from kuntur.io.feed import KlvReceiver
from kuntur.model.place import Area, Lattice
from kuntur.model.plans import Strategy, Tasking
from kuntur.model.tracks import Acknowledgement, Alert, FeedItem, Track
from kuntur.ops import screen
from kuntur.ops.live import LiveView
from kuntur.ops.watch import Watch, WatchSettings
from kuntur.store.embedded import WatchStore
from kuntur.units import NS_PER_S

BATCH_S: Final = 0.1  # wall seconds between batches to the store
SLICE_ITEMS: Final = 100  # items folded in before others on the event loop get their turn
HOLD_WALL_S: Final = 1.0  # chosen: packets come in 0.3 s out of step when two cores carry a load of seven
_SETTINGS: Final = "watch_settings"
_START: Final = "start_t_ns"
_ENDED: Final = "ended"
_EXPECTED: Final = "border_pieces_expected"

OnAlert = Callable[[Alert], None]
OnAcknowledge = Callable[[str, str, str], None]


class Clock(Protocol):
    """What a running watch needs of `sim.clock.SimClock`."""

    @property
    def speed(self) -> float: ...

    def now_ns(self) -> int: ...


def settings_for(speed: float, *, across_max_m: float | None = None) -> WatchSettings:
    """Settings for a clock `speed` times as fast as the wall: what is late by wall time is later by its time."""
    return WatchSettings(hold_s=HOLD_WALL_S * max(speed, 1.0), lost_s=max(60.0, 5.0 * speed), across_max_m=across_max_m)


class _Shown:
    """A watch on the screen: what both kinds have in common."""

    def __init__(self, watch: Watch, store: WatchStore, simulated: tuple[str, ...]) -> None:
        self.watch = watch
        self.store = store
        self.simulated = simulated
        self.phase = ("", "")
        self.speed = 1.0

    def snapshot(self) -> LiveView:
        """The present, with who has acknowledged what (also from another process)."""
        return screen.view(
            self.watch,
            self.store.acknowledgements(),
            speed=self.speed,
            simulated=self.simulated,
            phase=self.phase,
            tasking=self.watch.tasking.seed_commitment if self.watch.tasking else "",
        )

    def freshness(self) -> tuple[NDArray[np.float32], Lattice]:
        return self.watch.freshness()

    def write_geojson(self, folder: Path) -> list[Path]:
        """tracks.geojson and alerts.geojson in this folder."""
        folder.mkdir(parents=True, exist_ok=True)
        tracks = screen.tracks_geojson(self.watch, self.simulated)
        alerts = screen.alerts_geojson(self.watch.alerts, self.store.acknowledgements(), self.simulated)
        written = []
        for name, content in (("tracks.geojson", tracks), ("alerts.geojson", alerts)):
            path = folder / name
            path.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=1))
            written.append(path)
        return written


class RunningWatch(_Shown):
    """Receives, stores, folds. Give `feed` to `ops.fly.fly`; await `run` beside it and cancel it when all are down.

    on_alert: called with each alert before it is stored or shown (write-ahead: the record). on_acknowledge: called with
    alert id, actor and note before an acknowledgement is stored; what it raises stops the acknowledgement.
    """

    def __init__(
        self,
        watch: Watch,
        store: WatchStore,
        receiver: KlvReceiver | None,
        clock: Clock,
        *,
        simulated: tuple[str, ...] = (),
        on_alert: OnAlert = lambda _alert: None,
        on_acknowledge: OnAcknowledge = lambda _alert_id, _actor, _note: None,
    ) -> None:
        super().__init__(watch, store, simulated)
        self.speed = clock.speed
        self._receiver = receiver
        self._clock = clock
        self._on_alert = on_alert
        self._on_acknowledge = on_acknowledge
        self._pending: list[FeedItem] = []
        self.lag_s = 0.0
        """Wall seconds from taking the last batch to having folded it in: how far behind the watch is."""
        self._busy = asyncio.Lock()
        store.set_meta(_SETTINGS, msgspec.json.encode(watch.settings).decode())
        if watch.start_t_ns is not None:
            store.set_meta(_START, str(watch.start_t_ns))
        store.set_meta(_EXPECTED, "".join("1" if known else "0" for known in watch.ground.expected))
        store.set_meta(_ENDED, "0")

    @property
    def dropped(self) -> int:
        """Datagrams lost between the network and us."""
        return self._receiver.dropped if self._receiver else 0

    def feed(self, item: FeedItem) -> None:
        """Take one item of telemetry; it is stored and folded in with the next batch."""
        self._pending.append(item)

    async def run(self) -> None:
        """Batch after batch until cancelled; then the last one, and the end is marked in the store."""
        try:
            while True:
                started = time.monotonic()
                await self.batch()
                await asyncio.sleep(max(BATCH_S - (time.monotonic() - started), 0.0))
        finally:
            await asyncio.shield(self.end())

    async def batch(self) -> None:
        """Store and fold in what has come in since the last call, and let time pass."""
        async with self._busy:
            taken = time.monotonic()
            items = [*self._pending, *(self._receiver.take() if self._receiver else ())]
            self._pending.clear()
            items.sort(key=lambda item: item.t_ns)
            items.append(FeedItem(t_ns=self._clock.now_ns(), source="clock", kind="clock", payload=b""))
            self.store.append(items)
            for start in range(0, len(items), SLICE_ITEMS):
                out = [change for item in items[start : start + SLICE_ITEMS] for change in self.watch.step(item)]
                self._keep(out)
                await asyncio.sleep(0)
            self.lag_s = time.monotonic() - taken

    async def end(self) -> None:
        """Fold in the last batch and all that was held back."""
        await self.batch()
        self._keep(self.watch.finish())
        self.store.set_meta(_ENDED, "1")

    def _keep(self, out: Iterable[Alert | Track]) -> None:
        raised = [one for one in out if isinstance(one, Alert)]
        for alert in raised:
            self._on_alert(alert)
        self.store.save_alerts(raised)
        tracks = {one.id: one for one in out if isinstance(one, Track) and one.status != "tentative"}
        self.store.save_tracks(list(tracks.values()))

    def acknowledge(self, alert_id: str, actor: str, note: str) -> bool:
        """Record, then store, that `actor` has seen to an alert."""
        if all(alert.id != alert_id for alert in self.watch.alerts):
            return False
        self._on_acknowledge(alert_id, actor, note)
        return self.store.acknowledge(
            Acknowledgement(alert_id=alert_id, t_ns=self._clock.now_ns(), actor=actor, note=note)
        )


class FollowedWatch(_Shown):
    """Steps the fold over a store: as it grows while another process writes it, or at `speed` once it has ended."""

    def __init__(
        self,
        area: Area,
        folder: Path,
        *,
        strategy: Strategy | None = None,
        tasking: Tasking | None = None,
        speed: float = 60.0,
        simulated: tuple[str, ...] = (),
        on_acknowledge: OnAcknowledge = lambda _alert_id, _actor, _note: None,
    ) -> None:
        store = WatchStore(folder, read_only=True)
        watch = _empty(area, store, strategy, tasking)
        super().__init__(watch, store, simulated)
        self.ended = store.meta(_ENDED) == "1"
        self.speed = speed if self.ended else 1.0
        self._on_acknowledge = on_acknowledge
        self._seq = 0

    async def run(self) -> None:
        """Until cancelled, or until a finished watch has been shown to its end."""
        started, first_t_ns = time.monotonic(), None
        waiting: list[tuple[int, FeedItem]] = []
        while True:
            waiting = waiting or self.store.items_after(self._seq, most=2000)
            if not waiting and (self.ended or self.store.meta(_ENDED) == "1"):
                self.watch.finish()
                return
            first_t_ns = waiting[0][1].t_ns if first_t_ns is None and waiting else first_t_ns
            until_t_ns = 2**62
            if self.ended and first_t_ns is not None:
                until_t_ns = first_t_ns + round((time.monotonic() - started) * self.speed * NS_PER_S)
            done = 0
            for seq, item in waiting[:SLICE_ITEMS]:
                if item.t_ns > until_t_ns:
                    break
                self.watch.step(item)
                self._seq, done = seq, done + 1
            waiting = waiting[done:]
            await asyncio.sleep(0.0 if done else BATCH_S / 4.0)

    def acknowledge(self, alert_id: str, actor: str, note: str) -> bool:
        """Record, then write into the store, that `actor` has seen to an alert."""
        if all(alert.id != alert_id for alert in self.watch.alerts):
            return False
        self._on_acknowledge(alert_id, actor, note)
        t_ns = self.watch.t_ns if self.ended else time.time_ns()
        return self.store.acknowledge(Acknowledgement(alert_id=alert_id, t_ns=t_ns, actor=actor, note=note))


def replay(
    area: Area,
    store: WatchStore,
    *,
    strategy: Strategy | None = None,
    tasking: Tasking | None = None,
    progress: Callable[[float, str], None] = lambda _share, _words: None,
) -> Watch:
    """A stored watch folded again from its first item to its last: the same tracks and alerts as when it ran."""
    watch = _empty(area, store, strategy, tasking)
    for number, item in enumerate(store.items()):
        watch.step(item)
        if number % 5000 == 0:
            progress(0.0, f"{number} items read again")
    watch.finish()
    progress(1.0, f"{watch.counts.items} items read again")
    return watch


def _empty(area: Area, store: WatchStore, strategy: Strategy | None, tasking: Tasking | None) -> Watch:
    """A watch about to begin, with the settings the stored one ran with."""
    told = store.meta(_SETTINGS)
    if told is None:
        raise StoreError(
            f"The store in {store.folder} does not say how its watch was read.", remedy="It was not written by a watch."
        )
    settings = msgspec.json.decode(told, type=WatchSettings)
    watch = Watch(area, strategy, tasking=tasking, settings=settings)
    watch.ground.expected[:] = [known == "1" for known in store.meta(_EXPECTED) or ""]
    start = store.meta(_START)
    if watch.start_t_ns is None and start is not None:
        watch.start_t_ns = int(start)
    return watch
