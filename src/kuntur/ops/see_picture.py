"""The picture of what is seen, as PNG: seen ground in warm light, hidden ground in the shade of dusk."""

from __future__ import annotations

import math
import textwrap
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray

from kuntur.geodesy import angles
from kuntur.model.place import Terrain
from kuntur.ops import maps
from kuntur.ops.see_view import HIDDEN, NOT_LOOKED, SEEN, UNKNOWN, View, summary
from kuntur.visibility import relief

WIDE_IN, DPI = 9.6, 150
MOST_CELLS_ACROSS = 2400  # more would not show at this size
LIT = LinearSegmentedColormap.from_list("lit", ["#c98a2b", "#e8b04b", "#f6cf7e", "#fdeec6"])
DUSK = LinearSegmentedColormap.from_list("dusk", ["#27364a", "#34475e", "#46596f", "#5f7184"])
FAR = LinearSegmentedColormap.from_list("far", ["#dfe0dc", "#e9e8e3", "#f2f0ec", "#faf9f7"])
VOID, EYE, SCARLET = "#b9a9c9", "#0b3d5c", "#c1121f"


def colours(terrain: Terrain, seen: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(rows, cols, 3): relief in the light of what is seen."""
    z = terrain.heights_m
    low, high = np.nanpercentile(z, [1.0, 99.5]) if np.isfinite(z).any() else (0.0, 1.0)
    tall = (np.nan_to_num(z, nan=low) - low) / max(high - low, 1.0)
    shade = relief.shade(terrain, exaggeration=1.4).astype(np.float32) / 255.0
    shade[shade == 0.0] = math.sin(math.pi / 4.0)  # no slope beside a void
    rgb = FAR(tall)[..., :3] * (0.62 + 0.5 * shade)[..., None]
    for value, ramp, dark, light in ((SEEN, LIT, 0.42, 0.8), (HIDDEN, DUSK, 0.55, 0.75)):
        here = seen == value
        rgb[here] = ramp(tall[here])[..., :3] * (dark + light * shade[here])[..., None]
    rgb[np.isnan(z)] = (0.9, 0.9, 0.91)
    rgb[(seen == UNKNOWN) | (np.isnan(z) & (seen != NOT_LOOKED))] = tuple(
        int(VOID[k : k + 2], 16) / 255.0 for k in (1, 3, 5)
    )
    return np.asarray(np.clip(rgb, 0.0, 1.0), np.float32)


def draw(view: View, path: Path) -> Path:
    """Write the PNG, whole or not at all."""
    terrain = view.ground.terrain
    west, east = terrain.west_m / 1e3, terrain.east_m / 1e3
    south, north = terrain.south_m / 1e3, terrain.north_m / 1e3
    high_in = WIDE_IN * (north - south) / (east - west)
    figure = Figure(figsize=(WIDE_IN, high_in), dpi=DPI, facecolor="#fbfaf7")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    stride = max(1, math.ceil(max(view.seen.shape) / MOST_CELLS_ACROSS))
    thin = (slice(stride // 2, None, stride), slice(stride // 2, None, stride))
    small = msgspec.structs.replace(terrain, heights_m=terrain.heights_m[thin], cell_m=terrain.cell_m * stride)
    extent = (west, small.east_m / 1e3, small.south_m / 1e3, north)
    axes.imshow(colours(small, view.seen[thin]), extent=extent, interpolation="bilinear", zorder=0)
    axes.set(xlim=(west, east), ylim=(south, north), aspect="equal", xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(color=maps.INK, linewidth=0.8)
    _area(axes, view)
    _range(axes, view)
    _eye(axes, view)
    _scale_bar(axes, west, east, south)
    _words(axes, view)
    partial = path.with_name(f".{path.name}.part")
    try:
        figure.savefig(partial, format="png", bbox_inches="tight", pad_inches=0.25)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def _area(axes: Any, view: View) -> None:
    """The border and the names of an area, where the ground is one's."""
    area = view.ground.area
    if area is None:
        return
    xy = area.border.xy_m / 1e3
    axes.plot(*xy.T, color="white", linewidth=3.0, alpha=0.8, zorder=3)
    axes.plot(*xy.T, color=maps.BORDER, linewidth=1.5, zorder=3.1)
    (west, east), (south, north) = axes.get_xlim(), axes.get_ylim()
    room = 0.03 * (east - west)
    for place in area.places:
        x, y = place.x_m / 1e3, place.y_m / 1e3
        if west + room < x < east - 4.0 * room and south + room < y < north - room:
            axes.plot(
                x, y, "^" if place.kind == "peak" else "o", ms=3.5, color=maps.INK, mec="white", mew=0.6, zorder=6
            )
            axes.annotate(
                place.name, (x, y), xytext=(5, 0), textcoords="offset points", fontsize=7, va="center",
                color=maps.INK, path_effects=maps.HALO, zorder=9,
            )  # fmt: skip


def _range(axes: Any, view: View) -> None:
    """Rings at round distances and the limit; round a route the limit alone."""
    points = view.ground.observers_m / 1e3
    reach = view.max_range_m / 1e3
    if view.stations.route:
        import shapely

        edge = shapely.LineString(points[:, :2]).buffer(reach).exterior.coords.xy
        axes.plot(*edge, color=maps.INK, linewidth=1.0, zorder=4)
        return
    x, y, _ = points[0]
    turn = np.linspace(0.0, 2.0 * np.pi, 361)
    axes.plot(x + reach * np.sin(turn), y + reach * np.cos(turn), color=maps.INK, linewidth=1.1, zorder=4)
    for ring in ring_steps_km(reach):
        if ring < reach * 0.97:
            axes.plot(
                x + ring * np.sin(turn), y + ring * np.cos(turn), color="white", linewidth=0.8, alpha=0.55, zorder=4,
                dashes=(5, 4),
            )  # fmt: skip
        at = math.radians(45.0)
        axes.annotate(
            f"{ring:g} km", (x + ring * math.sin(at), y + ring * math.cos(at)), ha="center", va="center", fontsize=7,
            color=maps.INK, path_effects=maps.HALO, zorder=8,
        )  # fmt: skip


def ring_steps_km(reach_km: float) -> list[float]:
    """Round distances up to the range: three to five of them, the range last."""
    step = next(s * 10.0**p for p in range(-3, 4) for s in (1.0, 2.0, 5.0) if reach_km / (s * 10.0**p) <= 5.0 + 1e-9)
    rings = [step * k for k in range(1, math.floor(reach_km / step + 1e-9) + 1)]
    return rings if abs(rings[-1] - reach_km) < 1e-6 * reach_km else [*rings, reach_km]


def _eye(axes: Any, view: View) -> None:
    points = view.ground.observers_m / 1e3
    if view.stations.route:
        axes.plot(points[:, 0], points[:, 1], color="white", linewidth=4.0, alpha=0.9, zorder=7)
        axes.plot(points[:, 0], points[:, 1], color=EYE, linewidth=2.0, zorder=7.1)
        axes.plot(points[0, 0], points[0, 1], "o", ms=7, mfc="white", mec=EYE, mew=2.0, zorder=7.2)
        return
    x, y, _ = points[0]
    axes.plot(x, y, "o", ms=13, mfc="none", mec="white", mew=4.0, zorder=7)
    axes.plot(x, y, "o", ms=13, mfc="none", mec=EYE, mew=2.0, zorder=7.1)
    axes.plot(x, y, "o", ms=4, color=EYE, mec="white", mew=0.8, zorder=7.2)


def _scale_bar(axes: Any, west: float, east: float, south: float) -> None:
    wide = east - west
    length = max(c for c in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0) if c <= wide / 4)
    x, y, thick = west + 0.03 * wide, south + 0.03 * wide, 0.0055 * wide
    for k in range(4):
        axes.add_patch(
            Rectangle(
                (x + k * length / 4, y), length / 4, thick, facecolor=(maps.INK, "white")[k % 2], edgecolor=maps.INK,
                lw=0.8, zorder=10,
            )
        )  # fmt: skip
    for at, words in ((0.0, "0"), (1.0, f"{length:g} km")):
        axes.text(
            x + at * length, y + 1.8 * thick, words, ha="center", va="bottom", fontsize=8, color=maps.INK,
            path_effects=maps.HALO, zorder=10,
        )  # fmt: skip
    axes.annotate(
        "N", xy=(0.965, 0.972), xytext=(0.965, 0.915), xycoords="axes fraction", ha="center", va="top", fontsize=10,
        color=maps.INK, path_effects=maps.HALO, zorder=10, arrowprops={"arrowstyle": "-|>", "color": maps.INK},
    )  # fmt: skip


def _words(axes: Any, view: View) -> None:
    stations = view.stations
    if stations.route:
        title = f"Seen along {stations.chainage_m[-1] / 1e3:.1f} km"
    else:
        place = angles.words(float(stations.lat_deg[0]), float(stations.lon_deg[0]), 4)
        title = f"Seen from {place}"
    axes.annotate(
        title, (0.0, 1.0), xycoords="axes fraction", xytext=(0, 58), textcoords="offset points", va="bottom",
        fontsize=17, fontweight="bold", color=maps.INK,
    )  # fmt: skip
    axes.annotate(
        "\n".join(textwrap.wrap(summary(view), 118)), (0.0, 1.0), xycoords="axes fraction", xytext=(0, 50),
        textcoords="offset points", va="top", fontsize=9, color="#43525d", linespacing=1.45,
    )  # fmt: skip
    axes.legend(
        handles=_legend(view), loc="upper left", bbox_to_anchor=(-0.008, -0.008), ncols=6, fontsize=8.5, frameon=False,
        labelcolor=maps.INK, handlelength=1.4, columnspacing=1.6,
    )  # fmt: skip
    credit = "\n".join(
        (*view.ground.attributions, *view.ground.notes, f"Terrain {view.ground.title} · Drawn by Kuntur")
    )
    axes.annotate(
        credit, (0.0, 0.0), xycoords="axes fraction", xytext=(0, -26), textcoords="offset points", va="top",
        fontsize=6.5, color="#6b7780", linespacing=1.5,
    )  # fmt: skip
    if view.ground.terrain.sketched:
        axes.annotate(
            maps.SKETCHED, (1.0, 0.0), xycoords="axes fraction", xytext=(-8, 10), textcoords="offset points",
            ha="right", va="bottom", fontsize=9, fontweight="bold", color=maps.BORDER, linespacing=1.5, zorder=12,
            bbox={"boxstyle": "round,pad=0.45", "facecolor": "#fff3f3", "edgecolor": maps.BORDER},
        )  # fmt: skip


def _legend(view: View) -> list[Any]:
    handles: list[Any] = [
        Line2D([], [], color="none", marker="o", mfc="white", mec=EYE, mew=2.0, ms=7, label="start")
        if view.stations.route
        else Line2D([], [], color="none", marker="o", mfc="none", mec=EYE, mew=2.0, ms=9, label="eye"),
        Patch(facecolor="#eebb5c", label="seen"),
        Patch(facecolor="#3c5068", label="hidden"),
    ]
    if view.area_km2(UNKNOWN):
        handles.append(Patch(facecolor=VOID, label="unknown"))
    handles.append(Line2D([], [], color=maps.INK, linewidth=1.1, label=f"range {view.max_range_m / 1e3:g} km"))
    if view.ground.area is not None:
        handles.append(Line2D([], [], color=maps.BORDER, linewidth=1.5, label="border"))
    return handles
