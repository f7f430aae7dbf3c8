"""Simulated encounters: what the cameras of one night's flights make of somebody on a path, as a rate and look by look.

Positions are continuous in space and time: the aircraft flies its drawn path, the crosser walks his, sight is exact.
There is no lattice here, so that a promise computed on one can be tried. The rate is that of
`visibility.detection.detection_rate_hz`; `look_miss_prob` turns the camera as `detection.pointing` does and takes every
look on its own, as the simulated camera of `sim.world` does, which tries the rate itself.

Who counts as crossing: somebody between the border and the required depth. Nobody is seen inside a no-look zone. The
camera works from take-off to landing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kuntur.geodesy import grid, lines
from kuntur.model.assets import Aircraft, Camera
from kuntur.model.place import Area, Weather
from kuntur.model.plans import SWEEP, LookKind, Segment, Sortie, Strategy, Wave
from kuntur.sim.world import SimulatedCrosser
from kuntur.units import EARTH_RADIUS_M, REFRACTION_COEFFICIENT
from kuntur.visibility import detection, looks, rays

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_CURVATURE_PER_M: Final = (1.0 - REFRACTION_COEFFICIENT) / (2.0 * EARTH_RADIUS_M)
_GAP_S: Final = 1e-6


class Flight(Struct, frozen=True, kw_only=True, eq=False):
    """Where one aircraft is while it is in the air: t_s (n,) rising, xyz_m (n, 3), NaN between two flights.

    middle_rad (n - 1,): azimuth of the middle of the sector that is searched between two points, NaN for a sweep.
    """

    aircraft: Aircraft
    sweep: detection.SearchPattern
    sector: detection.SearchPattern
    t_s: FloatArray
    xyz_m: FloatArray
    middle_rad: FloatArray
    bounds_m: tuple[float, float, float, float]
    """West, south, east and north of all it flies over."""

    def at(self, t_s: FloatArray) -> FloatArray:
        """Position (..., 3) at these times; NaN on the ground."""
        axes = [np.interp(t_s, self.t_s, self.xyz_m[:, k], left=math.nan, right=math.nan) for k in range(3)]
        return np.stack(axes, axis=-1)

    def middle_at(self, t_s: FloatArray) -> FloatArray:
        """Azimuth (...) of the middle of the sector searched at these times; NaN for a sweep, and on the ground."""
        leg = np.searchsorted(self.t_s, t_s, side="right") - 1
        inside = (leg >= 0) & (leg < len(self.middle_rad))
        return np.where(inside, self.middle_rad[np.clip(leg, 0, len(self.middle_rad) - 1)], math.nan)


class Samples(Struct, frozen=True, kw_only=True, eq=False):
    """Moments on several paths: path number, time, place and the seconds each stands for, (n,) each."""

    path: IntArray
    t_s: FloatArray
    x_m: FloatArray
    y_m: FloatArray
    lasts_s: FloatArray


def flight(area: Area, aircraft_id: str, parts: Iterable[Sortie | Segment]) -> Flight:
    """The flight of one aircraft that follows these paths, in the order of time."""
    aircraft = next(a for a in area.fleet.aircraft if a.id == aircraft_id)
    t_s: list[FloatArray] = [np.zeros(0)]
    xyz_m: list[FloatArray] = [np.zeros((0, 3))]
    middle_rad: list[float] = []  # of the leg that begins at each point
    for part in sorted((p for p in parts if p.t_s), key=lambda p: p.t_s[0]):
        t_s.append(np.array([part.t_s[0] - _GAP_S, *part.t_s, part.t_s[-1] + _GAP_S]))
        flown = np.stack([part.x_m, part.y_m, part.alt_msl_m], axis=-1)
        xyz_m.append(np.vstack([np.full(3, math.nan), flown, np.full(3, math.nan)]))
        looks_at = part.looks or (SWEEP,) * (len(part.t_s) - 1)
        sectors = [math.nan if look.kind == "sweep" else look.azimuth_rad for look in looks_at]
        middle_rad += [math.nan, *sectors, math.nan, math.nan]
    path_m = np.concatenate(xyz_m)
    in_air = path_m[~np.isnan(path_m[:, 0]), :2]
    low, high = (in_air.min(axis=0), in_air.max(axis=0)) if len(in_air) else (np.full(2, math.nan),) * 2
    return Flight(
        aircraft=aircraft,
        sweep=_search(area, aircraft, "sweep"),
        sector=_search(area, aircraft, "stare"),
        t_s=np.concatenate(t_s),
        xyz_m=path_m,
        middle_rad=np.array(middle_rad[:-1]),
        bounds_m=(float(low[0]), float(low[1]), float(high[0]), float(high[1])),
    )


def _search(area: Area, aircraft: Aircraft, kind: LookKind) -> detection.SearchPattern:
    targets = {crosser.target for crosser in area.crossers}
    return looks.search_of(kind, aircraft.camera, targets, area.requirement.height_agl_m, area.weather)


@cache
def _reach_m(camera: Camera, target: detection.Target, weather: Weather) -> float:
    return detection.max_range_m(camera, target, weather)


def flights(area: Area, sorties: Iterable[Sortie]) -> tuple[Flight, ...]:
    """A night's flights, one for each aircraft that flies."""
    by_aircraft: dict[str, list[Sortie]] = {}
    for sortie in sorties:
        by_aircraft.setdefault(sortie.aircraft_id, []).append(sortie)
    return tuple(flight(area, aircraft_id, parts) for aircraft_id, parts in by_aircraft.items())


def sample(
    crossers: Sequence[SimulatedCrosser], step_s: float, *, from_s: float = -math.inf, until_s: float = math.inf
) -> Samples:
    """The middles of equal steps of at most `step_s` along each crosser's path, where it lies in from_s .. until_s."""
    path: list[IntArray] = [np.zeros(0, np.int64)]
    columns: tuple[list[FloatArray], ...] = ([], [], [], [])  # t_s, x_m, y_m, lasts_s
    for k, crosser in enumerate(crossers):
        begin, end = max(crosser.t_s[0], from_s), min(crosser.t_s[-1], until_s)
        if end <= begin:
            continue
        count = math.ceil((end - begin) / step_s)
        t = begin + (np.arange(count) + 0.5) * ((end - begin) / count)
        path.append(np.full(count, k))
        x_m, y_m = np.interp(t, crosser.t_s, crosser.x_m), np.interp(t, crosser.t_s, crosser.y_m)
        for column, values in zip(columns, (t, x_m, y_m, np.full(count, (end - begin) / count)), strict=True):
            column.append(values)
    t_s, x_m, y_m, lasts_s = (np.concatenate([np.zeros(0), *column]) for column in columns)
    return Samples(path=np.concatenate(path), t_s=t_s, x_m=x_m, y_m=y_m, lasts_s=lasts_s)


def rates_hz(
    area: Area, flown: Sequence[Flight], target: detection.Target, t_s: FloatArray, x_m: FloatArray, y_m: FloatArray
) -> FloatArray:
    """Detection rate (n,) of all cameras together for a target at these times and places."""
    each = rates_each_hz(area, flown, target, t_s, x_m, y_m)
    return np.asarray(each.sum(axis=0), float)


def rates_each_hz(
    area: Area, flown: Sequence[Flight], target: detection.Target, t_s: FloatArray, x_m: FloatArray, y_m: FloatArray
) -> FloatArray:
    """The same for each flight alone: (flights, n)."""
    rate = np.zeros((len(flown), len(t_s)))
    if len(t_s) == 0:
        return rate
    extent = (float(x_m.min()), float(y_m.min()), float(x_m.max()), float(y_m.max()))
    where = [
        _near(area, one, target, t_s, x_m, y_m) if _may_meet(area, one, target, extent) else _NOWHERE for one in flown
    ]
    number = np.repeat(np.arange(len(flown)), [len(index) for index, _ in where])
    index = np.concatenate([np.zeros(0, np.int64), *(index for index, _ in where)])
    eye = np.concatenate([np.zeros((0, 3)), *(eye for _, eye in where)])
    middle = np.concatenate([np.zeros(0), *(one.middle_at(t_s[i]) for one, (i, _) in zip(flown, where, strict=True))])
    turned_to = np.isnan(middle)
    turned_to |= looks.in_sector(middle, x_m[index] - eye[:, 0], y_m[index] - eye[:, 1])
    number, index, eye, middle = number[turned_to], index[turned_to], eye[turned_to], middle[turned_to]
    clear, slant_m, depression = _in_sight(area, eye, _raised(area, target, x_m[index], y_m[index]))
    number, index, swept = number[clear], index[clear], np.isnan(middle[clear])
    cameras = {(one.aircraft.camera, search) for one in flown for search in (one.sweep, one.sector)}
    for camera, search in cameras:
        sweeps = np.array([(one.aircraft.camera, one.sweep) == (camera, search) for one in flown])[number]
        sectors = np.array([(one.aircraft.camera, one.sector) == (camera, search) for one in flown])[number]
        own = np.where(swept, sweeps, sectors)
        rate[number[own], index[own]] = detection.detection_rate_hz(
            camera, search, target, area.weather, slant_m[own], depression[own]
        )
    seen = np.flatnonzero(rate.any(axis=0))
    rate[:, seen] *= crossing(area, x_m[seen], y_m[seen])
    return rate


def exposures(
    area: Area,
    flown: Sequence[Flight],
    crossers: Sequence[SimulatedCrosser],
    *,
    step_s: float = 10.0,
    from_s: float = -math.inf,
    until_s: float = math.inf,
) -> FloatArray:
    """Exposure (n,) of each crosser to this night's flights between two times: the integral of the rate."""
    if not crossers:
        return np.zeros(0)
    points = sample(crossers, step_s, from_s=from_s, until_s=until_s)
    rate = rates_hz(area, flown, crossers[0].target, points.t_s, points.x_m, points.y_m)
    return np.asarray(np.bincount(points.path, rate * points.lasts_s, len(crossers)), float)


class Odds:
    """Detection of fixed paths under a whole mixture, exactly: no night is drawn, E[exp(-H)] is carried from layout to
    layout, wave by wave (with one layout everywhere waves multiply).

    Exact but for the quadrature along the path. The expectation stands outside the exponential (Jensen).
    """

    def __init__(self, area: Area, strategy: Strategy, *, step_s: float = 10.0) -> None:
        self._area = area
        self._step_s = step_s
        segments = {segment.id: segment for segment in strategy.segments}
        self._waves = [_WaveOdds(area, segments, wave) for wave in strategy.waves]

    def detection_prob(self, crossers: Sequence[SimulatedCrosser]) -> FloatArray:
        """Probability (n,) that each path is detected on a night drawn from the mixture."""
        points = sample(crossers, self._step_s)
        survival = {0: np.ones(len(crossers))}  # by layout: probability of being there and not seen yet
        for wave in self._waves:
            survival = wave.passed(self._area, points, crossers[0].target, survival)
        return np.asarray(1.0 - sum(survival.values()))


class _WaveOdds:
    """One wave: the segments that its columns use, each flown once, and which columns use them."""

    def __init__(self, area: Area, segments: dict[int, Segment], wave: Wave) -> None:
        used = sorted({i for column in wave.columns for i in column.segment_ids if segments[i].t_s})
        self.start_s, self.end_s = wave.start_s, wave.end_s
        self.flights = [flight(area, segments[i].aircraft_id, [segments[i]]) for i in used]
        self.begins, self.ends = ([getattr(c, which) for c in wave.columns] for which in ("begins", "ends"))
        weight = np.array([column.weight for column in wave.columns], float)
        self.sigma = weight / np.bincount(self.begins, weight)[self.begins]
        self.uses = np.array([[i in column.segment_ids for i in used] for column in wave.columns], float)

    def passed(
        self, area: Area, points: Samples, target: detection.Target, before: dict[int, FloatArray]
    ) -> dict[int, FloatArray]:
        """Probability (paths,) of each layout and of not being seen up to then, at the wave's end."""
        paths = len(next(iter(before.values())))
        exposure = np.zeros((len(self.flights), paths))
        now = np.flatnonzero((points.t_s >= self.start_s) & (points.t_s < self.end_s))
        if len(now) and self.flights:
            rate = rates_each_hz(area, self.flights, target, points.t_s[now], points.x_m[now], points.y_m[now])
            exposure = np.array([np.bincount(points.path[now], row * points.lasts_s[now], paths) for row in rate])
        missed = self.sigma[:, None] * np.exp(-self.uses @ exposure)
        after: dict[int, FloatArray] = {}
        for column, (begin, end) in enumerate(zip(self.begins, self.ends, strict=True)):
            if begin in before:
                after[end] = after.get(end, np.zeros(paths)) + before[begin] * missed[column]
        return after


def look_miss_prob(area: Area, flown: Iterable[Flight], crosser: SimulatedCrosser, seed: int) -> float:
    """Probability that every single look of this night misses the crosser, the gimbals turning as `seed` has it."""
    miss = 1.0
    for k, one in enumerate(flown):
        look_s = one.sweep.look_s
        slots = np.arange(math.ceil(crosser.t_s[0] / look_s), math.floor(crosser.t_s[-1] / look_s) + 1)
        t_s: FloatArray = slots.astype(float) * look_s
        x_m, y_m = np.interp(t_s, crosser.t_s, crosser.x_m), np.interp(t_s, crosser.t_s, crosser.y_m)
        near, eye = _near(area, one, crosser.target, t_s, x_m, y_m)
        points = _raised(area, crosser.target, x_m[near], y_m[near])
        clear, slant_m, _ = _in_sight(area, eye, points)
        prob = detection.glimpse_prob(one.aircraft.camera, crosser.target, slant_m, area.weather)
        likely = np.flatnonzero(clear)[prob > 0.0]
        inside = _in_picture(one, seed + k, t_s[near[likely]], points[likely] - eye[likely])
        seen, found = near[likely[inside]], prob[prob > 0.0][inside]
        miss *= float(np.prod(1.0 - found * crossing(area, x_m[seen], y_m[seen])))
    return miss


def _may_meet(area: Area, one: Flight, target: detection.Target, extent_m: tuple[float, float, float, float]) -> bool:
    """Whether a flight ever comes within range of an area (west, south, east, north)."""
    reach_m = _reach_m(one.aircraft.camera, target, area.weather)
    west, south, east, north = one.bounds_m
    left, bottom, right, top = extent_m
    return left < east + reach_m and right > west - reach_m and bottom < north + reach_m and top > south - reach_m


_NOWHERE: Final[tuple[IntArray, FloatArray]] = (np.zeros(0, np.int64), np.zeros((0, 3)))


def _near(
    area: Area, one: Flight, target: detection.Target, t_s: FloatArray, x_m: FloatArray, y_m: FloatArray
) -> tuple[IntArray, FloatArray]:
    """Indices of the moments at which the aircraft is in the air and within range over the ground, and its places."""
    reach_m = _reach_m(one.aircraft.camera, target, area.weather)
    eye = one.at(t_s)
    near = np.flatnonzero((eye[:, 0] - x_m) ** 2 + (eye[:, 1] - y_m) ** 2 <= reach_m**2)
    return near, eye[near]


def _in_sight(area: Area, eye_m: FloatArray, points_m: FloatArray) -> tuple[NDArray[np.bool_], FloatArray, FloatArray]:
    """Which points (n, 3) are in clear line of sight, with the slant range and depression of those."""
    if len(eye_m) == 0:
        return np.zeros(0, bool), np.zeros(0), np.zeros(0)
    clear = rays.line_of_sight(area.terrain, eye_m, points_m) == rays.CLEAR
    away = points_m[clear] - eye_m[clear]
    across_m = np.hypot(away[:, 0], away[:, 1])
    below_m = across_m**2 * _CURVATURE_PER_M - away[:, 2]
    return clear, np.hypot(across_m, below_m), np.arctan2(below_m, across_m)


def _raised(area: Area, target: detection.Target, x_m: FloatArray, y_m: FloatArray) -> FloatArray:
    """The points (n, 3) that must be seen: at the target's visible height over the ground."""
    return np.stack([x_m, y_m, grid.height_at(area.terrain, x_m, y_m) + detection.VISIBLE_HEIGHT_M[target]], axis=-1)


def _in_picture(one: Flight, seed: int, t_s: FloatArray, away_m: FloatArray) -> NDArray[np.bool_]:
    """Whether the look at each moment has the point so far away (n, 3) in its picture.

    Level pinhole camera; azimuth is taken from grid north, which a camera that turns all round does not notice. The
    elevation is NaN, and nothing in the picture, while a sector's camera swings back.
    """
    if len(t_s) == 0:
        return np.zeros(0, bool)
    camera = one.aircraft.camera
    aims = zip(t_s.tolist(), one.middle_at(t_s).tolist(), strict=True)
    azimuth, elevation = np.array([_pointing(one, t, middle_rad, seed) for t, middle_rad in aims]).T
    ahead = away_m[:, 0] * np.sin(azimuth) + away_m[:, 1] * np.cos(azimuth)
    right = away_m[:, 0] * np.cos(azimuth) - away_m[:, 1] * np.sin(azimuth)
    rise = away_m[:, 2] - (away_m[:, 0] ** 2 + away_m[:, 1] ** 2) * _CURVATURE_PER_M
    along = ahead * np.cos(elevation) + rise * np.sin(elevation)
    up = rise * np.cos(elevation) - ahead * np.sin(elevation)
    return np.asarray(
        (along > 0.0)
        & (np.abs(right) <= math.tan(camera.hfov_rad / 2.0) * along)
        & (np.abs(up) <= math.tan(camera.vfov_rad / 2.0) * along)
    )


def _pointing(one: Flight, t_s: float, middle_rad: float, seed: int) -> tuple[float, float]:
    if math.isnan(middle_rad):
        return detection.pointing(one.sweep, t_s, seed=seed)
    return detection.pointing(one.sector, t_s, seed=seed, middle_rad=middle_rad)


def crossing(area: Area, x_m: FloatArray, y_m: FloatArray) -> NDArray[np.bool_]:
    """Whether somebody there (n,) counts: between border and required depth, and not where looking is forbidden."""
    if len(x_m) == 0:
        return np.zeros(0, bool)
    _, inward = lines.inward_offset(area.border.xy_m, area.border.ours, x_m, y_m)
    counts = np.asarray((inward >= 0.0) & (inward <= area.requirement.depth_m))
    for zone in area.zones:
        if zone.kind == "no_look":
            low, high = zone.xy_m.min(axis=0), zone.xy_m.max(axis=0)
            near = np.flatnonzero((x_m > low[0]) & (x_m < high[0]) & (y_m > low[1]) & (y_m < high[1]))
            if len(near):
                counts[near] &= ~lines.inside(zone.xy_m, x_m[near], y_m[near])
    return counts
