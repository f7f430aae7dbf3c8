"""The rate at which a searching camera detects a target in each cell from each viewpoint: what plans promise with."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kuntur.model.assets import Camera
from kuntur.model.place import Lattice, Terrain, Weather
from kuntur.units import REFRACTION_COEFFICIENT
from kuntur.visibility import _kernels, detection, rays
from kuntur.visibility.doubt import Doubt

RATE_STEP_M = 5.0
"""Slant ranges are rounded up to the next multiple of this before the rate is taken."""


def cell_rates(
    terrain: Terrain,
    lattice: Lattice,
    viewpoints_m: ArrayLike,
    camera: Camera,
    search: detection.SearchPattern,
    target: detection.Shown,
    weather: Weather,
    *,
    refraction: float = REFRACTION_COEFFICIENT,
    threads: int = 2,
    doubt: Doubt | None = None,
) -> NDArray[np.float32]:
    """Detection rate in 1/s in each lattice cell from each viewpoint: float32 (V, lattice.rows, lattice.cols).

    viewpoints_m: (V, 3) x, y, alt_msl in the local frame. This is the number a plan promises with, so it is a lower
    bound for a target at *any* terrain cell (sub-cell) inside the lattice cell:

    - a sub-cell that is hidden, over a void, behind a void, or outside the depressions the search covers makes the
      whole lattice cell 0; sight is exact and goes to the target's visible height (`detection.VISIBLE_HEIGHT_M`);
    - the slant range is that of the farthest sub-cell, rounded up to `RATE_STEP_M`; the rate falls with range;
    - the float32 result is rounded down.

    What it does not bound: heights between cell centres (linear, so a ditch narrower than a cell is not seen), and,
    without a doubt, the errors of the terrain itself. With one, sight is certain sight (`rays.line_of_sight`): the rate
    is 0 where the margin hides any sub-cell. The terrain's error is not carried into the slant range.
    """
    limit_m = detection.max_range_m(camera, target, weather)
    ranges_m = np.arange(1, int(np.ceil(limit_m / RATE_STEP_M)) + 1) * RATE_STEP_M
    middle_rad = 0.5 * (search.least_depression_rad + search.greatest_depression_rad)
    exact_hz = detection.detection_rate_hz(camera, search, target, weather, ranges_m, middle_rad)
    rate_hz = exact_hz.astype(np.float32)
    rate_hz = np.where(rate_hz > exact_hz, np.nextafter(rate_hz, np.float32(0.0)), rate_hz)
    (viewpoints,) = _kernels.points(viewpoints_m)
    return _kernels.cell_rates(
        terrain,
        lattice,
        viewpoints,
        rate_hz,
        RATE_STEP_M,
        (search.least_depression_rad, search.greatest_depression_rad)
        if camera.law is None
        else (-np.pi / 2.0, np.pi / 2.0),
        detection.VISIBLE_HEIGHT_M[target],
        refraction,
        *rays.margin(doubt),
        threads,
    )
