"""The independent checker of a plan: it shares no code with `patrol` and believes none of its numbers.

From the schedule as written and the area alone. Here: its form, weights, layouts, joins at every wave boundary whatever
is drawn, and what the certificate says of itself. `plan_check_path`: every leg against terrain, zones, border, air and
radio. `plan_check_night`: energy, turn-round, the way home and separation, over everything that can be drawn.
`plan_check_duty`: pads, crews and their hours, the sun.
`plan_check_sight`: what the floor claims to be seen, against a plain look at the terrain.

What it leans on: the endurance, climb and airspeed of an airframe in this air are `aircraft.performance`'s, and the
worth of one look `visibility.detection`'s; there is one model of each, checked in its own room.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from kuntur.geodesy import grid
from kuntur.model.assets import Base
from kuntur.model.place import Area
from kuntur.model.plans import Column, Segment, Strategy, Wave
from kuntur.ops import plan_check_duty, plan_check_night, plan_check_path

FloatArray = NDArray[np.float64]

TIME_TOLERANCE_S = 1e-3
PLACE_TOLERANCE_M = 1.0
LOWEST_M, HIGHEST_M = -430.0, 10_000.0  # the shore of the Dead Sea, and what no aircraft of ours reaches


def check_strategy(area: Area, planned: Strategy) -> list[str]:
    """What is wrong with a plan, in words; empty when nothing is."""
    return check_schedule(area, planned) + _certainty(area, planned)


def check_schedule(area: Area, planned: Strategy) -> list[str]:
    """What is wrong with what would be flown, whatever the certificate says of it."""
    aircraft = {a.id: a for a in area.fleet.aircraft}
    bases = {b.id: b for b in area.bases}
    if unknown := [i for i in planned.aircraft_ids if i not in aircraft]:
        return [f"aircraft {name} is not in the area's fleet" for name in unknown]
    if wrong := _form(planned) or [f"base {i} is not in the area" for i in planned.base_ids if i not in bases]:
        return wrong  # nothing more can be said of a schedule that hangs in the air
    wrong = _weights(planned)
    solid = replace(area, terrain=grid.surface(area.terrain))
    for k, (name, base_id) in enumerate(zip(planned.aircraft_ids, planned.base_ids, strict=True)):
        if aircraft[name].base_id != base_id:
            wrong.append(f"{name} is based at {aircraft[name].base_id}, not at {base_id}")
        own = [s for s in planned.segments if s.aircraft_id == name and s.t_s]
        wrong += plan_check_path.faults(solid, aircraft[name], bases[base_id], own)
        wrong += _joins(planned, k, bases[base_id])
        wrong += plan_check_night.faults(solid, planned, k, aircraft[name], bases[base_id])
    return wrong + plan_check_duty.faults(area, planned) + plan_check_night.separation(planned)


def _form(planned: Strategy) -> list[str]:
    """Numbers, lengths and names: what everything else takes for granted."""
    wrong = []
    segments = {s.id: s for s in planned.segments}
    if len(segments) != len(planned.segments):
        wrong.append("two segments have the same id")
    if len(planned.base_ids) != len(planned.aircraft_ids):
        wrong.append(f"{len(planned.base_ids)} bases for {len(planned.aircraft_ids)} aircraft")
    for s in planned.segments:
        table = np.array([s.x_m, s.y_m, s.alt_msl_m]) if len({len(s.x_m), len(s.y_m), len(s.alt_msl_m)}) == 1 else None
        if table is None or table.shape[1] != len(s.t_s):
            wrong.append(f"{where(s)}: coordinates and times are not of one length")
        elif not (np.isfinite(table).all() and np.isfinite(s.t_s).all()):
            wrong.append(f"{where(s)}: a coordinate or time is not a number")
        elif len(s.t_s) and not LOWEST_M <= min(s.alt_msl_m) <= max(s.alt_msl_m) <= HIGHEST_M:
            wrong.append(f"{where(s)}: above the ceiling of everything, or below all ground")
        elif len(s.t_s) == 1 or (np.diff(s.t_s) <= 0.0).any():
            wrong.append(f"{where(s)}: times do not rise")
    end_s = 0.0
    for w, wave in enumerate(planned.waves):
        if abs(wave.start_s - end_s) > TIME_TOLERANCE_S or wave.end_s <= wave.start_s:
            wrong.append(f"wave {w} does not begin where the one before ends")
        end_s = wave.end_s
        for column in wave.columns:
            wrong += _column_form(planned, segments, w, column)
    if abs(end_s - planned.watch_duration_s) > TIME_TOLERANCE_S:
        wrong.append(f"the waves end at {end_s:.0f} s, the watch at {planned.watch_duration_s:.0f} s")
    return wrong


def _column_form(planned: Strategy, segments: dict[int, Segment], w: int, column: Column) -> list[str]:
    if len(column.segment_ids) != len(planned.aircraft_ids):
        return [f"a column of wave {w} has {len(column.segment_ids)} segments for {len(planned.aircraft_ids)} aircraft"]
    wrong = []
    for name, i in zip(planned.aircraft_ids, column.segment_ids, strict=True):
        if i not in segments:
            wrong.append(f"wave {w} names segment {i}, which does not exist")
        elif segments[i].aircraft_id != name:
            wrong.append(f"wave {w} gives {where(segments[i])} to {name}")
        elif segments[i].wave != w:
            wrong.append(f"wave {w} uses {where(segments[i])}")
    return wrong


def _weights(planned: Strategy) -> list[str]:
    """In every layout that can be reached, the weights of the columns that begin in it add up to the total."""
    wrong = []
    reached = {0}
    for w, wave in enumerate(planned.waves):
        if any(column.weight < 0 for column in wave.columns):
            wrong.append(f"wave {w} has a negative weight")
        for layout in sorted(reached | {column.begins for column in wave.columns}):
            options = [column for column in wave.columns if column.begins == layout]
            total = sum(column.weight for column in options)
            place = f"wave {w}" + f" in layout {layout}" * (layout > 0)
            if not options:
                wrong.append(f"no column of {place} begins there, but it can be reached")
            elif total != planned.weight_total:
                wrong.append(f"the weights of {place} add up to {total}, not {planned.weight_total}")
        reached = {column.ends for column in wave.columns if column.weight > 0 and column.begins in reached}
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


def where(segment: Segment) -> str:
    return f"segment {segment.id} ({segment.aircraft_id}, wave {segment.wave})"


def _joins(planned: Strategy, k: int, base: Base) -> list[str]:
    """Whatever is drawn, an aircraft is at a wave's end where every segment that may follow begins."""
    wrong = []
    segments = {s.id: s for s in planned.segments}
    pad = np.array([base.x_m, base.y_m, base.alt_msl_m])
    used = [sorted({c.segment_ids[k] for c in wave.columns}) for wave in planned.waves]
    for wave, ids in zip(planned.waves, used, strict=True):
        for i in ids:
            wrong += _within(segments[i], wave, pad)
    for w, (before, after) in enumerate(itertools.pairwise(planned.waves)):
        layouts = {c.ends for c in before.columns} & {c.begins for c in after.columns}
        for layout in sorted(layouts):
            meeting = [_end(segments[c.segment_ids[k]], before, pad) for c in before.columns if c.ends == layout]
            meeting += [_begin(segments[c.segment_ids[k]], after, pad) for c in after.columns if c.begins == layout]
            apart_m = np.linalg.norm(np.stack(meeting) - meeting[0], axis=1).max()
            if apart_m > PLACE_TOLERANCE_M:
                place = f" in layout {layout}" * (layout > 0)
                wrong.append(
                    f"{planned.aircraft_ids[k]}: segments of waves {w} and {w + 1} do not join{place}: they are "
                    f"{apart_m:.0f} m apart"
                )
    for which, wave, at in (("begins", planned.waves[0], _begin), ("ends", planned.waves[-1], _end)):
        if any(math.dist(at(segments[c.segment_ids[k]], wave, pad), pad) > PLACE_TOLERANCE_M for c in wave.columns):
            wrong.append(f"{planned.aircraft_ids[k]}: the watch {which} with it in the air")
    return wrong


def _within(s: Segment, wave: Wave, pad: FloatArray) -> list[str]:
    """A segment lies in its wave, and where it begins or ends inside it, that is a take-off or a landing."""
    if not s.t_s:
        return []
    wrong = []
    if s.t_s[0] < wave.start_s - TIME_TOLERANCE_S or s.t_s[-1] > wave.end_s + TIME_TOLERANCE_S:
        wrong.append(f"{where(s)}: outside its wave")
    if s.t_s[0] > wave.start_s + TIME_TOLERANCE_S and math.dist(_point(s, 0), pad) > PLACE_TOLERANCE_M:
        wrong.append(f"{where(s)}: begins inside its wave away from the base")
    if s.t_s[-1] < wave.end_s - TIME_TOLERANCE_S and math.dist(_point(s, -1), pad) > PLACE_TOLERANCE_M:
        wrong.append(f"{where(s)}: ends inside its wave away from the base")
    return wrong


def _point(s: Segment, i: int) -> FloatArray:
    return np.array([s.x_m[i], s.y_m[i], s.alt_msl_m[i]])


def _begin(s: Segment, wave: Wave, pad: FloatArray) -> FloatArray:
    return _point(s, 0) if s.t_s and s.t_s[0] <= wave.start_s + TIME_TOLERANCE_S else pad


def _end(s: Segment, wave: Wave, pad: FloatArray) -> FloatArray:
    return _point(s, -1) if s.t_s and s.t_s[-1] >= wave.end_s - TIME_TOLERANCE_S else pad
