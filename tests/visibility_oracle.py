"""The reference for sight lines: the same R3 model in plain NumPy, every crossing of every row and column, no
pyramid."""

from __future__ import annotations

import numpy as np

from kuntur.model.place import Terrain
from kuntur.units import EARTH_RADIUS_M
from kuntur.visibility.doubt import Doubt


def sight(terrain: Terrain, a_m: np.ndarray, b_m: np.ndarray, refraction: float, doubt: Doubt | None = None) -> int:
    """0 blocked, 1 clear, 2 unknown; a_m, b_m are x, y, alt_msl inside the terrain.

    doubt raises the terrain by its margin, b being the target: by nothing there, by z sigma under the observer.
    """
    h = terrain.surface_m.astype(float)
    u = (np.array([a_m[0], b_m[0]]) - terrain.west_m) / terrain.cell_m - 0.5
    v = (terrain.north_m - np.array([a_m[1], b_m[1]])) / terrain.cell_m - 0.5
    shares = [np.array([0.0, 1.0])]
    for start, end in (u, v):
        if start != end:
            lines = np.arange(np.ceil(min(start, end)), np.floor(max(start, end)) + 1)
            shares.append((lines - start) / (end - start))
    s = np.clip(np.concatenate(shares), 0.0, 1.0)
    col, row = u[0] + s * (u[1] - u[0]), v[0] + s * (v[1] - v[0])
    ground = _bilinear(h, row, col)
    distance_m = np.hypot(*(b_m[:2] - a_m[:2]))
    # The chord between two points above a sphere, seen from the sphere: lower in its middle by d1 d2 (1 - k) / (2 R).
    sag_m = s * (1.0 - s) * distance_m**2 * (1.0 - refraction) / (2.0 * EARTH_RADIUS_M)
    line_m = a_m[2] + s * (b_m[2] - a_m[2]) - sag_m
    if doubt is not None:
        ground = ground + doubt.margin_m(1.0 - s, (1.0 - s) * distance_m)
    if np.any(ground > line_m + 1e-6):
        return 0
    return 2 if np.isnan(ground).any() else 1


def _bilinear(h: np.ndarray, row: np.ndarray, col: np.ndarray) -> np.ndarray:
    """Bilinear heights; a neighbour without weight is not asked (its void does not matter)."""
    r0 = np.clip(np.floor(row + 1e-9).astype(int), 0, h.shape[0] - 1)
    c0 = np.clip(np.floor(col + 1e-9).astype(int), 0, h.shape[1] - 1)
    fr, fc = np.maximum(row - r0, 0.0), np.maximum(col - c0, 0.0)
    fr[fr < 1e-9], fc[fc < 1e-9] = 0.0, 0.0
    r1, c1 = np.minimum(r0 + 1, h.shape[0] - 1), np.minimum(c0 + 1, h.shape[1] - 1)
    total = np.zeros(len(row))
    for weight, r, c in (
        ((1 - fr) * (1 - fc), r0, c0),
        ((1 - fr) * fc, r0, c1),
        (fr * (1 - fc), r1, c0),
        (fr * fc, r1, c1),
    ):
        total += np.where(weight > 0.0, weight * h[r, c], 0.0)
    return total
