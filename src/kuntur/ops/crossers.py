"""`kuntur crossers`: where whoever crosses is likely to go, and how fast: table, pictures and GeoJSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import shapely
from contourpy import contour_generator
from msgspec import Struct
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from kuntur.errors import BorderError, ConfigError
from kuntur.geodesy import lines
from kuntur.io import vectors
from kuntur.model.place import Area
from kuntur.ops import crossers_picture, see_files
from kuntur.patrol import corridors, crossers
from kuntur.patrol.corridors import Corridors

FloatArray = NDArray[np.float64]
Progress = Callable[[float, str], None]

SEED: Final = 1
SPREADS: Final = (0.5, 2.0)  # km of border through a cell, the levels of the corridors in the GeoJSON
MINUTE_S: Final = 60.0


class Stretch(Struct, frozen=True, kw_only=True):
    """A stretch of the border for one class: how long its crossings take, from the cells of it where there is a way.

    way_prob: share of its cells with a way. The others are None without one. start: node of the quickest.
    """

    from_km: float
    to_km: float
    way_prob: float
    fastest_s: float | None
    median_s: float | None
    p90_s: float | None
    start: int | None


class Found(Struct, frozen=True, kw_only=True, eq=False):
    """What there is to tell of one class. planned_s: median on the planning lattice, rounded down to its steps."""

    ways: Corridors
    stretches: tuple[Stretch, ...]
    planned_s: float


def run(
    area: Area, folder: Path, console: Console, *, every_km: float = 5.0, progress: Progress = lambda *_: None
) -> list[Path]:
    """Work out all classes, print the table, and write pictures and crossers.geojson; returns what was written."""
    if not every_km > 0.0:
        raise ConfigError(f"A stretch of {every_km:g} km cannot be.", remedy="Give --every in km, above 0.")
    found: list[Found] = []
    count = len(area.crossers)
    for k, crosser in enumerate(area.crossers):
        try:
            ways = corridors.corridors(
                area,
                crosser,
                np.random.default_rng(SEED),
                progress=lambda f, w, k=k: progress((k + f) / count, w),  # type: ignore[misc]
            )
        except BorderError as error:
            console.print(f"{crosser.name}: {error}", markup=False)
            continue
        found.append(Found(ways=ways, stretches=stretches(area, ways, every_km), planned_s=_planned_s(area, crosser)))
    _show(area, found, console)
    progress(1.0, "pictures")
    return _written(area, found, folder)


def stretches(area: Area, ways: Corridors, every_km: float) -> tuple[Stretch, ...]:
    """The border in stretches of about every_km, in the order of chainage."""
    length_m = float(lines.chainages(area.border.xy_m)[-1])
    edges = np.linspace(0.0, length_m, max(1, round(length_m / 1000.0 / every_km)) + 1)
    starts = ways.graph.starts
    took = ways.to_go_s[starts]
    which = np.clip(np.searchsorted(edges, ways.graph.chainage_m[starts], side="right") - 1, 0, len(edges) - 2)
    made = []
    for k in range(len(edges) - 1):
        here = np.flatnonzero(which == k)
        open_here = here[np.isfinite(took[here])]
        times = took[open_here]
        made.append(
            Stretch(
                from_km=float(edges[k]) / 1000.0,
                to_km=float(edges[k + 1]) / 1000.0,
                way_prob=len(open_here) / max(len(here), 1),
                fastest_s=float(times.min()) if len(times) else None,
                median_s=float(np.median(times)) if len(times) else None,
                p90_s=float(np.quantile(times, 0.9)) if len(times) else None,
                start=int(starts[open_here[times.argmin()]]) if len(times) else None,
            )
        )
    return tuple(made)


def _planned_s(area: Area, crosser: Any) -> float:
    """Median of the fastest crossings as the plan counts them; inf where nobody gets through."""
    need = area.requirement
    graph = crossers.graph(area, crossers.strip(area, need.crosser_cell_m), crosser, need.crosser_step_s)
    fastest = crossers.fastest_s(graph)
    return float(np.median(fastest)) if len(fastest) else float("inf")


def _show(area: Area, found: list[Found], console: Console) -> None:
    table = Table(
        title=f"Crossings of {area.requirement.depth_m / 1000.0:g} km behind the border, least times in minutes",
        title_justify="left",
    )
    for name in ("border", *(one.ways.graph.crosser.name for one in found)):
        table.add_column(name, justify="right")
    rows = zip(*(one.stretches for one in found), strict=True)
    for row in rows:
        cells = [f"km {row[0].from_km:.0f} - {row[0].to_km:.0f}"]
        for stretch in row:
            if stretch.fastest_s is None or stretch.median_s is None or stretch.p90_s is None:
                cells.append("no way")
            else:
                three = " / ".join(f"{v / 60.0:.0f}" for v in (stretch.fastest_s, stretch.median_s, stretch.p90_s))
                cells.append(three + (f" ({stretch.way_prob:.0%} of it)" if stretch.way_prob < 0.995 else ""))
        table.add_row(*cells)
    console.print(table)
    console.print("Each: fastest / median / 90th percentile over the border cells of the stretch.", markup=False)
    for one in found:
        if np.isfinite(one.planned_s):
            console.print(
                f"{one.ways.graph.crosser.name}: a plan counts with {one.planned_s / 60.0:.0f} min in the median, "
                f"{area.requirement.neighbours} directions and whole steps of {area.requirement.crosser_step_s:g} s, "
                "rounded in favour of who crosses.",
                markup=False,
            )


def _written(area: Area, found: list[Found], folder: Path) -> list[Path]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths = [crossers_picture.draw_speeds(folder / "speeds.png")]
        for one in found:
            name = one.ways.graph.crosser.id
            starts = [stretch.start for stretch in one.stretches if stretch.start is not None]
            paths.append(crossers_picture.draw_corridors(area, one.ways, starts, folder / f"{name}-corridors.png"))
            paths.append(crossers_picture.draw_times(area, one.ways, folder / f"{name}-times.png"))
        paths.append(folder / "crossers.geojson")
        vectors.write(paths[-1], (feature for one in found for feature in _features(area, one)))
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error}.", remedy="Give another folder with --out.") from error
    return paths


def _features(area: Area, found: Found) -> Iterator[dict[str, Any]]:
    """Quickest way of each stretch, isochrones from the border, corridors: RFC 7946."""
    ways, graph = found.ways, found.ways.graph
    about = {"crosser": graph.crosser.id, "terrain": area.terrain.product}
    for stretch in found.stretches:
        if stretch.start is None or stretch.fastest_s is None:
            continue
        nodes = ways.route(stretch.start)
        if len(nodes) > 1:
            xy = np.stack([graph.x_m[nodes], graph.y_m[nodes]], axis=-1)
            km = {"from_km": round(stretch.from_km, 3), "to_km": round(stretch.to_km, 3)}
            yield _feature(
                area,
                shapely.LineString(xy),
                kind="quickest_way",
                minutes=round(stretch.fastest_s / 60.0, 1),
                **km,
                **about,
            )
    x_m, y_m = graph.cells.centres()
    times = contour_generator(x_m, y_m, np.ma.masked_invalid(ways.grid(ways.from_border_s)))
    for minutes in crossers_picture.levels(ways):
        parts = [part for part in times.lines(minutes * MINUTE_S) if len(part) > 1]
        if parts:
            yield _feature(area, shapely.MultiLineString(parts), kind="isochrone", minutes=minutes, **about)
    half = graph.cells.cell_m / 2.0
    for through in SPREADS:
        rows, cols = np.nonzero(np.nan_to_num(ways.border_m) >= 1000.0 * through)
        if len(rows):
            x, y = x_m[cols], y_m[rows]
            whole = shapely.union_all(shapely.box(x - half, y - half, x + half, y + half))
            whole = whole if whole.geom_type == "MultiPolygon" else shapely.MultiPolygon([whole])
            yield _feature(area, whole, kind="corridor", border_km_through=through, **about)


def _feature(area: Area, shape: Any, **properties: Any) -> dict[str, Any]:
    degrees = see_files.in_degrees(shape, area.frame)
    return vectors.feature(degrees.geom_type, shapely.geometry.mapping(degrees)["coordinates"], **properties)
