"""Flying a tasking with simulated aircraft: on time, on track, on a permit, written first; and when things fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import flights
import msgspec
import numpy as np
import places
import pytest

from kuntur.codecs import missions
from kuntur.errors import LinkError, RecordError, RefusedError, StoreError
from kuntur.model.place import Area
from kuntur.model.plans import Sortie
from kuntur.model.tracks import Alert, FeedItem
from kuntur.ops.flown import FlightLog, distance_to_line
from kuntur.ops.fly import fly, mission_sha256, write_missions
from kuntur.ops.simulated import SimulatedFleet, launch_simulated
from kuntur.ops.supervise import safe_return_altitude_m
from kuntur.units import NS_PER_S

pytestmark = pytest.mark.mavlink

AREA = places.ridge_area()
WING, QUAD, SOUTH = AREA.fleet.aircraft
SPEED = 300.0


@asynccontextmanager
async def _fleet(area: Area = AREA, speed: float = SPEED) -> AsyncIterator[SimulatedFleet]:
    async with launch_simulated(area, start_t_ns=flights.START_T_NS - 120 * NS_PER_S, speed=speed) as fleet:
        yield fleet


async def _fly(fleet: SimulatedFleet, diary: Any, sorties: list[Sortie], **more: Any) -> FlightLog:
    feed: list[FeedItem] = more.pop("feed", [])
    return await fly(AREA, flights.tasking(sorties), diary, fleet.links, fleet.clock, feed.append, **more)


def test_a_tasking_is_flown_on_time_and_on_track_and_every_step_is_written_first() -> None:
    sorties = [flights.sortie(AREA, aircraft, t0_s=300.0 + 20.0 * k) for k, aircraft in enumerate(AREA.fleet.aircraft)]
    diary, feed = flights.Diary(), []

    async def run() -> FlightLog:
        async with _fleet() as fleet:
            return await _fly(fleet, diary, sorties, feed=feed)

    log = asyncio.run(run())
    assert [(s.status, s.why) for s in log.sorties] == [("landed", "")] * 3
    for flown, sortie in zip(log.sorties, sorties, strict=True):
        assert abs(flown.launch_error_s or 0.0) < 60.0
        assert flown.time_error_max_s is not None and flown.time_error_max_s < 60.0
        assert flown.cross_track_p95_m is not None and flown.cross_track_p95_m < (80.0 if "wing" in sortie.id else 5.0)
        assert max(flown.alt_msl_m) == pytest.approx(flights.LEVEL_M, abs=5.0)
        assert len(flown.arrivals) >= 3
        assert flown.battery_left is not None and 0.2 < flown.battery_left < 1.0
    for aircraft in AREA.fleet.aircraft:
        assert diary.actions(aircraft.id) == ["upload", "launch", "end_of_flight"]
    launch = next(e for e in diary.entries if e.action == "launch")
    assert set(launch.inputs) == {"mission", "strategy", "permit"}
    base = next(b for b in AREA.bases if b.id == WING.base_id)
    timed = missions.from_sortie(sorties[0], base, WING, AREA.frame, AREA.weather)
    assert mission_sha256(timed) in {e.inputs.get("mission") for e in diary.entries}
    assert {item.source for item in feed} == {a.id for a in AREA.fleet.aircraft}
    assert len(feed) > 4000


def test_a_wing_with_no_speed_to_spare_keeps_to_the_clock_by_its_waits() -> None:
    """Turning costs it seconds at every point and it cannot fly faster: only shorter circling makes up for that."""
    airframe = msgspec.structs.replace(WING.airframe, stall_mps=None, max_speed_mps=26.5)
    wing = msgspec.structs.replace(WING, airframe=airframe)
    area = msgspec.structs.replace(AREA, fleet=msgspec.structs.replace(AREA.fleet, aircraft=(wing,)))
    sortie = flights.sortie(area, wing, t0_s=200.0, points=9, pace=0.99, wait_s=45.0)

    async def run() -> FlightLog:
        async with _fleet(area) as fleet:
            return await fly(area, flights.tasking([sortie]), flights.Diary(), fleet.links, fleet.clock, _drop)

    (flown,) = asyncio.run(run()).sorties
    assert flown.status == "landed"
    late_s = [a.flown_s - a.planned_s for a in flown.arrivals if a.seq != flown.arrivals[-1].seq]
    assert len(late_s) >= 9
    assert max(map(abs, late_s)) < 30.0  # a tenth of a second of wall clock is 30 s here; without it they drift by 100


def _drop(_item: FeedItem) -> None:
    """Nobody listens."""


def test_without_a_permit_nothing_moves_and_the_others_fly() -> None:
    class Strict(flights.Diary):
        def permit(self, action: Any, subject: str, *more: Any, **named: Any) -> Any:
            if subject == QUAD.id:
                raise RefusedError("Not tonight.", remedy="Ask tomorrow.")
            return super().permit(action, subject, *more, **named)

    diary = Strict()
    sorties = [flights.sortie(AREA, aircraft, t0_s=60.0, points=1) for aircraft in (QUAD, SOUTH)]

    async def run() -> tuple[FlightLog, float]:
        async with _fleet() as fleet:
            log = await _fly(fleet, diary, sorties)
            state = fleet.links[QUAD.id].state
            assert state is not None
            return log, state.alt_msl_m

    log, altitude = asyncio.run(run())
    status = {s.aircraft_id: s.status for s in log.sorties}
    assert status == {QUAD.id: "not_flown", SOUTH.id: "landed"}
    assert diary.actions(QUAD.id) == ["not_flown"]
    assert altitude == pytest.approx(AREA.bases[0].alt_msl_m, abs=1.0)


def test_a_record_that_cannot_be_written_stops_everything_and_brings_all_home() -> None:
    class Full(flights.Diary):
        def record_entry(self, action: str, subject: str, *more: Any, **named: Any) -> Any:
            if action == "launch" and subject == SOUTH.id:
                raise RecordError("The record's disk is full.", remedy="Make room.")
            return super().record_entry(action, subject, *more, **named)

    diary = Full()
    sorties = [flights.sortie(AREA, QUAD, t0_s=60.0), flights.sortie(AREA, SOUTH, t0_s=400.0)]

    async def run() -> tuple[bool, str]:
        async with _fleet() as fleet:
            with pytest.raises(RecordError, match="full"):
                await _fly(fleet, diary, sorties)
            assert not fleet.links[SOUTH.id].armed
            return fleet.links[QUAD.id].armed, fleet.links[QUAD.id].mode

    _, mode = asyncio.run(run())
    assert mode in ("RTL", "LAND")
    assert diary.actions(QUAD.id)[-1] == "recall"
    assert "launch" not in diary.actions(SOUTH.id)


def test_a_feed_that_cannot_be_stored_stops_the_flight_and_brings_all_home() -> None:
    def full(item: FeedItem) -> None:
        if item.t_ns > flights.START_T_NS + 200 * NS_PER_S:
            raise StoreError("The disk is full.", remedy="Make room.")

    async def run() -> str:
        async with _fleet() as fleet:
            tasking = flights.tasking([flights.sortie(AREA, QUAD, t0_s=60.0)])
            with pytest.raises(StoreError, match="full"):
                await fly(AREA, tasking, flights.Diary(), fleet.links, fleet.clock, full)
            return fleet.links[QUAD.id].mode

    assert asyncio.run(run()) in ("RTL", "LAND")


def test_a_killed_aircraft_is_reported_lost_and_the_others_land() -> None:
    diary, alerts = flights.Diary(), list[Alert]()
    sorties = [flights.sortie(AREA, aircraft, t0_s=60.0) for aircraft in (QUAD, SOUTH)]
    sorties.append(flights.sortie(AREA, QUAD, t0_s=sorties[0].t_s[-1] + 900.0, seed=1))

    async def run() -> FlightLog:
        async with _fleet() as fleet:

            async def strike() -> None:
                await fleet.clock.sleep_until(flights.START_T_NS + 400 * NS_PER_S)
                fleet.processes[QUAD.id].kill()

            task = asyncio.create_task(strike())
            log = await _fly(fleet, diary, sorties, alert=alerts.append)
            await task
            return log

    log = asyncio.run(run())
    status = {s.sortie_id: s.status for s in log.sorties}
    assert status == {f"{QUAD.id}-0": "lost", f"{SOUTH.id}-0": "landed", f"{QUAD.id}-1": "not_flown"}
    (alert,) = alerts
    assert (alert.kind, alert.aircraft_id, alert.severity) == ("aircraft_lost", QUAD.id, "urgent")
    assert alert.lat_deg is not None and alert.chainage_m is not None
    assert diary.actions(QUAD.id)[-1] == "end_of_flight"


def test_an_interrupted_flight_calls_everybody_home_and_leaves_no_process() -> None:
    diary = flights.Diary()
    processes: dict[str, asyncio.subprocess.Process] = {}

    async def run() -> str:
        async with _fleet() as fleet:
            processes.update(fleet.processes)
            task = asyncio.create_task(_fly(fleet, diary, [flights.sortie(AREA, QUAD, t0_s=60.0)]))
            await fleet.clock.sleep_until(flights.START_T_NS + 300 * NS_PER_S)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return fleet.links[QUAD.id].mode

    assert asyncio.run(run()) in ("RTL", "LAND")
    assert diary.actions(QUAD.id)[-1] == "recall"
    assert all(process.returncode == 0 for process in processes.values())


def test_an_aircraft_whose_energy_runs_short_is_called_home() -> None:
    """The tasking promises more than the battery has: a long wait at the last point."""
    sortie = flights.sortie(AREA, QUAD, t0_s=60.0, points=2)
    k = 3
    t_s = (*sortie.t_s[: k + 1], *(t + 3000.0 for t in sortie.t_s[k:]))
    long = msgspec.structs.replace(
        sortie,
        t_s=t_s,
        **{n: (*getattr(sortie, n)[: k + 1], *getattr(sortie, n)[k:]) for n in ("x_m", "y_m", "alt_msl_m")},
    )
    diary = flights.Diary()

    async def run() -> FlightLog:
        async with _fleet() as fleet:
            return await _fly(fleet, diary, [long])

    (flown,) = asyncio.run(run()).sorties
    assert flown.status == "returned" and "needed to come home" in flown.why
    assert flown.battery_left is not None and flown.battery_left > 0.05
    assert "recall" in diary.actions(QUAD.id)


def test_the_simulated_clock_waits_for_a_machine_that_is_behind() -> None:
    async def run() -> None:
        async with _fleet(speed=100.0) as fleet:
            clock, link, lag = fleet.clock, fleet.links[QUAD.id], [9.0]

            async def run_for(wall_s: float) -> tuple[float, float]:
                before = clock.now_ns(), link.t_ns
                await asyncio.sleep(wall_s)
                return (clock.now_ns() - before[0]) / 1e9, (link.t_ns - before[1]) / 1e9

            fleet.lags.append(lambda: lag[0])
            await run_for(0.5)
            ours_s, its_s = await run_for(0.6)
            assert ours_s < 25.0 and its_s < 25.0  # not the 60 s it would have been
            lag[0] = 0.0
            await run_for(0.3)
            ours_s, its_s = await run_for(0.6)
            assert ours_s > 30.0 and its_s > 30.0
            assert clock.held_s > 0.5

    asyncio.run(run())


def test_a_home_that_is_not_our_base_is_refused() -> None:
    moved = msgspec.structs.replace(AREA.bases[0], alt_msl_m=AREA.bases[0].alt_msl_m + 90.0)
    area = msgspec.structs.replace(AREA, bases=(moved, *AREA.bases[1:]))

    async def run() -> FlightLog:
        async with _fleet(area) as fleet:
            return await _fly(fleet, flights.Diary(), [flights.sortie(AREA, QUAD, t0_s=60.0)])

    (flown,) = asyncio.run(run()).sorties
    assert flown.status == "not_flown" and "+90 m in height" in flown.why


def test_an_aircraft_that_does_not_start_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kuntur.codecs.areas.encode", lambda _area: b"nothing")

    async def run() -> None:
        async with _fleet():
            raise AssertionError("it started")

    with pytest.raises(LinkError, match=r"did not start: .*not a packed area"):
        asyncio.run(run())


def test_straight_returns_are_offered_only_where_they_are_clear() -> None:
    base = AREA.bases[0]
    altitude = safe_return_altitude_m(AREA, QUAD, base, flights.sortie(AREA, QUAD))
    assert altitude is not None and base.alt_msl_m < altitude < 5000.0
    heights = AREA.terrain.heights_m.copy()
    heights[:, 145:151] = 6900.0  # a wall between base and border, higher than it can climb
    walled = msgspec.structs.replace(AREA, terrain=msgspec.structs.replace(AREA.terrain, heights_m=heights))
    assert safe_return_altitude_m(walled, QUAD, base, flights.sortie(AREA, QUAD)) is None
    heights[:, 145:151] = np.nan
    unknown = msgspec.structs.replace(AREA, terrain=msgspec.structs.replace(AREA.terrain, heights_m=heights))
    assert safe_return_altitude_m(unknown, QUAD, base, flights.sortie(AREA, QUAD)) is None


def test_missions_are_written_as_both_files(tmp_path: Path) -> None:
    sorties = [flights.sortie(AREA, aircraft) for aircraft in AREA.fleet.aircraft]
    written = write_missions(AREA, flights.tasking(sorties), tmp_path / "missions")
    assert len(written) == 6 == len(list((tmp_path / "missions").iterdir()))
    for path in written:
        data = path.read_bytes()
        mission = missions.from_plan(data) if path.suffix == ".plan" else missions.from_waypoints(data.decode())
        assert mission.items[0].command == missions.TAKEOFF


def test_distance_to_a_line_with_repeated_points() -> None:
    line = np.array([[0.0, 0.0], [100.0, 0.0], [100.0, 0.0], [100.0, 50.0]])
    points = np.array([[50.0, 7.0], [130.0, 25.0], [-10.0, 0.0]])
    np.testing.assert_allclose(distance_to_line(line, points), [7.0, 30.0, 10.0])
    np.testing.assert_allclose(distance_to_line(line[[0, 0]], points[1:]), [np.hypot(130.0, 25.0), 10.0])
