"""One printed map sheet for every picture: relief, border with kilometres, bases, zones, scale bar, and the SKETCHED
stamp.

Used by survey, plan and review, so that all pictures of an area look alike. Axes are kilometres of the local frame.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Polygon, Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator, NullLocator
from numpy.typing import NDArray

from kuntur.geodesy import lines
from kuntur.model.place import Area
from kuntur.visibility import relief

INK = "#1d2a33"
BORDER = "#a3122b"
HALO = [withStroke(linewidth=2.6, foreground="white", alpha=0.9)]
TINT = LinearSegmentedColormap.from_list(
    "altiplano", ["#cfd3b8", "#e6dcc0", "#d9c3a0", "#c6b2a0", "#e9e6e4", "#ffffff"]
)
ZONE_STYLE = {
    "no_fly": ("#a3122b", "no flying"),
    "no_look": ("#5b2a86", "no looking"),
    "protected": ("#2f6f4f", "protected"),
}
SKETCHED = "SKETCHED TERRAIN · TERRENO EN BOCETO\nno survey, not for flying · sin levantamiento, no apto para volar"

Bounds = tuple[float, float, float, float]


def corridor_bounds(area: Area, margin_m: float = 2500.0) -> Bounds:
    """West, south, east, north (m) of the border and the depth asked for, clipped to the terrain."""
    reach = area.requirement.depth_m + margin_m
    low, high = area.border.xy_m.min(axis=0) - reach, area.border.xy_m.max(axis=0) + reach
    terrain = area.terrain
    return (
        max(low[0], terrain.west_m),
        max(low[1], terrain.south_m),
        min(high[0], terrain.east_m),
        min(high[1], terrain.north_m),
    )


def sheet_bounds(area: Area) -> Bounds:
    """`corridor_bounds` and every base with room for its name, clipped to the terrain."""
    west, south, east, north = corridor_bounds(area)
    room_m = 0.06 * (north - south)
    for base in area.bases:
        west, south = min(west, base.x_m - room_m), min(south, base.y_m - room_m)
        east, north = max(east, base.x_m + 3.0 * room_m), max(north, base.y_m + room_m)
    terrain = area.terrain
    return (
        max(west, terrain.west_m),
        max(south, terrain.south_m),
        min(east, terrain.east_m),
        min(north, terrain.north_m),
    )


class Sheet:
    """A map of an area being drawn: add rasters, lines and legend entries, then `save`."""

    def __init__(self, area: Area, title: str, subtitle: str = "", *, bounds_m: Bounds | None = None) -> None:
        self.area = area
        self.west_m, self.south_m, self.east_m, self.north_m = bounds_m or sheet_bounds(area)
        wide, high = self.east_m - self.west_m, self.north_m - self.south_m
        scale_in = 10.5 / max(wide, high)
        self.figure = Figure(figsize=(wide * scale_in, high * scale_in), dpi=110, facecolor="white")
        FigureCanvasAgg(self.figure)
        self.axes = self.figure.add_axes((0.0, 0.0, 1.0, 1.0))  # what lies outside is kept by `save`
        self.axes.set_xlim(self.west_m / 1e3, self.east_m / 1e3)
        self.axes.set_ylim(self.south_m / 1e3, self.north_m / 1e3)
        self.axes.set_aspect("equal")
        self.axes.tick_params(labelsize=8, colors=INK, length=3)
        self.axes.set_title(title, loc="left", fontsize=15, fontweight="bold", color=INK, pad=22)
        self.axes.text(0.0, 1.008, subtitle, transform=self.axes.transAxes, fontsize=9.5, color=INK, va="bottom")
        self.axes.set_xlabel(f"km east of {self._centre()}", fontsize=8, color=INK, loc="left")
        self.axes.set_ylabel("km north", fontsize=8, color=INK)
        self.handles: list[Any] = []
        self._relief()

    def _centre(self) -> str:
        frame = self.area.frame
        south, west = "S" if frame.lat0_deg < 0 else "N", "W" if frame.lon0_deg < 0 else "E"
        return f"{abs(frame.lat0_deg):.3f}° {south} {abs(frame.lon0_deg):.3f}° {west}"

    def _relief(self) -> None:
        terrain = self.area.terrain
        heights = terrain.heights_m
        low, high = np.nanpercentile(heights, [1.0, 99.7])
        tint = TINT((np.nan_to_num(heights, nan=low) - low) / max(high - low, 1.0))[..., :3].astype(np.float32)
        shade = relief.shade(terrain, exaggeration=1.3).astype(np.float32) / 255.0
        rgb = tint * (0.45 + 0.72 * shade)[..., None]
        rgb[np.isnan(heights)] = (0.55, 0.6, 0.65)
        self.raster(np.clip(rgb, 0.0, 1.0), terrain.west_m, terrain.north_m, terrain.cell_m, zorder=0)

    def raster(
        self,
        values: NDArray[Any],
        west_m: float,
        north_m: float,
        cell_m: float,
        *,
        colours: Colormap | None = None,
        limits: tuple[float, float] | None = None,
        alpha: float = 1.0,
        zorder: float = 1.0,
    ) -> Any:
        """Draw (rows, cols) values, masked cells clear, or (rows, cols, 3) colours; returns matplotlib's image."""
        rows, cols = values.shape[:2]
        west, east = west_m / 1e3, (west_m + cols * cell_m) / 1e3
        south, north = (north_m - rows * cell_m) / 1e3, north_m / 1e3
        return self.axes.imshow(
            values,
            extent=(west, east, south, north),
            cmap=colours,
            vmin=limits[0] if limits else None,
            vmax=limits[1] if limits else None,
            alpha=alpha,
            interpolation="nearest" if values.ndim == 2 else "bilinear",
            zorder=zorder,
        )

    def colour_bar(self, image: Any, label: str, *, percent: bool = False, plain: bool = False) -> None:
        """percent: shares as such; plain: a few round numbers on a logarithmic scale."""
        bar = self.figure.colorbar(image, cax=self.axes.inset_axes((1.02, 0.0, 0.022, 0.55)))
        bar.set_label(label, fontsize=9, color=INK)
        bar.ax.tick_params(labelsize=8, colors=INK)
        if percent:
            bar.ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
        if plain:
            bar.ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            bar.ax.yaxis.set_minor_locator(NullLocator())
            bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")

    def legend_patch(self, colour: str, label: str, *, alpha: float = 1.0) -> None:
        self.handles.append(Patch(facecolor=colour, alpha=alpha, edgecolor="none", label=label))

    def legend_line(self, label: str, **style: Any) -> None:
        self.handles.append(Line2D([], [], label=label, **style))

    def line(self, xy_m: NDArray[np.float64], *, zorder: float = 4.0, **style: Any) -> None:
        self.axes.plot(xy_m[:, 0] / 1e3, xy_m[:, 1] / 1e3, zorder=zorder, **style)

    def label(self, x_m: float, y_m: float, text: str, *, size: float = 8.0, **style: Any) -> None:
        """Haloed text at a place, unless the place lies off the sheet."""
        if self.west_m < x_m < self.east_m and self.south_m < y_m < self.north_m:
            words: dict[str, Any] = {"color": INK, "path_effects": HALO, "zorder": 9, "clip_on": True} | style
            self.axes.text(x_m / 1e3, y_m / 1e3, text, fontsize=size, **words)

    def save(self, path: Path) -> Path:
        """Draw border, places and frame over what was added, and write the PNG whole or not at all."""
        self._roads_and_zones()
        self._border()
        self._places_and_bases()
        self._furniture()
        partial = path.with_name(f".{path.name}.part")
        try:
            self.figure.savefig(partial, format="png", bbox_inches="tight", pad_inches=0.15)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        return path

    def _roads_and_zones(self) -> None:
        for road in self.area.roads:
            self.line(road.xy_m, color="white", linewidth=2.4, zorder=3)
            self.line(road.xy_m, color="#7a5c2e", linewidth=1.2, zorder=3.1, dashes=(4, 1.5))
        for zone in self.area.zones:
            colour, _ = ZONE_STYLE[zone.kind]
            self.axes.add_patch(
                Polygon(zone.xy_m / 1e3, fill=False, ec=colour, linewidth=1.3, linestyle=(0, (5, 2)), zorder=4)
            )
        for kind in sorted({zone.kind for zone in self.area.zones}):
            colour, words = ZONE_STYLE[kind]
            self.legend_line(f"zone: {words}", color=colour, linestyle=(0, (5, 2)), linewidth=1.3)

    def _border(self) -> None:
        border = self.area.border
        self.line(border.xy_m, color="white", linewidth=4.6, zorder=5)
        self.line(border.xy_m, color=BORDER, linewidth=2.2, zorder=5.1)
        length_m = float(lines.chainages(border.xy_m)[-1])
        step_m = 10_000.0 if length_m > 60_000.0 else 5000.0 if length_m > 15_000.0 else 1000.0
        for at_m in np.arange(0.0, length_m + 1.0, step_m):
            x_m, y_m = lines.point_at(border.xy_m, at_m)
            self.axes.plot(x_m / 1e3, y_m / 1e3, "o", ms=4.5, mfc="white", mec=BORDER, mew=1.3, zorder=5.2)
            away = self._to_their_side(at_m, length_m)
            across = {"ha": "right" if away[0] < 0 else "left"} if abs(away[0]) > 0.4 else {"ha": "center"}
            x_m, y_m = np.array([x_m, y_m]) + 0.012 * (self.north_m - self.south_m) * away
            self.label(x_m, y_m, f"km {at_m / 1e3:.0f}", size=7.5, color=BORDER, va="center", **across)
        self.legend_line(f"border {border.our_country} – {border.their_country}", color=BORDER, linewidth=2.2)
        self._country_names(length_m)

    def _to_their_side(self, at_m: float, length_m: float) -> NDArray[np.float64]:
        """Unit vector across the border at a chainage, towards the other country."""
        border = self.area.border
        half_m = 0.04 * length_m
        along = lines.point_at(border.xy_m, at_m + half_m) - lines.point_at(border.xy_m, at_m - half_m)
        left = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-9)
        return left if border.ours == "right" else -left

    def _country_names(self, length_m: float) -> None:
        """Each name on its side, beside the line."""
        border = self.area.border
        at_m = 0.36 * length_m
        reach_m = 0.17 * min(self.east_m - self.west_m, self.north_m - self.south_m)
        across = reach_m * self._to_their_side(at_m, length_m)
        for sign, name in ((1.0, border.their_country), (-1.0, border.our_country)):
            x_m, y_m = lines.point_at(border.xy_m, at_m) + sign * across
            self.label(
                x_m, y_m, " ".join(name.upper()), size=13, ha="center", va="center", fontweight="bold", alpha=0.7
            )

    def _places_and_bases(self) -> None:
        taken = [(base.x_m, base.y_m) for base in self.area.bases]
        for place in self.area.places:
            if any(np.hypot(place.x_m - x, place.y_m - y) < 1000.0 for x, y in taken):
                continue  # the base's own label says it
            if self.west_m < place.x_m < self.east_m and self.south_m < place.y_m < self.north_m:
                marker = {"peak": "^", "pass": "x"}.get(place.kind, "o")
                self.axes.plot(place.x_m / 1e3, place.y_m / 1e3, marker, ms=4.5, color=INK, mec=INK, zorder=7)
            self.label(place.x_m, place.y_m, f"  {place.name}", size=7.5, va="center")
        for base in self.area.bases:
            self.axes.plot(base.x_m / 1e3, base.y_m / 1e3, "s", ms=9, mfc="#0b5c8a", mec="white", mew=1.6, zorder=8)
            self.label(base.x_m, base.y_m, f"   {base.name}", size=9, va="center", fontweight="bold", color="#0b3d5c")
        self.legend_line("base", marker="s", color="none", mfc="#0b5c8a", mec="white", ms=9)

    def _furniture(self) -> None:
        self._scale_bar()
        self.axes.legend(
            handles=self.handles, loc="upper left", bbox_to_anchor=(1.01, 1.005), fontsize=8.5, frameon=False,
            labelcolor=INK, labelspacing=0.8,
        )  # fmt: skip
        self.axes.annotate(
            "N", xy=(0.985, 0.985), xytext=(0.985, 0.93), xycoords="axes fraction", ha="center", va="top", fontsize=10,
            arrowprops={"arrowstyle": "-|>", "color": INK}, color=INK, path_effects=HALO, zorder=12,
        )  # fmt: skip
        if self.area.terrain.sketched:
            self.axes.annotate(
                SKETCHED, xy=(1.0, 0.0), xycoords="axes fraction", xytext=(-5, -40), textcoords="offset points",
                ha="right", va="top", fontsize=11, fontweight="bold", color=BORDER, linespacing=1.5,
                bbox={"boxstyle": "round,pad=0.4", "facecolor": "#fff3f3", "edgecolor": BORDER},
            )  # fmt: skip
        credit = "\n".join((*dict.fromkeys(self.area.attributions), "Drawn by Kuntur"))
        self.axes.annotate(
            credit, xy=(0.0, 0.0), xycoords="axes fraction", xytext=(0, -94), textcoords="offset points",
            va="top", fontsize=6.5, color="#5c6770",
        )  # fmt: skip

    def _scale_bar(self) -> None:
        wide_km = (self.east_m - self.west_m) / 1e3
        length_km = max(c for c in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0) if c <= max(0.25 * wide_km, 0.1))
        x, y = self.west_m / 1e3 + 0.03 * wide_km, self.south_m / 1e3 + 0.035 * wide_km
        thick = 0.005 * wide_km
        for k in range(4):
            piece = Rectangle(
                (x + k * length_km / 4, y), length_km / 4, thick, facecolor=(INK, "white")[k % 2], edgecolor=INK, lw=0.8
            )
            piece.set_zorder(12)
            self.axes.add_patch(piece)
        for at, words in ((0.0, "0"), (0.5, f"{length_km / 2:g}"), (1.0, f"{length_km:g} km")):
            self.axes.text(
                x + at * length_km, y + 2 * thick, words, ha="center", va="bottom", fontsize=8, color=INK,
                path_effects=HALO, zorder=12,
            )  # fmt: skip
