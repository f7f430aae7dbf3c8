"""Missions: a sortie as MAVLink mission items, the two files ground stations read, and when two missions are the same.

Files: QGroundControl's plan file (JSON, fileType "Plan", version 1; docs.qgroundcontrol.com, "Plan File Format") and
the plain-text "QGC WPL 110" (mavlink.io, "File Formats"). Item numbers on the wire start with the home position at 0,
as ArduPilot has it; `Mission.items[k]` is wire item k + 1.

Altitudes go out in frame 3 (relative to home): every autopilot we tried takes it and gives it back as it was, while
frames 5, 6 and 11 come back as 0, 3 and 10 and an older one refuses them (docs/explanation/autopilots.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kuntur.aircraft import performance, wind
from kuntur.errors import ConfigError, InfeasibleError
from kuntur.geodesy import frames
from kuntur.model.assets import Aircraft, Base
from kuntur.model.place import LocalFrame, Weather
from kuntur.model.plans import SWEEP, Look, Sortie

FloatArray = NDArray[np.float64]

# MAV_CMD and MAV_FRAME numbers (mavlink.io, common message set).
WAYPOINT, LOITER_TIME, RETURN_TO_LAUNCH, LAND, TAKEOFF, LOITER_TO_ALT, DELAY = 16, 19, 20, 21, 22, 31, 93
CHANGE_SPEED, SET_ROI = 178, 201
FRAME_MSL, FRAME_MISSION, FRAME_RELATIVE, FRAME_TERRAIN = 0, 2, 3, 10

# Parameters (1-4) an autopilot keeps of each command we send; it is free to drop the others.
_KEPT = {WAYPOINT: (1,), LOITER_TIME: (1,), RETURN_TO_LAUNCH: (), LAND: (), TAKEOFF: (), LOITER_TO_ALT: (), DELAY: (1,),
         CHANGE_SPEED: (1, 2), SET_ROI: ()}  # fmt: skip
_WITHOUT_PLACE = (RETURN_TO_LAUNCH, CHANGE_SPEED, DELAY)
_WITHOUT_POSITION = (*_WITHOUT_PLACE, TAKEOFF)
_PLAIN_FRAMES = {5: FRAME_MSL, 6: FRAME_RELATIVE, 11: FRAME_TERRAIN}

TAKEOFF_PITCH_DEG = 12.0  # ArduPlane's usual take-off pitch (its documentation of NAV_TAKEOFF suggests 10 to 15)
TAKEOFF_HEIGHT_M = 40.0  # a wing climbs straight ahead to this height before it turns: our choice
APPROACH_HEIGHT_M = 60.0  # a wing begins its landing from this height: our choice
LOITER_SLACK_S = 15.0  # a wing waits this much longer unless it is told to go on, which is how it keeps to the clock
ROI_FAR_M = 20_000.0
"""A region of interest this far off: its direction changes by 3 degrees along a leg of 2 km, so the sector about it
keeps its azimuth as the plan has it."""
_ROI_NONE, _ROI_LOCATION = 0.0, 3.0  # MAV_ROI
SHORTEST_LOITER_S = 20.0  # about one circle; a wing makes up shorter waits by the speed of its next leg
_SPEED_TOLERANCE = 1.02


class MissionItem(Struct, frozen=True, kw_only=True):
    """One mission item. params: 1 to 4, NaN for "not set". alt_m: above what `frame` says."""

    command: int
    frame: int
    lat_deg: float = 0.0
    lon_deg: float = 0.0
    alt_m: float = 0.0
    params: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    autocontinue: bool = True


class Mission(Struct, frozen=True, kw_only=True):
    """A mission and the home position it was made for."""

    kind: Literal["multirotor", "fixed_wing"]
    home_lat_deg: float
    home_lon_deg: float
    home_alt_msl_m: float
    cruise_mps: float
    items: tuple[MissionItem, ...]


class Arrival(Struct, frozen=True, kw_only=True):
    """When the aircraft should be done with a wire item: t_s after the start of the watch, at (x_m, y_m), alt_msl_m."""

    seq: int
    t_s: float
    x_m: float
    y_m: float
    alt_msl_m: float
    hold_s: float
    """Planned waiting there, after which t_s is."""


class TimedMission(Struct, frozen=True, kw_only=True):
    """A mission and its timetable. lift_off_s: when to take off, in seconds after the start of the watch."""

    mission: Mission
    arrivals: tuple[Arrival, ...]
    lift_off_s: float


def from_sortie(sortie: Sortie, base: Base, aircraft: Aircraft, frame: LocalFrame, weather: Weather) -> TimedMission:
    """The mission that flies `sortie` to the clock.

    A first point on the ground means: climb over the base to the second point's altitude, then level to it; a first
    point in the air is climbed to before its time. Then one waypoint a point with the speed its leg needs in this wind;
    points that repeat a position are waits (a multirotor hovers, a wing circles, and a wing also circles where even its
    slowest flight would be early). Home at the last-but-one point's altitude until over the base, then down (a wing in
    circles to its approach height).

    Where the look changes, DO_SET_ROI names a far point in the middle of the new sector, or none for a sweep: old and
    new autopilots alike take it. How wide the sector is, the camera's own search must know (`visibility.looks`).

    Raises InfeasibleError when a leg between patrol points needs more airspeed than the aircraft has there.
    """
    if len(sortie.t_s) < 3:
        raise InfeasibleError(
            f"Sortie {sortie.id} has {len(sortie.t_s)} points; a flight out and home needs three.",
            remedy="Plan again: a sortie must leave its base.",
        )
    home = base.alt_msl_m
    wing = aircraft.airframe.kind == "fixed_wing"
    items: list[MissionItem] = []
    arrivals: list[Arrival] = []

    def place(command: int, k: int, alt_msl_m: float, param1: float = 0.0) -> None:
        lat_deg, lon_deg = frames.to_geodetic(frame, sortie.x_m[k], sortie.y_m[k])
        items.append(
            MissionItem(
                command=command,
                frame=FRAME_RELATIVE,
                lat_deg=round(float(lat_deg), 7),
                lon_deg=round(float(lon_deg), 7),
                alt_m=_float32(alt_msl_m - home),
                params=(param1, 0.0, 0.0, 0.0),
            )
        )

    legs, lift_off_s, climb_to_m = _legs(sortie, base, aircraft, weather)
    pitch = TAKEOFF_PITCH_DEG if wing else 0.0
    place(TAKEOFF, 0, min(climb_to_m, home + TAKEOFF_HEIGHT_M) if wing else climb_to_m, pitch)
    if wing:
        place(LOITER_TO_ALT, 0, climb_to_m)
    speed_mps = owed_s = 0.0
    look = SWEEP
    for leg in legs:
        if leg.look != look:
            look = leg.look
            items.append(set_roi(look, sortie.x_m[leg.to], sortie.y_m[leg.to], frame))
        if abs(leg.speed_mps - speed_mps) > 0.05:
            speed_mps = leg.speed_mps
            items.append(change_speed(speed_mps, wing=wing))
        if wing and leg.vertical:
            place(LOITER_TO_ALT, leg.to, leg.alt_msl_m)
        owed_s += leg.hold_s
        circling = wing and owed_s >= SHORTEST_LOITER_S
        hold_s = float(round(owed_s)) if circling or not wing else 0.0
        owed_s -= hold_s
        if circling or not (wing and leg.vertical):
            wait_s = hold_s + LOITER_SLACK_S if circling else hold_s
            place(LOITER_TIME if circling else WAYPOINT, leg.to, leg.alt_msl_m, wait_s)
        arrivals.append(
            Arrival(
                seq=len(items),
                t_s=leg.t_s,
                x_m=sortie.x_m[leg.to],
                y_m=sortie.y_m[leg.to],
                alt_msl_m=leg.alt_msl_m,
                hold_s=hold_s,
            )
        )
    if wing:  # down in circles first: a wing cannot dive from the patrol's height to its landing
        place(LOITER_TO_ALT, len(sortie.t_s) - 1, home + APPROACH_HEIGHT_M)
    place(LAND, len(sortie.t_s) - 1, home)
    mission = Mission(
        kind=aircraft.airframe.kind,
        home_lat_deg=base.lat_deg,
        home_lon_deg=base.lon_deg,
        home_alt_msl_m=home,
        cruise_mps=aircraft.airframe.cruise_mps,
        items=tuple(items),
    )
    return TimedMission(mission=mission, arrivals=tuple(arrivals), lift_off_s=lift_off_s)


def change_speed(speed_mps: float, *, wing: bool) -> MissionItem:
    """The item that sets the speed from here on: airspeed for a wing, ground speed for a multirotor."""
    kind = 0.0 if wing else 1.0
    return MissionItem(command=CHANGE_SPEED, frame=FRAME_MISSION, params=(kind, _float32(speed_mps), 0.0, 0.0))


def set_roi(look: Look, x_m: float, y_m: float, frame: LocalFrame) -> MissionItem:
    """The item that turns the camera to a look's sector from (x, y), or back to a sweep all round."""
    if look.kind == "sweep":
        return MissionItem(command=SET_ROI, frame=FRAME_RELATIVE, params=(_ROI_NONE, 0.0, 0.0, 0.0))
    lat_deg, lon_deg = frames.to_geodetic(
        frame, x_m + ROI_FAR_M * math.sin(look.azimuth_rad), y_m + ROI_FAR_M * math.cos(look.azimuth_rad)
    )
    return MissionItem(
        command=SET_ROI,
        frame=FRAME_RELATIVE,
        lat_deg=round(float(lat_deg), 7),
        lon_deg=round(float(lon_deg), 7),
        params=(_ROI_LOCATION, 0.0, 0.0, 0.0),
    )


class _Leg(Struct, frozen=True):
    to: int
    alt_msl_m: float
    t_s: float
    speed_mps: float
    hold_s: float
    vertical: bool
    look: Look


def _legs(sortie: Sortie, base: Base, aircraft: Aircraft, weather: Weather) -> tuple[list[_Leg], float, float]:
    """The legs with their speeds and waits, when to lift off, and the altitude to climb to over the base."""
    last = len(sortie.t_s) - 1
    altitudes = list(sortie.alt_msl_m)
    altitudes[last] = altitudes[last - 1]
    on_ground = altitudes[0] < base.alt_msl_m + TAKEOFF_HEIGHT_M
    climb_to_m = altitudes[1] if on_ground else altitudes[0]
    climb_s = _vertical_s(aircraft, weather, base.alt_msl_m, climb_to_m)
    lift_off_s = sortie.t_s[0] if on_ground else sortie.t_s[0] - climb_s
    descent_s = _vertical_s(aircraft, weather, altitudes[last], base.alt_msl_m)
    ready_s = lift_off_s + climb_s
    points = np.round(np.column_stack([sortie.x_m, sortie.y_m, altitudes]), 1)
    points[0, 2] = round(climb_to_m, 1)
    looks = sortie.looks or (SWEEP,) * last
    legs: list[_Leg] = []
    previous, k = 0, 1
    while k <= last:
        arrive_s = sortie.t_s[k] - (descent_s if k == last else 0.0)
        done_s, to = arrive_s, k
        look = looks[to - 1]
        while k < last and np.array_equal(points[k + 1], points[to]) and looks[k] == look:
            k += 1
            done_s = sortie.t_s[k] - (descent_s if k == last else 0.0)
        step = points[to] - points[previous]
        speed, early_s = _speed(sortie, to, aircraft, weather, step, altitudes[to], arrive_s - ready_s)
        hold_s = 0.0 if k == last else max(done_s - arrive_s, 0.0) + early_s  # nobody waits before the landing
        if np.any(step != 0.0) or hold_s >= 1.0:
            vertical = bool(np.hypot(step[0], step[1]) < 1.0 <= abs(step[2]))
            legs.append(_Leg(to, altitudes[to], done_s, speed, hold_s, vertical, look))
        previous, ready_s = k, done_s
        k += 1
    return legs, lift_off_s, climb_to_m


def _vertical_s(aircraft: Aircraft, weather: Weather, from_msl_m: float, to_msl_m: float) -> float:
    """Seconds to climb or sink from one altitude to the other, by the rate in the middle."""
    budget = performance.loaded_budget(aircraft, (from_msl_m + to_msl_m) / 2.0, weather)
    rate = budget.climb_mps if to_msl_m > from_msl_m else budget.descent_mps
    return abs(to_msl_m - from_msl_m) / rate


def _speed(
    sortie: Sortie,
    k: int,
    aircraft: Aircraft,
    weather: Weather,
    step_m: FloatArray,
    alt_msl_m: float,
    time_s: float,
) -> tuple[float, float]:
    """Speed to command on the leg to point k, and by how many seconds it will be early at its slowest."""
    dx, dy, dz = map(float, step_m)
    budget = performance.loaded_budget(aircraft, alt_msl_m, weather)
    distance = math.hypot(dx, dy)
    if distance < 1.0:
        return budget.airspeed_mps, max(time_s - _vertical_s(aircraft, weather, alt_msl_m - dz, alt_msl_m), 0.0)
    wanted = airspeed_for(distance / max(time_s, 1e-3), dx, dy, weather, alt_msl_m)
    near_base = k == 1 or k == len(sortie.t_s) - 1  # late by the climb or the approach; the legs between make up for it
    if wanted > budget.max_airspeed_mps * _SPEED_TOLERANCE and not near_base:
        raise InfeasibleError(
            f"Sortie {sortie.id}: {distance:.0f} m to point {k} in {time_s:.0f} s (climbs taken off) is more than the "
            f"{budget.max_airspeed_mps:.1f} m/s airspeed of {aircraft.name} at {alt_msl_m:.0f} m.",
            remedy="Plan again with the weather of tonight.",
        )
    airspeed = min(max(wanted, budget.min_airspeed_mps), budget.max_airspeed_mps)
    ground = ground_speed_for(airspeed, dx, dy, weather, alt_msl_m)
    early_s = max(time_s - distance / ground, 0.0) if wanted < budget.min_airspeed_mps else 0.0
    return (airspeed if aircraft.airframe.kind == "fixed_wing" else ground), early_s


def airspeed_for(ground_mps: float, dx_m: float, dy_m: float, weather: Weather, alt_msl_m: float) -> float:
    """Airspeed that gives this speed over ground towards (dx, dy) in the wind planned for that altitude."""
    along, across = wind.along_across(dx_m, dy_m, wind.at(weather, alt_msl_m))
    return math.hypot(ground_mps - float(along), float(across))


def ground_speed_for(airspeed_mps: float, dx_m: float, dy_m: float, weather: Weather, alt_msl_m: float) -> float:
    """Speed over ground towards (dx, dy) at this airspeed; at least 0.1 m/s."""
    along, across = wind.along_across(dx_m, dy_m, wind.at(weather, alt_msl_m))
    return max(math.sqrt(max(airspeed_mps**2 - float(across) ** 2, 0.0)) + float(along), 0.1)


def _float32(value: float) -> float:
    return float(np.float32(value))


def plain_frame(frame: int) -> int:
    """The frame an autopilot stores: the integer twins 5, 6 and 11 become 0, 3 and 10."""
    return _PLAIN_FRAMES.get(frame, frame)


def canonical(item: MissionItem) -> tuple[Any, ...]:
    """What must survive upload and read-back: kept parameters and altitude as float32, position in 1e-7 degrees, frame
    without its integer twin. Parts that the command does not use are left out."""
    kept = tuple(
        None if math.isnan(item.params[n - 1]) else _float32(item.params[n - 1])
        for n in _KEPT.get(item.command, (1, 2, 3, 4))
    )
    if item.command in _WITHOUT_PLACE:
        return (item.command, kept)
    frame = plain_frame(item.frame)
    altitude = round(_float32(item.alt_m), 2)  # ArduPilot stores centimetres
    if item.command in _WITHOUT_POSITION:
        return (item.command, kept, frame, altitude)
    return (item.command, kept, frame, altitude, round(item.lat_deg * 1e7), round(item.lon_deg * 1e7))


def differences(sent: Sequence[MissionItem], read: Sequence[MissionItem]) -> list[str]:
    """What is not the same, in words, one line an item; empty when the aircraft holds what was sent."""
    found = []
    if len(sent) != len(read):
        found.append(f"{len(sent)} items were sent, the aircraft holds {len(read)}")
    for seq, (a, b) in enumerate(zip(sent, read, strict=False), 1):
        if not _same(canonical(a), canonical(b)):
            found.append(f"item {seq}: sent {canonical(a)}, the aircraft holds {canonical(b)}")
    return found


def _same(a: tuple[Any, ...], b: tuple[Any, ...]) -> bool:
    """Equal, but for one unit in the stored resolution of altitude (1 cm)."""
    if a[:3] != b[:3] or len(a) != len(b):
        return False
    return len(a) < 4 or (abs(a[3] - b[3]) <= 0.011 and a[4:] == b[4:])


# --- files


def to_plan(mission: Mission) -> bytes:
    """The mission as a QGroundControl .plan file (UTF-8 JSON)."""
    items = [
        {
            "AMSLAltAboveTerrain": None,
            "Altitude": item.alt_m,
            "AltitudeMode": 1 if item.frame == FRAME_RELATIVE else 0,
            "autoContinue": item.autocontinue,
            "command": item.command,
            "doJumpId": k,
            "frame": item.frame,
            "params": [None if math.isnan(p) else p for p in (*item.params, item.lat_deg, item.lon_deg, item.alt_m)],
            "type": "SimpleItem",
        }
        for k, item in enumerate(mission.items, 1)
    ]
    plan = {
        "fileType": "Plan",
        "geoFence": {"circles": [], "polygons": [], "version": 2},
        "groundStation": "Kuntur",
        "mission": {
            "cruiseSpeed": mission.cruise_mps,
            "firmwareType": 3,  # MAV_AUTOPILOT_ARDUPILOTMEGA
            "globalPlanAltitudeMode": 1,
            "hoverSpeed": mission.cruise_mps,
            "items": items,
            "plannedHomePosition": [mission.home_lat_deg, mission.home_lon_deg, mission.home_alt_msl_m],
            "vehicleType": 1 if mission.kind == "fixed_wing" else 2,  # MAV_TYPE
            "version": 2,
        },
        "rallyPoints": {"points": [], "version": 2},
        "version": 1,
    }
    return msgspec.json.format(msgspec.json.encode(plan), indent=1)


def from_plan(data: bytes) -> Mission:
    """The mission in a .plan file. Raises ConfigError for anything but simple items with a home position."""
    try:
        plan = msgspec.json.decode(data)
        if plan["fileType"] != "Plan" or plan["version"] != 1:
            raise ValueError(f"fileType {plan['fileType']!r} version {plan['version']!r}, wanted 'Plan' version 1")
        mission = plan["mission"]
        home = [float(v) for v in mission["plannedHomePosition"]]
        return Mission(
            kind="fixed_wing" if mission.get("vehicleType") == 1 else "multirotor",
            home_lat_deg=home[0],
            home_lon_deg=home[1],
            home_alt_msl_m=home[2],
            cruise_mps=float(mission.get("cruiseSpeed", 0.0)),
            items=tuple(_plan_item(k, item) for k, item in enumerate(mission["items"], 1)),
        )
    except (msgspec.MsgspecError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise ConfigError(
            f"This .plan file cannot be used: {reason}.",
            remedy="Save it again from the ground station, with simple items only.",
        ) from error


def _plan_item(k: int, item: dict[str, Any]) -> MissionItem:
    if item.get("type") != "SimpleItem":
        raise ValueError(f"item {k} is a {item.get('type')!r}, only 'SimpleItem' is read")
    values = [math.nan if v is None else float(v) for v in item["params"]]
    if len(values) != 7:
        raise ValueError(f"item {k} has {len(values)} params, wanted 7")
    return MissionItem(
        command=int(item["command"]),
        frame=int(item["frame"]),
        lat_deg=values[4],
        lon_deg=values[5],
        alt_m=values[6],
        params=(values[0], values[1], values[2], values[3]),
        autocontinue=bool(item["autoContinue"]),
    )


def to_waypoints(mission: Mission) -> str:
    """The mission as a "QGC WPL 110" text: tab separated, item 0 is home (absolute altitude)."""
    home = MissionItem(
        command=WAYPOINT,
        frame=FRAME_MSL,
        lat_deg=mission.home_lat_deg,
        lon_deg=mission.home_lon_deg,
        alt_m=mission.home_alt_msl_m,
    )
    lines = ["QGC WPL 110"]
    for seq, item in enumerate((home, *mission.items)):
        numbers = (*item.params, item.lat_deg, item.lon_deg, item.alt_m)
        fields = (seq, int(seq == 0), item.frame, item.command, *map(repr, numbers), int(item.autocontinue))
        lines.append("\t".join(str(field) for field in fields))
    return "\n".join(lines) + "\n"


def from_waypoints(
    text: str, kind: Literal["multirotor", "fixed_wing"] = "multirotor", cruise_mps: float = 0.0
) -> Mission:
    """The mission in a "QGC WPL 110" text, which names neither the kind of aircraft nor its speed.

    Raises ConfigError with the line that cannot be read.
    """
    lines = text.splitlines()
    if not lines or lines[0].split() != ["QGC", "WPL", "110"]:
        raise ConfigError(
            f"This is not a QGC WPL 110 file: it begins with {lines[0][:40]!r}." if lines else "The file is empty.",
            remedy="Save the mission again as .waypoints.",
        )
    items: list[MissionItem] = []
    for number, line in enumerate(lines[1:], 2):
        if not line.strip():
            continue
        try:
            fields = line.split()
            if len(fields) != 12 or int(fields[0]) != len(items):
                raise ValueError(f"wanted 12 fields and index {len(items)}, found {len(fields)} and {fields[0]}")
            values = [float(field) for field in fields[4:11]]
            items.append(
                MissionItem(
                    command=int(fields[3]),
                    frame=int(fields[2]),
                    lat_deg=values[4],
                    lon_deg=values[5],
                    alt_m=values[6],
                    params=(values[0], values[1], values[2], values[3]),
                    autocontinue=fields[11] == "1",
                )
            )
        except (ValueError, IndexError) as error:
            raise ConfigError(f"Line {number} of the .waypoints file: {error}.", remedy="Save it again.") from error
    if not items:
        raise ConfigError("The .waypoints file has no home position.", remedy="Save it again with its home position.")
    return Mission(
        kind=kind,
        home_lat_deg=items[0].lat_deg,
        home_lon_deg=items[0].lon_deg,
        home_alt_msl_m=items[0].alt_m,
        cruise_mps=cruise_mps,
        items=tuple(items[1:]),
    )
