"""Is a flight path clear of the terrain and what stands on it: over the highest in a corridor, not at its waypoints."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kuntur.geodesy import grid
from kuntur.model.place import Terrain

FloatArray = NDArray[np.float64]

# Where a product states no vertical error: the specification of SRTM, 16 m at 90 % (Farr et al. 2007, Reviews of
# Geophysics 45, RG2004).
UNKNOWN_ERROR_LE90_M = 16.0
_PIECE_CELLS = 48  # longest piece of a leg looked at in one window; only a matter of speed


def terrain_error_m(terrain: Terrain) -> float:
    """The height to add for the terrain's own vertical error (LE90; the SRTM specification where it is not stated)."""
    known = terrain.vertical_error_le90_m
    return UNKNOWN_ERROR_LE90_M if known is None else known


def clearance_m(terrain: Terrain, xyz_m: ArrayLike, corridor_m: float) -> FloatArray:
    """Least height of each leg above all terrain, and what stands on it, within `corridor_m` of it.

    xyz_m: (n, 3) x, y, alt_msl_m of the polyline's vertices, n >= 2. Returns (n - 1,). NaN where the corridor leaves
    the terrain or touches a void of it or of its cover. Every point of the leg is compared with every terrain cell
    within the corridor of that point (plus one cell diagonal: the interpolated surface is covered); the terrain's error
    is not subtracted.
    """
    xyz = np.asarray(xyz_m, float)
    return np.array([_leg_clearance(terrain, a, b, corridor_m) for a, b in itertools.pairwise(xyz)])


def is_safe(terrain: Terrain, xyz_m: ArrayLike, corridor_m: float, height_m: float) -> bool:
    """Whether every leg stays `height_m` plus the terrain's error above all in the corridor; False over voids."""
    return bool(np.all(clearance_m(terrain, xyz_m, corridor_m) >= height_m + terrain_error_m(terrain)))


def safe_altitude_m(terrain: Terrain, xy_m: ArrayLike, corridor_m: float, height_m: float) -> FloatArray:
    """Lowest level altitude (alt_msl_m) of each leg that `is_safe`; NaN where the corridor holds a void.

    xy_m: (n, 2) vertices, n >= 2. Returns (n - 1,).
    """
    xy = np.asarray(xy_m, float)
    level = np.column_stack([xy, np.zeros(len(xy))])
    return height_m + terrain_error_m(terrain) - clearance_m(terrain, level, corridor_m)


def _leg_clearance(terrain: Terrain, a: FloatArray, b: FloatArray, corridor_m: float) -> float:
    length = math.hypot(b[0] - a[0], b[1] - a[1])
    pieces = max(1, math.ceil(length / (_PIECE_CELLS * terrain.cell_m)))
    cuts = a + np.linspace(0.0, 1.0, pieces + 1)[:, None] * (b - a)
    return float(np.min([_piece_clearance(terrain, p, q, corridor_m) for p, q in itertools.pairwise(cuts)]))


def _piece_clearance(terrain: Terrain, a: FloatArray, b: FloatArray, corridor_m: float) -> float:
    reach = corridor_m + math.sqrt(2.0) * terrain.cell_m
    low, high = np.minimum(a, b) - reach, np.maximum(a, b) + reach
    row0, col0 = (math.ceil(float(v)) for v in grid.to_index(terrain, low[0], high[1]))
    row1, col1 = (math.floor(float(v)) + 1 for v in grid.to_index(terrain, high[0], low[1]))
    if row0 < 0 or col0 < 0 or row1 > terrain.rows or col1 > terrain.cols:
        return math.nan
    x = terrain.west_m + (np.arange(col0, col1) + 0.5) * terrain.cell_m - a[0]
    y = terrain.north_m - (np.arange(row0, row1) + 0.5) * terrain.cell_m - a[1]
    dx, dy, dz = b - a
    length = math.hypot(dx, dy)
    ux, uy = (dx / length, dy / length) if length > 0 else (1.0, 0.0)
    s = ux * x[None, :] + uy * y[:, None]
    d2 = np.square(ux * y[:, None] - uy * x[None, :])
    half = np.sqrt(np.maximum(reach**2 - d2, 0.0))
    within = (d2 <= reach**2) & (s + half >= 0.0) & (s - half <= length)
    # The lowest point of the leg from which the cell is within reach is one end of that stretch: the leg is straight.
    if length > 0:
        lowest_s = np.clip(s - half if dz > 0 else s + half, 0.0, length)
        altitude = a[2] + dz / length * lowest_s
    else:
        altitude = np.full(s.shape, min(a[2], b[2]))
    height = altitude - terrain.heights_m[row0:row1, col0:col1]
    if terrain.cover_m is not None:
        height = height - terrain.cover_m[row0:row1, col0:col1]
    return float(np.min(height[within]))
