"""Which ground is seen from a point."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kuntur.model.place import Terrain
from kuntur.units import REFRACTION_COEFFICIENT
from kuntur.visibility import _kernels


def visible(
    terrain: Terrain,
    x_m: float,
    y_m: float,
    alt_msl_m: float,
    *,
    target_height_m: float,
    max_range_m: float,
    refraction: float = REFRACTION_COEFFICIENT,
    threads: int = 2,
) -> NDArray[np.uint8]:
    """Cell centres whose point `target_height_m` above ground is seen from (x, y, alt_msl): (rows, cols) uint8.

    0 hidden or farther than `max_range_m` across the ground, 1 visible, 2 unknown (void cell, or a void on the way).
    Exact: one sight line a cell (`rays.line_of_sight`), no approximation of the horizon.
    """
    return _kernels.viewshed(terrain, (x_m, y_m, alt_msl_m), target_height_m, max_range_m, refraction, threads)
