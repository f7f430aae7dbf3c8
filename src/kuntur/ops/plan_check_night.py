"""The checker's look at whole nights: energy, turn-round, the way home and separation, whatever is drawn.

What an aircraft has used when a wave begins depends on what was drawn before; here it is the most of anything that can
have been drawn, carried from layout to layout. Times and climbs are summed from the schedule; how long a battery or
tank lasts in this air is `aircraft.performance`'s.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from kuntur.aircraft import performance
from kuntur.model.assets import Aircraft, Base
from kuntur.model.place import Area
from kuntur.model.plans import Segment, Strategy
from kuntur.ops.plan_check_path import different, wind_mps

FloatArray = NDArray[np.float64]
Point = tuple[float, float, float]

SEPARATION_M: Final = 50.0  # vertical, where aircraft come within SEPARATION_ACROSS_M: our choice
SEPARATION_ACROSS_M: Final = 150.0
AT_PAD_M: Final = 1.0
TIME_TOLERANCE_S: Final = 1e-3
SUM_TOLERANCE_S: Final = 1.0  # a schedule's times are rounded to a millisecond, its stated use to 0.01 s
ALTITUDE_STEP_M: Final = 50.0  # heights are rounded up to this before the air is asked for


class Standing(Struct, frozen=True):
    """How an aircraft may stand at a wave's beginning: in the air, the most it has used, the latest it has landed."""

    airborne: bool = False
    used_s: float = 0.0
    landed_s: float = -math.inf

    def or_(self, other: Standing) -> Standing:
        return Standing(
            self.airborne or other.airborne,
            max(self.used_s, other.used_s),
            max(self.landed_s, other.landed_s),
        )


class Air:
    """What the battery or tank of one aircraft gives in this air, by height: each leg's share of the whole is summed.

    A leg is charged with the endurance at its top, where it is least, and its climb at its bottom, where a climb costs
    most. Used so, endurance is in seconds at the highest place of the plan.
    """

    def __init__(self, area: Area, aircraft: Aircraft, own: Iterable[Segment]) -> None:
        self._area, self._aircraft = area, aircraft
        self._known: dict[float, performance.Budget] = {}
        self.least = self.at(max(max(s.alt_msl_m) for s in own))
        self.endurance_s = self.least.endurance_s

    def at(self, alt_msl_m: float) -> performance.Budget:
        """The budget at a height, rounded up to 50 m where it can fly there."""
        rounded = math.ceil(alt_msl_m / ALTITUDE_STEP_M) * ALTITUDE_STEP_M
        if rounded not in self._known:
            found = performance.loaded_budget(self._aircraft, rounded, self._area.weather)
            if not found.can_fly:
                found = performance.loaded_budget(self._aircraft, alt_msl_m, self._area.weather)
            self._known[rounded] = found
        return self._known[rounded]

    def leg_s(self, dt_s: float, from_msl_m: float, to_msl_m: float, *, still: bool = False) -> float:
        """Endurance used by a leg; still: it circles (a wing) or hovers in one place."""
        top = self.at(max(from_msl_m, to_msl_m))
        if top.endurance_s <= 0.0:
            return math.inf
        climb_s = max(to_msl_m - from_msl_m, 0.0) * self.at(min(from_msl_m, to_msl_m)).climb_surcharge_s_per_m
        wait = top.circling if still and climb_s == 0.0 else 1.0
        return (dt_s * wait + climb_s) * min(1.0, self.endurance_s / top.endurance_s)

    def used_s(self, s: Segment) -> list[float]:
        """Endurance used by a segment up to each of its points."""
        points = list(zip(s.t_s, s.x_m, s.y_m, s.alt_msl_m, strict=True))
        legs = (
            self.leg_s(b[0] - a[0], a[3], b[3], still=math.hypot(b[1] - a[1], b[2] - a[2]) < 1.0)
            for a, b in itertools.pairwise(points)
        )
        return list(itertools.accumulate(legs, initial=0.0))


def faults(area: Area, planned: Strategy, k: int, aircraft: Aircraft, base: Base) -> list[str]:
    """What is wrong with one aircraft's night: energy, turn-round and the way home."""
    segments = {s.id: s for s in planned.segments}
    own = [s for s in planned.segments if s.aircraft_id == aircraft.id and s.t_s]
    if not own:
        return []
    air = Air(area, aircraft, own)
    pad = (base.x_m, base.y_m, base.alt_msl_m)
    home = _home_s(area, air, own, pad)
    wrong: dict[str, None] = {}
    for w, s, before in _flown(planned, k, segments, pad, air):
        if not before.airborne and s.t_s[0] < before.landed_s + aircraft.turnround_s - TIME_TOLERANCE_S:
            rest_s = s.t_s[0] - before.landed_s
            wrong[f"{aircraft.id}: takes off in wave {w} {rest_s:.0f} s after it may have landed, not after "
                  f"{aircraft.turnround_s:.0f} s"] = None  # fmt: skip
        used = [(before.used_s if before.airborne else 0.0) + x for x in air.used_s(s)]
        if used[-1] > air.endurance_s + SUM_TOLERANCE_S:
            said = f"the flight of wave {w} uses {used[-1]:.0f} s of {air.endurance_s:.0f} s endurance"
            wrong[f"{aircraft.id}: {said}"] = None
        if s.endurance_s < s.t_s[-1] - s.t_s[0] - SUM_TOLERANCE_S:
            wrong[f"segment {s.id} ({aircraft.id}, wave {w}): states {s.endurance_s:.0f} s of endurance and lasts "
                  f"{s.t_s[-1] - s.t_s[0]:.0f} s"] = None  # fmt: skip
        for i, point in enumerate(_points(s)):
            left_s = air.endurance_s - used[i]
            if home[point] > left_s + SUM_TOLERANCE_S:
                wrong[f"segment {s.id} ({aircraft.id}, wave {w}): no way home from its point {i + 1}: it takes "
                      f"{home[point]:.0f} s, {left_s:.0f} s of endurance are left"] = None  # fmt: skip
                break
    return list(wrong)


def _flown(
    planned: Strategy, k: int, segments: dict[int, Segment], pad: Point, air: Air
) -> Iterator[tuple[int, Segment, Standing]]:
    """Every segment of aircraft k that can be drawn, with the worst it can be flown after."""
    standing = {0: Standing()}
    for w, wave in enumerate(planned.waves):
        after: dict[int, Standing] = {}
        for column in wave.columns:
            before = standing.get(column.begins)
            if before is None or column.weight <= 0:
                continue  # never drawn
            s = segments[column.segment_ids[k]]
            if s.t_s:
                yield w, s, before
            now = _after(s, before, pad, air)
            known = after.get(column.ends)
            after[column.ends] = now if known is None else known.or_(now)
        standing = after


def _after(s: Segment, before: Standing, pad: Point, air: Air) -> Standing:
    if not s.t_s:
        return Standing(landed_s=before.landed_s)
    if math.dist(_points(s)[-1], pad) <= AT_PAD_M:
        return Standing(landed_s=s.t_s[-1])
    return Standing(airborne=True, used_s=(before.used_s if before.airborne else 0.0) + air.used_s(s)[-1])


def _points(s: Segment) -> list[Point]:
    return list(zip(s.x_m, s.y_m, s.alt_msl_m, strict=True))


def _home_s(area: Area, air: Air, own: Iterable[Segment], pad: Point) -> dict[Point, float]:
    """Least endurance from every point of the plan back to the pad, along legs of the plan itself in either direction.

    Those legs are the ones that are looked at against terrain, zones, border and radio.
    """
    number: dict[tuple[float, ...], int] = {}
    place: dict[Point, int] = {}
    for point in itertools.chain([pad], *(_points(s) for s in own)):
        place[point] = number.setdefault(_spot(point), len(number))
    legs = different(own)
    ends = [[number[_spot(p.tolist())] for p in points] for points in (legs.a_m, legs.b_m)]
    there, back = _way_s(area, air, legs.a_m, legs.b_m), _way_s(area, air, legs.b_m, legs.a_m)
    cost: dict[tuple[int, int], float] = defaultdict(lambda: math.inf)
    for a, b, ab, ba in zip(*ends, there, back, strict=True):
        if a != b:
            cost[a, b], cost[b, a] = min(cost[a, b], float(ab)), min(cost[b, a], float(ba))
    known = [(pair, value) for pair, value in cost.items() if math.isfinite(value)]
    rows, cols = np.array([pair for pair, _ in known] or np.zeros((0, 2), int)).T
    graph = csr_array((np.array([v for _, v in known]), (cols, rows)), shape=(len(number), len(number)))
    least = dijkstra(graph, indices=place[pad])
    return {point: float(least[i]) for point, i in place.items()}


def _spot(point: Sequence[float]) -> tuple[float, ...]:
    """A place to 10 cm, the same for a point and for its rounding to 1 cm."""
    return tuple(round(round(v, 2), 1) for v in point)


def _way_s(area: Area, air: Air, from_m: FloatArray, to_m: FloatArray) -> FloatArray:
    """Endurance (n,) that legs take: the wind triangle, the climb or the descent, whichever is longer.

    Cruise is the slowest and the climb the weakest of the plan's heights: those at the leg's ends.
    """
    way = to_m - from_m
    ground = np.hypot(way[:, 0], way[:, 1])
    unit = way[:, :2] / np.maximum(ground, 1e-9)[:, None]
    wind, spread = wind_mps(area, 0.5 * (from_m[:, 2] + to_m[:, 2]))
    along = (unit * wind).sum(axis=1) - spread
    across = np.abs(unit[:, 1] * wind[:, 0] - unit[:, 0] * wind[:, 1]) + spread
    found = np.empty(len(way))
    for i, (a, b) in enumerate(zip(from_m[:, 2], to_m[:, 2], strict=True)):
        low, high = air.at(float(min(a, b))), air.at(float(max(a, b)))
        headroom = min(low.airspeed_mps, high.airspeed_mps) ** 2 - across[i] ** 2
        speed = math.sqrt(headroom) + along[i] if headroom > 0.0 else 0.0
        level_s = 0.0 if ground[i] < 1e-6 else ground[i] / speed if speed > 0.0 else math.inf
        vertical_s = max((b - a) / high.climb_mps, (a - b) / high.descent_mps)
        found[i] = air.leg_s(max(level_s, vertical_s), float(a), float(b))
    return found


# --- separation


def separation(planned: Strategy) -> list[str]:
    """No two aircraft of a column near each other at the same height, from take-off to landing: exact, not sampled."""
    segments = {s.id: s for s in planned.segments}
    wrong = []
    seen: set[tuple[int, int]] = set()
    for w, wave in enumerate(planned.waves):
        for column in wave.columns:
            for i, j in itertools.combinations(column.segment_ids, 2):
                if (i, j) in seen:
                    continue
                seen.add((i, j))
                t_s = meeting_s(segments[i], segments[j])
                if t_s is not None:
                    first = segments[i].aircraft_id, segments[j].aircraft_id
                    wrong.append(f"wave {w}: {first[0]} and {first[1]} meet {t_s:.0f} s into the watch")
    return wrong


def meeting_s(one: Segment, other: Segment) -> float | None:
    """When two segments first come closer than the separation, both across and in height; None if never.

    Between vertices both fly straight at constant speed, so the distance across is a parabola and the height's
    difference a line in time, and each interval between vertices is solved exactly.
    """
    if not one.t_s or not other.t_s:
        return None
    begin, end = max(one.t_s[0], other.t_s[0]), min(one.t_s[-1], other.t_s[-1])
    if end <= begin:
        return None
    inner = [t for t in (*one.t_s, *other.t_s) if begin < t < end]
    t = np.unique([begin, *inner, end])
    gap = _positions(one, t) - _positions(other, t)
    for a, b, at in zip(gap, gap[1:], range(len(t) - 1), strict=False):
        low, high = _near(a[:2], b[:2] - a[:2])
        bottom, top = _level(float(a[2]), float(b[2] - a[2]))
        first, last = max(low, bottom, 0.0), min(high, top, 1.0)
        if last - first > 1e-9:
            return float(t[at] + first * (t[at + 1] - t[at]))
    return None


def _positions(s: Segment, t: FloatArray) -> FloatArray:
    return np.stack([np.interp(t, s.t_s, axis) for axis in (s.x_m, s.y_m, s.alt_msl_m)], axis=-1)


def _near(a: FloatArray, d: FloatArray) -> tuple[float, float]:
    """Shares of an interval between which |a + d share| is below the separation across."""
    square, half, rest = float(d @ d), float(a @ d), float(a @ a) - SEPARATION_ACROSS_M**2
    if square < 1e-12:
        return (-math.inf, math.inf) if rest < 0.0 else (math.inf, -math.inf)
    inside = half**2 - square * rest
    if inside <= 0.0:
        return math.inf, -math.inf
    root = math.sqrt(inside)
    return (-half - root) / square, (-half + root) / square


def _level(a: float, d: float) -> tuple[float, float]:
    """Shares of an interval between which |a + d share| is below the separation in height."""
    if abs(d) < 1e-9:
        return (-math.inf, math.inf) if abs(a) < SEPARATION_M else (math.inf, -math.inf)
    ends = ((-SEPARATION_M - a) / d, (SEPARATION_M - a) / d)
    return min(ends), max(ends)
