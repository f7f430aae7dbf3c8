"""Rays against the terrain: sight lines in bulk, and where a ray meets the ground.

The terrain between cell centres is linear along every row line and every column line a sight line crosses (the R3
model: Franklin & Ray 1994, "Higher isn't necessarily better"), in double precision. The earth's curvature and
refraction lower the ground at distance d by (1 - k) d^2 / (2 R). A void on the way makes the answer unknown unless
known ground blocks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kuntur.model.place import Terrain
from kuntur.units import REFRACTION_COEFFICIENT
from kuntur.visibility import _kernels

FloatArray = NDArray[np.float64]

BLOCKED, CLEAR, UNKNOWN = 0, 1, 2
NO_HIT, HIT, LEFT = 0, 1, 2


def line_of_sight(
    terrain: Terrain, a_m: ArrayLike, b_m: ArrayLike, *, refraction: float = REFRACTION_COEFFICIENT, threads: int = 2
) -> NDArray[np.uint8]:
    """Whether points see each other: (n,) uint8, 0 blocked, 1 clear, 2 unknown (a void on the way, or outside).

    a_m, b_m: (n, 3) x, y, alt_msl in the local frame; one of them may be a single point. Touching the ground is clear,
    an end below the ground is blocked. The answer is the same with a and b exchanged.
    """
    a, b = _kernels.points(a_m, b_m)
    return _kernels.line_of_sight(terrain, a, b, refraction, threads)


def ground_hits(
    terrain: Terrain,
    origins_m: ArrayLike,
    directions_enu: ArrayLike,
    max_range_m: float,
    *,
    refraction: float = REFRACTION_COEFFICIENT,
) -> tuple[FloatArray, NDArray[np.uint8], FloatArray]:
    """The first ground each ray meets within `max_range_m` (slant): hits_m (n, 3), status (n,), slant_m (n,).

    origins_m: (n, 3) local frame or one point; directions_enu: (n, 3) unit vectors, north of the grid. The ground is
    bilinear inside cells, so a hit lies on `geodesy.grid.height_at`. status: 0 no ground in range, 1 hit, 2 the ray
    left the terrain or came over a void first; hits and slants are NaN unless 1. An origin below the ground hits at
    once.
    """
    origins, directions = _kernels.points(origins_m, directions_enu)
    return _kernels.ground_hits(terrain, origins, directions, max_range_m, refraction)
