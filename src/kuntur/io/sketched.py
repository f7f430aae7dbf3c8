"""The sketched terrain of an area: drawn once, then taken from the cache."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from kuntur.errors import TerrainError
from kuntur.geodesy import frames, lines, sketch
from kuntur.io import rasters
from kuntur.io.area_file import ConeTable, HeightTable, LakeTable, SketchTable
from kuntur.model.place import HeightArray, LocalFrame, Terrain

FloatArray = NDArray[np.float64]
Bounds = tuple[float, float, float, float]
Progress = Callable[[float, str], None]

DEFAULT_CELL_M = 30.0
ATTRIBUTION = "Terrain: SKETCHED by Kuntur from published heights; it depicts no survey"


def terrain(
    known: SketchTable,
    frame: LocalFrame,
    bounds_m: Bounds,
    cell_m: float,
    border_m: FloatArray,
    cache: Path,
    progress: Progress,
) -> Terrain:
    """Draw the terrain, or take the same drawing by the same code from the cache. border_m: the whole border (n, 2)."""
    block = 8.0 * cell_m
    west, south = np.ceil(np.asarray(bounds_m[:2]) / block) * block
    east, north = np.floor(np.asarray(bounds_m[2:]) / block) * block
    if east - west < 4.0 * block or north - south < 4.0 * block:
        raise TerrainError("The extent is too small for a sketch.", remedy="Widen [extent], or make cell_m smaller.")
    plan = _plan(known, frame, (float(west), float(south), float(east), float(north)), cell_m, border_m)
    recipe = Path(sketch.__file__).read_bytes() + msgspec.json.encode(plan, enc_hook=np.ndarray.tolist)
    digest = hashlib.sha256(recipe).hexdigest()
    kept = cache / f"sketch-{digest[:16]}.tif"
    heights = _kept(kept, digest)
    if heights is None:
        progress(0.2, "drawing the sketched terrain")
        heights = sketch.draw(plan)
        _keep(kept, digest, heights, frame, float(west), float(north), cell_m)
    return Terrain(
        frame=frame,
        heights_m=heights,
        cell_m=cell_m,
        west_m=float(west),
        north_m=float(north),
        vertical_datum="EGM96",
        product="sketched terrain (drawn by Kuntur from published heights; no survey)",
        sketched=True,
        attribution=known.attribution or ATTRIBUTION,
        sha256=hashlib.sha256(np.ascontiguousarray(heights).tobytes()).hexdigest(),
    )


def _kept(path: Path, digest: str) -> HeightArray | None:
    try:
        heights, tags = rasters.read(path)
    except TerrainError:  # missing, or damaged: drawn anew
        return None
    return heights if tags.get("KUNTUR_RECIPE") == digest else None


def _keep(
    path: Path, digest: str, heights: HeightArray, frame: LocalFrame, west_m: float, north_m: float, cell_m: float
) -> None:
    tags = {"KUNTUR_TERRAIN": "sketched", "KUNTUR_RECIPE": digest, "KUNTUR_VERTICAL_DATUM": "EGM96"}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        rasters.write(path, {"alt_msl_m": heights}, frame, west_m, north_m, cell_m, tags=tags, nodata=float("nan"))
    except OSError:
        return  # a cache that cannot be written only costs time


def _plan(
    known: SketchTable, frame: LocalFrame, bounds_m: Bounds, cell_m: float, border_m: FloatArray
) -> sketch.Sketch:
    def local(at: HeightTable | ConeTable | LakeTable) -> tuple[float, float]:
        x, y = frames.to_local(frame, at.lat_deg, at.lon_deg)
        return float(x), float(y)

    def points(rows: Sequence[HeightTable]) -> FloatArray:
        return np.array([(*local(row), row.alt_msl_m) for row in rows], float).reshape(-1, 3)

    def body(at: ConeTable | LakeTable) -> dict[str, float]:
        x, y = local(at)
        return {"x_m": x, "y_m": y, "alt_msl_m": at.alt_msl_m, "radius_m": at.radius_m}

    ridges: tuple[FloatArray, ...] = ()
    if known.crest:
        line = lines.densify(border_m, 400.0)
        at_m = np.array([1000.0 * one.at_km for one in known.crest])
        crest = np.interp(lines.chainages(line), at_m, [one.alt_msl_m for one in known.crest])
        ridges = (np.column_stack([line, crest]),)
    return sketch.Sketch(
        bounds_m=bounds_m,
        cell_m=cell_m,
        seed=known.seed,
        ground_m=points(known.ground),
        fixed_m=points(known.fixed),
        cones=tuple(sketch.Cone(**body(one)) for one in known.cone),
        lakes=tuple(sketch.Lake(**body(one)) for one in known.lake),
        ridges_m=ridges,
    )
