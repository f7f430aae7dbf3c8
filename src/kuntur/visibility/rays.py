"""Rays against the terrain: sight lines in bulk, whole corridors, and where rays meet the ground.

The terrain between cell centres is linear along every row line and every column line a sight line crosses (the R3
model: Franklin & Ray 1994, "Higher isn't necessarily better"), in double precision. The earth's curvature and
refraction lower the ground at distance d by (1 - k) d^2 / (2 R). A void on the way makes the answer unknown unless
known ground blocks. What blocks is the surface: the ground and what covers it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

from kuntur.errors import ConfigError
from kuntur.geodesy import grid
from kuntur.model.place import Terrain
from kuntur.units import REFRACTION_COEFFICIENT
from kuntur.visibility import _kernels

if TYPE_CHECKING:
    from kuntur.visibility.doubt import Doubt

FloatArray = NDArray[np.float64]

BLOCKED, CLEAR, UNKNOWN = 0, 1, 2
NO_HIT, HIT, LEFT, VOID = 0, 1, 2, 3


def line_of_sight(
    terrain: Terrain,
    a_m: ArrayLike,
    b_m: ArrayLike,
    *,
    refraction: float = REFRACTION_COEFFICIENT,
    threads: int = 2,
    doubt: Doubt | None = None,
) -> NDArray[np.uint8]:
    """Whether points see each other: (n,) uint8, 0 blocked, 1 clear, 2 unknown (a void on the way, outside, or NaN).

    a_m, b_m: (n, 3) x, y, alt_msl in the local frame; one of them may be a single point. Touching the ground is clear,
    an end below the ground is blocked. The answer is the same with a and b exchanged.

    With a doubt, clear means certain: known terrain is raised by `Doubt.margin_m`. Then b is the target, which stands
    on the ground, and a the observer, whose altitude is absolute; exchanging them changes the question.
    """
    a, b = _kernels.points(a_m, b_m)
    return _kernels.line_of_sight(terrain, a, b, refraction, *margin(doubt), threads)


def margin(doubt: Doubt | None) -> tuple[float, float]:
    """A doubt as the kernels take it: wanted standard deviations times sigma, and the correlation length; 0 for none.

    Raises ConfigError for a doubt that lowers the terrain or has no length.
    """
    if doubt is None:
        return 0.0, 1.0
    error_m = doubt.z * doubt.sigma_m
    if not (0.0 <= error_m < math.inf and 0.0 < doubt.correlation_m < math.inf):
        raise ConfigError(
            f"A doubt of z {doubt.z:g}, sigma {doubt.sigma_m:g} m and correlation {doubt.correlation_m:g} m is none.",
            remedy="z and sigma must be 0 or more, the correlation length more than 0.",
        )
    return error_m, doubt.correlation_m


class Corridor(Struct, frozen=True, kw_only=True):
    """Sight from n points to m stations along a line.

    stations_m: (m, 3) x, y, alt_msl. chainage_m: (m,) metres along the line. sight: (n, m) uint8 as `line_of_sight`.
    """

    stations_m: FloatArray
    chainage_m: FloatArray
    sight: NDArray[np.uint8]


def corridor(
    terrain: Terrain,
    from_m: ArrayLike,
    route_m: ArrayLike,
    *,
    step_m: float = 100.0,
    height_agl_m: float | None = None,
    refraction: float = REFRACTION_COEFFICIENT,
    threads: int = 2,
    doubt: Doubt | None = None,
) -> Corridor:
    """Sight from each point to every station of a route: a border, a road or a flight path, in one call.

    from_m: (n, 3) x, y, alt_msl, or one point: aircraft, masts, posts. route_m: the vertices, (k, 2) with
    `height_agl_m` above the ground (a border, a road, a low flight), or (k, 3) with alt_msl (a flight path); heights
    are linear between vertices. Stations lie each `step_m` and at the end. Over a void, or outside, a station at a
    height above ground has no altitude (NaN) and its sight is unknown. doubt: as in `line_of_sight`, for stations on
    the ground. Raises ConfigError for a route that is none.
    """
    (from_points,) = _kernels.points(from_m)
    route = np.asarray(route_m, float)
    on_ground = height_agl_m is not None
    if route.ndim != 2 or route.shape != (len(route), 2 if on_ground else 3) or not np.isfinite(route).all():
        raise ConfigError(
            f"A route of shape {route.shape} {'with' if on_ground else 'without'} height_agl_m is none.",
            remedy="Give (k, 2) finite x, y and height_agl_m, or (k, 3) finite x, y, alt_msl without it.",
        )
    if doubt is not None and not on_ground:
        raise ConfigError(
            "A doubt holds for stations that stand on the ground.", remedy="Give height_agl_m, or leave doubt out."
        )
    if not 0.0 < step_m < math.inf:
        raise ConfigError(f"Stations each {step_m:g} m cannot be set.", remedy="Give a step of more than 0 m.")
    at_m = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(route[:, :2], axis=0).T))])
    chainage_m = np.append(np.arange(0.0, at_m[-1], step_m), at_m[-1])
    x_m, y_m = (np.interp(chainage_m, at_m, route[:, k]) for k in (0, 1))
    if height_agl_m is not None:
        alt_msl_m = grid.height_at(terrain, x_m, y_m) + height_agl_m
    else:
        alt_msl_m = np.interp(chainage_m, at_m, route[:, 2])
    stations_m = np.stack([x_m, y_m, alt_msl_m], axis=-1)
    sight = _kernels.sight_table(terrain, from_points, stations_m, refraction, *margin(doubt), threads)
    return Corridor(stations_m=stations_m, chainage_m=chainage_m, sight=sight)


class Hits(Struct, frozen=True, kw_only=True):
    """Where n rays meet the ground; every figure is NaN unless `status` is HIT.

    hits_m: (n, 3) x, y, alt_msl. status: (n,) uint8, 0 no ground in range, 1 hit, 2 the ray leaves the terrain first,
    begins outside or is none (NaN, a direction without length), 3 it comes over a void first. slant_m: (n,) along the
    ray. incidence_rad: (n,) angle between the ray and the normal of the ground, 0 straight on to pi/2 grazing; NaN for
    a ray that begins in the ground.
    """

    hits_m: FloatArray
    status: NDArray[np.uint8]
    slant_m: FloatArray
    incidence_rad: FloatArray


def ground_hits(
    terrain: Terrain,
    origins_m: ArrayLike,
    directions_enu: ArrayLike,
    max_range_m: float,
    *,
    refraction: float = REFRACTION_COEFFICIENT,
    threads: int = 2,
) -> Hits:
    """The first ground (or cover) each ray meets within `max_range_m` (slant).

    origins_m: (n, 3) local frame or one point; directions_enu: (n, 3) or one, of any length, north of the grid. The
    ground is bilinear inside cells, so a hit lies on `geodesy.grid.height_at`. An origin below the ground hits at once,
    at slant range 0. Raises ConfigError for a negative or endless range.
    """
    origins, directions = _kernels.points(origins_m, directions_enu)
    if not 0.0 <= max_range_m < math.inf:
        raise ConfigError(f"Rays cannot be followed for {max_range_m:g} m.", remedy="Give a finite range of 0 or more.")
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    hits_m, status, slant_m, incidence_rad = _kernels.ground_hits(
        terrain, origins, unit, max_range_m, refraction, threads
    )
    return Hits(hits_m=hits_m, status=status, slant_m=slant_m, incidence_rad=incidence_rad)
