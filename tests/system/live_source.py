"""A watch that moves by itself, for looking at the page and for its tests: nothing here is computed by Kuntur's chain.

Aircraft fly to and fro along the border, one mover crosses it, alerts come at fixed times. Run it to see the page:

    .venv/bin/python tests/system/live_source.py
"""

from __future__ import annotations

import asyncio
import math
import sys
import time
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from kuntur.geodesy import frames, grid, lines
from kuntur.model.assets import Aircraft
from kuntur.model.place import Area, Lattice
from kuntur.model.plans import Certificate, Sortie, Strategy, Tasking
from kuntur.ops.live import AircraftView, AlertView, FootprintView, LiveView, LonLat, TrackView
from kuntur.ops.plan_seen import Feature, Seen

START_T_NS = 1_790_640_000_000_000_000  # 2026-09-29 00:00 UTC, 20:00 in Bolivia
OFFSET_M = (900.0, 2100.0, 3300.0, 1500.0)
SPAN = ((0.05, 0.40), (0.35, 0.75), (0.20, 0.60), (0.60, 0.95))
ALERTS = (
    # seconds after the start, kind, severity, share of the border, English, Spanish
    (0.0, "aircraft_lost", "info", None, "Condor 2 was silent for 12 s and is back", "Cóndor 2 calló 12 s y volvió"),
    (
        0.0,
        "coverage_gap",
        "warning",
        0.82,
        "Not looked at for 62 min: km {km:.0f} to {km2:.0f}",
        "Sin mirar hace 62 min: km {km:.0f} a {km2:.0f}",
    ),
    (
        8.0,
        "crossing",
        "urgent",
        0.47,
        "A person-sized mover crossed the border at km {km:.1f}, heading to our side; position good to 55 m (95 %)",
        "Algo del tamaño de una persona cruzó la frontera en el km {km:.1f} hacia nuestro lado; posición ± 55 m (95 %)",
    ),
)


def _strategy(area: Area) -> Strategy:
    """Made-up numbers in the shape of a plan."""
    certificate = Certificate(
        floor=0.41,
        floor_planning=0.41,
        floor_audit=0.42,
        attack=0.47,
        ceiling=0.58,
        leak=0.12,
        class_floors={"walker": 0.41, "driver": 0.079},
        crosser_class="walker",
        planning_cell_m=480.0,
        planning_step_s=120.0,
        audit_cell_m=240.0,
        audit_step_s=60.0,
        rounds=12,
        solve_s=30.0,
        attackers={
            "floor": "A crosser who learns each wave's draw as it begins.",
            "attack": "The best route found for a crosser who knows the strategy but not tonight's draw.",
            "ceiling": "No schedule of this fleet can do better against any crosser.",
            "leak": "A crosser who knows the whole night's draw beforehand.",
        },
        caveats=("made-up numbers for a test of the page",),
    )
    return Strategy(
        area_id=area.id,
        watch_duration_s=area.requirement.duration_s,
        weight_total=1,
        aircraft_ids=tuple(a.id for a in area.fleet.aircraft),
        base_ids=tuple(a.base_id for a in area.fleet.aircraft),
        segments=(),
        waves=(),
        certificate=certificate,
        input_hashes={},
        simulated=("sketched terrain",) if area.terrain.sketched else (),
        frame_lat0_deg=area.frame.lat0_deg,
        frame_lon0_deg=area.frame.lon0_deg,
    )


def _seen(area: Area) -> Seen:
    """Made-up exposure, growing from west to east with a blind strip, and one made-up route."""
    low, high = area.border.xy_m.min(axis=0) - 500.0, area.border.xy_m.max(axis=0) + 500.0
    cells = grid.lattice(area.terrain, 240.0, (*low.tolist(), *high.tolist()))
    rate = np.tile(np.linspace(0.0, 6.0, cells.cols), (cells.rows, 1))
    rate[0] = np.nan
    length_m = float(lines.chainages(area.border.xy_m)[-1])
    parts = max(2, int(length_m // 1000.0))
    start = lines.point_at(area.border.xy_m, 0.5 * length_m)
    lat, lon = frames.to_geodetic(area.frame, start[0] + np.array([0.0, 2500.0]), start[1] + np.array([0.0, 0.0]))
    return Seen(
        features=(
            Feature(
                geometry={"type": "LineString", "coordinates": np.column_stack([lon, lat]).tolist()},
                properties={
                    "layer": "route",
                    "rank": 1,
                    "detection_prob": 0.47,
                    "chainage_m": round(0.5 * length_m),
                    "begins_t_s": 3600.0,
                    "through_t_s": 7200.0,
                    "attacker": "attack",
                },
            ),
        ),
        schedule_sha256="",
        crosser_class="walker",
        crosser_name="Walker",
        attacker="The best route found for a crosser who knows the strategy but not tonight's draw.",
        simulated=("sketched terrain",),
        from_s=3600.0,
        until_s=7200.0,
        cells=cells,
        per_hour=tuple(None if math.isnan(one) else one for one in rate.ravel().tolist()),
        edges_m=tuple(1000.0 * k for k in range(parts + 1)),
        floor_prob=(None, *(0.41 + 0.01 * k for k in range(parts - 1))),
        attack_prob=(None, *(0.47 + 0.01 * k for k in range(parts - 1))),
    )


class DemoWatch:
    """A `LiveWatch` and its own `LiveSource`. speed: simulated seconds a second; acknowledged: what arrived here."""

    def __init__(self, area: Area, *, speed: float = 20.0, head_start_s: float = 0.0) -> None:
        self.area, self.strategy, self.speed = area, _strategy(area), speed
        self.seen: Seen | None = _seen(area)
        self.live = self
        self.started_s = time.monotonic() - head_start_s / speed
        self.acknowledged: list[tuple[str, str, str]] = []
        sign = 1.0 if area.border.ours == "left" else -1.0
        self._ours = sign
        self._length_m = float(lines.chainages(area.border.xy_m)[-1])
        self._smooth = lines.densify(area.border.xy_m, self._length_m / 12.0)
        self.tasking: Tasking | None = Tasking(
            strategy_sha256="0" * 64,
            seed_commitment="1" * 64,
            start_t_ns=START_T_NS,
            column_indices=(),
            sorties=tuple(self._sortie(k, a) for k, a in enumerate(area.fleet.aircraft)),
        )
        b = area.border.xy_m
        self._cells = grid.lattice(
            area.terrain, 240.0, (b[:, 0].min() - 4e3, b[:, 1].min() - 1e3, b[:, 0].max() + 7e3, b[:, 1].max() + 1e3)
        )
        x_m, y_m = self._cells.centres()
        self._cell_x, self._cell_y = np.meshgrid(x_m, y_m)
        _, offset = lines.project(b, self._cell_x, self._cell_y)
        offset = offset.reshape(self._cell_x.shape) * sign
        self._watched = (offset > -2000.0) & (offset < area.requirement.depth_m)

    async def run(self) -> None:
        await asyncio.Event().wait()

    # --- motion
    def _beside(self, share: float, offset_m: float) -> tuple[float, float, float]:
        """x_m, y_m and heading beside the border, `offset_m` on our side."""
        at = np.clip(share, 0.0, 1.0) * self._length_m
        at = min(at, float(lines.chainages(self._smooth)[-1]) - 50.0)
        here, ahead = lines.point_at(self._smooth, np.array([at, at + 50.0]))
        step = (ahead - here) / np.hypot(*(ahead - here))
        x, y = here + np.array([-step[1], step[0]]) * offset_m * self._ours
        return float(x), float(y), math.atan2(step[0], step[1])

    def _flight(self, k: int, t_s: float) -> tuple[float, float, float]:
        low, high = SPAN[k % 4]
        cruise = (high - low) * self._length_m / 24.0  # one way at 24 m/s
        phase = (t_s / cruise + 0.37 * k) % 2.0
        forward = phase < 1.0
        share = low + (high - low) * (phase if forward else 2.0 - phase)
        weave = 350.0 * math.sin(share * self._length_m / 900.0)
        x, y, heading = self._beside(share, OFFSET_M[k % 4] + weave)
        return x, y, heading if forward else heading + math.pi

    def _sortie(self, k: int, aircraft: Aircraft) -> Sortie:
        base = next(b for b in self.area.bases if b.id == aircraft.base_id)
        low, high = SPAN[k % 4]
        points = [self._beside(s, OFFSET_M[k % 4])[:2] for s in np.linspace(low, high, 9)]
        xy = [(base.x_m, base.y_m), *points, (base.x_m, base.y_m)]
        return Sortie(
            id=f"sortie-{k}",
            aircraft_id=aircraft.id,
            base_id=base.id,
            t_s=tuple(300.0 * i for i in range(len(xy))),
            x_m=tuple(p[0] for p in xy),
            y_m=tuple(p[1] for p in xy),
            alt_msl_m=tuple(base.alt_msl_m + 400.0 for _ in xy),
            energy_wh=300.0,
            endurance_s=3000.0,
        )

    def _lonlat(self, x_m: float, y_m: float) -> LonLat:
        lat, lon = frames.to_geodetic(self.area.frame, x_m, y_m)
        return float(lon), float(lat)

    def _aircraft(self, k: int, aircraft: Aircraft, t_s: float) -> tuple[AircraftView, FootprintView]:
        x, y, heading = self._flight(k, t_s)
        lon, lat = self._lonlat(x, y)
        ground = float(np.nan_to_num(grid.height_at(self.area.terrain, x, y), nan=4300.0))
        agl = self.area.requirement.height_agl_m + 40.0 * math.sin(t_s / 60.0 + k)
        view = AircraftView(
            id=aircraft.id,
            name=aircraft.name,
            kind=aircraft.airframe.kind,
            lat_deg=lat,
            lon_deg=lon,
            alt_msl_m=ground + agl,
            height_agl_m=agl,
            heading_deg=math.degrees(heading) % 360.0,
            ground_speed_mps=24.0,
            mode="AUTO" if k else "RTL",
            battery_fraction=max(0.12, 0.9 - 0.17 * k - t_s / 40_000.0) if k else 0.18,
            age_s=0.4,
            trail=tuple(self._lonlat(*self._flight(k, t_s - back)[:2]) for back in range(240, -1, -20)),
        )
        gaze = heading + 2.0 * math.pi * ((t_s / 90.0 + 0.2 * k) % 1.0)
        ring = [
            self._lonlat(x + r * math.sin(gaze + turn), y + r * math.cos(gaze + turn))
            for r, turn in ((500.0, -0.2), (1900.0, -0.2), (2100.0, 0.0), (1900.0, 0.2), (500.0, 0.2))
        ]
        return view, FootprintView(aircraft_id=aircraft.id, ring_lonlat=tuple(ring))

    def _track(self, number: int, share: float, t_s: float, status: str) -> TrackView:
        def at(t: float) -> tuple[float, float]:
            return self._beside(share + 0.01 * math.sin(t / 700.0), -400.0 + 0.9 * min(t, 3000.0))[:2]

        (x, y), (x1, y1) = at(t_s), at(t_s + 1.0)
        lon, lat = self._lonlat(x, y)
        chainage, offset = lines.project(self.area.border.xy_m, x, y)
        return TrackView(
            id=number,
            lat_deg=lat,
            lon_deg=lon,
            semi_major_m=140.0,
            semi_minor_m=60.0,
            orientation_deg=35.0,
            status=status,  # type: ignore[arg-type]
            size_class="person",
            speed_mps=math.hypot(x1 - x, y1 - y),
            course_deg=math.degrees(math.atan2(x1 - x, y1 - y)) % 360.0,
            age_s=3.0,
            chainage_m=float(chainage[0]),
            offset_m=float(offset[0]) * self._ours,
            trail=tuple(self._lonlat(*at(t_s - back)) for back in range(600, -1, -60) if t_s >= back),
        )

    def _alerts(self, t_s: float) -> tuple[AlertView, ...]:
        seen_to = {alert: actor for alert, actor, _ in self.acknowledged}
        alerts = []
        for k, (at_s, kind, severity, share, english, spanish) in enumerate(ALERTS):
            if t_s < at_s:
                continue
            lon, lat = self._lonlat(*self._beside(share, 200.0)[:2]) if share else (None, None)
            km = (share or 0.0) * self._length_m / 1000.0
            words = {"km": km, "km2": km + 3.0}
            alerts.append(
                AlertView(
                    id=f"alert-{k}",
                    t_ns=START_T_NS + round(at_s * 1e9),
                    kind=kind,  # type: ignore[arg-type]
                    severity=severity,  # type: ignore[arg-type]
                    text_en=english.format(**words),
                    text_es=spanish.format(**words),
                    lat_deg=lat,
                    lon_deg=lon,
                    chainage_m=km * 1000.0 if share else None,
                    track_id=7 if kind == "crossing" else None,
                    acknowledged=f"alert-{k}" in seen_to,
                    acknowledged_by=seen_to.get(f"alert-{k}", ""),
                )
            )
        return tuple(reversed(alerts))

    # --- LiveSource
    def snapshot(self) -> LiveView:
        t_s = (time.monotonic() - self.started_s) * self.speed
        pairs = [self._aircraft(k, a, t_s) for k, a in enumerate(self.area.fleet.aircraft)]
        return LiveView(
            t_ns=START_T_NS + round(t_s * 1e9),
            speed=self.speed,
            simulated=("aircraft", "crossers", "terrain") if self.area.terrain.sketched else ("aircraft", "crossers"),
            phase_en=f"Watch running, wave {int(t_s // 1200) + 1} of 12",
            phase_es=f"Vigilancia en curso, ola {int(t_s // 1200) + 1} de 12",
            tasking=self.tasking.seed_commitment if self.tasking else "",
            aircraft=tuple(view for view, _ in pairs),
            footprints=tuple(footprint for _, footprint in pairs),
            tracks=(self._track(7, 0.47, 400.0 + t_s, "confirmed"), self._track(9, 0.30, 60.0 + t_s, "tentative")),
            alerts=self._alerts(t_s),
        )

    def acknowledge(self, alert_id: str, actor: str, note: str) -> bool:
        if alert_id not in {a.id for a in self._alerts(math.inf)}:
            return False
        self.acknowledged.append((alert_id, actor, note))
        return True

    def freshness(self) -> tuple[np.ndarray, Lattice]:
        t_s = (time.monotonic() - self.started_s) * self.speed
        age = np.full(self._cell_x.shape, np.inf, np.float32)
        for k in range(len(self.area.fleet.aircraft)):
            for back in range(0, 4000, 120):
                x, y, _ = self._flight(k, t_s - back)
                near = (self._cell_x - x) ** 2 + (self._cell_y - y) ** 2 < 1900.0**2
                age[near] = np.minimum(age[near], back)
        age[~self._watched] = np.nan
        return age, self._cells


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    import places

    from kuntur.server import app

    place = places.ridge_area(cell_m=30.0)
    if len(sys.argv) > 1:
        from kuntur.io.area import load

        place = load(sys.argv[1])
    app.new_token = lambda: "dev"
    app.run(
        DemoWatch(replace(place), speed=20.0, head_start_s=2400.0),
        app.open_socket(port=8650),
        announce=print,
    )
