"""Frames, grids and heights against independent calculations."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from pyproj import Geod, Transformer

from kuntur.errors import TerrainError
from kuntur.geodesy import frames, grid, heights, lines
from kuntur.io import geoid
from kuntur.model.place import Geoid, LocalFrame, Terrain

FRAME = LocalFrame(lat0_deg=-18.285, lon0_deg=-69.03)


def terrain(values: np.ndarray, cell_m: float = 10.0) -> Terrain:
    return Terrain(
        frame=FRAME, heights_m=values.astype(np.float32), cell_m=cell_m, west_m=-100.0, north_m=200.0,
        vertical_datum="EGM96", product="test", sketched=False, attribution="",
    )  # fmt: skip


def test_the_local_frame_keeps_geodesic_lengths() -> None:
    """Scale error x^2 / (2 R^2): under 2e-5 within 40 km of the centre."""
    geod = Geod(ellps="WGS84")
    lat, lon = frames.to_geodetic(FRAME, [25_000.0, 26_000.0], [-20_000.0, -19_000.0])
    length = geod.inv(lon[0], lat[0], lon[1], lat[1])[2]
    assert length == pytest.approx(np.hypot(1000.0, 1000.0), rel=2e-5)


def test_there_and_back() -> None:
    x, y = frames.to_local(FRAME, [-18.1, -18.5], [-69.2, -68.8])
    lat, lon = frames.to_geodetic(FRAME, x, y)
    np.testing.assert_allclose(lat, [-18.1, -18.5], atol=1e-10)
    np.testing.assert_allclose(lon, [-69.2, -68.8], atol=1e-10)


def test_the_frame_crosses_the_antimeridian() -> None:
    frame = LocalFrame(lat0_deg=-17.0, lon0_deg=180.0)
    x, _ = frames.to_local(frame, [-17.0, -17.0], [179.9, -179.9])
    assert x[0] == pytest.approx(-x[1])
    assert x[1] == pytest.approx(10_650.0, rel=0.01)


@pytest.mark.parametrize(("lat_deg", "lon_deg"), [(-18.4, -68.85), (46.9, 10.1), (46.9, 9.7)])
def test_grid_azimuth_is_that_of_the_geodesic_in_the_grid(lat_deg: float, lon_deg: float) -> None:
    frame = FRAME if lat_deg < 0 else LocalFrame(lat0_deg=46.9, lon0_deg=9.9)
    lon2, lat2, _ = Geod(ellps="WGS84").fwd(lon_deg, lat_deg, 30.0, 500.0)
    x, y = frames.to_local(frame, [lat_deg, lat2], [lon_deg, lon2])
    measured = np.arctan2(x[1] - x[0], y[1] - y[0])
    assert frames.grid_azimuth(frame, lat_deg, lon_deg, np.radians(30.0)) == pytest.approx(measured, abs=2e-5)


def test_directions_and_pixels() -> None:
    np.testing.assert_allclose(frames.direction_enu(np.pi / 2, 0.0), [1.0, 0.0, 0.0], atol=1e-15)
    np.testing.assert_allclose(frames.direction_enu(0.0, -np.pi / 2), [0.0, 0.0, -1.0], atol=1e-15)
    hfov, vfov = 0.6, 0.4
    rays = frames.pixel_directions_enu(
        0.0, 0.0, 0.0, hfov, vfov, 640, 512, [320.0, 0.0, 640.0, 320.0], [256, 256, 256, 0]
    )
    np.testing.assert_allclose(rays[0], [0.0, 1.0, 0.0], atol=1e-15)
    assert np.arctan2(rays[1][0], rays[1][1]) == pytest.approx(-hfov / 2)
    assert np.arctan2(rays[2][0], rays[2][1]) == pytest.approx(hfov / 2)
    assert np.arcsin(rays[3][2]) == pytest.approx(vfov / 2)
    rolled = frames.pixel_directions_enu(0.0, 0.0, np.pi / 2, hfov, vfov, 640, 512, [640.0], [256.0])
    assert rolled[0][2] < -0.2, "rolled clockwise by 90 degrees, the right edge of the picture looks down"


def test_height_is_bilinear_and_void_beside_a_void() -> None:
    rows, cols = np.mgrid[0:6, 0:8]
    place = terrain(3.0 * rows + 7.0 * cols)
    x, y = place.west_m + (np.array([2.25, 6.5]) + 0.5) * 10, place.north_m - (np.array([1.75, 4.0]) + 0.5) * 10
    np.testing.assert_allclose(grid.height_at(place, x, y), [3 * 1.75 + 7 * 2.25, 3 * 4 + 7 * 6.5], rtol=1e-6)
    holed = place.heights_m.copy()
    holed[2, 3] = np.nan
    assert np.isnan(grid.height_at(terrain(holed), x, y)).tolist() == [True, False]
    assert np.isnan(grid.height_at(place, [place.west_m, place.east_m + 1], [place.north_m, place.north_m])).all()
    assert grid.covers(place, x, y).all()
    assert not grid.covers(place, place.west_m + 1.0, 0.0)


def test_lattice_is_aligned_and_its_blocks_are_the_terrain() -> None:
    place = terrain(np.arange(60 * 80, dtype=float).reshape(60, 80))
    cells = grid.lattice(place, 38.0, (place.west_m + 55.0, place.south_m - 500.0, place.east_m, place.north_m - 21.0))
    assert (cells.factor, cells.cell_m, cells.row0, cells.col0) == (4, 40.0, 2, 5)
    parts = grid.blocks(place, cells)
    assert parts.shape == (cells.rows, cells.cols, 16)
    np.testing.assert_array_equal(parts[1, 2].reshape(4, 4), place.heights_m[6:10, 13:17])
    x, y = cells.centres()
    assert x[0] == place.west_m + 50.0 + 20.0
    assert y[0] == place.north_m - 20.0 - 20.0
    with pytest.raises(TerrainError, match="does not cover"):
        grid.lattice(place, 40.0, (9e5, 9e5, 9.1e5, 9.1e5))


def test_the_geoid_has_the_published_values() -> None:
    egm96 = geoid.read()
    assert heights.undulation_m(egm96, -16.5, -68.15) == pytest.approx(45.5, abs=1.0)  # La Paz, read to a node
    assert heights.undulation_m(egm96, -32.6532, -70.0109) == pytest.approx(32.1, abs=0.3)  # Aconcagua
    up = heights.hae_from_msl(egm96, -16.5, -68.15, 3640.0)
    assert heights.msl_from_hae(egm96, -16.5, -68.15, up) == pytest.approx(3640.0)


def test_the_geoid_agrees_with_proj(tmp_path) -> None:
    """PROJ's own interpolation of the same grid, at random places."""
    rng = np.random.default_rng(1)
    lat, lon = rng.uniform(-89, 89, 200), rng.uniform(-180, 179.7, 200)
    shift = Transformer.from_pipeline(f"+proj=pipeline +step +proj=vgridshift +grids={geoid.EGM96} +multiplier=1")
    _, _, minus = shift.transform(np.radians(lon), np.radians(lat), np.zeros(200), radians=True)
    np.testing.assert_allclose(np.abs(heights.undulation_m(geoid.read(), lat, lon)), np.abs(minus), atol=0.02)


def test_the_geoid_closes_around_the_world() -> None:
    egm96 = geoid.read()
    values = heights.undulation_m(egm96, [-17.0] * 4, [179.75, 179.9, -180.0, -179.99])
    assert np.isfinite(values).all()
    assert np.abs(np.diff(values)).max() < 1.0
    assert heights.undulation_m(egm96, 10.0, 359.9) == pytest.approx(float(heights.undulation_m(egm96, 10.0, -0.1)))


def test_a_damaged_geoid_is_refused(tmp_path) -> None:
    path = tmp_path / "g.gtx"
    with pytest.raises(TerrainError, match="missing"):
        geoid.read(path)
    path.write_bytes(struct.pack(">4d2i", -1.0, -1.0, 1.0, 1.0, 3, 3) + b"\0" * 20)
    with pytest.raises(TerrainError, match="damaged"):
        geoid.read(path)


def test_the_carried_grid_is_the_shared_one(shared_data) -> None:
    assert geoid.EGM96.read_bytes() == (shared_data / "geoid" / "egm96_15.gtx").read_bytes()


def test_undulation_is_unknown_outside_a_regional_grid() -> None:
    patch = Geoid(name="x", south_deg=0.0, west_deg=10.0, step_deg=1.0, undulation_m=np.ones((3, 3), np.float32))
    assert np.isnan(heights.undulation_m(patch, [0.5, 5.0, 0.5], [9.0, 11.0, 13.0])).all()


def test_height_above_ground() -> None:
    place = terrain(np.full((6, 8), 4000.0))
    assert heights.agl_from_msl(place, -60.0, 170.0, 4150.0) == pytest.approx(150.0)
    assert heights.msl_from_agl(place, -60.0, 170.0, 150.0) == pytest.approx(4150.0)


def test_inside_a_ring_agrees_with_shapely() -> None:
    import shapely

    rng = np.random.default_rng(5)
    angle = np.sort(rng.uniform(0, 2 * np.pi, 23))
    ring = np.stack([np.cos(angle), np.sin(angle)], -1) * rng.uniform(20, 100, (23, 1))
    x, y = rng.uniform(-110, 110, (2, 4000))
    np.testing.assert_array_equal(lines.inside(ring, x, y), shapely.contains_xy(shapely.Polygon(ring), x, y))
