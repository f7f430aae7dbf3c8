"""What holds for every frame, grid, line and extent."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pyproj import Geod

from kuntur.geodesy import frames, grid, lines
from kuntur.io import tiles
from kuntur.model.place import LocalFrame, Terrain

GEOD = Geod(ellps="WGS84")
centres = st.tuples(st.floats(-70.0, 70.0), st.floats(-180.0, 180.0))
near = st.floats(-60_000.0, 60_000.0)


@given(centres, near, near)
def test_there_and_back(centre: tuple[float, float], x_m: float, y_m: float) -> None:
    frame = LocalFrame(lat0_deg=centre[0], lon0_deg=centre[1])
    lat, lon = frames.to_geodetic(frame, x_m, y_m)
    x, y = frames.to_local(frame, lat, lon)
    assert abs(float(x) - x_m) < 1e-4
    assert abs(float(y) - y_m) < 1e-4


@given(centres, near, near, st.floats(0.0, 2 * np.pi))
@settings(max_examples=50)
def test_lengths_and_azimuths_are_those_of_the_ellipsoid(
    centre: tuple[float, float], x_m: float, y_m: float, azimuth_rad: float
) -> None:
    frame = LocalFrame(lat0_deg=centre[0], lon0_deg=centre[1])
    ends = np.array([x_m, x_m + 1000.0 * np.sin(azimuth_rad)]), np.array([y_m, y_m + 1000.0 * np.cos(azimuth_rad)])
    lat, lon = frames.to_geodetic(frame, *ends)
    true_deg, _, length_m = GEOD.inv(lon[0], lat[0], lon[1], lat[1])
    assert abs(length_m - 1000.0) < 0.06  # scale error below 5e-5 at 60 km
    lon_near = frame.lon0_deg + (float(lon[0]) - frame.lon0_deg + 180.0) % 360.0 - 180.0
    got = frames.grid_azimuth(frame, float(lat[0]), lon_near, np.radians(true_deg))
    assert abs((got - azimuth_rad + np.pi) % (2 * np.pi) - np.pi) < 3e-4


heights = arrays.arrays(np.float32, (5, 7), elements=st.floats(-400, 8800, width=32) | st.just(np.nan))


@given(heights, st.floats(0.0, 6.0), st.floats(0.0, 4.0))
def test_a_height_lies_between_its_neighbours_or_is_void(values: np.ndarray, col: float, row: float) -> None:
    place = Terrain(
        frame=LocalFrame(lat0_deg=0.0, lon0_deg=0.0), heights_m=values, cell_m=30.0, west_m=0.0, north_m=0.0,
        vertical_datum="EGM96", product="", sketched=False, attribution="",
    )  # fmt: skip
    got = float(grid.height_at(place, (col + 0.5) * 30.0, -(row + 0.5) * 30.0))
    r, c = min(int(row), 3), min(int(col), 5)
    four = values[r : r + 2, c : c + 2]
    if np.isnan(four).any():
        assert np.isnan(got)
    else:
        assert four.min() - 0.01 <= got <= four.max() + 0.01


walks = arrays.arrays(np.float64, (6, 2), elements=st.integers(-500, 500).map(float)).map(
    lambda steps: np.cumsum(steps + np.array([1.0, 0.5]), axis=0)
)


@given(walks, st.floats(0.0, 1.0))
def test_a_point_of_the_line_projects_to_its_chainage(line: np.ndarray, share: float) -> None:
    at_m = share * lines.chainages(line)[-1]
    point = lines.point_at(line, at_m)
    chainage, offset = lines.project(line, point[0], point[1])
    assert abs(float(offset[0])) < 1e-6
    np.testing.assert_allclose(lines.point_at(line, chainage[0]), point, atol=1e-6)


@given(walks, st.floats(0.0, 0.5), st.floats(0.5, 1.0))
def test_a_part_is_as_long_as_its_chainages_say(line: np.ndarray, start: float, end: float) -> None:
    length = lines.chainages(line)[-1]
    part = lines.clip(line, start * length, end * length)
    assert abs(lines.chainages(part)[-1] - (end - start) * length) < 1e-6 * max(1.0, length)


@given(
    st.floats(-80, 79),
    st.floats(0.0, 1.0),
    st.floats(-180, 180),
    st.floats(0.01, 2.0),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_tiles_cover_every_point_of_an_extent(
    south: float, height: float, west: float, width: float, up: float, along: float
) -> None:
    east = (west + width + 180.0) % 360.0 - 180.0
    lat, lon = south + up * height, (west + along * ((east - west) % 360.0) + 180.0) % 360.0 - 180.0
    wanted = tiles.names(south, west, south + height, east)
    assert tiles.names(lat, lon, lat, lon)[0] in wanted
    assert len(set(wanted)) == len(wanted) <= 16
