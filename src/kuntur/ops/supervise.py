"""Watching over one aircraft in the air: clock, track, energy, link; calling it home when one of them fails."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from kuntur.aircraft import path, performance, wind
from kuntur.codecs import missions
from kuntur.codecs.missions import Arrival, MissionItem, TimedMission
from kuntur.errors import LinkError
from kuntur.geodesy import frames, lines
from kuntur.io.autopilot import Autopilot
from kuntur.model.assets import Aircraft, Base
from kuntur.model.place import Area
from kuntur.model.plans import Sortie
from kuntur.model.records import LogEntry
from kuntur.model.tracks import Alert, PlatformState
from kuntur.ops.flown import ArrivalFlown, SortieFlown, Status, distance_to_line
from kuntur.sim.clock import SimClock
from kuntur.units import NS_PER_S, nanoseconds

POLL_S = 0.05  # wall seconds
SILENT_S = 30.0  # of the aircraft's time, and at least SILENT_WALL_S of ours, before it counts as lost
SILENT_WALL_S = 4.0
SILENT_POLLS = 10
SPEED_STEP_MPS = 0.3  # smaller corrections are not sent
OFF_TRACK_M = (
    500.0  # beyond this, for OFF_TRACK_S, it is called home: our choice, half the spacing of a patrol's lattice
)
OFF_TRACK_S = 60.0
THERE_M = 400.0  # a circling wing is this near to its point: its turn radius at 45 m/s and 45 degrees, twice
RETURN_RESERVE = 0.15  # charge it must still have when it is home: our choice, below the plan's reserve of 25 %
RETURN_CORRIDOR_M, RETURN_HEIGHT_M = 100.0, 50.0
RETURN_SPACING_M = 1000.0
CHECK_S = 10.0  # how often track and energy are checked, in the aircraft's time

FloatArray = NDArray[np.float64]


class Recorder(Protocol):
    def record_entry(
        self,
        action: str,
        subject: str,
        inputs: Mapping[str, str] | None = None,
        outputs: Mapping[str, str] | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> LogEntry: ...


class Supervisor:
    """One sortie in the air. Use it in a `with` block round the launch, so that it listens from the first moment on."""

    def __init__(
        self,
        area: Area,
        aircraft: Aircraft,
        base: Base,
        sortie: Sortie,
        timed: TimedMission,
        link: Autopilot,
        clock: SimClock,
        start_t_ns: int,
        recorder: Recorder,
        return_msl_m: float | None,
    ) -> None:
        self._area, self._aircraft, self._base = area, aircraft, base
        self._sortie, self._timed, self._recorder = sortie, timed, recorder
        self._link, self._clock, self._start_t_ns = link, clock, start_t_ns
        self._return_msl_m = return_msl_m
        self._line = np.array([(base.x_m, base.y_m), *((a.x_m, a.y_m) for a in timed.arrivals), (base.x_m, base.y_m)])
        self._arrivals: list[ArrivalFlown] = []
        self._path: list[tuple[float, float, float, float]] = []
        self._off_track_since_s = math.inf
        self._recalled = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._check_at_s = -math.inf
        self._speed_mps = 0.0
        self._clocked_seq = 0

    def __enter__(self) -> Self:
        self._link.on_position, self._link.on_item = self._position, self._turned_to
        return self

    def __exit__(self, *_: object) -> None:
        self._link.on_position = lambda _state: None
        self._link.on_item = lambda _seq, _t_ns: None
        for task in self._tasks:
            task.cancel()

    async def until_down(self) -> SortieFlown:
        """Watch until the aircraft is disarmed or lost."""
        lost_after_s, silent_polls = max(SILENT_S, SILENT_WALL_S * self._clock.speed), 0
        while True:
            await asyncio.sleep(POLL_S)
            # By the simulated clock, which stands still while we are behind; and for several polls, because after a
            # stall of ours the sockets are read only now.
            silent_s = (self._clock.now_ns() - self._link.t_ns) / NS_PER_S
            silent_polls = silent_polls + 1 if silent_s > lost_after_s else 0
            if silent_polls >= SILENT_POLLS:
                return self._flown("lost", f"silent for {lost_after_s:.0f} s of its time")
            if not self._link.armed:
                break
        crash = next((text for text in self._link.texts if text.startswith("CRASH")), "")
        if crash:
            return self._flown("lost", crash)
        if self._link.mode != "AUTO":
            return self._flown("returned", self._recalled or f"by itself: {self._link.mode}")
        return self._flown("landed", "")

    def _t_s(self, t_ns: int) -> float:
        return (t_ns - self._start_t_ns) / NS_PER_S

    def _flown(self, status: Status, why: str) -> SortieFlown:
        t_s, lat_deg, lon_deg, alt = np.array(self._path).reshape(-1, 4).T
        x_m, y_m = frames.to_local(self._area.frame, lat_deg, lon_deg)
        up = t_s[alt > self._base.alt_msl_m + 5.0]
        state = self._link.state
        return SortieFlown(
            sortie_id=self._sortie.id,
            aircraft_id=self._aircraft.id,
            status=status,
            why=why,
            lift_off_s=self._timed.lift_off_s,
            launch_error_s=float(up[0]) - self._timed.lift_off_s if len(up) else None,
            landed_s=float(t_s[-1]) if status != "lost" and len(t_s) else None,
            battery_left=None if state is None else state.battery_fraction,
            arrivals=tuple(self._arrivals),
            t_s=tuple(t_s.tolist()),
            x_m=tuple(x_m.tolist()),
            y_m=tuple(y_m.tolist()),
            alt_msl_m=tuple(alt.tolist()),
        )

    # --- heard from the link

    def _position(self, state: PlatformState) -> None:
        t_s = self._t_s(state.t_ns)
        self._path.append((t_s, state.lat_deg, state.lon_deg, state.alt_msl_m))
        if t_s < self._check_at_s or state.mode != "AUTO" or self._recalled or not state.armed:
            return
        self._check_at_s = t_s + CHECK_S
        x_m, y_m = (float(v) for v in frames.to_local(self._area.frame, state.lat_deg, state.lon_deg))
        self._check_track(t_s, x_m, y_m)
        self._check_energy(state, x_m, y_m)

    def _check_track(self, t_s: float, x_m: float, y_m: float) -> None:
        off_m = distance_to_line(self._line, np.array([[x_m, y_m]]))[0]
        if off_m <= OFF_TRACK_M:
            self._off_track_since_s = math.inf
            return
        self._off_track_since_s = min(self._off_track_since_s, t_s)
        if t_s - self._off_track_since_s >= OFF_TRACK_S:
            self._recall(f"{off_m:.0f} m off its track")

    def _check_energy(self, state: PlatformState, x_m: float, y_m: float) -> None:
        if state.battery_fraction is None:
            return
        base, weather = self._base, self._area.weather
        budget = performance.loaded_budget(self._aircraft, state.alt_msl_m, weather)
        if not budget.can_fly:
            return
        dx, dy = base.x_m - x_m, base.y_m - y_m
        there = (budget.airspeed_mps, budget.climb_mps, dx, dy, 0.0, weather, state.alt_msl_m)
        home_s = float(performance.leg_time_s(*there))
        home_s += max(state.alt_msl_m - base.alt_msl_m, 0.0) / budget.descent_mps
        needed = home_s / (budget.endurance_s / (1.0 - performance.RESERVE))
        if state.battery_fraction - needed < RETURN_RESERVE:
            self._recall(f"{state.battery_fraction:.0%} left and {needed:.0%} needed to come home")

    def _turned_to(self, seq: int, t_ns: int) -> None:
        """The aircraft is done with every item before `seq` and flies that one."""
        t_s = self._t_s(t_ns)
        before = self._arrivals[-1].seq if self._arrivals else 0
        for done in self._timed.arrivals:
            if before < done.seq < seq:
                self._arrivals.append(ArrivalFlown(seq=done.seq, planned_s=done.t_s, flown_s=t_s))
        waiting = next((a for a in self._timed.arrivals if a.seq == seq and a.hold_s > 0.0), None)
        if waiting is not None:
            self._start(self._leave_on_time(waiting))
        following = next((a for a in self._timed.arrivals if a.seq >= seq), None)
        if following is None or following.seq == self._clocked_seq or self._recalled or not self._link.armed:
            return
        first = max((a.seq for a in self._timed.arrivals if a.seq < seq), default=seq - 1)
        between = self._timed.mission.items[first : following.seq - 1]
        told = (missions.CHANGE_SPEED, missions.SET_ROI)
        if self._link.state is not None and all(item.command in told for item in between):
            self._clocked_seq = following.seq
            self._keep_to_the_clock(following, between, t_s, self._link.state)

    async def _leave_on_time(self, wait: Arrival) -> None:
        """End a wait when its time is up: late aircraft wait less, early ones longer."""
        await self._clock.sleep_until(self._start_t_ns + nanoseconds(wait.t_s))
        while self._link.item == wait.seq and self._link.armed and not self._recalled:
            state = self._link.state
            if state is not None:
                x_m, y_m = frames.to_local(self._area.frame, state.lat_deg, state.lon_deg)
                if math.hypot(wait.x_m - float(x_m), wait.y_m - float(y_m)) < THERE_M:
                    await self._link.go_on(wait.seq + 1)
                    return
            await asyncio.sleep(max(1.0 / self._clock.speed, POLL_S / 2.0))

    def _keep_to_the_clock(self, to: Arrival, between: Sequence[MissionItem], t_s: float, state: PlatformState) -> None:
        """Set the speed of the leg that begins so that it ends on time, as far as the aircraft can."""
        weather = self._area.weather
        x_m, y_m = (float(v) for v in frames.to_local(self._area.frame, state.lat_deg, state.lon_deg))
        dx, dy = to.x_m - x_m, to.y_m - y_m
        distance, left_s = math.hypot(dx, dy), to.t_s - to.hold_s - t_s
        for item in between:
            if item.command == missions.CHANGE_SPEED:
                self._speed_mps = item.params[1]
        if distance < 1.0:
            return
        budget = performance.loaded_budget(self._aircraft, to.alt_msl_m, weather)
        wanted = missions.airspeed_for(distance / max(left_s, 1.0), dx, dy, weather, to.alt_msl_m)
        airspeed = min(max(wanted, budget.min_airspeed_mps), budget.max_airspeed_mps)
        speed = airspeed if self._link.wing else missions.ground_speed_for(airspeed, dx, dy, weather, to.alt_msl_m)
        if abs(speed - self._speed_mps) > SPEED_STEP_MPS:
            self._speed_mps = speed
            self._start(self._link.change_speed(speed))

    # --- doing something about it

    def _recall(self, why: str) -> None:
        """Call it home, once, after writing it down; where no straight way home is clear it flies its mission on."""
        self._recalled = why
        safe = self._return_msl_m is not None
        detail = {"reason": why, "way": "straight" if safe else "by its mission: no straight way is clear"}
        self._recorder.record_entry("recall", self._aircraft.id, detail=detail)
        if safe:
            self._start(self._link.command_return())

    def _start(self, doing: Coroutine[Any, Any, None]) -> None:
        async def quietly() -> None:
            with contextlib.suppress(LinkError):  # a lost link shows itself as silence
                await doing

        task = asyncio.create_task(quietly())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def lost_alert(self, tasking_sha256: str) -> Alert:
        """The alert that this aircraft is lost, at its last known place."""
        state = self._link.state
        t_ns = self._clock.now_ns()
        name, chainage_m = self._aircraft.name, None
        if state is not None:
            x_m, y_m = frames.to_local(self._area.frame, state.lat_deg, state.lon_deg)
            chainage_m = float(lines.project(self._area.border.xy_m, x_m, y_m)[0].item())
        where = "" if chainage_m is None else f" (km {chainage_m / 1000.0:.1f})"
        return Alert(
            id=f"lost-{self._aircraft.id}-{t_ns}",
            t_ns=t_ns,
            kind="aircraft_lost",
            severity="urgent",
            text_en=f"{name} is lost{where}: nothing heard from it",
            text_es=f"{name} perdido{where}: no se recibe nada",
            lat_deg=None if state is None else state.lat_deg,
            lon_deg=None if state is None else state.lon_deg,
            chainage_m=chainage_m,
            aircraft_id=self._aircraft.id,
            tasking_sha256=tasking_sha256,
        )


def safe_return_altitude_m(area: Area, aircraft: Aircraft, base: Base, sortie: Sortie) -> float | None:
    """Altitude at which a straight way home clears the terrain from everywhere on the sortie; None when there is none.

    A multirotor climbs to it first; a wing climbs on its way, so that slope is checked too (against a tail wind).
    """
    line = lines.densify(np.column_stack([sortie.x_m, sortie.y_m]), RETURN_SPACING_M)
    s = lines.chainages(np.column_stack([sortie.x_m, sortie.y_m]))
    altitudes = np.interp(np.linspace(0.0, s[-1], len(line)), s, sortie.alt_msl_m)
    home = np.array([base.x_m, base.y_m])
    away = np.hypot(*(line - home).T) > 1.0
    points, altitudes = line[away], altitudes[away]
    needed = [
        float(path.safe_altitude_m(area.terrain, [p, home], RETURN_CORRIDOR_M, RETURN_HEIGHT_M)[0]) for p in points
    ]
    altitude = float(np.max(needed)) if needed else math.nan
    budget = performance.loaded_budget(aircraft, base.alt_msl_m, area.weather)
    if not altitude <= budget.max_alt_msl_m:  # NaN too: a void on the way
        return None
    if aircraft.airframe.kind == "fixed_wing":
        there = performance.loaded_budget(aircraft, altitude, area.weather)
        slope = there.climb_mps / (there.airspeed_mps + wind.strongest_mps(area.weather))
        for point, start_msl_m in zip(points, altitudes, strict=True):
            if not _climb_is_clear(area, point, float(start_msl_m), home, altitude, slope, base.alt_msl_m):
                return None
    return altitude


def _climb_is_clear(
    area: Area,
    point: FloatArray,
    start_msl_m: float,
    home: FloatArray,
    altitude_m: float,
    slope: float,
    base_msl_m: float,
) -> bool:
    """Whether climbing towards home at `slope` keeps clear of the ground; its own take-off and landing excepted."""
    if start_msl_m >= altitude_m or start_msl_m < base_msl_m + RETURN_HEIGHT_M:
        return True
    distance = float(np.hypot(*(home - point)))
    climb_m = min((altitude_m - start_msl_m) / slope, distance)
    top = point + (home - point) * (climb_m / distance)
    way = [[*point, start_msl_m], [*top, start_msl_m + climb_m * slope]]
    return path.is_safe(area.terrain, way, RETURN_CORRIDOR_M, RETURN_HEIGHT_M)
