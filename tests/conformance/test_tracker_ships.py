"""The tracker on real movers: ships in the Solent, their AIS positions made noisy and nameless."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from kuntur.geodesy import frames
from kuntur.model.place import LocalFrame
from kuntur.model.tracks import GroundDetection
from kuntur.tracking import tracker

SIGMA_M, WINDOW_S, SPAN_S = 15.0, 2.0, 1800.0


def test_tracks_keep_to_one_ship(shared_data: Path) -> None:
    """Half an hour of moving ships. Some lie side by side at the pier for minutes: no tracker can tell those apart."""
    with (shared_data / "tracking" / "SolentAIS_20160112_130211.csv").open() as file:
        rows = list(csv.DictReader(file))
    speeds = defaultdict(list)
    for row in rows:
        speeds[row["MMSI"]].append(float(row["SOG_knots"] or 0.0))
    rows = [row for row in rows if np.median(speeds[row["MMSI"]]) > 2.0]
    t_s = np.array([datetime.fromisoformat(row["Time"]).replace(tzinfo=UTC).timestamp() for row in rows])
    t_s -= t_s.min()
    frame = LocalFrame(lat0_deg=50.8, lon0_deg=-1.3)
    x_m, y_m = frames.to_local(
        frame, [float(r["Latitude_degrees"]) for r in rows], [float(r["Longitude_degrees"]) for r in rows]
    )
    rng = np.random.default_rng(0)
    state, ships = tracker.start(), defaultdict(list)
    for window in range(int(SPAN_S / WINDOW_S)):
        latest = {rows[i]["MMSI"]: i for i in np.flatnonzero(np.floor(t_s / WINDOW_S) == window)}
        found = [
            _detection(x_m[i] + rng.normal(0.0, SIGMA_M), y_m[i] + rng.normal(0.0, SIGMA_M)) for i in latest.values()
        ]
        look = tracker.Look(
            t_ns=round((window + 0.5) * WINDOW_S * 1e9),
            x_m=0.0,
            y_m=0.0,
            reach_m=1e6,
            detections=tuple(found),
            false_alarms_per_m2=(1e-9,) * len(found),
            seen_prob=lambda xy_m, _: np.zeros(len(xy_m)),
        )
        state, changes = tracker.step(state, look)
        for change in changes:
            if change.what != "deleted":
                at = state.state[state.id == change.track_id][0]
                nearest = min(range(len(found)), key=lambda k: np.hypot(found[k].x_m - at[0], found[k].y_m - at[1]))
                ships[change.track_id].append(list(latest)[nearest])
    named = {track: Counter(seen).most_common(1)[0] for track, seen in ships.items()}
    purity = sum(hits for _, hits in named.values()) / sum(len(seen) for seen in ships.values())
    long = [named[track][0] for track, seen in ships.items() if len(seen) >= 3]
    assert purity > 0.85  # 0.886 when this was written
    assert len(set(long)) >= 14 and len(long) <= 1.4 * len(set(long))


def _detection(x_m: float, y_m: float) -> GroundDetection:
    return GroundDetection(
        t_ns=0,
        aircraft_id="a",
        x_m=x_m,
        y_m=y_m,
        alt_msl_m=0.0,
        cov_m2=(SIGMA_M**2, 0.0, SIGMA_M**2),
        slant_range_m=1.0,
        size_class="light_vehicle",
        confidence_prob=1.0,
    )
