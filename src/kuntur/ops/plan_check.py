"""The independent checker of a plan: it shares no code with `patrol` and believes none of its numbers.

From the segments as written and the area alone: continuity at every wave boundary whatever is drawn, speed, clearance
over the terrain and what stands on it sampled every 50 m, no-fly zones, the border, energy by its own sum over the
dearest segments of each flight (the endurance itself is `aircraft.performance`'s), and separation within every column.
That the certificate's sight lines keep clear of the terrain's error is checked by what it says of itself. Not checked
here: radio reach, and a way home from every corner; the link's supervisor judges the latter in flight.
"""

from __future__ import annotations

import itertools
import math
from typing import Final

import numpy as np
import shapely
from msgspec.structs import replace
from numpy.typing import NDArray

from kuntur.aircraft import atmosphere, performance
from kuntur.geodesy import grid, lines
from kuntur.model.assets import Aircraft, Base
from kuntur.model.place import Area
from kuntur.model.plans import Segment, Strategy

FloatArray = NDArray[np.float64]

SAMPLE_M: Final = 50.0
LEAST_CLEARANCE_M: Final = 50.0  # over the terrain below the path: our choice; the planner keeps more, in a corridor
SEPARATION_M: Final = 50.0  # vertical, where aircraft come within SEPARATION_ACROSS_M: our choice
SEPARATION_ACROSS_M: Final = 150.0
SEPARATION_SAMPLE_S: Final = 5.0
NEAR_BASE_M: Final = 30.0
SPEED_TOLERANCE: Final = 1.02


def check_strategy(area: Area, planned: Strategy) -> list[str]:
    """What is wrong with a plan, in words; empty when nothing is."""
    aircraft = {a.id: a for a in area.fleet.aircraft}
    bases = {b.id: b for b in area.bases}
    unknown = [i for i in planned.aircraft_ids if i not in aircraft]
    if unknown:
        return [f"aircraft {name} is not in the area's fleet" for name in unknown]
    wrong = _weights(planned) + _certainty(area, planned)
    area = replace(area, terrain=grid.surface(area.terrain))
    for k, name in enumerate(planned.aircraft_ids):
        own = [s for s in planned.segments if s.aircraft_id == name]
        for segment in own:
            wrong += _segment(area, aircraft[name], bases[planned.base_ids[k]], segment)
        wrong += _joins(planned, k, bases[planned.base_ids[k]])
        wrong += _energy(area, planned, k, aircraft[name])
    return wrong + _separation(planned)


def _weights(planned: Strategy) -> list[str]:
    wrong = []
    for w, wave in enumerate(planned.waves):
        total = sum(column.weight for column in wave.columns)
        if total != planned.weight_total or any(column.weight < 0 for column in wave.columns):
            wrong.append(f"the weights of wave {w} add up to {total}, not {planned.weight_total}")
    return wrong


def _certainty(area: Area, planned: Strategy) -> list[str]:
    """The certificate must have kept its sight lines at least as far from the terrain's error as the area asks."""
    asked, kept = area.terrain.error, planned.certificate
    if asked is None or area.requirement.certainty_prob == 0.0:
        return []
    if kept.certainty_prob is None or kept.terrain_sigma_m is None or kept.terrain_correlation_m is None:
        return [f"the certificate is not about terrain with an error of {asked.sigma_m:.1f} m (1 sigma)"]
    if kept.certainty_prob < area.requirement.certainty_prob:
        return [
            f"the certificate's sight lines are {kept.certainty_prob:.0%} certain, not the "
            f"{area.requirement.certainty_prob:.0%} asked for"
        ]
    if kept.terrain_sigma_m < asked.sigma_m - 1e-9 or kept.terrain_correlation_m > asked.correlation_m + 1e-9:
        return [
            f"the certificate is about a terrain error of {kept.terrain_sigma_m:.1f} m over "
            f"{kept.terrain_correlation_m:.0f} m, the terrain's is {asked.sigma_m:.1f} m over "
            f"{asked.correlation_m:.0f} m"
        ]
    return []


def _where(segment: Segment) -> str:
    return f"segment {segment.id} ({segment.aircraft_id}, wave {segment.wave})"


def _segment(area: Area, aircraft: Aircraft, base: Base, segment: Segment) -> list[str]:
    """Times, speeds, clearance, zones and border of one segment."""
    if not segment.t_s:
        return []
    xyz = np.column_stack([segment.x_m, segment.y_m, segment.alt_msl_m])
    t = np.array(segment.t_s)
    if len(t) < 2 or (np.diff(t) <= 0).any() or len(t) != len(xyz):
        return [f"{_where(segment)}: times do not rise"]
    samples = np.concatenate([_sampled(a, b) for a, b in itertools.pairwise(xyz)])
    wrong = _speeds(area, aircraft, segment, t, xyz)
    high = samples[np.hypot(samples[:, 0] - base.x_m, samples[:, 1] - base.y_m) > NEAR_BASE_M]
    clear = high[:, 2] - grid.height_at(area.terrain, high[:, 0], high[:, 1])
    if np.isnan(clear).any():
        wrong.append(f"{_where(segment)}: passes over a void or leaves the terrain")
    elif len(clear) and clear.min() < LEAST_CLEARANCE_M:
        wrong.append(f"{_where(segment)}: only {clear.min():.0f} m above the ground and what stands on it")
    _, inward = lines.inward_offset(area.border.xy_m, area.border.ours, samples[:, 0], samples[:, 1])
    if inward.min() < 0.0:
        wrong.append(f"{_where(segment)}: crosses the border by {-inward.min():.0f} m")
    for zone in area.zones:
        if zone.kind != "no_fly":
            continue
        ring = shapely.Polygon(zone.xy_m)
        inside = shapely.contains_xy(ring, samples[:, 0], samples[:, 1])
        low = -math.inf if zone.floor_msl_m is None else zone.floor_msl_m
        top = math.inf if zone.ceiling_msl_m is None else zone.ceiling_msl_m
        if (inside & (samples[:, 2] >= low) & (samples[:, 2] <= top)).any():
            wrong.append(f"{_where(segment)}: enters the no-fly zone {zone.name}")
    if samples[:, 2].max() > aircraft.airframe.ceiling_msl_m:
        wrong.append(f"{_where(segment)}: above the ceiling of {aircraft.airframe.name}")
    return wrong


def _sampled(a: FloatArray, b: FloatArray) -> FloatArray:
    count = max(1, math.ceil(float(np.linalg.norm(b - a)) / SAMPLE_M))
    return np.asarray(a + np.linspace(0.0, 1.0, count + 1)[:, None] * (b - a))


def _speeds(area: Area, aircraft: Aircraft, segment: Segment, t: FloatArray, xyz: FloatArray) -> list[str]:
    """No leg faster over ground than the airframe's top speed with the wind's help, nor climbing faster than it can."""
    legs, dt = np.diff(xyz, axis=0), np.diff(t)
    ground = np.hypot(legs[:, 0], legs[:, 1]) / dt
    sigma = float(atmosphere.density_ratio(float(xyz[:, 2].max()), area.weather))
    cruise = aircraft.airframe.cruise_mps
    if aircraft.airframe.kind == "fixed_wing":
        cruise = min(cruise / math.sqrt(sigma), max(aircraft.airframe.max_speed_mps, cruise))
    wrong = []
    if ground.max() > (cruise + area.weather.wind_speed_mps) * SPEED_TOLERANCE:
        wrong.append(f"{_where(segment)}: a leg at {ground.max():.1f} m/s is faster than it flies")
    climb = aircraft.airframe.max_climb_mps or performance.CLIMB_ASSUMED_MPS
    if (legs[:, 2] / dt).max() > climb * SPEED_TOLERANCE:
        wrong.append(f"{_where(segment)}: climbs at {(legs[:, 2] / dt).max():.1f} m/s")
    return wrong


def _ends(segment: Segment) -> tuple[FloatArray, FloatArray]:
    first = np.array([segment.x_m[0], segment.y_m[0], segment.alt_msl_m[0]])
    last = np.array([segment.x_m[-1], segment.y_m[-1], segment.alt_msl_m[-1]])
    return first, last


def _joins(planned: Strategy, k: int, base: Base) -> list[str]:
    """Whatever is drawn, an aircraft is at a wave's end where every segment of the next wave begins."""
    wrong = []
    pad = np.array([base.x_m, base.y_m, base.alt_msl_m])
    segments = {s.id: s for s in planned.segments}
    places: list[tuple[list[FloatArray], list[FloatArray]]] = []
    for wave in planned.waves:
        used = [segments[i] for i in sorted({column.segment_ids[k] for column in wave.columns})]
        for s in used:
            if not s.t_s:
                continue
            first, last = _ends(s)
            early, late = s.t_s[0] < wave.start_s - 1e-3, s.t_s[-1] > wave.end_s + 1e-3
            if early or late:
                wrong.append(f"{_where(s)}: outside its wave")
            if s.t_s[0] > wave.start_s + 1e-3 and np.linalg.norm(first - pad) > 1.0:
                wrong.append(f"{_where(s)}: begins inside its wave away from the base")
            if s.t_s[-1] < wave.end_s - 1e-3 and np.linalg.norm(last - pad) > 1.0:
                wrong.append(f"{_where(s)}: ends inside its wave away from the base")
        begins = [_ends(s)[0] if s.t_s and s.t_s[0] <= wave.start_s + 1e-3 else pad for s in used]
        ends = [_ends(s)[1] if s.t_s and s.t_s[-1] >= wave.end_s - 1e-3 else pad for s in used]
        places.append((begins, ends))
    for w, ((_, ends), (begins, _)) in enumerate(itertools.pairwise(places)):
        meeting = np.stack([*ends, *begins])
        if np.linalg.norm(meeting - meeting[0], axis=1).max() > 1.0:
            wrong.append(f"{planned.aircraft_ids[k]}: segments of waves {w} and {w + 1} do not join")
    return wrong


def _energy(area: Area, planned: Strategy, k: int, aircraft: Aircraft) -> list[str]:
    """Each flight's endurance by its own sum over the dearest segments, against what the air leaves it."""
    segments = {s.id: s for s in planned.segments}
    wrong: list[str] = []
    used_s, top_m, flying = 0.0, -math.inf, False
    for w, wave in enumerate(planned.waves):
        own = [segments[i] for i in {column.segment_ids[k] for column in wave.columns}]
        airborne = [s for s in own if s.t_s]
        if not airborne:
            flying = False
            continue
        begins_here = min(s.t_s[0] for s in airborne) > wave.start_s + 1e-3 or not flying
        if begins_here:
            used_s, top_m = 0.0, -math.inf
        top_m = max(top_m, *(max(s.alt_msl_m) for s in airborne))
        budget = performance.budget(aircraft.airframe, aircraft.camera.mass_kg or 0.0, top_m, area.weather)
        used_s += max(_used_s(s, budget.climb_surcharge_s_per_m) for s in airborne)
        if used_s > budget.endurance_s + 1.0:
            wrong.append(
                f"{aircraft.id}: the flight of wave {w} uses {used_s:.0f} s of {budget.endurance_s:.0f} s endurance"
            )
        flying = max(s.t_s[-1] for s in airborne) >= wave.end_s - 1e-3
    return wrong


def _used_s(segment: Segment, surcharge_s_per_m: float) -> float:
    climbed = sum(max(b - a, 0.0) for a, b in itertools.pairwise(segment.alt_msl_m))
    return segment.t_s[-1] - segment.t_s[0] + climbed * surcharge_s_per_m


def _separation(planned: Strategy) -> list[str]:
    """No two aircraft of a column near each other at the same height."""
    segments = {s.id: s for s in planned.segments}
    wrong = []
    seen: set[tuple[int, int]] = set()
    for w, wave in enumerate(planned.waves):
        t = np.arange(wave.start_s, wave.end_s + 1e-6, SEPARATION_SAMPLE_S)
        at: dict[int, FloatArray] = {}
        for column in wave.columns:
            for i in column.segment_ids:
                if i not in at:
                    at[i] = _positions(segments[i], t)
            for i, j in itertools.combinations(column.segment_ids, 2):
                if (i, j) in seen:
                    continue
                seen.add((i, j))
                gap = at[i] - at[j]
                close = (np.hypot(gap[:, 0], gap[:, 1]) < SEPARATION_ACROSS_M) & (np.abs(gap[:, 2]) < SEPARATION_M)
                if close.any():
                    first = segments[i].aircraft_id, segments[j].aircraft_id
                    wrong.append(
                        f"wave {w}: {first[0]} and {first[1]} meet {t[int(close.argmax())]:.0f} s into the watch"
                    )
    return wrong


def _positions(segment: Segment, t: FloatArray) -> FloatArray:
    """x, y, alt at the times; NaN while on the ground."""
    if not segment.t_s:
        return np.full((len(t), 3), np.nan)
    axes = [np.interp(t, segment.t_s, axis) for axis in (segment.x_m, segment.y_m, segment.alt_msl_m)]
    inside = (t > segment.t_s[0]) & (t < segment.t_s[-1])
    return np.where(inside[:, None], np.stack(axes, axis=-1), np.nan)
