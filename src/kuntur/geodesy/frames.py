"""Geodetic <-> local metric frame, and look directions.

The local frame is `model.place.LocalFrame`: x east, y north of a transverse Mercator grid. Its north differs from true
north by the meridian convergence (0.16 degrees at 30 km east of the centre at 18 S); azimuths from an autopilot or a
camera are true, so `grid_azimuth` converts them.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pyproj import Transformer

from kuntur.model.place import LocalFrame
from kuntur.units import DEG_TO_RAD

FloatArray = NDArray[np.float64]


@lru_cache(maxsize=64)
def _to_local(proj4: str) -> Transformer:
    return Transformer.from_crs("EPSG:4326", proj4, always_xy=True)


def to_local(frame: LocalFrame, lat_deg: ArrayLike, lon_deg: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """WGS 84 degrees to x_m, y_m in `frame`. Arrays of any one shape; scalars give 0-d arrays."""
    x_m, y_m = _to_local(frame.proj4).transform(np.asarray(lon_deg, float), np.asarray(lat_deg, float))
    return np.asarray(x_m, float), np.asarray(y_m, float)


def to_geodetic(frame: LocalFrame, x_m: ArrayLike, y_m: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """x_m, y_m in `frame` to WGS 84 lat_deg, lon_deg."""
    lon_deg, lat_deg = _to_local(frame.proj4).transform(
        np.asarray(x_m, float), np.asarray(y_m, float), direction="INVERSE"
    )
    return np.asarray(lat_deg, float), np.asarray(lon_deg, float)


def convergence_rad(frame: LocalFrame, lat_deg: float, lon_deg: float) -> float:
    """Meridian convergence: azimuth of true north seen from grid north, to first order (Snyder 1987, 8-15)."""
    return float((lon_deg - frame.lon0_deg) * DEG_TO_RAD * np.sin(lat_deg * DEG_TO_RAD))


def grid_azimuth(frame: LocalFrame, lat_deg: float, lon_deg: float, true_azimuth_rad: float) -> float:
    """Azimuth from grid north of a direction given from true north."""
    return true_azimuth_rad - convergence_rad(frame, lat_deg, lon_deg)


def direction_enu(azimuth_rad: ArrayLike, elevation_rad: ArrayLike) -> FloatArray:
    """Unit vectors (..., 3) east, north, up for azimuths (clockwise from north) and elevations (negative is down)."""
    azimuth, elevation = np.broadcast_arrays(np.asarray(azimuth_rad, float), np.asarray(elevation_rad, float))
    return np.stack(
        [np.cos(elevation) * np.sin(azimuth), np.cos(elevation) * np.cos(azimuth), np.sin(elevation)], axis=-1
    )


def compose_look(
    heading_rad: float,
    pitch_rad: float,
    roll_rad: float,
    relative_azimuth_rad: float,
    relative_elevation_rad: float,
    relative_roll_rad: float,
) -> tuple[float, float, float]:
    """Azimuth from true north, elevation and roll of a line of sight, from the platform's attitude and the gimbal's.

    The rotations follow MISB ST 0601: platform yaw, pitch, roll (about down, right, forward), then the sensor's
    azimuth, elevation, roll about the axes so turned. The roll returned is that of `pixel_directions_enu`. Looking
    straight up or down the azimuth is that of north and the roll carries the rest.
    """
    ch, sh, cp, sp, cr, sr = (f(a) for a in (heading_rad, pitch_rad, roll_rad) for f in (math.cos, math.sin))
    # Body axes in north, east, down: columns of Rz(heading) Ry(pitch) Rx(roll).
    forward = (ch * cp, sh * cp, -sp)
    right = (ch * sp * sr - sh * cr, sh * sp * sr + ch * cr, cp * sr)
    down = (ch * sp * cr + sh * sr, sh * sp * cr - ch * sr, cp * cr)
    ca, sa = math.cos(relative_azimuth_rad), math.sin(relative_azimuth_rad)
    ce, se = math.cos(relative_elevation_rad), math.sin(relative_elevation_rad)
    cq, sq = math.cos(relative_roll_rad), math.sin(relative_roll_rad)
    # Sensor axes in the body: columns of Rz(azimuth) Ry(elevation) Rx(roll); the first is the line of sight.
    look = (ca * ce, sa * ce, -se)
    across = (ca * se * sq - sa * cq, sa * se * sq + ca * cq, ce * sq)
    n, e, d = (forward[i] * look[0] + right[i] * look[1] + down[i] * look[2] for i in range(3))
    rn, re, rd = (forward[i] * across[0] + right[i] * across[1] + down[i] * across[2] for i in range(3))
    azimuth = math.atan2(e, n) if math.hypot(n, e) > 1e-12 else 0.0
    elevation = math.atan2(-d, math.hypot(n, e))
    # Roll: the picture's right against the level right of that azimuth and the down square to both.
    ca, sa = math.cos(azimuth), math.sin(azimuth)
    ce, se = math.cos(elevation), math.sin(elevation)
    level = -sa * rn + ca * re
    drop = se * ca * rn + se * sa * re + ce * rd
    return azimuth % (2.0 * math.pi), elevation, math.atan2(drop, level)


def camera_axes(azimuth_rad: float, elevation_rad: float, roll_rad: float) -> FloatArray:
    """Unit vectors of a camera in ENU, (3, 3): rows are the line of sight, the picture's right and the picture's up."""
    sa, ca = math.sin(azimuth_rad), math.cos(azimuth_rad)
    se, ce = math.sin(elevation_rad), math.cos(elevation_rad)
    sr, cr = math.sin(roll_rad), math.cos(roll_rad)
    level_up = (-se * sa, -se * ca, ce)
    return np.array(
        [
            (ce * sa, ce * ca, se),
            (cr * ca - sr * level_up[0], -cr * sa - sr * level_up[1], -sr * level_up[2]),
            (sr * ca + cr * level_up[0], -sr * sa + cr * level_up[1], cr * level_up[2]),
        ]
    )


def pixel_directions_enu(
    azimuth_rad: float,
    elevation_rad: float,
    roll_rad: float,
    hfov_rad: float,
    vfov_rad: float,
    columns_px: int,
    rows_px: int,
    column_px: ArrayLike,
    row_px: ArrayLike,
) -> FloatArray:
    """Unit vectors (n, 3) in ENU through pixels of a pinhole camera without distortion.

    Pixel (0, 0) is the outer corner of the top-left pixel, (columns_px, rows_px) that of the bottom-right one; the line
    of sight goes through the middle. Roll turns the picture clockwise seen from behind the camera.
    """
    u = (np.asarray(column_px, float) / columns_px * 2.0 - 1.0) * np.tan(hfov_rad / 2.0)
    v = (1.0 - np.asarray(row_px, float) / rows_px * 2.0) * np.tan(vfov_rad / 2.0)
    forward, right, up = camera_axes(azimuth_rad, elevation_rad, roll_rad)
    vectors = forward + np.multiply.outer(u, right) + np.multiply.outer(v, up)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))
