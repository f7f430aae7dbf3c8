"""Fly tonight's tasking: a permit, the mission on board and read back, an entry in the record, launch, supervision.

Nothing leaves the ground without a permit and without the record's entry of the launch, written first: the link itself
refuses otherwise. Aircraft fly on their own; one that is lost or refused is reported and the others carry on.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kuntur.codecs import missions
from kuntur.codecs.missions import TimedMission
from kuntur.errors import InfeasibleError, LinkError, RecordError, RefusedError
from kuntur.geodesy import frames
from kuntur.io.autopilot import Autopilot
from kuntur.model.assets import Aircraft, Base
from kuntur.model.place import Area
from kuntur.model.plans import Sortie, Tasking
from kuntur.model.records import Action, LogEntry, Permit
from kuntur.model.tracks import Alert, FeedItem
from kuntur.ops.flown import FlightLog, SortieFlown
from kuntur.ops.supervise import Supervisor, safe_return_altitude_m
from kuntur.sim.clock import SimClock
from kuntur.units import nanoseconds

PERMIT_BEFORE_S = 3600.0  # a permit is asked for when the mission goes up, which may be long before the launch
PERMIT_AFTER_S = 900.0
LAUNCH_LEAD_S = 0.02  # wall seconds that arming takes (measured on loopback)
LINK_TIMEOUT_S = 30.0  # without our heartbeat the aircraft comes home
LISTEN_S = 0.2  # wall seconds between looks at what the listeners raised
HOME_OFF_M, HOME_OFF_ALT_M = 150.0, 40.0  # how far its own home may be from our base

Progress = Callable[[float, str], None]


class FlightSession(Protocol):
    """What flying needs of `ops.session.Session`."""

    def record_entry(
        self,
        action: str,
        subject: str,
        inputs: Mapping[str, str] | None = None,
        outputs: Mapping[str, str] | None = None,
        detail: Mapping[str, Any] | None = None,
        *,
        permit: Permit | None = None,
    ) -> LogEntry: ...

    def permit(
        self,
        action: Action,
        subject: str,
        from_t_ns: int,
        until_t_ns: int,
        *,
        path_m: NDArray[np.float64] | None = None,
    ) -> Permit: ...


async def fly(
    area: Area,
    tasking: Tasking,
    session: FlightSession,
    links: Mapping[str, Autopilot],
    clock: SimClock,
    feed: Callable[[FeedItem], None],
    *,
    alert: Callable[[Alert], None] = lambda _alert: None,
    progress: Progress = lambda _share, _words: None,
) -> FlightLog:
    """Fly every sortie of `tasking` at its time; returns when the last aircraft is down, lost, or was not flown.

    links: by aircraft id, connected. feed gets every frame heard; alert is told of lost aircraft. Cancelled, or unable
    to write the record, it calls all aircraft home before it ends.
    """
    for link in links.values():
        link.feed = feed
    done = 0

    async def fly_all_of(aircraft: Aircraft) -> list[SortieFlown]:
        nonlocal done
        flown: list[SortieFlown] = []
        for sortie in sorted((s for s in tasking.sorties if s.aircraft_id == aircraft.id), key=lambda s: s.t_s[0]):
            lost = any(f.status == "lost" for f in flown)
            flown.append(
                _not_flown(sortie, "its aircraft was lost before")
                if lost
                else await _fly_sortie(area, tasking, sortie, aircraft, session, links, clock, alert)
            )
            done += 1
            progress(done / len(tasking.sorties), f"{sortie.id} {flown[-1].status}")
        return flown

    try:
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(_raise_what_listeners_raise(links))
            tasks = [group.create_task(fly_all_of(aircraft)) for aircraft in area.fleet.aircraft]
            await asyncio.wait(tasks)
            listening.cancel()
    except asyncio.CancelledError:
        await _call_all_home(links, session)
        raise
    except ExceptionGroup as failed:
        await _call_all_home(links, session)
        raise failed.exceptions[0] from failed
    finally:
        for link in links.values():
            link.feed = _ignore
    sorties = sorted((f for task in tasks for f in task.result()), key=lambda f: f.lift_off_s)
    return FlightLog(start_t_ns=tasking.start_t_ns, speed=clock.speed, sorties=tuple(sorties))


async def _raise_what_listeners_raise(links: Mapping[str, Autopilot]) -> None:
    """A feed that cannot be stored must stop the flight, not vanish inside the event loop."""
    while True:
        for link in links.values():
            if link.failed is not None:
                raise link.failed
        await asyncio.sleep(LISTEN_S)


async def _fly_sortie(
    area: Area,
    tasking: Tasking,
    sortie: Sortie,
    aircraft: Aircraft,
    session: FlightSession,
    links: Mapping[str, Autopilot],
    clock: SimClock,
    alert: Callable[[Alert], None],
) -> SortieFlown:
    """One sortie from permit to landing; whatever goes wrong before the launch leaves the aircraft on the ground."""
    try:
        link = links.get(aircraft.id)
        if link is None:
            raise LinkError(f"No link to {aircraft.name}.", remedy="Connect it before flying.")
        base = next(base for base in area.bases if base.id == sortie.base_id)
        timed = missions.from_sortie(sortie, base, aircraft, area.frame, area.weather)
        start_ns = tasking.start_t_ns
        until_ns = start_ns + nanoseconds(sortie.t_s[-1] + PERMIT_AFTER_S)
        from_ns = start_ns + nanoseconds(timed.lift_off_s - PERMIT_BEFORE_S)
        path_m = np.column_stack([sortie.x_m, sortie.y_m, sortie.alt_msl_m])
        permit = session.permit("fly", aircraft.id, min(from_ns, clock.now_ns()), until_ns, path_m=path_m)
        digest = mission_sha256(timed)
        back = await _load(area, sortie, base, aircraft, session, link, timed, digest, permit, clock)
        with Supervisor(area, aircraft, base, sortie, timed, link, clock, start_ns, session, back) as supervisor:
            await clock.sleep_until(start_ns + nanoseconds(timed.lift_off_s - LAUNCH_LEAD_S * clock.speed))
            inputs = {"mission": digest, "strategy": tasking.strategy_sha256}
            entry = session.record_entry("launch", aircraft.id, inputs, detail={"sortie": sortie.id}, permit=permit)
            await link.arm_and_launch(permit, entry)
            flown = (await supervisor.until_down()).against(sortie, (base.x_m, base.y_m), timed.arrivals[-1].seq)
    except (LinkError, RefusedError, InfeasibleError) as error:
        session.record_entry("not_flown", aircraft.id, detail={"sortie": sortie.id, "reason": str(error)})
        return _not_flown(sortie, str(error))
    session.record_entry("end_of_flight", aircraft.id, detail={"sortie": sortie.id, **flown.summary()})
    if flown.status == "lost":
        alert(supervisor.lost_alert(tasking.strategy_sha256))
    return flown


async def _load(
    area: Area,
    sortie: Sortie,
    base: Base,
    aircraft: Aircraft,
    session: FlightSession,
    link: Autopilot,
    timed: TimedMission,
    digest: str,
    permit: Permit,
    clock: SimClock,
) -> float | None:
    """Put the mission and the lost-link return on board and read both back. Returns the return altitude.

    Where no straight return clears the terrain from everywhere on the path, a lost link means: carry on with the
    mission, whose own way home does; then None is returned.
    """
    _check_home(link, base, area)
    back_msl_m = safe_return_altitude_m(area, aircraft, base, sortie)
    detail = {"sortie": sortie.id, "lost_link": "carry on" if back_msl_m is None else f"return at {back_msl_m:.0f} m"}
    session.record_entry("upload", aircraft.id, {"mission": digest}, detail=detail, permit=permit)
    await link.upload(timed.mission)
    above_home_cm = 0.0 if back_msl_m is None else round((back_msl_m - base.alt_msl_m) * 100.0)
    returns = back_msl_m is not None
    timeout_s = max(LINK_TIMEOUT_S, 3.0 * clock.speed)  # our heartbeats are bound to wall time, its clock is not
    if link.wing:
        await link.set_parameter("FS_GCS_ENABL", 1.0)
        await link.set_parameter("FS_LONG_ACTN", 1.0 if returns else 0.0)
        await link.set_parameter("FS_LONG_TIMEOUT", timeout_s)
        await link.set_parameter("ALT_HOLD_RTL", above_home_cm if returns else -1.0)
    else:
        await link.set_parameter("FS_GCS_ENABLE", 1.0 if returns else 2.0)  # 2: carry on in AUTO
        await link.set_parameter("RTL_ALT", above_home_cm)
        if clock.speed > 1.0:  # older ArduCopter has no such parameter, and 5 s
            await link.set_parameter("FS_GCS_TIMEOUT", timeout_s)
    return back_msl_m


def _check_home(link: Autopilot, base: Base, area: Area) -> None:
    """The heights of a mission are relative to the aircraft's own home: it must be where we think it is."""
    if link.home is None:
        raise LinkError(f"{link.aircraft.name} has no home position.", remedy="Wait for its position fix.")
    x_m, y_m = frames.to_local(area.frame, link.home[0], link.home[1])
    off_m = float(np.hypot(x_m - base.x_m, y_m - base.y_m))
    higher_m = link.home[2] - base.alt_msl_m
    if off_m > HOME_OFF_M or abs(higher_m) > HOME_OFF_ALT_M:
        raise LinkError(
            f"{link.aircraft.name} has its home {off_m:.0f} m from {base.name} and {higher_m:+.0f} m in height.",
            remedy="Set its home on the pad, or correct the base in the area file.",
        )


async def _call_all_home(links: Mapping[str, Autopilot], session: FlightSession) -> None:
    """Interrupted: every aircraft in the air comes home, each try on its own."""
    flying = [link for link in links.values() if link.armed]
    for link in flying:
        with contextlib.suppress(RecordError):  # coming home is the one thing done even when it cannot be written down
            session.record_entry("recall", link.aircraft.id, detail={"reason": "interrupted"})
    await asyncio.gather(*(link.command_return() for link in flying), return_exceptions=True)


def _not_flown(sortie: Sortie, why: str) -> SortieFlown:
    return SortieFlown(
        sortie_id=sortie.id, aircraft_id=sortie.aircraft_id, status="not_flown", why=why, lift_off_s=sortie.t_s[0]
    )


def _ignore(_item: FeedItem) -> None:
    """Nobody listens."""


def mission_sha256(timed: TimedMission) -> str:
    """The digest of a mission as the record names it: of its .plan bytes."""
    return hashlib.sha256(missions.to_plan(timed.mission)).hexdigest()


def write_missions(area: Area, tasking: Tasking, folder: Path) -> list[Path]:
    """Write each sortie as a .plan and a .waypoints file into `folder`; returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    bases = {base.id: base for base in area.bases}
    fleet = {aircraft.id: aircraft for aircraft in area.fleet.aircraft}
    written = []
    for sortie in tasking.sorties:
        aircraft = fleet[sortie.aircraft_id]
        timed = missions.from_sortie(sortie, bases[sortie.base_id], aircraft, area.frame, area.weather)
        for ending, data in (
            ("plan", missions.to_plan(timed.mission)),
            ("waypoints", missions.to_waypoints(timed.mission).encode()),
        ):
            path = folder / f"{sortie.id}.{ending}"
            unfinished = path.with_suffix(f".{ending}.part")
            unfinished.write_bytes(data)
            written.append(unfinished.replace(path))
    return written
