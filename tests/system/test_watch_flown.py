"""A watch over real wires: aircraft in their own processes, MAVLink and ST 0601 over loopback, the store, the fold."""

from __future__ import annotations

import asyncio
from pathlib import Path

import flights
import msgspec
import nights
import places
import pytest

from kuntur.io.feed import KlvReceiver
from kuntur.ops import running
from kuntur.ops.fly import fly
from kuntur.ops.simulated import launch_simulated
from kuntur.ops.watch import Watch
from kuntur.sim.world import World, save_world
from kuntur.store.embedded import WatchStore
from kuntur.units import NS_PER_S

pytestmark = pytest.mark.mavlink

AREA = places.ridge_area()


def test_three_aircraft_flown_watched_and_replayed(tmp_path: Path) -> None:
    speed = 200.0
    tasking = flights.tasking(
        [flights.sortie(AREA, aircraft, points=2, seed=k) for k, aircraft in enumerate(AREA.fleet.aircraft)]
    )
    walkers = tuple(nights.walker(k, 900.0 * k + 800.0, 0.0) for k in range(9))
    world = World(area_id=AREA.id, seed=1, crossers=walkers, start_t_ns=tasking.start_t_ns)
    save_world(world, tmp_path / "world.json")
    settings = running.settings_for(speed)
    watch = Watch(AREA, tasking=tasking, settings=settings)

    async def run() -> tuple[int, float]:
        stamp = [0]
        receiver = await KlvReceiver.open(lambda: stamp[0])
        lags = []
        async with (
            receiver,
            launch_simulated(
                AREA, start_t_ns=tasking.start_t_ns, speed=speed, klv_port=receiver.port, world=tmp_path / "world.json"
            ) as fleet,
        ):
            receiver._now_ns = fleet.clock.now_ns
            with WatchStore(tmp_path / "store") as store:
                live = running.RunningWatch(watch, store, receiver, fleet.clock)
                watching = asyncio.create_task(live.run())
                flying = asyncio.create_task(fly(AREA, tasking, flights.Diary(), fleet.links, fleet.clock, live.feed))
                while not flying.done():
                    await asyncio.sleep(0.2)
                    lags.append(live.lag_s)
                    assert live.snapshot().speed == speed
                await flying
                watching.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await watching
            return receiver.dropped, max(lags)

    dropped, lag_s = asyncio.run(run())
    counts = watch.counts
    assert set(watch.platforms) == {aircraft.id for aircraft in AREA.fleet.aircraft}
    assert not any(state.armed for state in watch.platforms.values())
    flown_s = sum(sortie.t_s[-1] - sortie.t_s[0] for sortie in tasking.sorties)
    assert counts.looks == pytest.approx(flown_s, rel=0.1)
    assert dropped == counts.missing_looks == counts.wrong_checksums == counts.damaged_frames == counts.no_pose == 0
    assert counts.late_looks < 0.01 * counts.looks
    assert lag_s < 2.0
    assert not any(alert.kind == "aircraft_lost" for alert in watch.alerts)
    with WatchStore(tmp_path / "store", read_only=True) as store:
        again = running.replay(AREA, store, tasking=tasking)
        assert msgspec.json.encode([again.alerts, again.paths]) == msgspec.json.encode([watch.alerts, watch.paths])
        assert store.alerts() == again.alerts
        assert all(watch.start_t_ns - 10 * NS_PER_S <= item.t_ns for item in store.items())  # type: ignore[operator]
