"""A plan made by hand on the made-up ridge that the checker passes: two wings on patrol in two layouts, a rotor that
hops twice. Tests damage it."""

from __future__ import annotations

import itertools
import math
from functools import lru_cache

import numpy as np
import places
import strategies
from msgspec.structs import replace

from kuntur.aircraft import performance
from kuntur.model.place import Area
from kuntur.model.plans import Column, Segment, Strategy, Wave

WAVE_S = 1200.0
HUBS = {
    "wing-n": ((1400.0, 800.0), (1400.0, 300.0)),
    "wing-s": ((1400.0, -300.0), (1400.0, -800.0)),
}
ALT_M = {"wing-n": 5000.0, "wing-s": 5080.0, "rotor": 4420.0}
BETWEEN = ((2000.0, 0.0), (900.0, 100.0))  # where a wing goes between hubs: east or west of them
HOP = (3400.0, -1500.0)


@lru_cache
def area() -> Area:
    """The ridge with two wings that last, and a rotor at the southern post."""
    made = places.ridge_area()
    wing, rotor = made.fleet.aircraft[0], made.fleet.aircraft[2]
    lasting = replace(wing.airframe, endurance_s=21_600.0, battery_wh=2400.0, max_climb_mps=6.0)
    fleet = (
        replace(wing, id="wing-n", airframe=lasting),
        replace(wing, id="wing-s", airframe=lasting, base_id="south", system_id=4),
        replace(rotor, id="rotor", airframe=replace(rotor.airframe, endurance_s=4800.0, battery_wh=1100.0)),
    )
    return replace(
        made,
        fleet=replace(made.fleet, aircraft=fleet),
        crossers=(replace(made.crossers[0], speed_factor=0.5),),
        requirement=replace(made.requirement, duration_s=4.0 * WAVE_S, depth_m=1500.0),
        border=replace(made.border, xy_m=made.border.xy_m[np.abs(made.border.xy_m[:, 1]) < 1300.0]),
        input_hashes={"terrain": "ab"},
    )


def pad(aircraft_id: str) -> tuple[float, float, float]:
    one = next(a for a in area().fleet.aircraft if a.id == aircraft_id)
    base = next(b for b in area().bases if b.id == one.base_id)
    return base.x_m, base.y_m, base.alt_msl_m


def flown(aircraft_id: str, start_s: float, points: list[tuple[float, float, float]], end_s: float | None) -> Segment:
    """Through points at 80 % of what the aircraft can do there, waiting at the last until end_s."""
    one = next(a for a in area().fleet.aircraft if a.id == aircraft_id)
    can = performance.loaded_budget(one, ALT_M[aircraft_id], area().weather)
    t, kept = [start_s], [points[0]]
    for a, b in itertools.pairwise(points):
        level_s = math.dist(a[:2], b[:2]) / (0.8 * can.airspeed_mps)
        took_s = max(level_s, abs(b[2] - a[2]) / (0.8 * can.climb_mps))
        if took_s > 0.0:
            t.append(round(t[-1] + took_s, 3))
            kept.append(b)
    if end_s is not None:
        assert t[-1] < end_s, f"{aircraft_id} gets there {t[-1] - end_s:.0f} s late"
        t.append(end_s)
        kept.append(kept[-1])
    x, y, z = zip(*kept, strict=True)
    return Segment(
        id=-1, aircraft_id=aircraft_id, wave=int(start_s // WAVE_S), t_s=tuple(t), x_m=x, y_m=y, alt_msl_m=z,
        energy_wh=0.0, endurance_s=2.0 * (t[-1] - t[0]),
    )  # fmt: skip


def _wing(aircraft_id: str, wave: int, begins: int, ends: int, side: int) -> Segment:
    start_s, alt = wave * WAVE_S, ALT_M[aircraft_id]
    x, y, ground = pad(aircraft_id)
    hubs = [(*xy, alt) for xy in HUBS[aircraft_id]]
    if wave == 0:
        away_s = 30.0 if aircraft_id == "wing-n" else 40.0
        return flown(aircraft_id, away_s, [(x, y, ground), (x, y, alt), hubs[ends]], WAVE_S)
    if wave == 3:
        return flown(aircraft_id, start_s, [hubs[begins], (x, y, alt), (x, y, ground)], None)
    dx, dy = BETWEEN[side]
    middle = (dx, 0.5 * (hubs[begins][1] + hubs[ends][1]) + dy, alt)
    return flown(aircraft_id, start_s, [hubs[begins], middle, hubs[ends]], start_s + WAVE_S)


def _rotor(wave: int) -> Segment:
    x, y, ground = pad("rotor")
    alt = ALT_M["rotor"]
    if wave not in (0, 2):
        return Segment(
            id=-1, aircraft_id="rotor", wave=wave, t_s=(), x_m=(), y_m=(), alt_msl_m=(), energy_wh=0.0, endurance_s=0.0
        )
    up, over = (x, y, alt), (*HOP, alt)
    return flown("rotor", wave * WAVE_S + 700.0, [(x, y, ground), up, over, up, (x, y, ground)], None)


@lru_cache
def good() -> Strategy:
    """Four waves, two layouts in the air, weights out of 10."""
    segments: list[Segment] = []
    waves = []

    def named(one: Segment, wave: int) -> int:
        segments.append(replace(one, id=len(segments), wave=wave))
        return len(segments) - 1

    for wave in range(4):
        columns = []
        for begins in (0, 1) if wave > 0 else (0,):
            for ends in (0, 1) if wave < 3 else (0,):
                for side in (0, 1) if wave in (1, 2) else (0,):
                    ids = [named(_wing(name, wave, begins, ends, side), wave) for name in HUBS]
                    columns.append((begins, ends, (*ids, named(_rotor(wave), wave))))
        each = {b: sum(one[0] == b for one in columns) for b in (0, 1)}
        share = {b: np.full(n, 20 // n if n else 0) for b, n in each.items()}
        made = tuple(Column(segment_ids=ids, weight=int(share[b][0]), begins=b, ends=e) for b, e, ids in columns)
        waves.append(Wave(start_s=wave * WAVE_S, end_s=(wave + 1) * WAVE_S, columns=made))
    made = strategies.strategy(area(), tuple(waves), tuple(segments))
    return replace(
        made,
        weight_total=20,
        aircraft_ids=("wing-n", "wing-s", "rotor"),
        base_ids=("north", "south", "south"),
        input_hashes=dict(area().input_hashes),
        certificate=replace(made.certificate, from_s=WAVE_S, until_s=3.0 * WAVE_S),
    )


def changed(planned: Strategy, number: int, **fields: object) -> Strategy:
    """The plan with other fields in one segment."""
    segments = tuple(replace(s, **fields) if s.id == number else s for s in planned.segments)
    return replace(planned, segments=segments)


def recolumn(planned: Strategy, wave: int, number: int, **fields: object) -> Strategy:
    """The plan with other fields in one column."""
    columns = list(planned.waves[wave].columns)
    columns[number] = replace(columns[number], **fields)
    waves = list(planned.waves)
    waves[wave] = replace(waves[wave], columns=tuple(columns))
    return replace(planned, waves=tuple(waves))
