"""What the ways of a flight lattice take: each leg at the speeds, rates and winds of its own heights, turns included.

A leg is charged with the least airspeed and rates found at the heights between which it lies. Where a wing comes back
the way it went it turns inside the corridor: left by 60 degrees, right by 300, with its furthest point over the node
(the shortest path of bounded curvature that reverses a heading, Dubins 1957, is this one). That is REVERSAL radii
longer than the corner of the two legs, and every leg of a wing is charged with it; gentler turns cut the corner.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kuntur.aircraft import performance, wind
from kuntur.errors import InfeasibleError
from kuntur.model.assets import Aircraft
from kuntur.model.place import Weather

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]
BoolArray = NDArray[np.bool_]

REVERSAL: Final = 7.0 * math.pi / 3.0 - 2.0 * (1.0 + math.sqrt(3.0))
ALTITUDE_STEP_M: Final = 50.0  # the air is asked for at multiples of this, the next ones below and above count


class Air(Struct, frozen=True, kw_only=True):
    """One aircraft in one weather, up to the highest altitude that it flies at."""

    aircraft: Aircraft
    weather: Weather
    top_msl_m: float

    @property
    def wing(self) -> bool:
        return self.aircraft.airframe.kind == "fixed_wing"

    def at(self, alt_msl_m: float) -> performance.Budget:
        return _budget(self.aircraft, min(alt_msl_m, self.top_msl_m), self.weather)

    @property
    def strongest_wind_mps(self) -> float:
        return wind.strongest_mps(self.weather)

    def figures(self, alt_msl_m: FloatArray) -> FloatArray:
        """(5, ...) of altitudes: the least airspeed, climbing airspeed, climb and descent around each, and the most
        endurance that a metre of climb costs there."""
        low = np.floor(alt_msl_m / ALTITUDE_STEP_M).astype(int)
        known = {}
        for level in range(int(low.min()), int(low.max()) + 2):
            b = self.at(level * ALTITUDE_STEP_M)
            known[level] = (
                b.airspeed_mps,
                b.climb_airspeed_mps,
                b.climb_mps,
                b.descent_mps,
                -b.climb_surcharge_s_per_m,
            )
        table = np.array([known[level] for level in sorted(known)])
        row = low - low.min()
        found = np.minimum(table[row], table[row + 1])
        found[..., 4] *= -1.0
        return np.asarray(np.moveaxis(found, -1, 0), float)

    def endurance_s(self, lowest_msl_m: float) -> float:
        """The least that the aircraft has at any altitude between two."""
        levels = np.arange(lowest_msl_m, self.top_msl_m, ALTITUDE_STEP_M)
        return min(self.at(alt).endurance_s for alt in (*levels, self.top_msl_m))

    def turn_radius_m(self, lowest_msl_m: float) -> float:
        """Of the widest turn it needs anywhere, held over the ground in the strongest wind; 0 for who stands still."""
        if not self.wing:
            return 0.0
        speed_mps = max(self.at(lowest_msl_m).airspeed_mps, self.at(self.top_msl_m).airspeed_mps)
        return performance.turn_radius_m(speed_mps + self.strongest_wind_mps)


@lru_cache(maxsize=4096)
def _budget(aircraft: Aircraft, alt_msl_m: float, weather: Weather) -> performance.Budget:
    return performance.loaded_budget(aircraft, alt_msl_m, weather)


def require_room(air: Air, lowest_msl_m: float, circle_m: float, corridor_m: float) -> None:
    """Raise InfeasibleError where a wing turns wider than what the lattice keeps clear round nodes and along legs."""
    radius_m = air.turn_radius_m(lowest_msl_m)
    circling_m = performance.CIRCLE_OVER_TURN * radius_m
    # Where the reversal is wider than the corridor it must be inside the node's circle: see the picture of its arcs.
    aside_m = radius_m + math.sqrt(max(radius_m**2 - corridor_m**2, 0.0))
    reversing_m = math.hypot(aside_m, radius_m) if radius_m > corridor_m else 0.0
    if max(circling_m, reversing_m) > circle_m:
        raise cannot(
            air.aircraft,
            f"turns too wide: with a radius of {radius_m:.0f} m in a wind of {air.strongest_wind_mps:.0f} m/s it needs "
            f"{max(circling_m, reversing_m):.0f} m around a node, of which {circle_m:.0f} m are kept clear",
        )


def flown(air: Air, lines: list[FloatArray]) -> list[tuple[FloatArray, float, float, float]]:
    """For every polyline (k, 3): times at its vertices in s from 0 on, the endurance that its climbs and its circling
    up and down cost beyond their time, and the time that its last turn and that the whole way against the strongest
    wind may take. inf where the wind forbids a leg."""
    a, b = np.concatenate([line[:-1] for line in lines]), np.concatenate([line[1:] for line in lines])
    d = b - a
    ends = np.stack([air.figures(a[:, 2]), air.figures(b[:, 2])])
    speed, climb_speed, climb, descent = ends.min(axis=0)[:4]
    rate = np.where(d[:, 2] > 0.0, climb, descent)
    legs_s = performance.leg_time_s(speed, rate, d[:, 0], d[:, 1], d[:, 2], air.weather, a[:, 2], climb_speed)
    against_s = _against(air, d, speed, climb_speed, rate)
    circling = max(air.at(float(z)).circling for z in (a[:, 2].min(), air.top_msl_m))
    ground = np.hypot(d[:, 0], d[:, 1])
    over_s = np.maximum(d[:, 2], 0.0) * ends.max(axis=0)[4] + np.where(ground == 0.0, (circling - 1.0) * legs_s, 0.0)
    turn_s = REVERSAL * air.turn_radius_m(float(a[:, 2].min())) / speed
    result, first = [], 0
    for line in lines:
        last = first + len(line) - 1
        times = np.concatenate([[0.0], np.cumsum(legs_s[first:last])])
        result.append(
            (times, float(over_s[first:last].sum()), float(turn_s[last - 1]), float(against_s[first:last].sum()))
        )
        first = last
    return result


def _against(air: Air, d: FloatArray, speed: FloatArray, climb_speed: FloatArray, rate: FloatArray) -> FloatArray:
    """Times of legs if the strongest wind of any height blew against each of them."""
    wind_mps = air.strongest_wind_mps
    left = speed - wind_mps
    flyable = left >= performance.LEAST_GROUND_SPEED_MPS
    left = np.where(flyable, left, 1.0)
    ground = np.hypot(d[:, 0], d[:, 1])
    vertical_s = np.abs(d[:, 2]) / rate
    behind = np.maximum(1.0 - (climb_speed - wind_mps) / left, 0.0)
    level_s = np.where(flyable, ground / left, np.inf) + np.where(d[:, 2] > 0.0, behind * vertical_s, 0.0)
    return np.asarray(np.maximum(np.where(ground == 0.0, 0.0, level_s), vertical_s), float)


def cannot(aircraft: Aircraft, why: str) -> InfeasibleError:
    """The error that says what binds an aircraft."""
    return InfeasibleError(
        f"{aircraft.name} ({aircraft.airframe.name}) {why}.",
        remedy="Change its base, airframe or payload in [[aircraft]], or [requirement] height_agl_m or radio_required.",
    )


class Arc(NamedTuple):
    """An arc while the lattice is made. against_s: endurance if the strongest wind blew against it."""

    tail: int
    head: int
    steps: int
    use_s: float
    against_s: float
    t_s: FloatArray
    xyz_m: FloatArray


def line_of(a: FloatArray, b: FloatArray, level_m: float) -> FloatArray:
    """Vertices of a way: straight, or up (or down) over an end and level between."""
    if math.isnan(level_m):
        return np.vstack([a, b])
    vertices = np.vstack([a, [a[0], a[1], level_m], [b[0], b[1], level_m], b])
    kept = vertices[[True, *(np.abs(np.diff(vertices, axis=0)).max(axis=1) > 1e-6)]]
    return kept if len(kept) > 1 else np.vstack([a, b])


def arc(
    tail: int,
    head: int,
    line: FloatArray,
    cost: tuple[FloatArray, float, float, float],
    air: Air,
    landing: bool,
    step_s: float,
    circling: float,
) -> Arc:
    """A way in whole steps. A multirotor flies slower, not early; a wing circles, before it lands or at the end."""
    times, over_s, turn_s, against_s = cost
    turn_s = 0.0 if landing else turn_s
    steps = max(1, math.ceil((times[-1] + turn_s) / step_s - 1e-9))
    waits_s = steps * step_s - times[-1]
    vertices = line
    if not air.wing:
        times = times * (steps * step_s / times[-1])
    elif landing:
        times, vertices = np.concatenate([[0.0], times + waits_s]), np.vstack([line[:1], line])
    elif waits_s > 0.0:
        times, vertices = np.append(times, steps * step_s), np.vstack([line, line[-1:]])
    use_s = steps * step_s + over_s + waits_s * (circling - 1.0)
    # Late by the wind, or early and waiting: whichever is longer.
    against_s = max(against_s + turn_s + over_s, use_s)
    return Arc(tail, head, steps, math.ceil(use_s * 100.0 - 1e-6) / 100.0, against_s, times, vertices)


def with_way_home(
    aircraft: Aircraft,
    arcs: list[Arc],
    rallies: list[tuple[int, float]],
    usable_s: float,
    n: int,
    over: BoolArray,
) -> tuple[list[Arc], FloatArray]:
    """The arcs from every vertex of which the way home is open, and the endurance that the refuge of each node takes.

    The rule, for whatever is drawn: (1) what was used so far and the way home in the wind planned for stay within the
    endurance before the reserve; (2) what was used so far and the way to the nearest base or rally point, with the
    strongest wind against every leg, stay within the endurance with the reserve.
    (1) holds by construction once a plan fits its endurance: the rest of the flight is a way home. So what was used at
    a node is at most usable - home, and (2) follows where refuge - home <= reserve; at a vertex of an arc, where that
    and what the wind adds to the whole arc does. Other arcs are left out, and so are nodes too far to reach.
    """
    reserve_s = usable_s * performance.RESERVE / (1.0 - performance.RESERVE)
    first: tuple[FloatArray, FloatArray, FloatArray] | None = None
    while True:
        tail, head = np.array([a.tail for a in arcs], np.int32), np.array([a.head for a in arcs], np.int32)
        use_s, against_s = np.array([a.use_s for a in arcs]), np.array([a.against_s for a in arcs])
        out_s = least(tail, head, use_s, n, n + 2)
        home_s = least(head, tail, use_s, n + 1, n + 2)
        goal = n + 2  # a base or a rally point, on the ground
        ends = [(n + 1, 0.0), *rallies]
        refuge_s = least(
            np.concatenate([head, np.full(len(ends), goal)]).astype(np.int32),
            np.concatenate([tail, [node for node, _ in ends]]).astype(np.int32),
            np.concatenate([against_s, [cost for _, cost in ends]]),
            goal,
            n + 3,
        )[:-1]
        with np.errstate(invalid="ignore"):  # inf - inf is no way at all
            late_s = (against_s - use_s) + (refuge_s[head] - home_s[head])
            good = (out_s[tail] + use_s + home_s[head] <= usable_s) & (late_s <= reserve_s)
        good |= head == n  # waiting at the base
        first = first or (out_s, home_s, refuge_s)
        if not (over & np.isfinite(out_s[:n]) & np.isfinite(home_s[:n])).any():
            raise cannot(aircraft, _no_way_home(usable_s, reserve_s, *first, over))
        if good.all():
            return arcs, refuge_s
        arcs = [arc for arc, kept in zip(arcs, good, strict=True) if kept]


def _no_way_home(
    usable_s: float, reserve_s: float, out_s: FloatArray, home_s: FloatArray, refuge_s: FloatArray, over: BoolArray
) -> str:
    """Which part of the rule leaves no node over the strip."""
    n = len(over)
    both_s = np.where(over, out_s[:n] + home_s[:n], np.inf)
    nearest = int(np.argmin(both_s))
    if not math.isfinite(both_s[nearest]):
        return "has no way home from any node over the strip: the wind, height or zones let it out there but not back"
    if both_s[nearest] > usable_s:
        return (
            f"cannot reach the strip behind the border and return: the way there and back takes "
            f"{both_s[nearest] / 60.0:.0f} min of endurance at least, its endurance in this air after the reserve is "
            f"{usable_s / 60.0:.0f} min"
        )
    return (
        f"would not come home from the strip if the wind turned against it: that takes "
        f"{(refuge_s[nearest] - home_s[nearest]) / 60.0:.0f} min more than the way home planned, the reserve is "
        f"{reserve_s / 60.0:.0f} min and no rally point is nearer"
    )


def least(tail: IntArray, head: IntArray, cost: FloatArray, start: int, count: int) -> FloatArray:
    """Least sum of cost from `start` to each of `count` nodes along arcs tail -> head; inf where there is no way."""
    found = np.full(count, np.inf)
    found[start] = 0.0
    for _ in range(count):
        nearer = found.copy()
        np.minimum.at(nearer, head, found[tail] + cost)
        if np.array_equal(nearer, found):
            break
        found = nearer
    return found
