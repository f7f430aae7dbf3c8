"""Survey files to the local frame: registration, seams, voids, datums, and what is refused."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
import small_area
from rasterio.shutil import copy as copy_raster
from rasterio.transform import Affine
from rasterio.warp import transform as warp

from kuntur.errors import ConfigError, TerrainError
from kuntur.geodesy import frames, grid, heights
from kuntur.io import elevation, geoid
from kuntur.model.place import LocalFrame, Terrain

FRAME = LocalFrame(lat0_deg=-10.0, lon0_deg=-70.0)
BOUNDS = (-5000.0, -4000.0, 5000.0, 4000.0)


def load(*paths: Path, **options) -> Terrain:
    options.setdefault("vertical_datum", "EGM96")
    return elevation.terrain(
        paths, options.pop("frame", FRAME), options.pop("bounds", BOUNDS), geoid=geoid.read(), **options
    )


def plane(terrain: Terrain) -> np.ndarray:
    """The plane of small_area at the terrain's cell centres."""
    x = terrain.west_m + (np.arange(terrain.cols) + 0.5) * terrain.cell_m
    y = terrain.north_m - (np.arange(terrain.rows) + 0.5) * terrain.cell_m
    return small_area.heights(*frames.to_geodetic(terrain.frame, *np.meshgrid(x, y)))


@pytest.mark.parametrize("point", [False, True])
@pytest.mark.parametrize("cell_m", [30.0, 90.0, 400.0])
def test_a_plane_stays_a_plane(tmp_path: Path, point: bool, cell_m: float) -> None:
    """Both registrations, finer and coarser than the posts: any shift by half a post would show as 0.4 m and more."""
    path = small_area.write_survey(tmp_path / "survey.tif")
    if point:  # the same posts, in a file that says its origin is the first post
        with rasterio.open(path) as file:
            values = file.read(1)
        path = tmp_path / "point.tif"
        lat, lon = small_area.posts()
        with rasterio.open(
            path, "w", driver="GTiff", height=len(lat), width=len(lon), count=1, dtype="float32", crs="EPSG:4326",
            transform=Affine(small_area.POST_DEG, 0, lon[0] - small_area.POST_DEG / 2, 0, -small_area.POST_DEG,
                             lat[0] + small_area.POST_DEG / 2),
        ) as file:  # fmt: skip
            file.update_tags(AREA_OR_POINT="Point")
            file.write(values, 1)
    terrain = load(path, cell_m=cell_m)
    np.testing.assert_allclose(terrain.heights_m, plane(terrain), atol=0.02)
    assert terrain.west_m % cell_m == 0.0
    assert terrain.west_m >= BOUNDS[0]
    assert terrain.east_m <= BOUNDS[2]


def write_hgt(path: Path, south: int, west: int, size: int = 1201) -> Path:
    lat, lon = np.linspace(south + 1, south, size), np.linspace(west, west + 1, size)
    values = np.round(small_area.heights(lat[:, None], lon[None, :])).astype(">i2")
    path.write_bytes(values.tobytes())
    return path


def test_hgt_hgt_zip_and_dted_read_alike(tmp_path: Path) -> None:
    hgt = write_hgt(tmp_path / "S11W071.hgt", -11, -71)
    frame, bounds = LocalFrame(lat0_deg=-10.5, lon0_deg=-70.5), (-3000.0, -3000.0, 3000.0, 3000.0)
    packed = tmp_path / "S11W071.hgt.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(hgt, "S11W071.hgt")
    dted = tmp_path / "w071_s11.dt1"
    with rasterio.open(hgt) as source:
        values, profile = source.read(1), source.profile
    with rasterio.open(tmp_path / "plain.tif", "w", **{**profile, "driver": "GTiff"}) as file:
        file.write(values, 1)
    copy_raster(tmp_path / "plain.tif", dted, driver="DTED")
    first = load(hgt, frame=frame, bounds=bounds, vertical_datum=None)
    np.testing.assert_allclose(first.heights_m, plane(first), atol=0.6)  # whole metres in the file
    assert (first.vertical_datum, first.product, first.vertical_error_le90_m) == ("EGM96", "SRTM (S11W071.hgt)", 16.0)
    np.testing.assert_array_equal(
        load(packed, frame=frame, bounds=bounds, vertical_datum=None).heights_m, first.heights_m
    )
    np.testing.assert_array_equal(load(dted, frame=frame, bounds=bounds).heights_m, first.heights_m)


def test_area_registered_tiles_have_no_seam(tmp_path: Path) -> None:
    """Two tiles without a shared post: cells between them must see the posts of both."""
    edge = -70.0
    left = small_area.write_survey(tmp_path / "left.tif", east=edge - small_area.POST_DEG)
    right = small_area.write_survey(tmp_path / "right.tif", west=edge)
    terrain = load(left, right, cell_m=30.0)
    np.testing.assert_allclose(terrain.heights_m, plane(terrain), atol=0.02)


def test_tiles_of_different_spacing_fill_each_other(tmp_path: Path) -> None:
    fine = small_area.write_survey(tmp_path / "fine.tif", east=-70.0)
    lat, lon = np.linspace(-9.9, -10.1, 101), np.linspace(-70.02, -69.9, 61)
    coarse = tmp_path / "coarse.tif"
    step = 0.002
    with rasterio.open(
        coarse, "w", driver="GTiff", height=101, width=61, count=1, dtype="float32", crs="EPSG:4326",
        transform=Affine(step, 0, lon[0] - step / 2, 0, -step, lat[0] + step / 2),
    ) as file:  # fmt: skip
        file.write(small_area.heights(lat[:, None], lon[None, :]).astype(np.float32), 1)
    terrain = load(fine, coarse, cell_m=60.0)
    # Half a post beyond the last one of the fine tile is held level: at most 0.4 m there.
    np.testing.assert_allclose(terrain.heights_m, plane(terrain), atol=0.6)


@pytest.mark.parametrize(
    ("void", "nodata"), [(-32768, -32768), (-32767, -32767), (-9999, -9999), (32767, 32767), (-32768, None), (-9999, 0)]
)
def test_voids_stay_voids(tmp_path: Path, void: int, nodata: float | None) -> None:
    """Declared or not, the hole is as large as the cells that its post touches, and nothing else is."""
    lat, lon = small_area.posts()
    values = np.round(small_area.heights(lat[:, None], lon[None, :])).astype(np.int16)
    row, col = len(lat) // 2, len(lon) // 2
    values[row, col] = void
    terrain = load(small_area.write_survey(tmp_path / "s.tif", values, nodata=nodata), cell_m=30.0)
    holes = np.isnan(terrain.heights_m)
    x, y = frames.to_local(FRAME, lat[row], lon[col])
    post_m = small_area.POST_DEG * 111_000.0
    at_x = terrain.west_m + (np.arange(terrain.cols) + 0.5) * 30.0
    at_y = terrain.north_m - (np.arange(terrain.rows) + 0.5) * 30.0
    near = (np.abs(at_x - x)[None, :] < 0.95 * post_m) & (np.abs(at_y - y)[:, None] < 0.95 * post_m)
    far = (np.abs(at_x - x)[None, :] > 1.05 * post_m) | (np.abs(at_y - y)[:, None] > 1.05 * post_m)
    assert holes[near].all()
    assert not holes[far].any()
    assert np.nanmax(np.abs(terrain.heights_m - plane(terrain))) < 0.6, "no void value leaked into a height"


def test_a_void_is_filled_by_a_later_file_only(tmp_path: Path) -> None:
    lat, lon = small_area.posts()
    values = small_area.heights(lat[:, None], lon[None, :]).astype(np.float32)
    values[100:120, 100:120] = -32768
    holed = small_area.write_survey(tmp_path / "holed.tif", values)
    whole = small_area.write_survey(tmp_path / "whole.tif", values + np.where(values < 0, 33768 + 2900, 5))
    both = load(holed, whole, cell_m=60.0)
    assert not np.isnan(both.heights_m).any()
    assert np.isnan(load(holed, cell_m=60.0).heights_m).any()
    assert np.median(both.heights_m - plane(both)) == pytest.approx(0.0, abs=0.01), "the first file goes first"


def test_ellipsoidal_heights_come_to_egm96(tmp_path: Path) -> None:
    path = small_area.write_survey(tmp_path / "survey.tif")
    above, plain = load(path, vertical_datum="WGS84 ellipsoid"), load(path)
    n = heights.undulation_m(geoid.read(), -10.0, -70.0)
    difference = plain.heights_m - above.heights_m
    assert above.vertical_datum == "EGM96"
    assert float(difference[difference.shape[0] // 2, difference.shape[1] // 2]) == pytest.approx(float(n), abs=0.02)


def test_the_product_tells_its_datum_and_a_contradiction_is_refused(tmp_path: Path) -> None:
    name = "Copernicus_DSM_COG_10_S11_00_W071_00_DEM.tif"
    copernicus = small_area.write_survey(tmp_path / name)
    known = load(copernicus, vertical_datum=None)
    assert (known.vertical_datum, known.vertical_error_le90_m) == ("EGM2008", 4.0)
    assert "Copernicus" in known.attribution
    with pytest.raises(ConfigError, match=r'says "EGM96".*is on EGM2008'):
        load(copernicus, vertical_datum="EGM96")


def test_two_datums_are_not_mixed(tmp_path: Path) -> None:
    copernicus = small_area.write_survey(tmp_path / "Copernicus_DSM_COG_10_S11_00_W071_00_DEM.tif", east=-70.0)
    srtm = small_area.write_survey(tmp_path / "srtm_south.tif", west=-70.0)
    with pytest.raises(TerrainError, match="two vertical datums"):
        load(copernicus, srtm, vertical_datum=None)


def test_across_the_antimeridian(tmp_path: Path) -> None:
    post = small_area.POST_DEG
    paths = []
    for name, west in (("east.tif", 179.9), ("west.tif", -180.0)):
        lat, lon = np.linspace(-16.9, -17.1, 241), west + np.arange(120) * post
        values = np.broadcast_to(1000 + 20 * (lon[None, :] % 360), (241, 120)).astype(np.float32)
        path = tmp_path / name
        with rasterio.open(
            path, "w", driver="GTiff", height=241, width=120, count=1, dtype="float32", crs="EPSG:4326",
            transform=Affine(post, 0, lon[0] - post / 2, 0, -post, lat[0] + post / 2),
        ) as file:  # fmt: skip
            file.write(values, 1)
        paths.append(path)
    frame = LocalFrame(lat0_deg=-17.0, lon0_deg=180.0)
    terrain = load(*paths, frame=frame, bounds=(-8000.0, -5000.0, 8000.0, 5000.0), cell_m=90.0)
    assert not np.isnan(terrain.heights_m).any()
    _, lon = frames.to_geodetic(frame, [-5000.0, 5000.0], [0.0, 0.0])
    got = grid.height_at(terrain, [-5000.0, 5000.0], [0.0, 0.0])
    np.testing.assert_allclose(got, 1000 + 20 * (lon % 360), atol=0.05)


def test_a_projected_survey(shared_data: Path) -> None:
    """ASTER in UTM, float, voids of -9999: heights at its own pixel centres."""
    path = shared_data / "terrain" / "exploradores_aster30_utm18s.tif"
    with rasterio.open(path) as file:
        values = file.read(1)
        x, y = file.xy(300, 270)
        lon, lat = warp(file.crs, "EPSG:4326", [x], [y])
    frame = LocalFrame(lat0_deg=lat[0], lon0_deg=lon[0])
    terrain = load(path, frame=frame, bounds=(-3000.0, -3000.0, 3000.0, 3000.0), cell_m=10.0)
    assert float(grid.height_at(terrain, 0.0, 0.0)) == pytest.approx(float(values[300, 270]), abs=2.0)
    wide = load(path, frame=frame, bounds=(-8000.0, -9000.0, 8000.0, 9000.0))
    assert 0.01 < np.isnan(wide.heights_m).mean() < 0.2
    assert np.nanmin(wide.heights_m) > 300.0


def test_real_seams(shared_data: Path) -> None:
    """Three real tiles of different editions; the fourth, S34W070, is missing."""
    folder = shared_data / "terrain"
    paths = [folder / "S33W071_srtm3_filled.tif", folder / "S33W070.hgt", folder / "S34W071.hgt"]
    frame = LocalFrame(lat0_deg=-32.9, lon0_deg=-70.0)
    terrain = load(*paths, frame=frame, bounds=(-20_000.0, -20_000.0, 20_000.0, 35_000.0), vertical_datum=None)
    x, y = frames.to_local(frame, -32.6532, -70.0109)
    near = [grid.height_at(terrain, float(x) + dx, float(y) + dy) for dx in (-85, 0, 85) for dy in (-85, 0, 85)]
    assert 6850.0 < max(float(h) for h in near) < 6961.0
    assert np.isnan(grid.height_at(terrain, 10_000.0, -17_000.0)), "the missing south-eastern tile is void"
    assert np.isfinite(grid.height_at(terrain, [-30.0, 0.0, 30.0], [20_000.0] * 3)).all(), "the seam at 70 W is closed"


def test_what_cannot_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(TerrainError, match="no terrain at"):
        elevation.files(["none.tif"], tmp_path)
    with pytest.raises(TerrainError, match="no terrain at"):
        elevation.files(["*.tif"], tmp_path)
    junk = tmp_path / "junk.tif"
    junk.write_bytes(b"<html>not found</html>")
    with pytest.raises(TerrainError, match="cannot be read"):
        load(junk)
    short = tmp_path / "S11W071.hgt"
    short.write_bytes(b"\0" * 1000)
    with pytest.raises(TerrainError, match="cannot be read"):
        load(short)
    cut = small_area.write_survey(tmp_path / "cut.tif")
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    with pytest.raises(TerrainError, match=r"cannot be read|damaged"):
        load(cut)
    nowhere = small_area.write_survey(tmp_path / "nowhere.tif", crs=None)
    with pytest.raises(TerrainError, match="no CRS"):
        load(nowhere)
    empty = tmp_path / "empty.zip"
    with zipfile.ZipFile(empty, "w"):
        pass
    with pytest.raises(TerrainError, match="holds 0 terrain files"):
        load(empty)
    plain = small_area.write_survey(tmp_path / "plain.tif")
    with pytest.raises(TerrainError, match="which vertical datum"):
        load(plain, vertical_datum=None)
    with pytest.raises(TerrainError, match="do not touch the extent"):
        load(plain, frame=LocalFrame(lat0_deg=40.0, lon0_deg=10.0))
    with pytest.raises(ConfigError, match="cells of"):
        load(plain, cell_m=1.0, bounds=(-10_000.0, -10_000.0, 10_000.0, 10_000.0))


def test_folders_and_patterns(tmp_path: Path) -> None:
    small_area.write_survey(tmp_path / "b.tif", west=-70.0)
    small_area.write_survey(tmp_path / "a.tif", east=-70.0)
    (tmp_path / "notes.txt").write_text("x")
    assert [p.name for p in elevation.files([tmp_path], Path("/"))] == ["a.tif", "b.tif"]
    assert [p.name for p in elevation.files(["*.tif", "b.tif"], tmp_path)] == ["a.tif", "b.tif"]
