"""Survey: what can be seen from where aircraft can fly, what never can, and where the radio reaches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import shapely
from matplotlib import colormaps
from matplotlib.colors import ListedColormap
from msgspec import Struct
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from kuntur.aircraft import path
from kuntur.errors import TerrainError
from kuntur.geodesy import grid, lines
from kuntur.io import rasters
from kuntur.model.assets import Camera
from kuntur.model.place import Area, Lattice, Terrain
from kuntur.ops import maps
from kuntur.ops.cluster import HERE, Cluster, mapped
from kuntur.visibility import detection, doubt, radio, viewshed
from kuntur.visibility.rates import cell_rates

Progress = Callable[[float, str], None]
FOREIGN_MARGIN_M = 1000.0
"""Ground this far on the other side of the border is surveyed too."""
AT_ONCE = 32
"""Viewpoints of one task."""
SHOWN_S = 300.0
"""Pictures show the chance of detection within this time."""
HEAT = ListedColormap(colormaps["viridis"](np.linspace(0.05, 1.0, 256)))


class Survey(Struct, frozen=True, kw_only=True):
    """What the fleet's cameras could see, one viewpoint at a time. T targets, V viewpoints, B bases, on `lattice`.

    corridor: bool (rows, cols), the ground surveyed. viewpoints_m: float64 (V, 3) x, y, alt_msl, the middle of each
    flight cell at the required height above its highest ground. rates_hz: float32 (T, V, rows, cols), lower bounds
    (`rates.cell_rates`) with the best camera of the fleet; 0 in no-look zones. sight_count: uint16 (terrain rows,
    terrain cols), viewpoints with a sight line to a person there within useful range. radio_reach: bool (B, rows,
    cols), link from the base to an aircraft at the required height.
    """

    lattice: Lattice
    corridor: NDArray[np.bool_]
    viewpoints_m: NDArray[np.float64]
    targets: tuple[detection.Target, ...]
    rates_hz: NDArray[np.float32]
    sight_count: NDArray[np.uint16]
    base_ids: tuple[str, ...]
    radio_reach: NDArray[np.bool_]

    def best_rate_hz(self, target: detection.Target) -> NDArray[np.float32]:
        """(rows, cols): from the best viewpoint, 0 where none sees the whole cell."""
        rates: NDArray[np.float32] = self.rates_hz[self.targets.index(target)].max(axis=0)
        return rates

    def seen_count(self, target: detection.Target) -> NDArray[np.intp]:
        """(rows, cols): how many viewpoints see the whole cell."""
        return np.asarray(np.count_nonzero(self.rates_hz[self.targets.index(target)], axis=0))

    @property
    def never_seen(self) -> NDArray[np.bool_]:
        """(terrain rows, terrain cols): corridor ground that no viewpoint sees at all."""
        return np.asarray(self.fine_corridor & (self.sight_count == 0))

    @property
    def fine_corridor(self) -> NDArray[np.bool_]:
        """The corridor on the terrain's own cells."""
        cells = self.lattice
        whole = np.zeros(self.sight_count.shape, bool)
        fine = np.kron(self.corridor, np.ones((cells.factor, cells.factor), bool))
        whole[cells.row0 : cells.row0 + fine.shape[0], cells.col0 : cells.col0 + fine.shape[1]] = fine
        return whole


class _Search(Struct, frozen=True, kw_only=True):
    """One camera's search for one target from a few viewpoints: what a worker is given beside the area."""

    target: detection.Target
    camera: Camera
    first: int
    viewpoints_m: NDArray[np.float64]
    lattice: Lattice


def survey(area: Area, *, cluster: Cluster = HERE, progress: Progress = lambda fraction, words: None) -> Survey:
    """Survey the corridor along the border with the area's fleet, for the targets that the requirement is about.

    cluster: where the rates are worked out; the result is the same bytes everywhere. Raises TerrainError where nothing
    can be flown over it.
    """
    need = area.requirement
    lattice = grid.lattice(area.terrain, need.crosser_cell_m, maps.corridor_bounds(area, FOREIGN_MARGIN_M))
    corridor = _corridor(area, lattice)
    viewpoints_m = candidate_viewpoints(area)
    progress(0.05, f"{len(viewpoints_m)} viewpoints, {np.count_nonzero(corridor)} cells")
    targets = tuple(dict.fromkeys(crosser.target for crosser in area.crossers if crosser.required))
    rates = np.zeros((len(targets), len(viewpoints_m), lattice.rows, lattice.cols), np.float32)
    cameras = {aircraft.camera.id: aircraft.camera for aircraft in area.fleet.aircraft}.values()
    searches = [
        _Search(target=target, camera=camera, first=k, viewpoints_m=viewpoints_m[k : k + AT_ONCE], lattice=lattice)
        for target in targets for camera in cameras for k in range(0, len(viewpoints_m), AT_ONCE)
    ]  # fmt: skip
    for k, (search, seen) in enumerate(zip(searches, mapped(_rates, area, searches, cluster), strict=True)):
        part = rates[targets.index(search.target), search.first : search.first + len(seen)]
        np.maximum(part, seen, out=part)
        progress(0.05 + 0.45 * (k + 1) / len(searches), f"{search.camera.name} for {search.target}")
    allowed = corridor & ~_touches(area, lattice, "no_look")
    rates *= allowed
    progress(0.5, f"sight lines from {len(viewpoints_m)} viewpoints")
    sight_count = _sight_count(area, viewpoints_m)
    progress(0.9, "radio")
    reach = _radio_reach(area, lattice)
    progress(1.0, "surveyed")
    return Survey(
        lattice=lattice,
        corridor=corridor,
        viewpoints_m=viewpoints_m,
        targets=targets,
        rates_hz=rates,
        sight_count=sight_count,
        base_ids=tuple(base.id for base in area.bases),
        radio_reach=reach,
    )


def _rates(area: Area, search: _Search) -> NDArray[np.float32]:
    need = area.requirement
    searched = {crosser.target for crosser in area.crossers}
    pattern = detection.search_for(search.camera, searched, need.height_agl_m, area.weather)
    return cell_rates(
        area.terrain, search.lattice, search.viewpoints_m, search.camera, pattern, search.target, area.weather,
        threads=1, doubt=doubt.of(area.terrain, need.certainty_prob),
    )  # fmt: skip


def candidate_viewpoints(area: Area) -> NDArray[np.float64]:
    """(V, 3): the middle of each viewpoint cell (half a flight cell wide) where the fleet could fly.

    On our side within the depth and one flight cell more, over known ground, outside no-fly zones. The altitude is the
    required height above the highest ground of the cell and its rim, plus the terrain's error (LE90).
    """
    need, terrain = area.requirement, area.terrain
    cells = grid.lattice(terrain, need.flight_cell_m / 2.0, maps.corridor_bounds(area, need.flight_cell_m))
    x_m, y_m = (a.ravel() for a in np.meshgrid(*cells.centres()))
    top_m = (
        grid.blocks(_with_rim(grid.surface(terrain)), cells).max(axis=-1).ravel()
    )  # NaN where any ground of the cell is void
    _, inward_m = lines.inward_offset(area.border.xy_m, area.border.ours, x_m, y_m)
    keep = (inward_m >= 0.0) & (inward_m <= need.depth_m + need.flight_cell_m) & ~np.isnan(top_m)
    for zone in area.zones:
        if zone.kind == "no_fly":
            keep &= ~shapely.contains_xy(shapely.Polygon(zone.xy_m), x_m, y_m)
    if not keep.any():
        raise TerrainError(
            "There is no place to fly along this border: every flight cell on our side is void or in a no-fly zone.",
            remedy="Add terrain on our side, or shrink the no-fly zones.",
        )
    altitude_m = top_m + need.height_agl_m + path.terrain_error_m(terrain)
    viewpoints_m: NDArray[np.float64] = np.stack([x_m, y_m, altitude_m], axis=-1)[keep]
    return viewpoints_m


def _with_rim(terrain: Terrain) -> Terrain:
    """Each height raised to the highest of its eight neighbours, NaN beside a void."""
    high = np.pad(terrain.heights_m, 1, mode="edge")
    high = np.maximum(np.maximum(high[:-2], high[1:-1]), high[2:])
    high = np.maximum(np.maximum(high[:, :-2], high[:, 1:-1]), high[:, 2:])
    return msgspec.structs.replace(terrain, heights_m=high)


def _inward_m(area: Area, lattice: Lattice) -> NDArray[np.float64]:
    """Distance of each lattice cell's centre from the border, positive on our side."""
    x_m, y_m = np.meshgrid(*lattice.centres())
    _, inward_m = lines.inward_offset(area.border.xy_m, area.border.ours, x_m, y_m)
    return np.asarray(inward_m)


def _corridor(area: Area, lattice: Lattice) -> NDArray[np.bool_]:
    inward_m = _inward_m(area, lattice)
    return np.asarray((inward_m >= -FOREIGN_MARGIN_M) & (inward_m <= area.requirement.depth_m + lattice.cell_m))


def _touches(area: Area, lattice: Lattice, kind: str) -> NDArray[np.bool_]:
    """Lattice cells that touch a zone of this kind."""
    x_m, y_m = np.meshgrid(*lattice.centres())
    half_m = lattice.cell_m / 2.0
    cells = shapely.box(x_m - half_m, y_m - half_m, x_m + half_m, y_m + half_m)
    touched = np.zeros(x_m.shape, bool)
    for zone in area.zones:
        if zone.kind == kind:
            touched |= shapely.intersects(cells, shapely.Polygon(zone.xy_m))
    return touched


def _person_range_m(area: Area) -> float:
    """Useful range of the fleet's best camera for a person."""
    return max(detection.max_range_m(aircraft.camera, "person", area.weather) for aircraft in area.fleet.aircraft)


def _sight_count(area: Area, viewpoints_m: NDArray[np.float64]) -> NDArray[np.uint16]:
    """How many viewpoints have a sight line to a person in each terrain cell, within the best camera's useful range.

    Exact: what no viewpoint sees is a statement about every one of them.
    """
    seen = viewshed.accumulate(
        area.terrain,
        viewpoints_m,
        max_range_m=_person_range_m(area),
        target_height_m=detection.VISIBLE_HEIGHT_M["person"],
        mode="exact",
        want=("count",),
    )
    assert seen.count is not None
    return seen.count


def _radio_reach(area: Area, lattice: Lattice) -> NDArray[np.bool_]:
    """From each base's mast with every radio stationed there (the fleet's where none is), to the required height."""
    there_m = radio.over_cells(area.terrain, lattice, area.requirement.height_agl_m)
    reach = np.ones((len(area.bases), lattice.rows, lattice.cols), bool)
    for base, reached in zip(area.bases, reach, strict=True):
        stationed = [a.radio for a in area.fleet.aircraft if a.base_id == base.id]
        mast_m = np.array([base.x_m, base.y_m, base.alt_msl_m + base.mast_agl_m])
        for one in {r.id: r for r in stationed or [a.radio for a in area.fleet.aircraft]}.values():
            linked = radio.reach(area.terrain, mast_m, there_m, one, a_gain_dbi=base.mast_gain_dbi)
            reached &= linked.reshape(reached.shape)
    return reach


def _terrain_words(terrain: Terrain) -> str:
    return "SKETCHED, not a survey" if terrain.sketched else terrain.product


def write_survey(result: Survey, area: Area, folder: Path) -> list[Path]:
    """Write rasters (Cloud Optimized GeoTIFF, local transverse Mercator frame) and pictures (PNG); returns their
    paths."""
    folder.mkdir(parents=True, exist_ok=True)
    return [*_write_rasters(result, area, folder), *_draw(result, area, folder)]


def _write_rasters(result: Survey, area: Area, folder: Path) -> list[Path]:
    terrain, cells = area.terrain, result.lattice
    tags = {
        "area": area.id,
        "terrain": _terrain_words(terrain),
        "attribution": " · ".join(area.attributions),
        "height_agl_m": f"{area.requirement.height_agl_m:g}",
        "inputs_sha256": msgspec.json.encode(area.input_hashes).decode(),
    }
    outside = np.where(result.corridor, np.float32(0.0), np.float32(np.nan))
    rates = {f"{t}: 1/s from the best viewpoint": result.best_rate_hz(t) + outside for t in result.targets}
    count = {"viewpoints that see a person here": result.sight_count}
    reached = {
        f"{base}: 1 reached": reach.astype(np.uint8)
        for base, reach in zip(result.base_ids, result.radio_reach, strict=True)
    }
    place = (cells.west_m, cells.north_m, cells.cell_m)
    paths = [folder / "detection_rate.tif", folder / "sight_count.tif", folder / "radio_reach.tif"]
    rasters.write(paths[0], rates, area.frame, *place, tags=tags, nodata=float("nan"), cog=True)
    rasters.write(paths[1], count, area.frame, terrain.west_m, terrain.north_m, terrain.cell_m, tags=tags, cog=True)
    rasters.write(paths[2], reached, area.frame, *place, tags=tags, cog=True)
    return paths


def _draw(result: Survey, area: Area, folder: Path) -> list[Path]:
    height = f"{area.requirement.height_agl_m:.0f} m above the highest ground of their cell"
    flight = f"{len(result.viewpoints_m)} viewpoints, {height}"
    detection_maps = [_draw_detection(result, area, folder, target, flight) for target in result.targets]
    return [*detection_maps, _draw_never_seen(result, area, folder, flight), _draw_radio(result, area, folder)]


def _draw_detection(result: Survey, area: Area, folder: Path, target: detection.Target, flight: str) -> Path:
    cells = result.lattice
    name = target.replace("_", " ")
    sheet = maps.Sheet(
        area, f"Detection of a {name}: {area.title}", f"Lower bound for each {cells.cell_m:.0f} m cell · {flight}"
    )
    best = result.best_rate_hz(target)
    chance = np.ma.masked_where(~result.corridor | (best == 0.0), -np.expm1(-best * SHOWN_S))
    image = sheet.raster(chance, cells.west_m, cells.north_m, cells.cell_m, colours=HEAT, limits=(0.0, 1.0), alpha=0.78)
    _outline(sheet, result)
    sheet.colour_bar(image, f"chance of detection within {SHOWN_S / 60:.0f} min, best viewpoint", percent=True)
    sheet.legend_line("surveyed; uncoloured inside: some of the cell is hidden", color=maps.INK, linewidth=1.0)
    return sheet.save(folder / f"detection_{target}.png")


def _draw_never_seen(result: Survey, area: Area, folder: Path, flight: str) -> Path:
    terrain = area.terrain
    share = float(result.never_seen.sum() / result.fine_corridor.sum())
    sheet = maps.Sheet(area, f"What can never be seen: {area.title}", f"{share:.1%} of the corridor · {flight}")
    reach_m = _person_range_m(area)
    behind = result.never_seen & _within(result, terrain, reach_m)
    few = result.fine_corridor & (result.sight_count > 0) & (result.sight_count <= 2)
    for mask, colour, words in (
        (behind, "#3b0f70", "never seen: hidden by the ground from every viewpoint"),
        (result.never_seen & ~behind, "#7d8590", f"never seen: over {reach_m / 1e3:.1f} km from every viewpoint"),
        (few, "#f1a340", "seen from one or two viewpoints only"),
    ):
        sheet.raster(
            np.ma.masked_where(~mask, mask), terrain.west_m, terrain.north_m, terrain.cell_m,
            colours=ListedColormap([colour]), alpha=0.85,
        )  # fmt: skip
        sheet.legend_patch(colour, words, alpha=0.85)
    _outline(sheet, result)
    _viewpoints(sheet, result)
    return sheet.save(folder / "never_seen.png")


def _within(result: Survey, terrain: Terrain, reach_m: float) -> NDArray[np.bool_]:
    """Never-seen terrain cells that some viewpoint would have in range."""
    within = np.zeros_like(result.never_seen)
    row, col = np.nonzero(result.never_seen)
    xy_m = np.stack([terrain.west_m + (col + 0.5) * terrain.cell_m, terrain.north_m - (row + 0.5) * terrain.cell_m], -1)
    distance_m, _ = cKDTree(result.viewpoints_m[:, :2]).query(xy_m, distance_upper_bound=reach_m)
    within[row, col] = np.isfinite(distance_m)
    return within


def _draw_radio(result: Survey, area: Area, folder: Path) -> Path:
    cells = result.lattice
    height = f"to an aircraft {area.requirement.height_agl_m:.0f} m above the ground"
    sheet = maps.Sheet(
        area, f"Radio reach: {area.title}", f"Line of sight with 0.6 of the first Fresnel zone clear, {height}"
    )
    number = np.where(_inward_m(area, cells) >= -FOREIGN_MARGIN_M, result.radio_reach.sum(axis=0), -1)
    shades = ["#c0392b", "#8fbf6a", "#2e7d4f", "#14532d"]
    for n in range(len(result.base_ids) + 1):
        colour = shades[min(n, len(shades) - 1)]
        mask = number == n
        sheet.raster(
            np.ma.masked_where(~mask, mask), cells.west_m, cells.north_m, cells.cell_m,
            colours=ListedColormap([colour]), alpha=0.5,
        )  # fmt: skip
        sheet.legend_patch(colour, "reached by no base" if n == 0 else f"reached by {n} base{'s' * (n > 1)}", alpha=0.5)
    return sheet.save(folder / "radio_reach.png")


def _outline(sheet: maps.Sheet, result: Survey) -> None:
    x_m, y_m = result.lattice.centres()
    sheet.axes.contour(x_m / 1e3, y_m / 1e3, result.corridor, levels=[0.5], colors=maps.INK, linewidths=0.9, zorder=3)


def _viewpoints(sheet: maps.Sheet, result: Survey) -> None:
    sheet.axes.plot(
        result.viewpoints_m[:, 0] / 1e3, result.viewpoints_m[:, 1] / 1e3, "+", color="#0b3d5c", ms=4, mew=0.8, zorder=4
    )
    sheet.legend_line("viewpoint", marker="+", color="none", mec="#0b3d5c", ms=6)
