"""The checker's look at single legs: terrain, turns, border, zones, speed, climb, ceiling and radio, by its own sums.

Each different leg of an aircraft is looked at once, however many segments use it; a fault names the first of them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import shapely
from msgspec import Struct
from numpy.typing import NDArray

from kuntur.aircraft import performance
from kuntur.geodesy import grid, lines
from kuntur.model.assets import Aircraft, Base, Radio
from kuntur.model.place import Area, Terrain
from kuntur.model.plans import Segment
from kuntur.units import EARTH_RADIUS_M, SPEED_OF_LIGHT_MPS, STANDARD_GRAVITY_MPS2
from kuntur.visibility import detection

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

SAMPLE_M: Final = 50.0
ASIDE_M: Final = 75.0  # legs are also looked at this far to either side: our choice, above any navigation error
LEAST_CLEARANCE_M: Final = 50.0  # over the terrain below the path: our choice; the planner keeps more, in a corridor
LEAST_OVER_ERROR_M: Final = 30.0  # left where the terrain is higher by its error at 90 %: our choice
UNKNOWN_ERROR_M: Final = 16.0  # where a product states none: the specification of SRTM (Farr et al. 2007, RG2004)
NEAR_BASE_M: Final = 30.0
SPEED_TOLERANCE: Final = 1.02
BANK_RAD: Final = math.radians(45.0)  # ArduPlane's default ROLL_LIMIT_DEG
TURN_RAD: Final = math.radians(10.0)  # what is less is not a turn
AIMED_LEG_M: Final = 400.0  # on shorter ones (the ends of a climb) the sector is the longer leg's beside them
AIM_TOLERANCE_M: Final = 100.0  # between this sampling of a sector's middle line and another's: our choice
RADIO_SAMPLE_M: Final = 500.0
RADIO_RESERVE_DB: Final = 20.0  # Microhard pMDDL2450 Operating Manual, "at least 20 dB"
FRESNEL_SHARE: Final = 0.6  # of the first zone's radius (ITU-R P.530-18, 2.2.2)
EFFECTIVE_EARTH: Final = 4.0 / 3.0  # ITU-R P.530-18, 2.2.2


class Legs(Struct, frozen=True, kw_only=True, eq=False):
    """The different legs of one aircraft: ends a, b (n, 3), seconds dt (n,), and a segment that flies each."""

    a_m: FloatArray
    b_m: FloatArray
    dt_s: FloatArray
    first: tuple[Segment, ...]

    def where(self, i: int) -> str:
        s = self.first[i]
        return f"segment {s.id} ({s.aircraft_id}, wave {s.wave})"


def faults(area: Area, aircraft: Aircraft, base: Base, segments: Sequence[Segment]) -> list[str]:
    """What is wrong with the legs of one aircraft. area: its terrain is the surface."""
    legs = different(segments)
    if not len(legs.dt_s):
        return []
    leg, at = sampled(legs, SAMPLE_M)
    return [
        *_speeds(area, aircraft, legs),
        *_clearance(area, base, legs, leg, at),
        *_turns(area, aircraft, base, segments),
        *_border(area, legs, leg, at),
        *_zones(area, legs, leg, at),
        *_ceiling(area, aircraft, legs),
        *_radio(area, aircraft, legs),
        *_looks(area, aircraft, segments),
    ]


def different(segments: Iterable[Segment]) -> Legs:
    """Every leg once: the same ends (to 1 cm) in the same time (to 1 ms)."""
    known: dict[tuple[float, ...], Segment] = {}
    for s in segments:
        points = list(zip(s.x_m, s.y_m, s.alt_msl_m, s.t_s, strict=True))
        for (ax, ay, az, at), (bx, by, bz, bt) in itertools.pairwise(points):
            key = (*(round(v, 2) for v in (ax, ay, az, bx, by, bz)), round(bt - at, 3))
            known.setdefault(key, s)
    table = np.array(list(known), float).reshape(-1, 7)
    return Legs(a_m=table[:, :3], b_m=table[:, 3:6], dt_s=table[:, 6], first=tuple(known.values()))


def sampled(legs: Legs, spacing_m: float) -> tuple[NDArray[np.intp], FloatArray]:
    """Points at most `spacing_m` apart along all legs, ends included: number of the leg (k,), place (k, 3)."""
    lengths = np.linalg.norm(legs.b_m - legs.a_m, axis=1)
    counts = np.maximum(1, np.ceil(lengths / spacing_m)).astype(int) + 1
    leg = np.repeat(np.arange(len(counts)), counts)
    step = np.arange(len(leg)) - np.repeat(np.cumsum(counts) - counts, counts)
    share = (step / (counts[leg] - 1))[:, None]
    return leg, legs.a_m[leg] * (1.0 - share) + legs.b_m[leg] * share


def _worst(leg: NDArray[np.intp], value: FloatArray, count: int) -> FloatArray:
    """Least value of each leg (inf where it has none); NaN counts as the least."""
    least = np.full(count, math.inf)
    np.minimum.at(least, leg, np.where(np.isnan(value), -math.inf, value))
    return least


def required_clearance_m(terrain: Terrain) -> float:
    """What must lie between a path and the surface below, the terrain's own error in it."""
    known = terrain.vertical_error_le90_m
    return max(LEAST_CLEARANCE_M, LEAST_OVER_ERROR_M + (UNKNOWN_ERROR_M if known is None else known))


def clearance(terrain: Terrain, a_m: FloatArray, b_m: FloatArray, leg: NDArray[np.intp], at: FloatArray) -> FloatArray:
    """Height of each sample (k,) over the highest surface below it and `ASIDE_M` to either side; NaN over a void."""
    along = (b_m - a_m)[leg, :2]
    length = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)
    aside = np.stack([along[:, 1], -along[:, 0]], axis=-1) / length[:, None] * ASIDE_M
    tops = [
        grid.height_at(terrain, at[:, 0] + k * aside[:, 0], at[:, 1] + k * aside[:, 1]) for k in (-1.0, -0.5, 0, 0.5, 1)
    ]
    return np.asarray(at[:, 2] - np.stack(tops).max(axis=0))


def _clearance(area: Area, base: Base, legs: Legs, leg: NDArray[np.intp], at: FloatArray) -> list[str]:
    high = np.hypot(at[:, 0] - base.x_m, at[:, 1] - base.y_m) > NEAR_BASE_M
    gap = clearance(area.terrain, legs.a_m, legs.b_m, leg[high], at[high])
    least, needed = _worst(leg[high], gap, len(legs.dt_s)), required_clearance_m(area.terrain)
    wrong = []
    for i in np.flatnonzero(least < needed):
        if math.isinf(least[i]):
            wrong.append(f"{legs.where(int(i))}: passes over a void or leaves the terrain")
        else:
            wrong.append(f"{legs.where(int(i))}: only {least[i]:.0f} m above the ground and what stands on it")
    return wrong


def _border(area: Area, legs: Legs, leg: NDArray[np.intp], at: FloatArray) -> list[str]:
    _, inward = lines.inward_offset(area.border.xy_m, area.border.ours, at[:, 0], at[:, 1])
    least = _worst(leg, inward, len(legs.dt_s))
    return [f"{legs.where(int(i))}: crosses the border by {-least[i]:.0f} m" for i in np.flatnonzero(least < 0.0)]


def _zones(area: Area, legs: Legs, leg: NDArray[np.intp], at: FloatArray) -> list[str]:
    wrong = []
    ways = shapely.linestrings(np.stack([legs.a_m[:, :2], legs.b_m[:, :2]], axis=1))
    for zone in area.zones:
        if zone.kind != "no_fly":
            continue
        ring = shapely.Polygon(zone.xy_m)
        entered = shapely.intersects(ways, ring)
        low = -math.inf if zone.floor_msl_m is None else zone.floor_msl_m
        top = math.inf if zone.ceiling_msl_m is None else zone.ceiling_msl_m
        if math.isfinite(low) or math.isfinite(top):  # only where it is inside and at its height
            inside = shapely.contains_xy(ring, at[:, 0], at[:, 1]) & (at[:, 2] >= low) & (at[:, 2] <= top)
            entered &= np.bincount(leg, inside, len(entered)) > 0
        wrong += [f"{legs.where(int(i))}: enters the no-fly zone {zone.name}" for i in np.flatnonzero(entered)]
    return wrong


def wind_mps(area: Area, alt_msl_m: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Wind (..., 2) east and north at heights (...), linear between levels, and by how much it may be another."""
    alt, weather = np.asarray(alt_msl_m, float), area.weather
    levels = [(v.alt_msl_m, v.wind_speed_mps, v.wind_from_rad, v.spread_mps) for v in weather.winds]
    levels = levels or [(0.0, weather.wind_speed_mps, weather.wind_from_rad, 0.0)]
    at, speed, toward, spread = np.array(levels).T
    east, north = (np.interp(alt, at, -speed * f(toward)) for f in (np.sin, np.cos))
    return np.stack([east, north], axis=-1), np.interp(alt, at, spread)


def _speeds(area: Area, aircraft: Aircraft, legs: Legs) -> list[str]:
    """No leg faster through the air than the airframe cruises there, nor climbing or sinking faster than it can."""
    d = legs.b_m - legs.a_m
    needed, at_m = np.zeros(len(d)), np.zeros(len(d))
    for ends in (legs.a_m, 0.5 * (legs.a_m + legs.b_m), legs.b_m):
        wind, spread = wind_mps(area, ends[:, 2])
        here = np.linalg.norm(d[:, :2] / legs.dt_s[:, None] - wind, axis=1) + spread
        at_m = np.where(here > needed, ends[:, 2], at_m)
        needed = np.maximum(needed, here)
    moving = np.hypot(d[:, 0], d[:, 1]) > 1.0  # in one place it circles or hovers
    wrong = []
    known: dict[float, performance.Budget] = {}

    def budget(alt_msl_m: float) -> performance.Budget:
        rounded = round(alt_msl_m, -1)
        if rounded not in known:
            known[rounded] = performance.loaded_budget(aircraft, rounded, area.weather)
        return known[rounded]

    for i in range(len(legs.dt_s)):
        ends_m = float(legs.a_m[i, 2]), float(legs.b_m[i, 2])
        cruise = min(budget(alt).airspeed_mps for alt in ends_m)
        if moving[i] and needed[i] > cruise * SPEED_TOLERANCE:
            wrong.append(
                f"{legs.where(int(i))}: a leg at {needed[i]:.1f} m/s through the air at {at_m[i]:.0f} m is faster than "
                f"it flies ({cruise:.1f})"
            )
        can, rise = budget(max(ends_m)), float(d[i, 2] / legs.dt_s[i])
        if rise > can.climb_mps * SPEED_TOLERANCE:
            wrong.append(f"{legs.where(int(i))}: climbs at {rise:.2f} m/s, it can do {can.climb_mps:.2f}")
        if -rise > can.descent_mps * SPEED_TOLERANCE:
            wrong.append(f"{legs.where(int(i))}: sinks at {-rise:.2f} m/s, it can do {can.descent_mps:.2f}")
    return wrong


def _ceiling(area: Area, aircraft: Aircraft, legs: Legs) -> list[str]:
    """Never above the published ceiling, nor where this payload in this air cannot fly."""
    top = np.maximum(legs.a_m[:, 2], legs.b_m[:, 2])
    i = int(top.argmax())
    if top[i] > aircraft.airframe.ceiling_msl_m:
        return [f"{legs.where(int(i))}: above the ceiling of {aircraft.airframe.name}"]
    can = performance.loaded_budget(aircraft, float(top[i]), area.weather)
    return [] if can.can_fly else [f"{legs.where(int(i))}: cannot be flown: {can.why}"]


def _turns(area: Area, aircraft: Aircraft, base: Base, segments: Sequence[Segment]) -> list[str]:
    """Where a wing turns or circles, the ground within two radii lies below it and the border is a radius away.

    The corner over the base is left out: what is flown there is the climb and the approach of the base's own circuit.
    """
    if aircraft.airframe.kind != "fixed_wing":
        return []
    corners: dict[tuple[float, float, float], Segment] = {}
    for s in segments:
        xy = np.column_stack([s.x_m, s.y_m])
        way = np.diff(xy, axis=0)
        heading = np.arctan2(way[:, 0], way[:, 1])
        still = np.hypot(way[:, 0], way[:, 1]) < 1.0
        for i in range(1, len(xy) - 1):
            bend = abs((heading[i] - heading[i - 1] + math.pi) % (2.0 * math.pi) - math.pi)
            if still[i] or still[i - 1] or bend > TURN_RAD:
                corners.setdefault((s.x_m[i], s.y_m[i], s.alt_msl_m[i]), s)
    wrong = []
    for (x, y, alt), s in corners.items():
        if math.hypot(x - base.x_m, y - base.y_m) <= NEAR_BASE_M:
            continue
        speed = performance.loaded_budget(aircraft, alt, area.weather).airspeed_mps
        radius_m = speed**2 / (STANDARD_GRAVITY_MPS2 * math.tan(BANK_RAD))
        disc_m = 2.0 * radius_m
        where = f"segment {s.id} ({s.aircraft_id}, wave {s.wave})"
        angle = np.linspace(0.0, 2.0 * math.pi, 16, endpoint=False)
        ring = np.concatenate([[[x, y]], *([x, y] + f * disc_m * _circle(angle) for f in (1.0 / 3.0, 2.0 / 3.0, 1.0))])
        top = grid.height_at(area.terrain, ring[:, 0], ring[:, 1]).max()
        if not alt - top >= LEAST_OVER_ERROR_M:
            wrong.append(f"{where}: turns within {disc_m:.0f} m of ground that is {alt - top:.0f} m below it")
        _, inward = lines.inward_offset(area.border.xy_m, area.border.ours, x, y)
        if inward[0] < radius_m:
            wrong.append(f"{where}: turns {inward[0]:.0f} m from the border with a radius of {radius_m:.0f} m")
    return wrong


def _circle(angle_rad: FloatArray) -> FloatArray:
    return np.stack([np.cos(angle_rad), np.sin(angle_rad)], axis=-1)


def _looks(area: Area, aircraft: Aircraft, segments: Sequence[Segment]) -> list[str]:
    """Every leg's look is one that the area lets this aircraft take, and no sector is aimed abroad or where looking is
    forbidden: its middle line, from the middle of the leg, as far as the camera reaches."""
    reach_m = max(detection.max_range_m(aircraft.camera, one.target, area.weather) for one in area.crossers)
    wrong: dict[str, None] = {}
    for s in segments:
        where = f"segment {s.id} ({s.aircraft_id}, wave {s.wave})"
        if s.looks and len(s.looks) != len(s.t_s) - 1:
            wrong[f"{where}: {len(s.looks)} looks for {len(s.t_s) - 1} legs"] = None
            continue
        if strange := sorted({look.kind for look in s.looks} - set(aircraft.looks)):
            wrong[f"{where}: looks by {', '.join(strange)}, which {aircraft.id} is not given"] = None
        for i, look in enumerate(s.looks):
            if look.kind == "sweep" or math.hypot(s.x_m[i + 1] - s.x_m[i], s.y_m[i + 1] - s.y_m[i]) < AIMED_LEG_M:
                continue
            far = np.linspace(0.0, reach_m, 24)
            x = 0.5 * (s.x_m[i] + s.x_m[i + 1]) + far * math.sin(look.azimuth_rad)
            y = 0.5 * (s.y_m[i] + s.y_m[i + 1]) + far * math.cos(look.azimuth_rad)
            _, inward = lines.inward_offset(area.border.xy_m, area.border.ours, x, y)
            if inward.min() < -AIM_TOLERANCE_M:
                wrong[f"{where}: a sector is aimed {-inward.min():.0f} m abroad on leg {i + 1}"] = None
            for zone in area.zones:
                if zone.kind == "no_look" and shapely.contains_xy(shapely.Polygon(zone.xy_m), x, y).any():
                    wrong[f"{where}: a sector is aimed into the no-look zone {zone.name} on leg {i + 1}"] = None
    return list(wrong)


# --- radio


def _radio(area: Area, aircraft: Aircraft, legs: Legs) -> list[str]:
    """A link to some base's mast all along, by sight with the inner Fresnel zone free and the free-space budget."""
    if not area.requirement.radio_required:
        return []
    leg, at = sampled(legs, RADIO_SAMPLE_M)
    linked = np.zeros(len(at), bool)
    for base in area.bases:
        mast = np.array([base.x_m, base.y_m, base.alt_msl_m + base.mast_agl_m])
        todo = np.flatnonzero(~linked)
        linked[todo] = _reaches(area.terrain, mast, at[todo], aircraft.radio, base.mast_gain_dbi)
        linked |= np.hypot(at[:, 0] - base.x_m, at[:, 1] - base.y_m) <= NEAR_BASE_M
    without = np.bincount(leg[~linked], minlength=len(legs.dt_s))
    return [f"{legs.where(int(i))}: no radio link ({aircraft.radio.name}) to any base" for i in np.flatnonzero(without)]


def _reaches(
    terrain: Terrain, mast_m: FloatArray, at_m: FloatArray, radio: Radio, mast_gain_dbi: float | None
) -> BoolArray:
    distance = np.linalg.norm(at_m - mast_m, axis=1)
    good = np.ones(len(at_m), bool) if radio.max_range_m is None else distance <= radio.max_range_m
    gain = radio.antenna_gain_dbi if mast_gain_dbi is None else mast_gain_dbi
    known = (radio.tx_power_dbm, gain, radio.antenna_gain_dbi, radio.sensitivity_dbm)
    if None not in known:
        power, ours, its, least = (float(v) for v in known if v is not None)
        wavelength_m = SPEED_OF_LIGHT_MPS / radio.frequency_hz
        loss = 20.0 * np.log10(4.0 * math.pi * np.maximum(distance, wavelength_m) / wavelength_m)
        good &= power + ours + its - loss - least >= RADIO_RESERVE_DB
    elif radio.max_range_m is None:
        return np.zeros(len(at_m), bool)
    for i in np.flatnonzero(good):
        good[i] = _zone_free(terrain, mast_m, at_m[i], SPEED_OF_LIGHT_MPS / radio.frequency_hz)
    return good


def _zone_free(terrain: Terrain, a_m: FloatArray, b_m: FloatArray, wavelength_m: float) -> bool:
    """Whether 0.6 of the first Fresnel zone's radius is clear of the surface between two antennas.

    The surface is bilinear and looked at four times a cell, the ends excepted where the zone has no width.
    """
    length = float(np.hypot(*(b_m - a_m)[:2]))
    count = max(2, math.ceil(length / (terrain.cell_m / 4.0)))
    share = (np.arange(count) + 0.5) / count
    d1, d2 = share * length, (1.0 - share) * length
    line = a_m[2] + share * (b_m[2] - a_m[2]) - d1 * d2 / (2.0 * EFFECTIVE_EARTH * EARTH_RADIUS_M)
    radius = np.sqrt(wavelength_m * d1 * d2 / max(length, 1e-9))
    x, y = a_m[0] + share * (b_m[0] - a_m[0]), a_m[1] + share * (b_m[1] - a_m[1])
    gap = line - grid.height_at(terrain, x, y)
    return bool((gap >= FRESNEL_SHARE * radius).all())
