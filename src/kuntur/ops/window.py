"""The work of one window of a wide survey: a pure function of the terrain files, what is asked, and who looks.

It runs in a thread of this process or in a Dask worker, and gives the same bytes wherever it runs.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kuntur.geodesy import posts
from kuntur.io import mosaic, windows
from kuntur.io.mosaic import Mosaic
from kuntur.units import REFRACTION_COEFFICIENT
from kuntur.visibility import detection, viewshed

FloatArray = NDArray[np.float64]
ALWAYS: tuple[viewshed.Quantity, ...] = ("count", "unknown")


class Looks(Struct, frozen=True, kw_only=True):
    """What is asked of every viewpoint. Heights are above the ground: below the viewpoint, and at the target's place.

    quantities: beside count and unknown. rate, weight_s: for "exposure", the same for every viewpoint.
    """

    height_agl_m: float
    range_m: float
    target_height_m: float = detection.VISIBLE_HEIGHT_M["person"]
    mode: viewshed.Mode = "accurate"
    quantities: tuple[viewshed.Quantity, ...] = ("best_slant_m",)
    refraction: float = REFRACTION_COEFFICIENT
    rate: viewshed.RangeTable | None = None
    weight_s: float = 1.0

    @property
    def wanted(self) -> tuple[viewshed.Quantity, ...]:
        return tuple(dict.fromkeys((*ALWAYS, *self.quantities)))


class Job(Struct, frozen=True, kw_only=True):
    """What the work of every window shares. It travels to the workers."""

    terrain: Mosaic
    looks: Looks


class Window(Struct, frozen=True, kw_only=True):
    """Posts [row0, row0 + rows) x [col0, col0 + cols) of the mosaic, and the viewpoints that reach them.

    viewpoints: (n, 3) number, row, col. key: the hash of everything that the result depends on.
    """

    row0: int
    col0: int
    rows: int
    cols: int
    viewpoints: FloatArray
    key: str = ""

    @property
    def name(self) -> str:
        return name_of(self.row0, self.col0)


class Tally(Struct, frozen=True, kw_only=True):
    """What a window adds to the summary. A viewpoint counts in the window that it stands in."""

    without_ground: int
    seen_km2: float
    unknown_km2: float


class Finished(Struct, frozen=True, kw_only=True):
    """A window's rasters, by quantity, as the bytes of GeoTIFF files."""

    row0: int
    col0: int
    key: str
    files: dict[viewshed.Quantity, bytes]
    tally: Tally


def name_of(row0: int, col0: int) -> str:
    return f"r{row0:06d}c{col0:06d}"


def look(job: Job, window: Window) -> Finished:
    """Read the terrain round one window, sweep it from its viewpoints, encode what they see.

    A viewpoint without known ground (a void, or no tile) has no altitude: it looks at nothing, and is counted.
    """
    terrain, looks = job.terrain, job.looks
    row0, col0, row1, col1 = around(terrain, window)
    heights_m = mosaic.read(terrain, row0, col0, row1 - row0, col1 - col0)
    _, row, col = window.viewpoints.T
    ground_m = _height_at(heights_m, row - row0, col - col0)
    known = ~np.isnan(ground_m)
    seen = viewshed.sweep(
        heights_m,
        np.stack([col - col0, row - row0, ground_m + looks.height_agl_m], axis=-1)[known],
        posts.spacing_m(terrain.lat_deg(row[known]), terrain.step_lat_deg, terrain.step_lon_deg),
        max_range_m=looks.range_m,
        target_height_m=looks.target_height_m,
        mode=looks.mode,
        want=looks.wanted,
        rate=looks.rate,
        weights_s=np.full(int(known.sum()), looks.weight_s) if looks.rate else None,
        refraction=looks.refraction,
        window=(window.row0 - row0, window.col0 - col0, window.rows, window.cols),
        threads=1,
    )
    here = (row >= window.row0) & (row < window.row0 + window.rows)
    here &= (col >= window.col0) & (col < window.col0 + window.cols)
    cell_km2 = (
        posts.spacing_m(
            terrain.lat_deg(window.row0 + np.arange(window.rows)), terrain.step_lat_deg, terrain.step_lon_deg
        ).prod(axis=1)
        * 1e-6
    )
    assert seen.count is not None and seen.unknown is not None  # always wanted
    seen_here = seen.count > 0
    unknown_here = (seen.unknown > 0) & ~seen_here
    tally = Tally(
        without_ground=int((here & ~known).sum()),
        seen_km2=float((seen_here.sum(axis=1) * cell_km2).sum()),
        unknown_km2=float((unknown_here.sum(axis=1) * cell_km2).sum()),
    )
    whole = grid(terrain, (0, 0, terrain.rows, terrain.cols))
    files = {
        name: windows.encode(_for_file(getattr(seen, name)), whole, window.row0, window.col0, nodata(name))
        for name in looks.wanted
    }
    return Finished(row0=window.row0, col0=window.col0, key=window.key, files=files, tally=tally)


def around(terrain: Mosaic, window: Window) -> tuple[int, int, int, int]:
    """The posts of every line between the window and a viewpoint, and one more on each side."""
    _, row, col = window.viewpoints.T
    return (
        max(0, min(window.row0, math.floor(row.min())) - 1),
        max(0, min(window.col0, math.floor(col.min())) - 1),
        min(terrain.rows, max(window.row0 + window.rows, math.ceil(row.max()) + 1) + 1),
        min(terrain.cols, max(window.col0 + window.cols, math.ceil(col.max()) + 1) + 1),
    )


def _height_at(heights_m: NDArray[np.float32], row: FloatArray, col: FloatArray) -> FloatArray:
    """Bilinear; NaN where one of the four posts is void."""
    r0 = np.clip(np.floor(row).astype(np.intp), 0, heights_m.shape[0] - 2)
    c0 = np.clip(np.floor(col).astype(np.intp), 0, heights_m.shape[1] - 2)
    down, right = row - r0, col - c0
    north = (1.0 - right) * heights_m[r0, c0] + right * heights_m[r0, c0 + 1]
    south = (1.0 - right) * heights_m[r0 + 1, c0] + right * heights_m[r0 + 1, c0 + 1]
    return np.asarray((1.0 - down) * north + down * south)


def nodata(quantity: str) -> float | None:
    return None if quantity in ("count", "unknown", "exposure") else math.nan


def _for_file(values: NDArray[Any]) -> NDArray[Any]:
    """Infinity (seen by none, in range of none) becomes NaN, the rasters' "no data"."""
    if values.dtype.kind == "f":
        return np.where(np.isinf(values), np.float32(np.nan), values)
    return values


def grid(terrain: Mosaic, bounds: tuple[int, int, int, int]) -> windows.Grid:
    """Posts [row0, row1) x [col0, col1) as pixels round them."""
    row0, col0, row1, col1 = bounds
    return windows.Grid(
        rows=row1 - row0,
        cols=col1 - col0,
        west=terrain.west_deg + (col0 - 0.5) * terrain.step_lon_deg,
        north=terrain.north_deg - (row0 - 0.5) * terrain.step_lat_deg,
        step_x=terrain.step_lon_deg,
        step_y=terrain.step_lat_deg,
        crs=terrain.crs,
    )
