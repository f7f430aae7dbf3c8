"""Grids of posts in degrees: how far posts lie apart, how straight their lines are, and places at even distances.

Sight over a geographic grid is worked out in its index space: a line from post to post, straight in latitude and
longitude, with the spacing of the observer's own latitude. Such a line is not the geodesic. In the metric of a sphere
its sideways acceleration is tan(lat) sin(a) (1 + cos^2 a) / R for azimuth a, at most 1.0887 tan(lat) / R, so over d it
leaves the true line by at most

    bend = 1.1 d^2 tan(lat) / (8 R)

(1.1 also holds the ellipsoid), and a place d away has its distance wrong by at most 0.2 d^2 tan(lat) / R, through the
change of cos(lat). At 33 S over 10 km: 1.4 m and 2.0 m. Both are tested against geodesics.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pyproj import Geod

from kuntur.units import DEG_TO_RAD, EARTH_RADIUS_M

FloatArray = NDArray[np.float64]
BEND = 1.1 / 8.0
_WGS84 = Geod(ellps="WGS84")


def spacing_m(lat_deg: ArrayLike, step_lat_deg: float, step_lon_deg: float) -> FloatArray:
    """Metres between posts, (n, 2) east-west and north-south, at latitudes (n,) of the WGS 84 ellipsoid.

    Radii of curvature in the prime vertical and in the meridian (Snyder 1987, eq. 4-20 and 4-18).
    """
    lat_rad = np.atleast_1d(np.asarray(lat_deg, float)) * DEG_TO_RAD
    squash = 1.0 - _WGS84.es * np.sin(lat_rad) ** 2
    east_m = _WGS84.a / np.sqrt(squash) * np.cos(lat_rad) * step_lon_deg * DEG_TO_RAD
    north_m = _WGS84.a * (1.0 - _WGS84.es) / squash**1.5 * step_lat_deg * DEG_TO_RAD
    return np.stack([east_m, north_m], axis=-1)


def bend_m(lat_deg: ArrayLike, distance_m: float) -> FloatArray:
    """How far a line straight in degrees may leave the true line over `distance_m` from latitudes of any shape.

    Taken at the highest latitude that the line can reach; infinite at a pole.
    """
    lat_rad = np.abs(np.asarray(lat_deg, float)) * DEG_TO_RAD + distance_m / EARTH_RADIUS_M
    tan = np.where(lat_rad < 0.5 * np.pi, np.tan(np.minimum(lat_rad, 0.5 * np.pi)), np.inf)
    return np.asarray(BEND * distance_m**2 * tan / EARTH_RADIUS_M)


def along(lonlat_deg: ArrayLike, step_m: float) -> FloatArray:
    """Places at even distances along a line of geodesics: (n, 2) lon_deg, lat_deg, both ends included.

    The step is the largest that divides the whole length and is no longer than `step_m`. The antimeridian is no edge.
    """
    lon_deg, lat_deg = np.asarray(lonlat_deg, float).reshape(-1, 2).T
    azimuth_deg, _, length_m = _WGS84.inv(lon_deg[:-1], lat_deg[:-1], lon_deg[1:], lat_deg[1:])
    azimuth_deg, length_m = np.atleast_1d(azimuth_deg), np.atleast_1d(length_m)
    chainage_m = np.concatenate([[0.0], np.cumsum(length_m)])
    count = max(1, int(np.ceil(chainage_m[-1] / step_m - 1e-9)))
    at_m = np.linspace(0.0, chainage_m[-1], count + 1)
    leg = np.clip(np.searchsorted(chainage_m, at_m, side="right") - 1, 0, len(length_m) - 1)
    lon, lat, _ = _WGS84.fwd(lon_deg[leg], lat_deg[leg], azimuth_deg[leg], at_m - chainage_m[leg])
    return np.stack([lon, lat], axis=-1)


def lattice(bounds_deg: tuple[float, float, float, float], step_m: float) -> Iterator[FloatArray]:
    """Places about `step_m` apart over south, west, north, east: a row at a time, (n, 2) lon_deg, lat_deg, from north.

    Rows and the places in a row are even within the bounds and half a step from their edges; east > 180 is allowed.
    """
    south, west, north, east = bounds_deg
    metres = spacing_m(0.5 * (south + north), 1.0, 1.0)[0]
    rows = max(1, round((north - south) * float(metres[1]) / step_m))
    for row in range(rows):
        lat = north - (row + 0.5) / rows * (north - south)
        cols = max(1, round((east - west) * float(spacing_m(lat, 1.0, 1.0)[0, 0]) / step_m))
        lon = west + (np.arange(cols) + 0.5) / cols * (east - west)
        yield np.stack([lon, np.full(cols, lat)], axis=-1)
