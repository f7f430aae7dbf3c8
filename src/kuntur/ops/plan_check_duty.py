"""The checker's look at bases and hours: pads, parking, crews and their duty, and the sun, whatever is drawn."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kuntur.model.assets import Aircraft, Base
from kuntur.model.place import Area
from kuntur.model.plans import Column, Segment, Strategy

FloatArray = NDArray[np.float64]

PAD_S: Final = 60.0  # a pad is taken this long by a take-off or a landing: our choice
AT_PAD_M: Final = 1.0
SUN_RAD: Final = math.radians(-0.833)  # height of the sun's middle at sunrise: half its disc and refraction
SUN_TOLERANCE_RAD: Final = math.radians(0.3)  # two formulas for the sun differ by less
TRIES: Final = 20_000  # of dealing flights to crews


class Event(Struct, frozen=True, order=True):
    """A take-off or a landing: seconds into the watch, the base, and whether it goes up."""

    t_s: float
    base_id: str
    up: bool


def faults(area: Area, planned: Strategy) -> list[str]:
    """What is wrong with the use of bases, crews and daylight."""
    return _places(area, planned) + _pads(area, planned) + _crews(area, planned) + _daylight(area, planned)


def _pad_of(area: Area, planned: Strategy, k: int) -> Base:
    return next(base for base in area.bases if base.id == planned.base_ids[k])


def _places(area: Area, planned: Strategy) -> list[str]:
    wrong = []
    for base in area.bases:
        stationed = planned.base_ids.count(base.id)
        if base.parking is not None and stationed > base.parking:
            wrong.append(f"{stationed} aircraft at {base.id}, which has room for {base.parking}")
    return wrong


def events(area: Area, planned: Strategy, segments: dict[int, Segment], column: Column) -> list[Event]:
    """Take-offs and landings of one column, in the order of time."""
    found = []
    for k, i in enumerate(column.segment_ids):
        s, base = segments[i], _pad_of(area, planned, k)
        if not s.t_s:
            continue
        pad = (base.x_m, base.y_m, base.alt_msl_m)
        for end, up in ((0, True), (-1, False)):
            if math.dist((s.x_m[end], s.y_m[end], s.alt_msl_m[end]), pad) <= AT_PAD_M:
                found.append(Event(s.t_s[end], base.id, up))
    return sorted(found)


def _pads(area: Area, planned: Strategy) -> list[str]:
    """No more take-offs and landings at a base at once than it has pads, across the waves' boundaries too."""
    room = {base.id: base.pads for base in area.bases}
    segments = {s.id: s for s in planned.segments}
    wrong: dict[str, None] = {}
    before: dict[int, list[list[Event]]] = {0: [[]]}  # by layout: what may have happened just before
    for w, wave in enumerate(planned.waves):
        late: dict[int, list[list[Event]]] = defaultdict(list)
        for column in wave.columns:
            here = events(area, planned, segments, column)
            edge = [e for e in here if e.t_s > wave.end_s - PAD_S]
            if edge not in late[column.ends]:
                late[column.ends].append(edge)
            for earlier in before.get(column.begins, [[]]):
                for crowd in _crowds(earlier + here, room):
                    wrong[
                        f"wave {w}: more than {room[crowd.base_id]} take-offs or landings at {crowd.base_id} within "
                        f"{PAD_S:.0f} s, {crowd.t_s:.0f} s into the watch"
                    ] = None
        before = dict(late)
    return list(wrong)


def _crowds(found: list[Event], room: dict[str, int]) -> Iterator[Event]:
    """Events by which more fall within PAD_S than there are pads."""
    for one in found:
        if sum(e.base_id == one.base_id and one.t_s - PAD_S < e.t_s <= one.t_s for e in found) > room[one.base_id]:
            yield one


# --- crews


def flights(area: Area, planned: Strategy, k: int) -> list[tuple[float, float]]:
    """From the earliest take-off to the latest landing of each flight of an aircraft, over all that can be drawn."""
    segments = {s.id: s for s in planned.segments}
    base = _pad_of(area, planned, k)
    pad = (base.x_m, base.y_m, base.alt_msl_m)
    spans: list[tuple[float, float]] = []
    up_s = math.inf
    for wave in planned.waves:
        own = [segments[c.segment_ids[k]] for c in wave.columns if c.weight > 0]
        flying = [s for s in own if s.t_s]
        if not flying:
            continue
        up_s = min(up_s, min(s.t_s[0] for s in flying))
        down = [s.t_s[-1] for s in flying if math.dist((s.x_m[-1], s.y_m[-1], s.alt_msl_m[-1]), pad) <= AT_PAD_M]
        if down:
            spans.append((up_s, max(down)))
            up_s = math.inf
    return spans


def _crews(area: Area, planned: Strategy) -> list[str]:
    """Every flight can be given to a crew of its base that is free and within its hours."""
    wrong = []
    for base in area.bases:
        if base.crews is None and base.crew_duty_s is None:
            continue
        spans = sorted(
            span for k, b in enumerate(planned.base_ids) if b == base.id for span in flights(area, planned, k)
        )
        crews = len(spans) if base.crews is None else base.crews
        duty_s = math.inf if base.crew_duty_s is None else base.crew_duty_s
        if not dealt(spans, crews, duty_s):
            hours = "" if math.isinf(duty_s) else f" of {duty_s / 60.0:.0f} min of duty"
            wrong.append(f"the {len(spans)} flights from {base.id} cannot be dealt to its {crews} crews{hours}")
    return wrong


def dealt(spans: list[tuple[float, float]], crews: int, duty_s: float) -> bool:
    """Whether flights (begin, end; in the order of their beginning) can be dealt to so many crews: one at a time each,
    from the first beginning to the last end no longer than the duty."""
    left = [TRIES]

    def deal(i: int, working: tuple[tuple[float, float], ...]) -> bool:
        """working: first beginning and last end of each crew that has flown."""
        if i == len(spans):
            return True
        left[0] -= 1
        if left[0] < 0:
            return False
        begin, end = spans[i]
        fits = [k for k, (first, last) in enumerate(working) if last <= begin + 1e-6 and end - first <= duty_s + 1e-6]
        for k in sorted(fits, key=lambda k: -working[k][1]):  # the one that waited least keeps the others fresh
            if deal(i + 1, (*working[:k], (working[k][0], end), *working[k + 1 :])):
                return True
        return len(working) < crews and end - begin <= duty_s + 1e-6 and deal(i + 1, (*working, (begin, end)))

    return deal(0, ())


# --- the sun


def _daylight(area: Area, planned: Strategy) -> list[str]:
    """Aircraft that fly only by day, or only by night, are in the air only then."""
    aircraft = {a.id: a for a in area.fleet.aircraft}
    wrong = []
    for k, name in enumerate(planned.aircraft_ids):
        one = aircraft[name]
        if one.fly == "any":
            continue
        if area.requirement.date is None:
            wrong.append(f"{name} flies only by {one.fly}, and the area does not say on which date")
            continue
        wrong += [w for span in flights(area, planned, k) for w in _by_the_sun(area, one, *span)]
    return wrong


def _by_the_sun(area: Area, aircraft: Aircraft, begin_s: float, end_s: float) -> list[str]:
    t_s = np.append(np.arange(begin_s, end_s, 300.0), end_s)
    height = sun_height_rad(watch_start(area), t_s, area.frame.lat0_deg, area.frame.lon0_deg) - SUN_RAD
    bad = height < -SUN_TOLERANCE_RAD if aircraft.fly == "day" else height > SUN_TOLERANCE_RAD
    if not bad.any():
        return []
    sun = "down" if aircraft.fly == "day" else "up"
    at = f"{t_s[int(bad.argmax())]:.0f} s into the watch"
    return [f"{aircraft.id}: flies only by {aircraft.fly}, and {at} the sun is {sun}"]


def watch_start(area: Area) -> datetime:
    """When the watch begins, UTC, on the area's date."""
    need = area.requirement
    hour, minute = (int(part) for part in need.start_local.split(":"))
    day = datetime.fromisoformat(need.date or "2000-01-01").replace(tzinfo=UTC)
    return day + timedelta(hours=hour - need.utc_offset_h, minutes=minute)


def sun_height_rad(start: datetime, t_s: FloatArray, lat_deg: float, lon_deg: float) -> FloatArray:
    """Height of the sun's middle (n,), without refraction: the low-precision formulas of the Astronomical Almanac,
    page C5, good to 0.01 degrees between 1950 and 2050."""
    days = (start - datetime(2000, 1, 1, 12, tzinfo=UTC)).total_seconds() / 86_400.0 + t_s / 86_400.0
    mean, anomaly = np.radians(280.460 + 0.9856474 * days), np.radians(357.528 + 0.9856003 * days)
    longitude = mean + np.radians(1.915 * np.sin(anomaly) + 0.020 * np.sin(2.0 * anomaly))
    tilt = np.radians(23.439 - 4e-7 * days)
    ascension = np.arctan2(np.cos(tilt) * np.sin(longitude), np.cos(longitude))
    declination = np.arcsin(np.sin(tilt) * np.sin(longitude))
    sidereal = np.radians((280.46062 + 360.985647 * days + lon_deg) % 360.0)
    lat, hour = math.radians(lat_deg), sidereal - ascension
    sine = math.sin(lat) * np.sin(declination) + math.cos(lat) * np.cos(declination) * np.cos(hour)
    return np.asarray(np.arcsin(np.clip(sine, -1.0, 1.0)))
