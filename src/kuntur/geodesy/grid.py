"""Terrain grids: index <-> coordinate, interpolation, aligned coarser lattices."""

from __future__ import annotations

import math

import numpy as np
from msgspec.structs import replace
from numpy.typing import ArrayLike, NDArray

from kuntur.errors import TerrainError
from kuntur.model.place import Lattice, Terrain

FloatArray = NDArray[np.float64]


def to_index(terrain: Terrain, x_m: ArrayLike, y_m: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Fractional (row, col) of local coordinates; whole numbers are cell centres."""
    col = (np.asarray(x_m, float) - terrain.west_m) / terrain.cell_m - 0.5
    row = (terrain.north_m - np.asarray(y_m, float)) / terrain.cell_m - 0.5
    return row, col


def height_at(terrain: Terrain, x_m: ArrayLike, y_m: ArrayLike) -> FloatArray:
    """Bilinear terrain height alt_msl_m; NaN outside the grid or where any of the four neighbours is a void."""
    row, col = to_index(terrain, x_m, y_m)
    row, col = np.broadcast_arrays(row, col)
    inside = (row >= 0) & (row <= terrain.rows - 1) & (col >= 0) & (col <= terrain.cols - 1)
    row_c = np.where(inside, row, 0.0)
    col_c = np.where(inside, col, 0.0)
    r0 = np.clip(np.floor(row_c).astype(int), 0, max(terrain.rows - 2, 0))
    c0 = np.clip(np.floor(col_c).astype(int), 0, max(terrain.cols - 2, 0))
    fr, fc = row_c - r0, col_c - c0
    h = terrain.heights_m
    z = (
        (1 - fr) * (1 - fc) * h[r0, c0]
        + (1 - fr) * fc * h[r0, c0 + 1]
        + fr * (1 - fc) * h[r0 + 1, c0]
        + fr * fc * h[r0 + 1, c0 + 1]
    )
    return np.where(inside, z, np.nan)


def covers(terrain: Terrain, x_m: ArrayLike, y_m: ArrayLike) -> NDArray[np.bool_]:
    """Whether points lie within the rectangle of cell centres (where `height_at` can answer)."""
    row, col = to_index(terrain, x_m, y_m)
    return np.asarray((row >= 0) & (row <= terrain.rows - 1) & (col >= 0) & (col <= terrain.cols - 1))


def lattice(terrain: Terrain, cell_m: float, bounds_m: tuple[float, float, float, float]) -> Lattice:
    """The aligned lattice whose cells are the nearest whole multiple of the terrain cell to `cell_m`.

    bounds_m: (west, south, east, north); clipped to the terrain. Raises TerrainError when nothing is left.
    """
    factor = max(1, round(cell_m / terrain.cell_m))
    west, south, east, north = bounds_m
    col0 = max(0, math.floor((west - terrain.west_m) / terrain.cell_m))
    row0 = max(0, math.floor((terrain.north_m - north) / terrain.cell_m))
    col1 = min(terrain.cols, math.ceil((east - terrain.west_m) / terrain.cell_m))
    row1 = min(terrain.rows, math.ceil((terrain.north_m - south) / terrain.cell_m))
    rows, cols = (row1 - row0) // factor, (col1 - col0) // factor
    if rows < 2 or cols < 2:
        raise TerrainError(
            f"The terrain {terrain.product} does not cover the area asked for "
            f"(x {west:.0f}..{east:.0f} m, y {south:.0f}..{north:.0f} m).",
            remedy="Add the missing tiles to [terrain] in the area file, or move the area.",
        )
    return Lattice(
        row0=row0,
        col0=col0,
        rows=rows,
        cols=cols,
        factor=factor,
        cell_m=factor * terrain.cell_m,
        west_m=terrain.west_m + col0 * terrain.cell_m,
        north_m=terrain.north_m - row0 * terrain.cell_m,
    )


def surface(terrain: Terrain) -> Terrain:
    """The terrain with what stands on it made ground: what aircraft must clear."""
    return terrain if terrain.cover_m is None else replace(terrain, heights_m=terrain.surface_m, cover_m=None)


def blocks(terrain: Terrain, cells: Lattice) -> NDArray[np.float32]:
    """Terrain heights regrouped to (rows, cols, factor * factor): the sub-cells of each lattice cell."""
    f = cells.factor
    window = terrain.heights_m[cells.row0 : cells.row0 + cells.rows * f, cells.col0 : cells.col0 + cells.cols * f]
    return window.reshape(cells.rows, f, cells.cols, f).swapaxes(1, 2).reshape(cells.rows, cells.cols, f * f)
