"""The picture of a plan: what may be flown tonight, where it looks, and its three numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from kuntur.model.place import Area
from kuntur.model.plans import Strategy
from kuntur.ops import maps
from kuntur.units import at_least, at_most

COLOURS: Final = ("#1b6ca8", "#c4631a", "#3a7d44", "#7a3e9d", "#b5175c", "#5b5b5b")


def draw_plan(area: Area, planned: Strategy, path: Path) -> Path:
    """Every segment that may be drawn, darker the likelier, the hubs, and the certificate in words."""
    c = planned.certificate
    sheet = maps.Sheet(
        area,
        f"Patrol plan · {area.title}",
        f"certified floor {at_least(c.floor):.2f} · strongest attack found {c.attack:.2f} · "
        f"ceiling {at_most(c.ceiling):.2f}",
    )
    segments = {s.id: s for s in planned.segments}
    share: dict[int, float] = {}
    for wave in planned.waves:
        for column in wave.columns:
            for i in column.segment_ids:
                share[i] = share.get(i, 0.0) + column.weight / planned.weight_total
    for k, name in enumerate(planned.aircraft_ids):
        colour = COLOURS[k % len(COLOURS)]
        hubs = set()
        for i, likely in share.items():
            segment = segments[i]
            if segment.aircraft_id != name or not segment.t_s:
                continue
            xy = np.column_stack([segment.x_m, segment.y_m])
            sheet.line(xy, color=colour, alpha=min(0.9, 0.08 + likely), linewidth=0.9)
            wave = planned.waves[segment.wave]
            if segment.t_s[-1] >= wave.end_s - 1e-3:
                hubs.add((round(segment.x_m[-1]), round(segment.y_m[-1])))
        sheet.legend_line(next((a.name for a in area.fleet.aircraft if a.id == name), name), color=colour)
        for x_m, y_m in hubs:
            sheet.axes.plot(x_m / 1000.0, y_m / 1000.0, marker="o", markersize=5, color=colour, markeredgecolor="white")
    return sheet.save(path)
