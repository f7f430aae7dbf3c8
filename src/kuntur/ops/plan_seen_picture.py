"""The picture of what a plan sees: the map with the strongest attacks on it, and beside it the numbers as charts."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image

from kuntur.geodesy import frames
from kuntur.model.place import Area
from kuntur.model.plans import Certificate, Strategy
from kuntur.ops import maps, plan_seen
from kuntur.ops.plan_seen import Seen
from kuntur.units import at_least, at_most

SEEN: Final = LinearSegmentedColormap.from_list("seen", ["#f2f6d8", "#a7d8b4", "#4fb3bf", "#2a7fb0", "#173f7d"])
UNSEEN: Final = "#4a2545"
ATTACK, FLOOR, CEILING = "#d95f02", "#1b6ca8", "#5b5b5b"
LEAST_PER_HOUR, MOST_PER_HOUR = 0.1, 10.0  # fixed, so that two plans can be laid side by side
SHEET_DPI: Final = 110  # as `maps.Sheet`
WITH_CHARTS: Final = 5.4  # inches that the charts are wide at the least


def write_seen(area: Area, planned: Strategy, plan_file: Path) -> tuple[Path, Path]:
    """Compute what a plan sees and write it beside its file: the picture and its data."""
    shown = plan_seen.seen(area, planned)
    data = plan_seen.save(shown, plan_seen.beside(plan_file))
    return draw_seen(area, planned, shown, data.with_suffix(".png")), data


def draw_seen(area: Area, planned: Strategy, shown: Seen, path: Path) -> Path:
    """Write the PNG: the map left (or above, where it is wide), the charts beside it."""
    sheet = Image.open(io.BytesIO(_map(area, planned, shown, path).read_bytes())).convert("RGB")
    beside = sheet.height > 0.75 * sheet.width
    size_in = (WITH_CHARTS, sheet.height / SHEET_DPI) if beside else (sheet.width / SHEET_DPI, 6.4)
    charts = Image.open(io.BytesIO(_charts(planned, shown, size_in, beside=beside))).convert("RGB")
    size = (
        (sheet.width + charts.width, max(sheet.height, charts.height))
        if beside
        else (max(sheet.width, charts.width), sheet.height + charts.height)
    )
    whole = Image.new("RGB", size, "white")
    whole.paste(sheet, (0, 0))
    whole.paste(charts, (sheet.width, 0) if beside else (0, sheet.height))
    partial = path.with_name(f".{path.name}.part")
    whole.save(partial, format="PNG")
    partial.replace(path)
    return path


def _map(area: Area, planned: Strategy, shown: Seen, path: Path) -> Path:
    hours = (shown.until_s - shown.from_s) / 3600.0
    sheet = maps.Sheet(
        area,
        f"What tonight's patrol sees · {area.title}",
        f"{shown.crosser_name}; {hours:.1f} promised hours, {shown.from_s / 3600.0:.1f} h to "
        f"{shown.until_s / 3600.0:.1f} h of the watch; a model, nothing here was observed",
    )
    rate, cells = shown.rates(), shown.cells
    place = (cells.west_m, cells.north_m, cells.cell_m)
    blind = np.ma.masked_where(np.isnan(rate) | (rate > 0.0), np.ones_like(rate))
    if blind.count():
        colours = LinearSegmentedColormap.from_list("unseen", [UNSEEN, UNSEEN])
        sheet.raster(blind, *place, colours=colours, alpha=0.6)
        sheet.legend_patch(
            UNSEEN, "never seen by this plan,\nor not counted on (the line itself,\nno-look zones)", alpha=0.6
        )
    lit = np.ma.masked_where(~(rate > 0.0), rate)
    if lit.count():
        image = sheet.raster(lit, *place, colours=SEEN, alpha=0.72)
        image.set_norm(LogNorm(LEAST_PER_HOUR, MOST_PER_HOUR, clip=True))
        sheet.colour_bar(image, "expected detections an hour of somebody who stays there", plain=True)
    _hubs(area, shown, sheet)
    _routes(area, planned, shown, sheet)
    return sheet.save(path)


def _xy_m(area: Area, coordinates: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    lon, lat = np.array(coordinates, float).reshape(-1, 2).T
    return np.column_stack(frames.to_local(area.frame, lat, lon))


def _routes(area: Area, planned: Strategy, shown: Seen, sheet: maps.Sheet) -> None:
    routes = [one for one in shown.features if one.properties["layer"] == "route"]
    for one in reversed(routes):
        first = one.properties["rank"] == 1
        xy = _xy_m(area, one.geometry["coordinates"])
        sheet.line(xy, color="white", linewidth=4.6 if first else 3.4, zorder=6)
        sheet.line(xy, color=ATTACK, linewidth=2.8 if first else 1.7, zorder=6.1)
        x_m, y_m = (float(value) for value in xy[-1])
        sheet.label(
            x_m, y_m, f" {one.properties['detection_prob']:.2f}", size=10 if first else 8, color=ATTACK,
            fontweight="bold", va="center",
        )  # fmt: skip
    if routes:
        sheet.legend_line(
            "strongest routes found, with the chance that\nthey are detected: a crosser who knows the\n"
            "plan but sees no draw; found, not proven",
            color=ATTACK, linewidth=2.4,
        )  # fmt: skip
        c = planned.certificate
        sheet.legend_line(
            f"who learns each draw as its wave begins\nhas no fixed route: at least {at_least(c.floor):.2f}, proven",
            color="none",
        )


def _hubs(area: Area, shown: Seen, sheet: maps.Sheet) -> None:
    hubs = [one.geometry["coordinates"] for one in shown.features if one.properties["layer"] == "hub"]
    if hubs:
        style: dict[str, Any] = {"marker": "D", "ms": 6, "mfc": "#ffd166", "mec": maps.INK, "mew": 0.9, "ls": "none"}
        xy = _xy_m(area, hubs) / 1e3
        sheet.axes.plot(xy[:, 0], xy[:, 1], zorder=5.5, **style)
        sheet.legend_line("hub: where an aircraft is between two waves", color="none", **style)


def _charts(planned: Strategy, shown: Seen, size_in: tuple[float, float], *, beside: bool) -> bytes:
    """The charts as PNG: exposure along the border, the numbers over solver time, what telling and doubt cost."""
    c = planned.certificate
    figure = Figure(
        figsize=size_in, dpi=SHEET_DPI, layout=ConstrainedLayoutEngine(h_pad=0.12, w_pad=0.1), facecolor="white"
    )
    canvas = FigureCanvasAgg(figure)
    small = [name for name, has in (("reveal", c.reveal), ("doubt", c.doubted)) if has]
    wide = max(len(small), 1)
    rows: Any = [["border"] * wide, ["time"] * wide] + ([small] if small else [])
    if not beside and small:
        rows = [
            ["border", "border", "time", "time"],
            ["border", "border", *(small if len(small) == 2 else small * 2)],
        ]
    axes = figure.subplot_mosaic(rows)
    border_chart(axes["border"], c, shown)
    _over_time(axes["time"], c)
    if c.reveal:
        _told(axes["reveal"], c)
    if c.doubted:
        _doubted(axes["doubt"], c)
    for one in axes.values():
        one.grid(color=maps.INK, alpha=0.12)
        one.tick_params(labelsize=8, colors=maps.INK)
        one.set_ylim(0.0, 1.0)
        one.set_ylabel("detection", fontsize=8.5, color=maps.INK)
    if planned.simulated:
        words = " · ".join(dict.fromkeys(word.upper() for word in planned.simulated))
        figure.supxlabel(words, x=0.99, ha="right", fontsize=9.5, color=maps.BORDER, fontweight="bold")
    buffer = io.BytesIO()
    canvas.print_png(buffer)  # type: ignore[no-untyped-call]
    return buffer.getvalue()


def _title(axes: Axes, words: str) -> None:
    axes.set_title(words, loc="left", fontsize=10.5, fontweight="bold", color=maps.INK)


def border_chart(axes: Axes, c: Certificate, shown: Seen) -> None:
    """Detection of who sets out in each part of the border: proven (steps, filled) and best route found (line)."""
    km = np.array(shown.edges_m) / 1e3
    held = np.array(shown.floor_prob, float)
    found = np.array(shown.attack_prob, float)
    axes.stairs(np.nan_to_num(held), km, fill=True, color=FLOOR, alpha=0.35)
    axes.stairs(held, km, color=FLOOR, lw=1.3, label="proven: learns each draw as its wave begins,\nmust start here")
    axes.stairs(found, km, baseline=None, color=ATTACK, lw=1.6, label="best route found from here: sees no draw")
    on_this = f"floor on this lattice {at_least(c.floor_planning):.2f}"
    axes.axhline(c.floor_planning, color=FLOOR, lw=1.4, ls="--", label=on_this)
    if c.floor < c.floor_planning:
        axes.axhline(
            c.floor, color=maps.INK, lw=1.1, ls=":", label=f"certified, with the audit {at_least(c.floor):.2f}"
        )
    for begin, end, value in zip(km, km[1:], held, strict=False):
        if np.isnan(value):
            axes.axvspan(begin, end, color="#999999", alpha=0.25, lw=0)
    axes.set_xlim(float(km[0]), float(km[-1]))
    axes.set_xlabel("km along the border where the crossing begins (grey: no way through)", fontsize=8.5)
    _title(axes, "Exposure along the border")
    axes.legend(fontsize=7.5, loc="lower left", framealpha=0.85)


def _over_time(axes: Axes, c: Certificate) -> None:
    """The floor as the solver raised it, and where it ended."""
    axes.axhline(
        c.ceiling, color=CEILING, lw=1.3, ls="--", label=f"ceiling {at_most(c.ceiling):.2f}: no schedule is better"
    )
    axes.axhline(c.attack, color=ATTACK, lw=1.3, ls="--", label=f"strongest attack found {c.attack:.2f}")
    if c.uninformed_floor is not None:
        axes.axhline(
            c.uninformed_floor,
            color=ATTACK,
            lw=1.1,
            ls=":",
            label=f"proven against him {at_least(c.uninformed_floor):.2f}",
        )
    if c.history:
        t_s = [one.t_s for one in c.history]
        axes.step(t_s, [one.floor for one in c.history], where="post", color=FLOOR, lw=1.8, marker="o", ms=3)
        for name, colour in (("attack", ATTACK), ("ceiling", CEILING)):
            known = [(one.t_s, getattr(one, name)) for one in c.history if getattr(one, name) is not None]
            if known:
                axes.plot(*zip(*known, strict=True), color=colour, lw=1.2, marker=".")
        axes.set_xlim(0.0, 1.02 * max(t_s[-1], 1.0))
    axes.axhline(c.floor, color=FLOOR, lw=1.3, ls="--", label=f"certified floor {at_least(c.floor):.2f}")
    axes.set_xlabel(f"seconds of solving, {c.rounds} rounds", fontsize=8.5)
    _title(axes, "The numbers over solver time")
    axes.legend(fontsize=7.5, loc="best", framealpha=0.85)


def _told(axes: Axes, c: Certificate) -> None:
    """What telling the draws ahead costs."""
    minutes, detection = zip(*c.reveal, strict=True)
    axes.plot(minutes, detection, color=ATTACK, lw=1.6, marker="o", ms=4)
    axes.set_xscale("symlog", linthresh=max(1.0, min((m for m in minutes if m > 0.0), default=1.0)))
    axes.set_xticks(minutes, [f"{m:.0f}" for m in minutes])
    axes.minorticks_off()
    axes.set_xlabel("minutes of draws he is told ahead\n(estimates, not bounds)", fontsize=8.5)
    _title(axes, "What telling costs")


def _doubted(axes: Axes, c: Certificate) -> None:
    """Floors when every look is worth less."""
    pairs = sorted(c.doubted)
    axes.plot(*zip(*pairs, strict=True), color=FLOOR, lw=1.6, marker="o", ms=4)
    for theta, floor in pairs:
        axes.annotate(
            f"{at_least(floor):.2f}", (theta, floor), xytext=(0, 5), textcoords="offset points", fontsize=7.5,
            ha="right", color=FLOOR,
        )  # fmt: skip
    axes.set_xlim(0.0, 1.02)
    axes.set_xlabel("share that each look is worth,\nall looks alike", fontsize=8.5)
    _title(axes, "Floor under doubt")
