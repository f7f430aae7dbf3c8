"""Grids in degrees: spacing on the ellipsoid, how far their lines leave the geodesic, places at even distances."""

from __future__ import annotations

import numpy as np
import pytest
from pyproj import Geod

from kuntur.geodesy import posts

WGS84 = Geod(ellps="WGS84")


@pytest.mark.parametrize("lat_deg", [-72.0, -33.0, 0.0, 18.5, 46.8, 65.0])
def test_spacing_is_that_of_the_ellipsoid(lat_deg: float) -> None:
    east_m, north_m = posts.spacing_m(lat_deg, 1.0 / 3600.0, 2.0 / 3600.0)[0]
    _, _, along_meridian_m = WGS84.inv(10.0, lat_deg - 0.5 / 3600.0, 10.0, lat_deg + 0.5 / 3600.0)
    _, _, along_parallel_m = WGS84.inv(10.0, lat_deg, 10.0 + 2.0 / 3600.0, lat_deg)
    assert north_m == pytest.approx(along_meridian_m, rel=1e-7)
    assert east_m == pytest.approx(along_parallel_m, rel=1e-7)


@pytest.mark.parametrize("lat_deg", [-60.0, -33.0, 10.0, 46.8, 68.0])
@pytest.mark.parametrize("distance_m", [5e3, 10e3, 25e3])
def test_the_stated_error_of_straight_lines_holds_and_is_no_larger_than_need_be(
    lat_deg: float, distance_m: float
) -> None:
    """Every 5 degrees of azimuth: how far a line straight in degrees leaves the geodesic between its ends."""
    share = np.linspace(0.0, 1.0, 41)[1:-1]
    dx_m, dy_m = posts.spacing_m(lat_deg, 1.0, 1.0)[0]
    beside_m, distances_m = [], []
    for azimuth in np.arange(0.0, 360.0, 5.0):
        lon, lat, _ = WGS84.fwd(0.0, lat_deg, azimuth, distance_m)
        toward, _, _ = WGS84.inv(np.zeros(39), np.full(39, lat_deg), np.full(39, lon), np.full(39, lat))
        to, _, away_m = WGS84.inv(np.zeros(39), np.full(39, lat_deg), lon * share, lat_deg + (lat - lat_deg) * share)
        beside_m.append(np.abs(away_m * np.sin(np.radians(to - toward))).max())
        distances_m.append(np.hypot(lon * dx_m, (lat - lat_deg) * dy_m))
    stated_m = float(posts.bend_m(lat_deg, distance_m))
    assert 0.9 * stated_m < max(beside_m) <= stated_m
    tan = np.tan(abs(np.radians(lat_deg)) + distance_m / posts.EARTH_RADIUS_M)
    assert np.abs(np.array(distances_m) - distance_m).max() <= 0.2 * distance_m**2 * tan / posts.EARTH_RADIUS_M


def test_at_a_pole_no_line_is_straight() -> None:
    assert np.isinf(posts.bend_m(89.99, 10_000.0))
    assert posts.bend_m(-33.0, 10_000.0) == posts.bend_m(33.0, 10_000.0)


def test_places_along_a_line_are_evenly_apart_across_the_antimeridian() -> None:
    line = [[179.9, -17.0], [-179.95, -17.05], [-179.9, -16.9]]
    lon, lat = posts.along(line, 100.0).T
    _, _, apart_m = WGS84.inv(lon[:-1], lat[:-1], lon[1:], lat[1:])
    assert (lon[0], lat[0]) == pytest.approx((179.9, -17.0), abs=1e-9)
    assert lon[-1] == pytest.approx(-179.9, abs=1e-9)
    assert lat[-1] == pytest.approx(-16.9, abs=1e-9)
    straight = np.abs(apart_m - np.median(apart_m)) < 1e-3
    assert (~straight).sum() <= 1  # the step that goes round the corner
    assert 99.0 < np.median(apart_m) <= 100.0


def test_a_lattice_is_even_and_within_its_bounds() -> None:
    rows = list(posts.lattice((-34.0, 179.0, -33.0, 180.5), 5_000.0))
    assert len(rows) == 22
    for row in rows:
        lon, lat = row.T
        assert 179.0 < lon.min() < lon.max() < 180.5
        _, _, apart_m = WGS84.inv(lon[:-1], lat[:-1], lon[1:], lat[1:])
        assert np.abs(apart_m - 5_000.0).max() < 200.0
    assert rows[0][0, 1] > rows[-1][0, 1]
