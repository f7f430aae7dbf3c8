"""Heights from files or, without any, from a sketch, brought to the local frame."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from kuntur.errors import TerrainError
from kuntur.geodesy import frames, lines, sketch
from kuntur.io import rasters
from kuntur.io.area_file import SketchTable, TerrainTable
from kuntur.model.place import HeightArray, LocalFrame, Terrain

FloatArray = NDArray[np.float64]
Bounds = tuple[float, float, float, float]
Progress = Callable[[float, str], None]


def terrain(
    table: TerrainTable,
    folder: Path,
    frame: LocalFrame,
    bounds_m: Bounds,
    border_m: FloatArray,
    *,
    override: Sequence[Path],
    cache_folder: Path | None,
    progress: Progress,
    hashes: dict[str, str],
) -> Terrain:
    if table.sketch is None:
        raise TerrainError("no terrain", remedy="")
    return _sketched(table, table.sketch, frame, bounds_m, border_m, cache_folder, progress)


def default_cache() -> Path:
    """$XDG_CACHE_HOME/kuntur, or ~/.cache/kuntur."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "kuntur"


def _sketched(
    table: TerrainTable,
    known: SketchTable,
    frame: LocalFrame,
    bounds_m: Bounds,
    border_m: FloatArray,
    cache_folder: Path | None,
    progress: Progress,
) -> Terrain:
    """Draw the terrain, or take the drawing of the same facts by the same code from the cache."""
    cell_m = table.cell_m or 30.0
    block = 8.0 * cell_m
    west, south = np.ceil(bounds_m[0] / block) * block, np.ceil(bounds_m[1] / block) * block
    east, north = np.floor(bounds_m[2] / block) * block, np.floor(bounds_m[3] / block) * block
    plan = _plan(known, frame, (float(west), float(south), float(east), float(north)), cell_m, border_m)
    recipe = Path(sketch.__file__).read_bytes() + msgspec.json.encode(plan, enc_hook=_listed)
    digest = hashlib.sha256(recipe).hexdigest()
    cached = (cache_folder or default_cache()) / f"sketch-{digest[:16]}.tif"
    heights: HeightArray | None = None
    if cached.is_file():
        heights, tags = rasters.read(cached)
        if tags.get("KUNTUR_RECIPE") != digest:
            heights = None
    if heights is None:
        progress(0.2, "drawing the sketched terrain")
        heights = sketch.draw(plan)
        try:
            cached.parent.mkdir(parents=True, exist_ok=True)
            rasters.write(
                cached, {"alt_msl_m": heights}, frame, float(west), float(north), cell_m,
                tags={"KUNTUR_TERRAIN": "sketched", "KUNTUR_RECIPE": digest, "KUNTUR_VERTICAL_DATUM": "EGM96"},
                nodata=float("nan"),
            )  # fmt: skip
        except OSError:
            progress(0.8, "the sketch cannot be kept (cache not writable)")
    return Terrain(
        frame=frame,
        heights_m=heights,
        cell_m=cell_m,
        west_m=float(west),
        north_m=float(north),
        vertical_datum="EGM96",
        product="sketched terrain (drawn by Kuntur from published heights; no survey)",
        sketched=True,
        attribution=known.attribution or "Terrain: SKETCHED by Kuntur from published heights; it depicts no survey",
        sha256=hashlib.sha256(np.ascontiguousarray(heights).tobytes()).hexdigest(),
    )


def _listed(value: object) -> object:
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise NotImplementedError


def _plan(
    known: SketchTable, frame: LocalFrame, bounds_m: Bounds, cell_m: float, border_m: FloatArray
) -> sketch.Sketch:
    def local(lat_deg: float, lon_deg: float) -> tuple[float, float]:
        x, y = frames.to_local(frame, lat_deg, lon_deg)
        return float(x), float(y)

    def points(rows: Sequence[object]) -> FloatArray:
        return np.array([(*local(r.lat_deg, r.lon_deg), r.alt_msl_m) for r in rows], float).reshape(-1, 3)  # type: ignore[attr-defined]

    ridges: tuple[FloatArray, ...] = ()
    if known.crest:
        line = lines.densify(border_m, 400.0)
        at_m = [1000.0 * c.at_km for c in known.crest]
        crest = np.interp(lines.chainages(line), at_m, [c.alt_msl_m for c in known.crest])
        ridges = (np.column_stack([line, crest]),)
    place = {"cones": known.cone, "lakes": known.lake}
    kinds = {"cones": sketch.Cone, "lakes": sketch.Lake}
    bodies = {
        name: tuple(
            kinds[name](
                x_m=local(t.lat_deg, t.lon_deg)[0],
                y_m=local(t.lat_deg, t.lon_deg)[1],
                alt_msl_m=t.alt_msl_m,
                radius_m=t.radius_m,
            )
            for t in rows
        )
        for name, rows in place.items()
    }
    return sketch.Sketch(
        bounds_m=bounds_m, cell_m=cell_m, seed=known.seed, ground_m=points(known.ground), fixed_m=points(known.fixed),
        ridges_m=ridges, **bodies,
    )  # fmt: skip
