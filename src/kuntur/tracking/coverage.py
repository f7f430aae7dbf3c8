"""What one look covers: the ground points in its picture and in line of sight.

The counterpart of `geolocate`: from the ground into the picture. The freshness map, the chance that a track should have
been seen, and the simulated camera all ask the same questions here.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kuntur.geodesy import frames
from kuntur.model.place import Terrain
from kuntur.tracking.geolocate import CameraView
from kuntur.units import EARTH_RADIUS_M, REFRACTION_COEFFICIENT
from kuntur.visibility import rays

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.intp]

_CURVATURE_PER_M: Final = (1.0 - REFRACTION_COEFFICIENT) / (2.0 * EARTH_RADIUS_M)


def project(view: CameraView, points_m: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Pixel column and row of points (n, 3) in the view, and their slant range; outside the picture all three are NaN.

    The curved earth lowers a point by (1 - k) d^2 / (2 R), as `visibility.rays` does.
    """
    pose = view.pose
    away = points_m - (view.x_m, view.y_m, view.alt_msl_m)
    ground2 = away[:, 0] ** 2 + away[:, 1] ** 2
    away[:, 2] -= ground2 * _CURVATURE_PER_M
    along, right, up = frames.camera_axes(view.azimuth_rad, pose.elevation_rad, pose.roll_rad) @ away.T
    half_width, half_height = math.tan(pose.hfov_rad / 2.0), math.tan(pose.vfov_rad / 2.0)
    inside = (along > 0.0) & (np.abs(right) <= half_width * along) & (np.abs(up) <= half_height * along)
    along = np.where(inside, along, np.nan)
    column_px = (1.0 + right / (along * half_width)) * (pose.columns_px / 2.0)
    row_px = (1.0 - up / (along * half_height)) * (pose.rows_px / 2.0)
    return column_px, row_px, np.sqrt(ground2 + away[:, 2] ** 2) + 0.0 * along


def in_picture(view: CameraView, points_m: FloatArray, reach_m: float) -> tuple[IndexArray, FloatArray]:
    """Indices of the points (n, 3) in the picture and within `reach_m`, and their slant ranges. NaN never is."""
    _, _, slant_m = project(view, points_m)
    index = np.flatnonzero(slant_m <= reach_m)
    return index, slant_m[index]


def seen(terrain: Terrain, view: CameraView, points_m: FloatArray, reach_m: float) -> tuple[IndexArray, FloatArray]:
    """Indices of the points (n, 3) in the picture, within reach and in clear line of sight, and their slant ranges."""
    index, slant_m = in_picture(view, points_m, reach_m)
    if len(index) == 0:
        return index, slant_m
    origin = np.array([view.x_m, view.y_m, view.alt_msl_m])
    clear = rays.line_of_sight(terrain, origin, points_m[index], threads=1) == rays.CLEAR
    return index[clear], slant_m[clear]
