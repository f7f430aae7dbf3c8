"""Pixel + pose + terrain -> a position on the ground with its covariance.

Five independent errors are carried through the real terrain: the camera's position (east, north, and height together
with the terrain's own height error) and its line of sight (two axes, with the pixel's error). Each is moved by plus and
minus one standard deviation and the ray is cast again (sigma points, Julier & Uhlmann 2004); the spread of the hits is
the covariance. So a grazing look along a slope gets the long ellipse it deserves, and one whose error reaches past the
horizon is refused instead of located.

Not carried: errors that stay the same from look to look (a bent mount, a shifted terrain), and the picture's roll.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kuntur.geodesy import frames, heights
from kuntur.model.place import Geoid, Terrain
from kuntur.model.tracks import Detection, GroundDetection, SensorPose
from kuntur.units import DEG_TO_RAD, REFRACTION_COEFFICIENT
from kuntur.visibility import rays

FloatArray = NDArray[np.float64]

# Absolute vertical error of SRTM, 90 % (mission specification, Farr et al. 2007): taken where a terrain states none.
UNSTATED_TERRAIN_LE90_M: Final = 16.0
_LE90: Final = 1.6449  # 90 % of a normal error lie within this many standard deviations
_MISSED: Final = {
    rays.NO_HIT: "the ray meets no ground in range",
    rays.LEFT: "the ray leaves the terrain",
    rays.VOID: "the ray comes over a void",
}


class PoseError(Struct, frozen=True, kw_only=True):
    """One-sigma errors of a camera's pose, independent from look to look.

    horizontal_m (per axis) and vertical_m: GPS SPS Performance Standard 2020, table 3.8-3, global average: 8 m
    horizontal and 13 m vertical at 95 %. los_rad: per axis of the line of sight; chosen, because no camera in the
    catalog states it: put the figure of the aircraft's own attitude sensor here. pixel_px: half a pixel's width of
    centroiding.
    """

    horizontal_m: float = 8.0 / 2.4477
    vertical_m: float = 13.0 / 1.9600
    los_rad: float = 0.2 * DEG_TO_RAD
    pixel_px: float = 0.5


class CameraView(Struct, frozen=True, kw_only=True):
    """A pose in the local frame, ready for rays: origin (x, y, alt_msl), azimuth from grid north."""

    pose: SensorPose
    x_m: float
    y_m: float
    alt_msl_m: float
    azimuth_rad: float


class Unlocated(Struct, frozen=True, kw_only=True):
    """A detection that has no place on the ground, and why."""

    detection: Detection
    reason: str


def camera_view(terrain: Terrain, geoid: Geoid, pose: SensorPose) -> CameraView:
    """The pose in the local frame of the terrain."""
    frame = terrain.frame
    x_m, y_m = frames.to_local(frame, pose.lat_deg, pose.lon_deg)
    return CameraView(
        pose=pose,
        x_m=float(x_m),
        y_m=float(y_m),
        alt_msl_m=pose.alt_hae_m - heights.undulation_at(geoid, pose.lat_deg, pose.lon_deg),
        azimuth_rad=frames.grid_azimuth(frame, pose.lat_deg, pose.lon_deg, pose.azimuth_rad),
    )


def pixel_rays(view: CameraView, column_px: FloatArray, row_px: FloatArray) -> FloatArray:
    """Unit vectors (n, 3) east, north, up (of the grid) through pixels of the view."""
    pose = view.pose
    return frames.pixel_directions_enu(
        view.azimuth_rad,
        pose.elevation_rad,
        pose.roll_rad,
        pose.hfov_rad,
        pose.vfov_rad,
        pose.columns_px,
        pose.rows_px,
        column_px,
        row_px,
    )


def _sigma_rays(view: CameraView, direction: FloatArray, error: PoseError, terrain: Terrain) -> tuple[FloatArray, ...]:
    """Origins and directions (11, 3): the ray itself, then plus and minus one sigma of each of the five errors."""
    le90_m = terrain.vertical_error_le90_m
    terrain_m = (UNSTATED_TERRAIN_LE90_M if le90_m is None else le90_m) / _LE90
    origin = np.array([view.x_m, view.y_m, view.alt_msl_m])
    shift = np.diag([error.horizontal_m, error.horizontal_m, math.hypot(error.vertical_m, terrain_m)])
    # Two unit vectors square to the ray: level, and upward along the picture.
    level = np.array([direction[1], -direction[0], 0.0])
    length = math.hypot(direction[0], direction[1])
    level = level / length if length > 1e-9 else np.array([1.0, 0.0, 0.0])
    upward = np.cross(level, direction)
    pose = view.pose
    across = math.hypot(error.los_rad, error.pixel_px * pose.hfov_rad / pose.columns_px)
    along = math.hypot(error.los_rad, error.pixel_px * pose.vfov_rad / pose.rows_px)
    turns = np.stack([level * math.tan(across), upward * math.tan(along)])
    still, unturned = np.zeros((2, 3)), np.zeros((3, 3))
    moves = np.vstack([np.zeros((1, 3)), shift, -shift, still, still])
    turned = direction + np.vstack([np.zeros((1, 3)), unturned, unturned, turns, -turns])
    return origin + moves, turned / np.linalg.norm(turned, axis=1, keepdims=True)


def locate(
    terrain: Terrain,
    view: CameraView,
    detections: Sequence[Detection],
    *,
    max_range_m: float,
    aim_height_m: float = 1.0,
    error: PoseError | None = None,
    refraction: float = REFRACTION_COEFFICIENT,
) -> list[GroundDetection | Unlocated]:
    """Each detection of one frame on the ground, in order, or why it has no place there.

    The ray is followed to where it passes `aim_height_m` above the ground: a mover's middle, not its feet, is what the
    picture shows. The covariance is that of (x, y) in the local frame. All rays of the frame are cast in one call.
    """
    if not detections:
        return []
    error = error or PoseError()
    columns = np.array([d.column_px for d in detections])
    rows = np.array([d.row_px for d in detections])
    directions = pixel_rays(view, columns, rows)
    bundles = [_sigma_rays(view, direction, error, terrain) for direction in directions]
    hits = rays.ground_hits(
        terrain,
        np.vstack([origins for origins, _ in bundles]) - (0.0, 0.0, aim_height_m),
        np.vstack([turned for _, turned in bundles]),
        max_range_m,
        refraction=refraction,
    )
    count = len(bundles[0][0])
    located: list[GroundDetection | Unlocated] = []
    for k, detection in enumerate(detections):
        part = slice(k * count, (k + 1) * count)
        located.append(_ground(detection, hits.hits_m[part], hits.status[part], float(hits.slant_m[part][0])))
    return located


def _ground(
    detection: Detection, hits_m: FloatArray, status: NDArray[np.uint8], slant_m: float
) -> GroundDetection | Unlocated:
    if status[0] != rays.HIT:
        return Unlocated(detection=detection, reason=_MISSED[int(status[0])])
    if np.any(status != rays.HIT):
        return Unlocated(detection=detection, reason="too close to the horizon: the error has no end on the ground")
    spread = hits_m[1:, :2] - hits_m[0, :2]
    cov = spread.T @ spread / 2.0
    return GroundDetection(
        t_ns=detection.t_ns,
        aircraft_id=detection.aircraft_id,
        x_m=float(hits_m[0, 0]),
        y_m=float(hits_m[0, 1]),
        alt_msl_m=float(hits_m[0, 2]),
        cov_m2=(float(cov[0, 0]), float(cov[0, 1]), float(cov[1, 1])),
        slant_range_m=slant_m,
        size_class=detection.size_class,
        confidence_prob=detection.confidence_prob,
    )


def ellipse(cov_m2: tuple[float, float, float], prob: float) -> tuple[float, float, float]:
    """Semi-major, semi-minor axis (m) and grid azimuth of the major axis (rad, 0..pi) of the ellipse holding `prob`.

    cov_m2: (xx, xy, yy). A two-dimensional normal error lies within k standard deviations with 1 - exp(-k^2 / 2).
    """
    xx, xy, yy = cov_m2
    mean, half = (xx + yy) / 2.0, math.hypot((xx - yy) / 2.0, xy)
    scale = math.sqrt(-2.0 * math.log(1.0 - prob))
    azimuth = 0.5 * math.atan2(2.0 * xy, yy - xx)
    return scale * math.sqrt(mean + half), scale * math.sqrt(max(mean - half, 0.0)), azimuth % math.pi
