"""Pictures of crossers: where quick ways meet, how long from the border and still to go, and the speeds behind it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from kuntur.model.place import Area
from kuntur.ops import maps
from kuntur.patrol import paces
from kuntur.patrol.corridors import Corridors

FloatArray = NDArray[np.float64]

HEAT: Final = LinearSegmentedColormap.from_list("corridors", ["#ffe9a8", "#f6a23c", "#d9481c", "#7a0f16", "#2b0308"])
COOL: Final = LinearSegmentedColormap.from_list("times", ["#08306b", "#2f7fb8", "#9ccbe0", "#eef6fa"])
LEAST_KM: Final = 0.1  # of border through a cell, below which nothing is drawn
INTERVALS_MIN: Final = (1, 2, 5, 10, 15, 30, 60, 120, 240)
WATER: Final = "#4a90c2"


def levels(ways: Corridors) -> list[int]:
    """Minutes of about six isochrones."""
    reached = ways.from_border_s[np.isfinite(ways.from_border_s)]
    most_min = float(np.quantile(reached, 0.98)) / 60.0 if len(reached) else 0.0
    step = next((i for i in INTERVALS_MIN if most_min / i <= 8.0), INTERVALS_MIN[-1])
    return list(range(step, int(most_min) + 1, step))


def draw_corridors(area: Area, ways: Corridors, starts: list[int], path: Path) -> Path:
    """Where quick ways meet, and the quickest way of each stretch of the border."""
    graph = ways.graph
    sheet = _sheet(area, ways, "Where quick ways run")
    km = np.ma.masked_less(np.nan_to_num(ways.border_m) / 1000.0, LEAST_KM)
    if km.count():
        image = sheet.raster(km, graph.cells.west_m, graph.cells.north_m, graph.cells.cell_m, colours=HEAT, alpha=0.8)
        image.set_norm(LogNorm(LEAST_KM, max(4.0 * LEAST_KM, float(km.max()))))
        sheet.colour_bar(image, "km of border whose quick ways lead through", plain=True)
    for start in starts:
        nodes = ways.route(start)
        xy = np.stack([graph.x_m[nodes], graph.y_m[nodes]], axis=-1)
        sheet.line(xy, color="white", linewidth=3.0, zorder=6)
        sheet.line(xy, color=maps.INK, linewidth=1.5, zorder=6.1)
        sheet.label(
            float(xy[-1, 0]), float(xy[-1, 1]), f" {ways.to_go_s[start] / 60.0:.0f} min", size=8, fontweight="bold"
        )
    sheet.legend_line("quickest way of a stretch of border", color=maps.INK, linewidth=1.5)
    return sheet.save(path)


def draw_times(area: Area, ways: Corridors, path: Path) -> Path:
    """Least time since the border (colours, lines) and still to go (dashed)."""
    graph = ways.graph
    sheet = _sheet(area, ways, "How long from the border, how long still to go")
    minutes = levels(ways)
    x_m, y_m = graph.cells.centres()
    since = np.ma.masked_invalid(ways.grid(ways.from_border_s) / 60.0)
    image = sheet.raster(
        since, graph.cells.west_m, graph.cells.north_m, graph.cells.cell_m,
        colours=COOL.reversed(), limits=(0.0, float(minutes[-1]) if minutes else 1.0), alpha=0.55,
    )  # fmt: skip
    sheet.colour_bar(image, "least minutes since the border")
    for values, style, width, colour in (
        (since, "solid", 1.1, "#08306b"),
        (np.ma.masked_invalid(ways.grid(ways.to_go_s) / 60.0), (0, (4, 3)), 1.0, "#a3122b"),
    ):
        if minutes and values.count() > 3:
            lines = sheet.axes.contour(
                x_m / 1e3,
                y_m / 1e3,
                values,
                levels=minutes,
                colors=colour,
                linewidths=width,
                linestyles=[style],
                zorder=6,
            )
            for text in sheet.axes.clabel(lines, fmt="%d", fontsize=7.5):
                text.set_path_effects([*maps.HALO])
    sheet.legend_line("minutes since the border", color="#08306b", linewidth=1.1)
    sheet.legend_line("minutes still to go", color="#a3122b", linewidth=1.0, linestyle=(0, (4, 3)))
    return sheet.save(path)


def _bounds(area: Area, ways: Corridors) -> maps.Bounds:
    """What can be reached and the whole border, with room for the names beside."""
    graph = ways.graph
    x_m = np.concatenate([graph.x_m, area.border.xy_m[:, 0]])
    y_m = np.concatenate([graph.y_m, area.border.xy_m[:, 1]])
    room_m = 0.1 * max(float(np.ptp(x_m)), float(np.ptp(y_m)))
    terrain = area.terrain
    return (
        max(float(x_m.min()) - room_m, terrain.west_m),
        max(float(y_m.min()) - room_m, terrain.south_m),
        min(float(x_m.max()) + room_m, terrain.east_m),
        min(float(y_m.max()) + room_m, terrain.north_m),
    )


def _sheet(area: Area, ways: Corridors, title: str) -> maps.Sheet:
    crosser = ways.graph.crosser
    speed = f"{crosser.speed_factor:g} x the speed of " if crosser.speed_factor != 1.0 else ""
    who = {"walk": "people on foot", "pack": "people with pack animals", "drive": "vehicles"}[crosser.mode]
    who += f" (percentile {crosser.percentile})" if crosser.mode != "drive" else ""
    sheet = maps.Sheet(
        area,
        f"{title} · {crosser.name}",
        f"{speed}{who}; least times, rounded in favour of who crosses; nothing here is about a patrol",
        bounds_m=_bounds(area, ways),
    )
    for water in area.waters:
        if water.kind == "lake":
            sheet.axes.fill(*(water.xy_m / 1e3).T, fc=WATER, ec="none", alpha=0.6, zorder=3)
        else:
            sheet.line(water.xy_m, color=WATER, linewidth=1.4, zorder=3)
    if area.waters:
        sheet.legend_patch(WATER, "water that stops him", alpha=0.6)
    return sheet


def draw_speeds(path: Path) -> Path:
    """The curves that crossers are planned with, and those they are compared with."""
    figure = Figure(figsize=(8.6, 5.0), dpi=110, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    slope_deg = np.linspace(-45.0, 45.0, 361)
    rise = np.tan(np.radians(slope_deg))
    reds: dict[int, Any] = {50: "#f0b9a8", 75: "#e58f77", 90: "#a3122b", 95: "#7a0f16", 99: "#45060b"}
    for percentile in paces.CAMPBELL:
        axes.plot(
            slope_deg, paces.campbell_mps(rise, percentile), color=reds[percentile],
            lw=2.4 if percentile == 90 else 1.2, label=f"Campbell et al. 2019, percentile {percentile}, on a path",
        )  # fmt: skip
    axes.plot(
        slope_deg, paces.OFF_PATH_FACTOR * paces.campbell_mps(rise), color="#a3122b", lw=2.4, ls=(0, (4, 2)),
        label="percentile 90 off the path (x 0.6, Tobler 1993)",
    )  # fmt: skip
    axes.plot(slope_deg, paces.tobler_mps(rise), color="#0b5c8a", lw=1.4, label="Tobler 1993, to compare")
    axes.plot(
        slope_deg, paces.naismith_mps(rise), color="#3a7d44", lw=1.4, label="Naismith 1892, Langmuir 1984, to compare"
    )
    axes.axhline(paces.PACK_WALK_MPS, color="#b8860b", lw=1.2, ls=":", label="mules at the walk, 4 mph (on the march)")
    axes.set(xlim=(-45.0, 45.0), ylim=(0.0, None), xlabel="slope in the direction of travel (degrees)", ylabel="m/s")
    axes.set_title("How fast people go over a slope", loc="left", fontweight="bold", color=maps.INK)
    axes.grid(alpha=0.25)
    axes.legend(fontsize=7.5, frameon=False, loc="upper right", bbox_to_anchor=(1.0, 1.0))
    partial = path.with_name(f".{path.name}.part")
    try:
        figure.savefig(partial, format="png")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path
