"""A mosaic reads any window of its tiles as if they were one file, and refuses what is no mosaic."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import mosaics
import numpy as np
import pytest
import rasterio

from kuntur.errors import KunturError, TerrainError
from kuntur.io import mosaic

SIDE_DEG = 180 * mosaics.STEP_DEG


def ground(terrain: mosaic.Mosaic, row0: int, col0: int, rows: int, cols: int) -> np.ndarray:
    lat = terrain.lat_deg(row0 + np.arange(rows))
    lon = terrain.west_deg + (col0 + np.arange(cols)) * terrain.step_lon_deg
    return np.round(mosaics.hills(lat[:, None], np.where(lon > 180.0, lon - 360.0, lon)[None, :]))


def test_a_window_over_the_seams_is_the_landscape_itself(tmp_path: Path) -> None:
    paths = mosaics.write_block(tmp_path, -33.1, -70.1, 2, 2)
    terrain = mosaic.describe(list(reversed(paths)))
    assert (terrain.rows, terrain.cols) == (361, 361)
    assert terrain.bounds_deg == pytest.approx((-33.1, -70.1, -33.1 + 2 * SIDE_DEG, -70.1 + 2 * SIDE_DEG))
    assert terrain.vertical_datum == "EGM96"
    assert terrain == mosaic.describe(paths)
    heights = mosaic.read(terrain, 150, 140, 60, 70)
    assert heights.dtype == np.float32
    np.testing.assert_array_equal(heights, ground(terrain, 150, 140, 60, 70))


def test_it_travels_as_a_few_bytes_and_is_opened_on_the_other_side(tmp_path: Path) -> None:
    terrain = mosaic.describe(mosaics.write_block(tmp_path, -33.1, -70.1, 2, 2))
    packed = pickle.dumps(terrain)
    assert len(packed) < 10_000
    np.testing.assert_array_equal(mosaic.read(pickle.loads(packed), 0, 0, 361, 361), ground(terrain, 0, 0, 361, 361))


def test_missing_tiles_voids_and_the_outside_are_nan(tmp_path: Path) -> None:
    paths = mosaics.write_block(tmp_path, -33.1, -70.1, 2, 2, missing=[1])
    hole = (slice(20, 30), slice(40, 45))
    mosaics.write_tile(tmp_path / "tile0_srtm.tif", -33.1, -70.1, void=hole)
    terrain = mosaic.describe(paths)
    heights = mosaic.read(terrain, -5, -5, 371, 371)
    void = np.isnan(heights)
    assert void[:5].all() and void[-5:].all() and void[:, :5].all() and void[:, -5:].all()
    inside = void[5:-5, 5:-5]
    assert inside[181:, 181:].all()  # the tile in the south-east; its edges belong to its neighbours too
    assert inside[200:210, 40:45].all()
    assert inside.sum() == 180 * 180 + 50


def test_shared_posts_that_are_void_in_one_tile_come_from_the_other(tmp_path: Path) -> None:
    a = mosaics.write_tile(tmp_path / "a_srtm.tif", -33.1, -70.1, void=(slice(0, 1), slice(None)))
    b = mosaics.write_tile(tmp_path / "b_srtm.tif", -33.1 + SIDE_DEG, -70.1)
    terrain = mosaic.describe([a, b])
    np.testing.assert_array_equal(mosaic.read(terrain, 0, 0, 361, 181), ground(terrain, 0, 0, 361, 181))


@pytest.mark.parametrize("west_deg", [180.0 - SIDE_DEG, -180.0 - SIDE_DEG, 180.0 - 2 * SIDE_DEG])
def test_the_antimeridian_is_no_edge(tmp_path: Path, west_deg: float) -> None:
    terrain = mosaic.describe(mosaics.write_block(tmp_path, -17.0, west_deg, 1, 3))
    assert terrain.cols == 3 * 180 + 1
    assert terrain.west_deg == pytest.approx((west_deg + 180.0) % 360.0 - 180.0)
    np.testing.assert_array_equal(mosaic.read(terrain, 0, 0, 181, 541), ground(terrain, 0, 0, 181, 541))
    west = terrain.west_deg
    _, east_of = terrain.index(-17.0, west + 2.5 * SIDE_DEG)
    _, wrapped = terrain.index(-17.0, west + 2.5 * SIDE_DEG - 360.0)
    assert east_of == pytest.approx(450.0)
    assert wrapped == pytest.approx(450.0)


def test_a_tile_that_disagrees_on_the_common_edge_is_refused(tmp_path: Path) -> None:
    paths = mosaics.write_block(tmp_path, -33.1, -70.1, 1, 2)
    mosaics.write_tile(paths[1], -33.1, -70.1 + SIDE_DEG, land=lambda lat, lon: mosaics.hills(lat, lon) / 0.3048)
    terrain = mosaic.describe(paths)
    mosaic.read(terrain, 0, 0, 181, 100)
    with pytest.raises(TerrainError, match=r"differ by .* where they overlap"):
        mosaic.read(terrain, 0, 100, 181, 200)


def test_what_is_no_mosaic_is_refused(tmp_path: Path) -> None:
    a = mosaics.write_tile(tmp_path / "a_srtm.tif", -33.1, -70.1)
    coarse = mosaics.write_tile(tmp_path / "b_srtm.tif", -33.1, -70.0, posts=61, step_deg=3.0 / 3600.0)
    shifted = mosaics.write_tile(tmp_path / "c_srtm.tif", -33.1, -70.0 + 0.4 / 3600.0)
    metres = mosaics.write_tile(tmp_path / "d_srtm.tif", 6_300_000.0, 300_000.0, step_deg=30.0, crs="EPSG:32719")
    copernicus = mosaics.write_tile(tmp_path / "Copernicus_DSM_x.tif", -33.1, -70.0)
    for other, words in ((coarse, "no common grid"), (shifted, "lie between"), (metres, "not in degrees")):
        with pytest.raises(TerrainError, match=words) as raised:
            mosaic.describe([a, other])
        assert raised.value.remedy
    with pytest.raises(TerrainError, match="two vertical datums"):
        mosaic.describe([a, copernicus])
    with pytest.raises(KunturError, match="vertical_datum says"):
        mosaic.describe([a], vertical_datum="EGM2008")


def test_a_file_that_changed_or_is_gone_says_so(tmp_path: Path) -> None:
    path = mosaics.write_tile(tmp_path / "a_srtm.tif", -33.1, -70.1)
    terrain = mosaic.describe([path])
    mosaic.read(terrain, 0, 0, 10, 10)
    os.utime(path, ns=(1, 1))
    mosaic.read(terrain, 0, 0, 10, 10)  # the same bytes with another date are the same file
    mosaics.write_tile(path, -33.1, -70.1, land=lambda lat, lon: mosaics.hills(lat, lon) + 1.0)
    with pytest.raises(TerrainError, match="is not the one that this survey began with"):
        mosaic.read(terrain, 0, 0, 10, 10)
    path.unlink()
    with pytest.raises(TerrainError, match="cannot open the terrain file") as raised:
        mosaic.read(terrain, 0, 0, 10, 10)
    assert "worker" in raised.value.remedy


def test_real_tiles_in_the_shape_of_an_l(shared_data: Path) -> None:
    """A filled tile and two raw ones: the edges they share agree, the void south-east is void."""
    names = ("S33W071_srtm3_filled.tif", "S34W071.hgt", "S33W070.hgt")
    paths = [shared_data / "terrain" / name for name in names]
    terrain = mosaic.describe(paths)
    assert (terrain.rows, terrain.cols) == (2401, 2401)
    heights = mosaic.read(terrain, 0, 0, 2401, 2401)
    assert np.isnan(heights[1201:, 1201:]).all()
    with rasterio.open(paths[0]) as file:
        np.testing.assert_array_equal(heights[:1201, :1200], file.read(1)[:, :1200])
    assert np.nanmax(heights) == 6929.0
