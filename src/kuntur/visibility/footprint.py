"""The ground a picture shows: its edge as a ring, and what of the ground inside is really seen."""

from __future__ import annotations

import math

import numpy as np
import shapely
from numpy.typing import NDArray

from kuntur.errors import ConfigError, TerrainError
from kuntur.geodesy import frames, grid
from kuntur.model.place import Terrain
from kuntur.units import REFRACTION_COEFFICIENT
from kuntur.visibility import _kernels, rays

FloatArray = NDArray[np.float64]

_SIDE_SAMPLES = 256  # along the longer side of what a picture can show, when the terrain's own cells are fewer


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
    or comes over a void the ring leaves it out. Ground inside the ring may still be hidden behind a ridge: see
    `seen_ground`.
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


def seen_ground(
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
    *,
    step_m: float | None = None,
    refraction: float = REFRACTION_COEFFICIENT,
    threads: int = 2,
) -> shapely.Polygon | shapely.MultiPolygon:
    """The ground in the picture that is in clear line of sight, holes included, in the local frame; empty if none.

    The pose as in `footprint`. The ground is asked at the middles of squares of `step_m` (default: the terrain's cell,
    or 1/256 of what the picture can show where that is finer) by the picture's four edges, the slant range and one
    exact sight line each (`rays.line_of_sight`): horizon and ridges cut, void ground and ground behind a void are left
    out, and so is ground under cover. A square is in or out as a whole, so an edge is right to within 0.71 `step_m`
    (half a square's diagonal), and a strip narrower than a step may be missing.

    Raises TerrainError for a camera below the ground, outside the terrain or over a void, ConfigError for a pose, a
    picture or a range that is none.
    """
    eye = np.array([x_m, y_m, alt_msl_m], float)
    _check_pose(terrain, eye, (azimuth_rad, elevation_rad, roll_rad), (hfov_rad, vfov_rad), max_range_m, step_m)
    axes = frames.camera_axes(azimuth_rad, elevation_rad, roll_rad)
    half = math.tan(hfov_rad / 2.0), math.tan(vfov_rad / 2.0)
    curvature_per_m = _kernels.curvature_per_m(refraction)
    box = _reached(terrain, eye, axes, half, max_range_m, curvature_per_m)
    if box is None:
        return shapely.Polygon()
    west, south, east, north = box
    step = step_m or min(terrain.cell_m, max(east - west, north - south) / _SIDE_SAMPLES)
    centre_x = west + (np.arange(max(1, math.ceil((east - west) / step))) + 0.5) * step
    centre_y = south + (np.arange(max(1, math.ceil((north - south) / step))) + 0.5) * step
    ground = np.stack([a.ravel() for a in np.meshgrid(centre_x, centre_y)] + [np.empty(centre_x.size * centre_y.size)])
    ground[2] = grid.height_at(terrain, ground[0], ground[1])
    away = ground - eye[:, None]
    away[2] -= curvature_per_m * (away[0] ** 2 + away[1] ** 2)
    along, right, up = axes @ away
    seen = (along > 0.0) & (np.abs(right) <= half[0] * along) & (np.abs(up) <= half[1] * along)  # NaN: False
    seen &= np.einsum("ij,ij->j", away, away) <= max_range_m**2
    asked = np.flatnonzero(seen)
    seen[asked] = (
        rays.line_of_sight(terrain, eye, ground[:, asked].T, refraction=refraction, threads=threads) == rays.CLEAR
    )
    return _squares(seen.reshape(centre_y.size, centre_x.size), west, south, step)


def _check_pose(
    terrain: Terrain,
    eye: FloatArray,
    angles_rad: tuple[float, float, float],
    fields_rad: tuple[float, float],
    max_range_m: float,
    step_m: float | None,
) -> None:
    told = [*eye, *angles_rad, *fields_rad, max_range_m, 1.0 if step_m is None else step_m]
    if not np.isfinite(told).all() or not all(0.0 < f < math.pi for f in fields_rad) or min(told[-2:]) <= 0.0:
        raise ConfigError(
            f"No picture: position {eye}, angles {angles_rad}, field {fields_rad}, range {max_range_m}, step {step_m}.",
            remedy="All must be numbers, the fields of view between 0 and pi, range and step more than 0.",
        )
    ground_m = float(grid.height_at(terrain, eye[0], eye[1]))
    if not ground_m <= eye[2]:
        why = "outside the terrain or over a void" if math.isnan(ground_m) else f"below the ground at {ground_m:.1f} m"
        raise TerrainError(
            f"The camera at x {eye[0]:.0f} m, y {eye[1]:.0f} m, {eye[2]:.1f} m above the datum is {why}.",
            remedy="Check the position and its vertical datum, or add the missing terrain.",
        )


def _reached(
    terrain: Terrain,
    eye: FloatArray,
    axes: FloatArray,
    half: tuple[float, float],
    max_range_m: float,
    curvature_per_m: float,
) -> tuple[float, float, float, float] | None:
    """West, south, east, north of all ground that can be in the picture; None where none can.

    The picture's pyramid as deep as the range, cut by the heights that occur: its corners, and where its edges pass the
    lowest and the highest of them. The second turn knows the heights of a smaller box.
    """
    signs = np.array([[-1.0, 1.0], [1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
    base = eye + max_range_m * (np.column_stack([np.ones(4), signs * half]) @ axes)
    starts = np.vstack([np.broadcast_to(eye, (4, 3)), base])
    ends = np.vstack([base, np.roll(base, -1, axis=0)])
    terrain_box = (terrain.west_m, terrain.south_m, terrain.east_m, terrain.north_m)
    box = _overlap(terrain_box, (*(eye[:2] - max_range_m), *(eye[:2] + max_range_m)))
    for _ in range(2):
        if box is None:
            return None
        window = _window(terrain, box)
        if np.isnan(window).all():
            return None
        low_m, high_m = float(np.nanmin(window)) - curvature_per_m * max_range_m**2, float(np.nanmax(window))
        found = [corner for corner in (eye, *base) if low_m <= corner[2] <= high_m]
        for level_m in (low_m, high_m):
            with np.errstate(divide="ignore", invalid="ignore"):
                share = (level_m - starts[:, 2]) / (ends[:, 2] - starts[:, 2])
            cut = (share >= 0.0) & (share <= 1.0)
            found += list(starts[cut] + share[cut, None] * (ends - starts)[cut])
        if not found:
            return None
        corners = np.array(found)[:, :2]
        box = _overlap(box, (*corners.min(axis=0), *corners.max(axis=0)))
    return box


def _overlap(a: tuple[float, float, float, float], b: tuple[float, ...]) -> tuple[float, float, float, float] | None:
    west, south, east, north = max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])
    return (west, south, east, north) if west < east and south < north else None


def _window(terrain: Terrain, box: tuple[float, float, float, float]) -> NDArray[np.float32]:
    """The heights of the cells around a box."""
    row, col = grid.to_index(terrain, np.array([box[0], box[2]]), np.array([box[3], box[1]]))
    row0, col0 = max(int(row[0]) - 1, 0), max(int(col[0]) - 1, 0)
    return terrain.heights_m[row0 : int(row[1]) + 3, col0 : int(col[1]) + 3]


def _squares(
    mask: NDArray[np.bool_], west_m: float, south_m: float, step_m: float
) -> shapely.Polygon | shapely.MultiPolygon:
    """The union of the squares of a mask (row 0 southernmost), from the edges between in and out."""
    padded = np.pad(mask, 1)
    level = padded[:-1, 1:-1] != padded[1:, 1:-1]  # (rows + 1, cols): edges along x
    upright = padded[1:-1, :-1] != padded[1:-1, 1:]  # (rows, cols + 1): edges along y
    meets = np.pad(upright, ((1, 1), (0, 0)))
    row, first, end = _runs(level, meets[:-1] | meets[1:])
    along_x = np.stack([np.stack([first, row], axis=-1), np.stack([end, row], axis=-1)], axis=1)
    meets = np.pad(level, ((0, 0), (1, 1)))
    col, first, end = _runs(upright.T, (meets[:, :-1] | meets[:, 1:]).T)
    along_y = np.stack([np.stack([col, first], axis=-1), np.stack([col, end], axis=-1)], axis=1)
    lines = shapely.linestrings(np.concatenate([along_x, along_y]).astype(float))
    faces = shapely.get_parts(shapely.polygonize(lines))
    inside = shapely.point_on_surface(faces)
    kept = faces[mask[shapely.get_y(inside).astype(int), shapely.get_x(inside).astype(int)]]
    whole: shapely.Polygon | shapely.MultiPolygon
    whole = shapely.Polygon() if len(kept) == 0 else kept[0] if len(kept) == 1 else shapely.multipolygons(kept)
    return shapely.transform(whole, lambda xy: xy * step_m + (west_m, south_m))


def _runs(edges: NDArray[np.bool_], meets: NDArray[np.bool_]) -> tuple[NDArray[np.intp], ...]:
    """Line, first and last node of each unbroken run of edges (lines, n), cut where others meet it (lines, n + 1)."""
    padded = np.pad(edges, ((0, 0), (1, 1)))
    line, first = np.nonzero(padded[:, 1:] & (~padded[:, :-1] | meets))
    _, end = np.nonzero(padded[:, :-1] & (~padded[:, 1:] | meets))
    return line, first, end
