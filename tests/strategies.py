"""Hand-made strategies on the made-up ridge: aircraft that fly out from their hubs and back within each wave.

Nothing here was optimised and nobody checked that it could be flown: it is for tests of what a strategy is worth.
"""

from __future__ import annotations

import numpy as np
import places
from msgspec.structs import replace

from kuntur.geodesy import grid
from kuntur.model.place import Area
from kuntur.model.plans import Certificate, Column, Segment, Strategy, Wave

HEIGHT_M = 350.0
NO_PROOF = Certificate(
    floor=0.0, floor_planning=0.0, floor_audit=0.0, attack=0.0, ceiling=1.0, leak=0.0, crosser_class="walker",
    planning_cell_m=240.0, planning_step_s=120.0, audit_cell_m=120.0, audit_step_s=60.0, rounds=0, solve_s=0.0,
    class_floors={}, attackers={}, caveats=(),
)  # fmt: skip


def segment(area: Area, number: int, aircraft_id: str, wave: int, t_s: tuple[float, ...], xy_m: np.ndarray) -> Segment:
    """Straight between places, HEIGHT_M above the ground at each."""
    alt_m = grid.height_at(area.terrain, xy_m[:, 0], xy_m[:, 1]) + HEIGHT_M
    return Segment(
        id=number, aircraft_id=aircraft_id, wave=wave, t_s=t_s, x_m=tuple(xy_m[:, 0].tolist()),
        y_m=tuple(xy_m[:, 1].tolist()), alt_msl_m=tuple(alt_m.tolist()), energy_wh=0.0, endurance_s=0.0,
    )  # fmt: skip


def narrow_ridge() -> Area:
    """The made-up ridge with 2.2 km of border, walkers only, coarser cameras: what three aircraft can watch well."""
    area = places.ridge_area()
    coarse = replace(places.CAMERA, columns_px=640, rows_px=512)
    fleet = replace(area.fleet, aircraft=tuple(replace(one, camera=coarse) for one in area.fleet.aircraft))
    y_m = np.linspace(-1100.0, 1100.0, 12)
    border = replace(area.border, xy_m=np.stack([300.0 * np.sin(y_m / 2500.0), y_m], axis=-1))
    return replace(area, border=border, fleet=fleet, zones=(), crossers=area.crossers[:1])


def strategy(area: Area, waves: tuple[Wave, ...], segments: tuple[Segment, ...]) -> Strategy:
    ids = tuple(dict.fromkeys(s.aircraft_id for s in segments))
    return Strategy(
        area_id=area.id, watch_duration_s=waves[-1].end_s, weight_total=sum(c.weight for c in waves[0].columns),
        aircraft_ids=ids,
        base_ids=tuple(a.base_id for i in ids for a in area.fleet.aircraft if a.id == i),
        segments=segments, waves=waves,
        certificate=NO_PROOF, input_hashes={}, simulated=(), frame_lat0_deg=area.frame.lat0_deg,
        frame_lon0_deg=area.frame.lon0_deg,
    )  # fmt: skip


def out_and_back(area: Area, *, columns: int = 4, seed: int = 1, half_m: float = 2800.0) -> Strategy:
    """Every aircraft in the air all the time: in each wave from its hub to a place drawn behind the border and back."""
    rng = np.random.default_rng(seed)
    wave_s, ids = area.requirement.wave_s, [a.id for a in area.fleet.aircraft]
    hubs = {a: np.array([1200.0, y]) for a, y in zip(ids, np.linspace(-half_m, half_m, len(ids)), strict=True)}
    segments: list[Segment] = []
    waves = []
    for w in range(round(area.requirement.duration_s / wave_s)):
        chosen = []
        for c in range(columns):
            for aircraft_id, hub in hubs.items():
                away = hub + rng.uniform(-1.0, 1.0, 2) * (800.0, 0.5 * half_m)
                t_s = tuple(w * wave_s + wave_s * part for part in (0.0, 0.2, 0.8, 1.0))
                segments.append(segment(area, len(segments), aircraft_id, w, t_s, np.array([hub, away, away, hub])))
            ids_used = tuple(s.id for s in segments[-len(ids) :])
            chosen.append(Column(segment_ids=ids_used, weight=1 + c))
        waves.append(Wave(start_s=w * wave_s, end_s=(w + 1) * wave_s, columns=tuple(chosen)))
    return strategy(area, tuple(waves), tuple(segments))
