"""The ground a picture shows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kuntur.geodesy import frames
from kuntur.model.place import Terrain
from kuntur.units import REFRACTION_COEFFICIENT
from kuntur.visibility import rays

FloatArray = NDArray[np.float64]


def footprint(
    terrain: Terrain,
    x_m: float,
    y_m: float,
    alt_msl_m: float,
    azimuth_rad: float,
    elevation_rad: float,
    roll_rad: float,
    hfov_rad: float,
    vfov_rad: float,
    max_range_m: float,
    edge_points: int = 6,
    *,
    refraction: float = REFRACTION_COEFFICIENT,
) -> FloatArray:
    """Ground ring (k, 2) of the picture's edge, clockwise in the picture from its top left, not closed; (0, 2) if none.

    The camera stands at (x, y, alt_msl) of the local frame and looks along `azimuth_rad` from grid north
    (`frames.grid_azimuth`). An edge that meets no ground within `max_range_m` is cut there; where it leaves the terrain
    or comes over a void the ring leaves it out. Ground inside the ring may still be hidden behind a ridge: ask
    `rays.line_of_sight`.
    """
    steps = np.arange(edge_points) / edge_points
    zero, one = np.zeros(edge_points), np.ones(edge_points)
    directions = frames.pixel_directions_enu(
        azimuth_rad,
        elevation_rad,
        roll_rad,
        hfov_rad,
        vfov_rad,
        1,
        1,
        np.concatenate([steps, one, 1.0 - steps, zero]),
        np.concatenate([zero, steps, one, 1.0 - steps]),
    )
    hits = rays.ground_hits(terrain, [x_m, y_m, alt_msl_m], directions, max_range_m, refraction=refraction)
    met = hits.status == rays.HIT
    if not met.any():
        return np.empty((0, 2))
    cut = np.array([x_m, y_m]) + max_range_m * directions[:, :2]
    ring = np.where(met[:, None], hits.hits_m[:, :2], cut)[met | (hits.status == rays.NO_HIT)]
    return ring if len(ring) >= 3 else np.empty((0, 2))
