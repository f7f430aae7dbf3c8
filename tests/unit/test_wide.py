"""A survey by windows: the cut never shows, what is finished is kept, what cannot be known is not called seen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import mosaics
import msgspec
import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from pyproj import Geod

from kuntur.errors import BusyError, ConfigError, KunturError, StoreError, TerrainError
from kuntur.geodesy import posts
from kuntur.io import mosaic
from kuntur.ops import cluster, viewpoints, wide
from kuntur.ops.window import Looks
from kuntur.units import EARTH_RADIUS_M, REFRACTION_COEFFICIENT
from kuntur.visibility import viewshed

WGS84 = Geod(ellps="WGS84")
STEP = mosaics.STEP_DEG
SOUTH, WEST = -33.1, -70.1
SIDE_DEG = 180 * mosaics.STEP_DEG
LOOKS = Looks(height_agl_m=150.0, range_m=1500.0, quantities=("best_slant_m", "least_height_m"))
ROUTE = np.array([[WEST + 0.02, SOUTH + 0.03], [WEST + 0.05, SOUTH + 0.055], [WEST + 0.08, SOUTH + 0.07]])


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return mosaics.write_block(tmp_path_factory.mktemp("tiles"), SOUTH, WEST, 2, 2)


@pytest.fixture(scope="module")
def terrain(tiles: list[Path]) -> mosaic.Mosaic:
    return mosaic.describe(tiles)


def route() -> Iterator[NDArray[np.float64]]:
    yield posts.along(ROUTE, 300.0)


def raster(result: wide.Wide, name: str) -> NDArray[np.float64]:
    with rasterio.open(result.rasters[name]) as file:
        return np.asarray(file.read(1))


def rasters(result: wide.Wide) -> dict[str, bytes]:
    return {name: path.read_bytes() for name, path in result.rasters.items()}


@pytest.fixture(scope="module")
def whole(terrain: mosaic.Mosaic, tmp_path_factory: pytest.TempPathFactory) -> wide.Wide:
    """One window holds everything: what every other cut must give too."""
    return wide.wide_survey(terrain, route(), LOOKS, tmp_path_factory.mktemp("whole"), block=512)


def test_it_is_the_sweep_of_the_whole_mosaic_at_once(terrain: mosaic.Mosaic, whole: wide.Wide) -> None:
    row, col = terrain.index(*next(route()).T[::-1])
    heights = mosaic.read(terrain, 0, 0, terrain.rows, terrain.cols)
    r0, c0 = np.floor(row).astype(int), np.floor(col).astype(int)
    down, right = row - r0, col - c0
    ground = (1 - down) * ((1 - right) * heights[r0, c0] + right * heights[r0, c0 + 1])
    ground += down * ((1 - right) * heights[r0 + 1, c0] + right * heights[r0 + 1, c0 + 1])
    seen = viewshed.sweep(
        heights,
        np.stack([col, row, ground + 150.0], -1),
        posts.spacing_m(terrain.lat_deg(row), terrain.step_lat_deg, terrain.step_lon_deg),
        max_range_m=1500.0,
        target_height_m=1.0,
    )
    with rasterio.open(whole.rasters["count"]) as file:
        left, top = file.transform @ (0.5, 0.5)
        count = file.read(1)
    top_row, left_col = (round(float(one)) for one in terrain.index(top, left))
    part = (slice(top_row, top_row + count.shape[0]), slice(left_col, left_col + count.shape[1]))
    # viewpoints are rounded to 1/65536 of a step: a cell on the very edge of sight may turn
    assert (count == seen.count[part]).mean() > 0.9999
    assert count.sum() > 10_000
    outside = seen.count.astype(int)
    outside[part] = 0
    assert not outside.any()


@pytest.mark.parametrize("block", [64, 97, 200])
def test_no_cut_shows(terrain: mosaic.Mosaic, whole: wide.Wide, tmp_path: Path, block: int) -> None:
    cut = wide.wide_survey(terrain, route(), LOOKS, tmp_path, block=block)
    assert len(list((tmp_path / "windows").glob("*.json"))) >= 4
    assert rasters(cut) == rasters(whole)
    assert cut.summary == whole.summary


def test_the_seams_of_tiles_do_not_show(terrain: mosaic.Mosaic, whole: wide.Wide, tmp_path: Path) -> None:
    one = mosaics.write_tile(tmp_path / "one_srtm.tif", SOUTH, WEST, posts=361)
    single = wide.wide_survey(mosaic.describe([one]), route(), LOOKS, tmp_path / "out")
    for name in single.rasters:
        np.testing.assert_array_equal(raster(single, name), raster(whole, name))


def test_the_rasters_lie_where_the_viewpoints_look(terrain: mosaic.Mosaic, whole: wide.Wide) -> None:
    with rasterio.open(whole.rasters["best_slant_m"]) as file:
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert np.isnan(file.nodata)
        assert file.crs.to_epsg() == 4326
        slant = file.read(1)
        inverse = ~file.transform
    seen = raster(whole, "count") > 0
    np.testing.assert_array_equal(np.isfinite(slant), seen)
    assert 20.0 < np.nanmin(slant) < 151.0  # nearest ground: a slope rises towards the viewpoint
    assert np.nanmax(slant) <= np.hypot(1500.0, 1500.0)
    least = raster(whole, "least_height_m")
    assert (least[seen] <= 1.0).all()
    for lon, lat in next(route()):
        col, row = inverse @ (lon, lat)
        assert seen[int(row), int(col)]
    areas = posts.spacing_m(terrain.lat_deg(0), terrain.step_lat_deg, terrain.step_lon_deg).prod() * 1e-6
    assert whole.summary["seen_km2"] == pytest.approx(seen.sum() * areas, rel=1e-3)
    assert whole.summary["viewpoints"] == {
        "count": len(next(route())),
        "without_ground": 0,
        "height_agl_m": 150.0,
        "range_m": 1500.0,
    }


def test_a_missing_tile_is_unknown_and_never_seen(tmp_path: Path) -> None:
    full = wide.wide_survey(
        mosaic.describe(mosaics.write_block(tmp_path / "all", SOUTH, WEST, 2, 2)), route(), LOOKS, tmp_path / "a"
    )
    paths = mosaics.write_block(tmp_path / "some", SOUTH, WEST, 2, 2, missing=[1])
    part = wide.wide_survey(mosaic.describe(paths), route(), LOOKS, tmp_path / "b")
    count, unknown = raster(part, "count").astype(int), raster(part, "unknown").astype(int)
    before = raster(full, "count").astype(int)
    with rasterio.open(part.rasters["count"]) as file:
        col0, row0 = (round(float(x - 0.5)) for x in ~file.transform @ (WEST + SIDE_DEG, SOUTH + SIDE_DEG))
    gone = np.zeros(count.shape, bool)
    gone[row0 + 1 :, col0 + 1 :] = True
    assert (count[gone] == 0).all()
    assert unknown[gone].max() > 0
    assert (count <= before).all()
    assert not raster(full, "unknown").any()
    assert (count + unknown >= before)[~gone].all()  # what was seen is seen still, or unknown behind the void
    assert part.summary["unknown_km2"] > 0.1


def test_viewpoints_without_ground_look_at_nothing_and_are_counted(tmp_path: Path) -> None:
    paths = mosaics.write_block(tmp_path / "t", SOUTH, WEST, 2, 2, missing=[0])
    line = np.array([[WEST + 0.01, SOUTH + 0.01], [WEST + 0.01, SOUTH + 0.09]])
    result = wide.wide_survey(mosaic.describe(paths), [posts.along(line, 500.0)], LOOKS, tmp_path / "out")
    assert 0 < result.summary["viewpoints"]["without_ground"] < result.summary["viewpoints"]["count"]
    with pytest.raises(TerrainError, match="None of the 2 viewpoints has known ground"):
        wide.wide_survey(mosaic.describe(paths), [np.repeat(line[:1], 2, axis=0)], LOOKS, tmp_path / "none")


def test_across_the_antimeridian_it_sees_the_same(tmp_path: Path) -> None:
    """The same ground, once at 10 E and once cut by 180 E."""

    def shifted(lat: NDArray[np.float64], lon: NDArray[np.float64]) -> NDArray[np.float64]:
        return mosaics.hills(lat, np.where(lon < 0.0, lon + 360.0, lon) - 170.0)

    plain = mosaics.write_tile(tmp_path / "p_srtm.tif", -17.0, 10.0 - SIDE_DEG, posts=361)
    west = mosaics.write_tile(tmp_path / "w_srtm.tif", -17.0, 180.0 - SIDE_DEG, posts=181, land=shifted)
    east = mosaics.write_tile(tmp_path / "e_srtm.tif", -17.0, -180.0, posts=181, land=shifted)
    line = np.array([[-0.03, -16.97], [0.03, -16.98]])
    there = wide.wide_survey(
        mosaic.describe([plain]), [posts.along(line + np.array([10.0, 0.0]), 400.0)], LOOKS, tmp_path / "there"
    )
    across = wide.wide_survey(
        mosaic.describe([west, east]), [posts.along([[179.97, -16.97], [-179.97, -16.98]], 400.0)], LOOKS,
        tmp_path / "across",
    )  # fmt: skip
    a, b = raster(there, "count").astype(int), raster(across, "count").astype(int)
    assert (b[:, b.shape[1] // 2 :] > 0).any() and (b[:, : b.shape[1] // 2] > 0).any()
    rows = min(a.shape[0], b.shape[0])
    assert abs(a.shape[1] - b.shape[1]) <= 1
    # the southern ground exists once in each; posts fall on slightly different rounded longitudes
    assert (a[:rows, : b.shape[1]] == b[:rows, : a.shape[1]]).mean() > 0.99
    with rasterio.open(across.rasters["count"]) as file:
        assert file.bounds.left < 180.0 < file.bounds.right


# --- resuming


def stop_after(windows: int) -> wide.Progress:
    def progress(fraction: float, words: str) -> None:
        if words.startswith(f"{windows} of"):
            raise KeyboardInterrupt

    return progress


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the windows that are worked on."""
    names: list[str] = []
    real = wide.look

    def look(job: wide.Job, window: wide.Window) -> wide.Finished:
        names.append(window.name)
        return real(job, window)

    monkeypatch.setattr(wide, "look", look)
    return names


def test_a_stopped_survey_goes_on_and_gives_the_same_bytes(
    terrain: mosaic.Mosaic, whole: wide.Wide, tmp_path: Path, looked: list[str]
) -> None:
    with pytest.raises(KeyboardInterrupt) as stopped:
        wide.wide_survey(terrain, route(), LOOKS, tmp_path, block=64, progress=stop_after(6))
    assert "6 windows are finished" in stopped.value.__notes__[0]
    assert not (tmp_path / "count.tif").exists()
    finished = {path.stem for path in (tmp_path / "windows").glob("*.json")}
    assert len(finished) == 6
    looked.clear()
    result = wide.wide_survey(terrain, route(), LOOKS, tmp_path, block=64)
    assert not finished & set(looked)
    assert len(looked) > 6
    assert rasters(result) == rasters(whole)
    looked.clear()
    again = wide.wide_survey(terrain, route(), LOOKS, tmp_path, block=64)
    assert not looked
    assert again.summary == result.summary
    assert not [path for path in tmp_path.rglob("*") if ".part" in path.name or path.name.startswith(".view")]


def test_a_damaged_window_is_made_again(
    terrain: mosaic.Mosaic, whole: wide.Wide, tmp_path: Path, looked: list[str]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        wide.wide_survey(terrain, route(), LOOKS, tmp_path, block=64, progress=stop_after(8))
    names = sorted(path.stem for path in (tmp_path / "windows").glob("*.json"))
    (tmp_path / "windows" / f"{names[0]}.count.tif").write_bytes(b"torn")
    (tmp_path / "windows" / f"{names[1]}.json").write_text("{")
    looked.clear()
    assert rasters(wide.wide_survey(terrain, route(), LOOKS, tmp_path, block=64)) == rasters(whole)
    assert set(names[:2]) <= set(looked)
    assert not set(names[2:]) & set(looked)


def test_a_changed_tile_makes_the_windows_near_it_new_and_no_others(tmp_path: Path, looked: list[str]) -> None:
    paths = mosaics.write_block(tmp_path / "t", SOUTH, WEST, 2, 2)
    first = wide.wide_survey(mosaic.describe(paths), route(), LOOKS, tmp_path / "out", block=64)
    everything = set(looked)
    mosaics.write_tile(paths[3], SOUTH + SIDE_DEG, WEST + SIDE_DEG, land=lambda *at: mosaics.hills(*at) + 3.0)
    looked.clear()
    second = wide.wide_survey(mosaic.describe(paths), route(), LOOKS, tmp_path / "out", block=64)
    assert set(looked) < everything
    fresh = wide.wide_survey(mosaic.describe(paths), route(), LOOKS, tmp_path / "fresh", block=200)
    assert rasters(second) == rasters(fresh)
    assert second.summary["inputs_sha256"] != first.summary["inputs_sha256"]


@pytest.mark.parametrize(
    "change", [{"height_agl_m": 160.0}, {"range_m": 1400.0}, {"target_height_m": 2.0}, {"refraction": 0.2}]
)
def test_other_looks_are_another_survey(
    terrain: mosaic.Mosaic, tmp_path: Path, looked: list[str], change: dict[str, float]
) -> None:
    wide.wide_survey(terrain, route(), LOOKS, tmp_path, block=512)
    looked.clear()
    wide.wide_survey(terrain, route(), msgspec.structs.replace(LOOKS, **change), tmp_path, block=512)
    assert len(looked) == 1


def test_two_surveys_do_not_share_a_folder(terrain: mosaic.Mosaic, tmp_path: Path) -> None:
    def nested(fraction: float, words: str) -> None:
        wide.wide_survey(terrain, route(), LOOKS, tmp_path)

    with pytest.raises(BusyError):
        wide.wide_survey(terrain, route(), LOOKS, tmp_path, progress=nested)


def test_leftovers_of_a_killed_run_go_and_a_folder_that_cannot_be_written_says_so(
    terrain: mosaic.Mosaic, whole: wide.Wide, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    (folder / ".viewpoints-gone").mkdir(parents=True)
    (folder / "windows").mkdir()
    leftovers = [folder / ".viewpoints-gone" / "0_0.bin", folder / ".count.tif.77.part", folder / "windows" / "a.part"]
    for path in leftovers:
        path.write_bytes(b"half")
    assert rasters(wide.wide_survey(terrain, route(), LOOKS, folder)) == rasters(whole)
    assert not any(path.exists() for path in leftovers)
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreError, match="cannot be written"):
        wide.wide_survey(terrain, route(), LOOKS, tmp_path / "file" / "out")


def test_a_full_disk_is_one_clear_error(
    terrain: mosaic.Mosaic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        with Path("/dev/full").open("wb", buffering=0) as file:
            file.write(data)

    monkeypatch.setattr(wide, "_put", full)
    with pytest.raises(StoreError, match="No space left") as raised:
        wide.wide_survey(terrain, route(), LOOKS, tmp_path)
    assert "goes on" in raised.value.remedy


# --- viewpoints


def test_more_viewpoints_than_a_batch_are_streamed_and_numbered_in_order(
    terrain: mosaic.Mosaic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = list(posts.lattice(terrain.bounds_deg, 150.0))
    monkeypatch.setattr(viewpoints, "BATCH", 100)
    for name in "ab":
        (tmp_path / name).mkdir()
    streamed = viewpoints.sort_into_bins(terrain, iter(places), 1000.0, 64, tmp_path / "a")
    monkeypatch.undo()
    at_once = viewpoints.sort_into_bins(terrain, [np.concatenate(places)], 1000.0, 64, tmp_path / "b")
    assert streamed.count == sum(map(len, places)) > 3000
    assert streamed.sha256 == at_once.sha256
    for row0, col0 in streamed.windows(64):
        near = streamed.reaching(row0, col0, row0 + 64, col0 + 64)
        np.testing.assert_array_equal(near, at_once.reaching(row0, col0, row0 + 64, col0 + 64))
        assert (np.diff(near[:, 0]) > 0).all()
    everyone = streamed.reaching(0, 0, terrain.rows, terrain.cols)
    np.testing.assert_array_equal(everyone[:, 0], np.arange(streamed.count))


def test_high_latitude_and_long_range_are_refused_with_the_way_out(tmp_path: Path) -> None:
    north = mosaic.describe([mosaics.write_tile(tmp_path / "n_srtm.tif", 69.3, 20.0)])
    near = [np.array([[20.02, 69.32]])]
    with pytest.raises(TerrainError, match=r"leaves the true line of sight by .* more than half a post") as raised:
        wide.wide_survey(north, near, Looks(height_agl_m=500.0, range_m=10_000.0), tmp_path / "out")
    assert "area" in raised.value.remedy
    farthest_km = float(raised.value.remedy.split("about ")[1].split(" km")[0])
    assert 9.0 < farthest_km < 10.0
    wide.wide_survey(north, near, Looks(height_agl_m=500.0, range_m=1000.0 * farthest_km - 100.0), tmp_path / "out")


def test_lines_of_the_grid_see_what_geodesics_see() -> None:
    """At 60 N over 14 km, 0.95 of what is allowed: oracles along geodesics and along lines of the grid; the sweep."""
    lat0, range_m, row0, col0 = 60.0, 14_000.0, 480.3, 930.4
    assert posts.bend_m(lat0, range_m) > 0.9 * 0.5 * posts.spacing_m(lat0, STEP, STEP).min()
    dx_m, dy_m = posts.spacing_m(lat0, STEP, STEP)[0]
    lat, lon = lat0 - (np.arange(960) - row0) * STEP, 10.0 + (np.arange(1860) - col0) * STEP
    heights = mosaics.hills(lat[:, None], lon[None, :]).astype(np.float32)
    eye_m = 5200.0
    rng = np.random.default_rng(3)
    row, col = rng.integers(5, 955, 2000), rng.integers(5, 1855, 2000)
    flat_m = np.hypot((row - row0) * dy_m, (col - col0) * dx_m)
    near = (flat_m < 0.99 * range_m) & (flat_m > 0.2 * range_m)
    row, col, flat_m = row[near][:300], col[near][:300], flat_m[near][:300]
    share = np.linspace(0.0, 1.0, 900)[1:-1]

    def clear(r: NDArray[np.float64], c: NDArray[np.float64], along_m: NDArray[np.float64]) -> NDArray[np.bool_]:
        i, j = r.astype(int), c.astype(int)
        down, right = r - i, c - j
        ground = (1 - down) * ((1 - right) * heights[i, j] + right * heights[i, j + 1])
        ground += down * ((1 - right) * heights[i + 1, j] + right * heights[i + 1, j + 1])
        drop = (1.0 - REFRACTION_COEFFICIENT) / (2.0 * EARTH_RADIUS_M)
        slope = (ground - drop * along_m**2 - eye_m) / along_m
        end_m = along_m[:, -1] / share[-1]
        return ~(slope > ((heights[row, col] - drop * end_m**2 - eye_m) / end_m)[:, None]).any(axis=1)

    here = np.full(len(row), 10.0), np.full(len(row), lat0)
    azimuth, _, true_m = WGS84.inv(*here, lon[col], lat[row])
    along_m = true_m[:, None] * share
    at = [np.broadcast_to(one[:, None], along_m.shape) for one in (*here, azimuth)]
    line_lon, line_lat, _ = WGS84.fwd(*at, along_m)
    geodesic = clear(row0 - (line_lat - lat0) / STEP, col0 + (line_lon - 10.0) / STEP, along_m)
    straight = clear(
        row0 + (row - row0)[:, None] * share, col0 + (col - col0)[:, None] * share, flat_m[:, None] * share
    )
    seen = viewshed.sweep(heights, [(col0, row0, eye_m)], (dx_m, dy_m), max_range_m=range_m, mode="exact")
    assert seen.count is not None
    assert 0.2 < geodesic.mean() < 0.8
    assert (straight == geodesic).mean() >= 0.99
    assert (seen.count[row, col].astype(bool) == geodesic).mean() >= 0.97  # the oracle's ground is curved between posts


def test_what_cannot_be_surveyed_says_so(terrain: mosaic.Mosaic, tiles: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with pytest.raises(TerrainError, match="lies outside the terrain"):
        wide.wide_survey(terrain, [np.array([[WEST - 0.01, SOUTH]])], LOOKS, folder)
    with pytest.raises(ConfigError, match="no viewpoints"):
        wide.wide_survey(terrain, [], LOOKS, folder)
    for change, words in (
        ({"range_m": 0.0}, "range of 0 m"),
        ({"height_agl_m": float("nan")}, "height of nan"),
        ({"target_height_m": -1.0}, "target stands"),
        ({"quantities": ("exposure",)}, "rate table"),
    ):
        with pytest.raises(ConfigError, match=words):
            wide.wide_survey(terrain, route(), msgspec.structs.replace(LOOKS, **change), folder)
    with pytest.raises(ConfigError, match="Windows of 8"):
        wide.wide_survey(terrain, route(), LOOKS, folder, block=8)
    with pytest.raises(ConfigError, match="seen from"):
        wide.survey_files(tiles, LOOKS, folder)
    with pytest.raises(ConfigError, match="seen from"):
        wide.survey_files(tiles, LOOKS, folder, every_m=1000.0, points=tmp_path / "p.geojson")
    with pytest.raises(TerrainError, match="no terrain at"):
        wide.survey_files([tmp_path / "nowhere*.tif"], LOOKS, folder, every_m=1000.0)


def test_points_come_from_geojson_and_from_a_stream_of_lines(tmp_path: Path) -> None:
    at = [[WEST + 0.02, SOUTH + 0.03], [WEST + 0.05, SOUTH + 0.04], [WEST + 0.08, SOUTH + 0.05]]
    listed = mosaics.write_features(tmp_path / "p.geojson", ("Point", at[0]), ("MultiPoint", at[1:]))
    lines = tmp_path / "p.geojsonl"
    lines.write_text("".join(f"\x1e{json.dumps({'type': 'Point', 'coordinates': one})}\n" for one in at))
    for path in (listed, lines):
        np.testing.assert_array_equal(np.concatenate(list(viewpoints.points(path))), at)
    wrong = {
        "line.geojson": ("LineString", at),
        "text.geojson": ("Point", ["a", "b"]),
        "metres.geojson": ("Point", [350_000.0, 6_300_000.0]),
        "none.geojson": ("MultiPoint", []),
    }
    for name, geometry in wrong.items():
        with pytest.raises(KunturError):
            list(viewpoints.points(mosaics.write_features(tmp_path / name, geometry)))
    with pytest.raises(ConfigError, match="readable"):
        list(viewpoints.points(tmp_path / "absent.geojson"))


def test_a_route_file_is_sampled(tiles: list[Path], tmp_path: Path, whole: wide.Wide) -> None:
    path = mosaics.write_features(tmp_path / "route.geojson", ("LineString", ROUTE.tolist()))
    result = wide.survey_files(tiles, LOOKS, tmp_path / "out", route=path, step_m=300.0)
    assert rasters(result) == rasters(whole)


# --- mapping


def doubled(shared: int, value: int) -> int:
    if value == 7:
        raise ConfigError("seven", remedy="eight")
    return shared * value


def test_results_come_in_order_from_threads_and_errors_as_they_are() -> None:
    assert list(cluster.mapped(doubled, 2, range(7), cluster.Cluster(threads=3))) == [0, 2, 4, 6, 8, 10, 12]
    with pytest.raises(ConfigError, match="seven"):
        list(cluster.mapped(doubled, 2, range(20)))
    taken: list[int] = []

    def arguments() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    results = cluster.mapped(doubled, 2, arguments())
    assert next(results) == 0
    assert len(taken) < 10  # a few ahead, never all
    results.close()
    with pytest.raises(ConfigError, match="two places"):
        list(cluster.mapped(doubled, 1, [1], cluster.Cluster(workers=2, scheduler="tcp://127.0.0.1:1")))


def test_real_tiles_in_the_shape_of_an_l(shared_data: Path, tmp_path: Path) -> None:
    """A lattice over three 3" tiles of the Andes, one corner missing: two cuts, the same bytes."""
    names = ("S33W071_srtm3_filled.tif", "S34W071.hgt", "S33W070.hgt")
    sources = [shared_data / "terrain" / name for name in names]
    looks = Looks(height_agl_m=800.0, range_m=10_000.0)
    results = [
        wide.survey_files(sources, looks, tmp_path / str(block), every_m=20_000.0, block=block) for block in (700, 2048)
    ]
    assert rasters(results[0]) == rasters(results[1])
    summary = results[0].summary
    assert summary["terrain"]["vertical_datum"] == "EGM96"
    assert 0.2 < summary["viewpoints"]["without_ground"] / summary["viewpoints"]["count"] < 0.4
    assert summary["unknown_km2"] > 10.0
    count = raster(results[0], "count")
    assert 0.1 < (count > 0).mean() < 0.75
