"""The way home: from any point of a flight, is a place reachable with what is left, in this wind, over this ground?

The way is the one that every autopilot flies when it is told to return: climb to an altitude that clears all between
(a multirotor on the spot, a wing in circles), straight there, down over it. Time is that of the worst wind of the
levels it passes; energy is rounded up; the terrain's own error is in the clearance.
"""

from __future__ import annotations

import math

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

from kuntur.aircraft import path, performance
from kuntur.model.assets import Aircraft
from kuntur.model.place import Terrain, Weather

FloatArray = NDArray[np.float64]

CORRIDOR_M, HEIGHT_M = 100.0, 50.0  # kept clear of on the way home: our choice


class WayHome(Struct, frozen=True, kw_only=True):
    """The way from one point to one place. alt_msl_m: of its level part. used_s: endurance that it takes, to be
    compared with what is left of `Budget.endurance_s`; energy_wh is None where the catalog has no battery figure."""

    place: str
    alt_msl_m: float
    time_s: float
    used_s: float
    energy_wh: float | None
    why: str
    """Empty when it can be flown; else what forbids it. Then time and endurance are infinite."""

    def reachable(self, left_s: float) -> bool:
        """With `left_s` of endurance left above the reserve (`Budget.endurance_s` less what was used)."""
        return not self.why and self.used_s <= left_s


def way(
    terrain: Terrain,
    aircraft: Aircraft,
    xyz_m: ArrayLike,
    place: str,
    place_xyz_m: ArrayLike,
    weather: Weather,
    clear_msl_m: float | None = None,
) -> WayHome:
    """The way from xyz_m (x, y, alt_msl_m) down to the ground at place_xyz_m.

    clear_msl_m: an altitude already known to clear the ground between; None: it is looked up in the terrain.

    It is charged by the budget at its highest, which is the dearest, and flown at the slowest cruise of its altitudes.
    """
    start, end = np.asarray(xyz_m, float), np.asarray(place_xyz_m, float)
    dx, dy = float(end[0] - start[0]), float(end[1] - start[1])
    needed_m = _clear_m(terrain, start, end) if clear_msl_m is None else clear_msl_m
    if math.isnan(needed_m):
        return _none(place, "the ground between is unknown (a void, or outside the terrain)")
    level_m = max(float(start[2]), needed_m, float(end[2]))
    top, low = (performance.loaded_budget(aircraft, alt, weather) for alt in (level_m, min(float(start[2]), level_m)))
    if not top.can_fly:
        return _none(place, f"at {level_m:.0f} m, which clears the ground between: {top.why}")
    climb_m = level_m - float(start[2])
    airspeed_mps = min(top.airspeed_mps, low.airspeed_mps)
    up_s = climb_m / top.climb_mps
    across_s = float(performance.leg_time_s(airspeed_mps, top.climb_mps, dx, dy, 0.0, weather, level_m))
    if not math.isfinite(across_s):
        return _none(place, f"no way against the wind at {level_m:.0f} m")
    down_s = (level_m - float(end[2])) / top.descent_mps
    # A wing climbs and comes down in circles.
    time_s = up_s + across_s + down_s
    energy_wh, used_s = performance.consumption(top, (up_s + down_s) * top.circling + across_s, climb_m)
    return WayHome(
        place=place,
        alt_msl_m=level_m,
        time_s=time_s,
        used_s=float(used_s),
        energy_wh=None if energy_wh is None else float(energy_wh),
        why="",
    )


def _clear_m(terrain: Terrain, start: FloatArray, end: FloatArray) -> float:
    """Least altitude that clears the ground between; NaN over what is unknown."""
    if math.hypot(end[0] - start[0], end[1] - start[1]) <= 1.0:
        return -math.inf
    return float(path.safe_altitude_m(terrain, [start[:2], end[:2]], CORRIDOR_M, HEIGHT_M)[0])


def nearest(ways: list[WayHome], left_s: float) -> WayHome | None:
    """Of the ways that `left_s` is enough for, the one that uses least; None when no place is in reach."""
    reachable = [one for one in ways if one.reachable(left_s)]
    return min(reachable, key=lambda one: one.used_s) if reachable else None


def _none(place: str, why: str) -> WayHome:
    infinite = math.inf
    return WayHome(place=place, alt_msl_m=math.nan, time_s=infinite, used_s=infinite, energy_wh=None, why=why)
