"""One viewpoint, one route: what is seen, what is said of it, and what is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import places
import pytest
import rasterio
import shapely
import xarray as xr
from numpy.typing import NDArray
from rasterio.transform import Affine

import kuntur
from kuntur import cli
from kuntur.errors import ConfigError, TerrainError
from kuntur.geodesy import frames, grid
from kuntur.io import elevation, vectors
from kuntur.model.place import Area, LocalFrame
from kuntur.ops import see, see_files, see_ground, see_page, see_view
from kuntur.visibility import rays

EYE = {"lat_deg": -10.0, "lon_deg": -70.0, "height_agl_m": 60.0}
POST_DEG = 1.0 / 1200.0


def write_terrain(
    path: Path,
    values: NDArray[np.float32],
    *,
    north: float = -9.95,
    west: float = -70.05,
    crs: str | None = "EPSG:4326",
    step: float = POST_DEG,
    **profile: object,
) -> Path:
    """Heights north-up from a corner; 3 arc-second posts by default."""
    rows, cols = values.shape
    with rasterio.open(
        path, "w", driver="GTiff", height=rows, width=cols, count=1, dtype="float32", crs=crs,
        transform=Affine(step, 0.0, west, 0.0, -step, north), nodata=-9999.0, **profile,
    ) as file:  # fmt: skip
        file.write(values, 1)
    return path


def wall(rows: int = 120, cols: int = 120) -> NDArray[np.float32]:
    """A plain at 4,000 m with a wall 300 m high east of the middle."""
    heights = np.full((rows, cols), 4000.0, np.float32)
    heights[:, 80:83] = 4300.0
    return heights


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_terrain(tmp_path_factory.mktemp("terrain") / "wall.tif", wall())


@pytest.fixture(scope="module")
def area() -> Area:
    return places.ridge_area()


@pytest.fixture(scope="module")
def seen(file: Path) -> xr.DataArray:
    return kuntur.see(file, **EYE, max_range_m=4500.0)


def test_three_lines_give_an_array_that_knows_where_it_lies(seen: xr.DataArray, tmp_path: Path) -> None:
    assert seen.dtype == np.uint8 and seen.dims == ("y", "x")
    assert seen.rio.crs.is_projected and seen.rio.nodata == 255
    assert {"count", "slant_m", "least_height_m"} <= set(seen.coords)
    seen.rio.to_raster(tmp_path / "seen.tif")
    with rasterio.open(tmp_path / "seen.tif") as back:
        assert back.nodata == 255
        np.testing.assert_array_equal(back.read(1), seen.values)
    again = seen.rio.reproject("EPSG:4326")
    assert again.rio.crs.to_epsg() == 4326
    assert set(seen.reset_coords().data_vars) >= {"seen", "least_height_m"}


def test_a_wall_hides_what_is_behind_it_and_how_tall_tells_by_how_much(seen: xr.DataArray) -> None:
    frame = LocalFrame(lat0_deg=-10.0, lon0_deg=-70.0)
    x_wall, _ = frames.to_local(frame, -10.0, -70.05 + 80 * POST_DEG)
    before = seen.sel(x=float(x_wall) - 400.0, y=0.0, method="nearest")
    behind = seen.sel(x=float(x_wall) + 1500.0, y=0.0, method="nearest")
    assert int(before) == 1 and float(before.least_height_m) == 0.0
    assert int(behind) == 0
    # Similar triangles from the eye, 60 m up, over a wall 300 m up whose near face is x_wall away.
    distance = float(behind.x)
    expected = 60.0 + (300.0 - 60.0) * distance / float(x_wall + 80.0)
    assert float(behind.least_height_m) == pytest.approx(expected, rel=0.08)


def test_every_mode_agrees_with_the_sight_lines(area: Area) -> None:
    base = area.bases[0]
    eye = {"lat_deg": base.lat_deg, "lon_deg": base.lon_deg, "height_agl_m": 120.0}
    views = {mode: kuntur.see(area, **eye, max_range_m=5000.0, mode=mode) for mode in ("fast", "accurate", "exact")}
    exact = views["exact"]
    row, col = np.nonzero(exact.values < 2)
    pick = slice(None, None, 97)
    x, y = exact.x.values[col[pick]], exact.y.values[row[pick]]
    targets = np.stack([x, y, grid.height_at(area.terrain, x, y) + 1.0], axis=-1)
    clear = rays.line_of_sight(area.terrain, [base.x_m, base.y_m, base.alt_msl_m + 120.0], targets)
    np.testing.assert_array_equal(exact.values[row[pick], col[pick]] == 1, clear == rays.CLEAR)
    for mode, least in (("fast", 0.95), ("accurate", 0.99)):
        same = (views[mode].values == exact.values)[exact.values != 255]
        assert same.mean() > least, mode


def test_beyond_the_data_is_unknown_and_the_array_covers_the_whole_range(file: Path) -> None:
    view = kuntur.see(file, **EYE, max_range_m=9000.0)
    assert float(view.x.max()) >= 9000.0 and float(view.x.min()) <= -9000.0
    west = view.sel(x=-8000.0, y=0.0, method="nearest")
    assert int(west) == 2, "west of the file nothing is known, and no ground hides it"
    x, y = np.meshgrid(view.x.values, view.y.values)
    np.testing.assert_array_equal(view.values == 255, np.hypot(x, y) > 9000.0)


def test_a_void_is_unknown_and_so_is_what_lies_behind(tmp_path: Path) -> None:
    heights = np.full((120, 120), 4000.0, np.float32)
    heights[55:65, 40:44] = -9999.0
    view = kuntur.see(write_terrain(tmp_path / "void.tif", heights), **EYE, max_range_m=4500.0)
    assert int(view.sel(x=-1700.0, y=0.0, method="nearest")) == 2
    assert int(view.sel(x=-3500.0, y=0.0, method="nearest")) == 2
    assert int(view.sel(x=3500.0, y=0.0, method="nearest")) == 1


def test_a_sector_looks_where_it_says(file: Path) -> None:
    view = kuntur.see(file, **EYE, max_range_m=4000.0, sector_deg=(270.0, 60.0, 0.0, 45.0))
    x, y = np.meshgrid(view.x.values, view.y.values)
    off = np.abs((np.degrees(np.arctan2(x, y)) - 270.0 + 180.0) % 360.0 - 180.0)
    looked = view.values != 255
    far = np.hypot(x, y) > 200.0
    assert not (looked & far & (off > 30.5)).any()
    assert looked[(off < 29.5) & far & (np.hypot(x, y) < 3900.0)].all()
    assert not looked[(off < 29.0) & (np.hypot(x, y) < 40.0) & (np.hypot(x, y) > 1.0)].any(), "steeper than 45 degrees"


# --- routes


def route_file(path: Path, points: list[list[float]]) -> Path:
    vectors.write(path, [vectors.feature("LineString", points)])
    return path


def test_a_route_counts_the_points_that_see(file: Path, tmp_path: Path) -> None:
    line = route_file(tmp_path / "route.geojson", [[-70.02, -10.0], [-69.99, -10.0]])
    view = kuntur.see(file, route=line, height_agl_m=60.0, every_m=500.0, max_range_m=3000.0, camera="boson_640_36mm")
    stations = math.ceil(0.03 * 111_320 * math.cos(math.radians(10.0)) / 500.0) + 1
    assert int(view["count"].max()) == stations
    assert "route" not in view.attrs["summary"] and f"From {stations} points" in view.attrs["summary"]
    assert float(view.look_prob.max()) > 0.1 and float(view.exposure_prob.max()) > 0.1
    # The nearest station that sees it, not just any.
    under = view.sel(x=0.0, y=0.0, method="nearest")
    assert float(under.slant_m) < 300.0
    assert float(under.gsd_m) == pytest.approx(
        float(under.slant_m) * see.pixel_rad(see._camera("boson_640_36mm")), rel=1e-5
    )


@pytest.mark.parametrize("kind", ["hae", "msl", "agl"])
def test_heights_of_a_route_are_what_they_are_said_to_be(file: Path, kind: str) -> None:
    stations = see_ground.along_route([(-70.0, -10.0, 4100.0), (-69.99, -10.0, 4100.0)], 500.0, None, kind)
    alt = see_ground.prepare(file, stations, 500.0, progress=lambda *_: None).observers_m[0, 2]
    if kind == "agl":
        assert alt == pytest.approx(8100.0, abs=0.1)
    elif kind == "msl":
        assert alt == 4100.0
    else:  # EGM96 at 10 S 70 W: the geoid lies 20 to 40 m above the ellipsoid there
        assert 5.0 < abs(4100.0 - alt) < 60.0


def test_stations_are_evenly_spaced_and_keep_both_ends() -> None:
    stations = see_ground.along_route([(-70.0, -10.0), (-69.98, -10.0), (-69.98, -10.01)], 250.0, 100.0, "agl")
    assert np.diff(stations.chainage_m).max() <= 250.0
    np.testing.assert_allclose([stations.lon_deg[0], stations.lat_deg[-1]], [-70.0, -10.01], atol=1e-9)


# --- files


@pytest.fixture(scope="module")
def written(file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[see_view.View, Path]:
    view = see.look(file, see_ground.at_point(-10.0, -70.0, 60.0), max_range_m=4500.0)
    folder = tmp_path_factory.mktemp("out")
    assert [path.name for path in see_files.write(view, folder)] == list(see_files.NAMES)
    return view, folder


def test_the_rasters_are_cogs_with_overviews_in_the_local_frame(written: tuple[see_view.View, Path]) -> None:
    view, folder = written
    for name in ("seen.tif", "layers.tif"):
        with rasterio.open(folder / name) as raster:
            assert raster.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
            assert raster.crs.is_projected and raster.tags()["summary"] == see_view.summary(view)
    with rasterio.open(folder / "seen.tif") as raster:
        np.testing.assert_array_equal(raster.read(1), view.seen)
        assert raster.nodata == 255


def test_the_polygons_are_rfc_7946_and_cover_what_is_seen(written: tuple[see_view.View, Path]) -> None:
    view, folder = written
    document = json.loads((folder / "seen.geojson").read_text(encoding="utf-8"))
    ground = shapely.geometry.shape(document["features"][0]["geometry"])
    assert ground.is_valid and ground.geom_type == "MultiPolygon"
    for part in ground.geoms:
        assert part.exterior.is_ccw and not any(ring.is_ccw for ring in part.interiors)
    x_m, y_m = np.meshgrid(*view.ground.centres_m())
    lat, lon = frames.to_geodetic(view.ground.terrain.frame, x_m.ravel(), y_m.ravel())
    inside = shapely.contains_xy(ground, lon, lat).reshape(view.seen.shape)
    np.testing.assert_array_equal(inside, view.seen == see_view.SEEN)


@pytest.mark.parametrize("west", [179.97, -180.03])
def test_an_outline_is_cut_at_the_antimeridian(tmp_path: Path, west: float) -> None:
    path = write_terrain(tmp_path / "date.tif", np.full((80, 80), 100.0, np.float32), west=west, north=-16.97)
    view = see.look(path, see_ground.at_point(-17.0, 180.0, 50.0), max_range_m=2500.0)
    assert view.area_km2(see_view.SEEN) / view.looked_km2 > 0.99
    features = list(see_files._features(view))
    ground = shapely.geometry.shape(features[0]["geometry"])
    west, _, east, _ = ground.bounds
    assert west == -180.0 and east == 180.0, "both sides, none beyond"
    narrow = [part.bounds[2] - part.bounds[0] for part in ground.geoms]
    assert max(narrow) < 0.1, "no part goes round the globe"
    assert ground.area == pytest.approx(
        view.area_km2(see_view.SEEN) / (111.32 * 110.6 * math.cos(math.radians(17))), rel=0.02
    )


def test_a_route_across_the_antimeridian_is_cut_too(tmp_path: Path) -> None:
    path = write_terrain(tmp_path / "date.tif", np.full((120, 160), 50.0, np.float32), west=179.93, north=-16.95)
    stations = see_ground.along_route([(179.98, -17.0), (-179.98, -17.02)], 200.0, 80.0, "agl")
    view = see.look(path, stations, max_range_m=1500.0)
    assert 4000.0 < stations.chainage_m[-1] < 5500.0, "the short way round"
    ground, route = (shapely.geometry.shape(one["geometry"]) for one in see_files._features(view))
    assert ground.geom_type == "MultiPolygon" and route.geom_type == "MultiLineString"
    assert ground.bounds[0] == route.bounds[0] == -180.0 and ground.bounds[2] == route.bounds[2] == 180.0
    assert route.length < 0.06
    lon = see_page.payload(view)["positions"]["lon"]
    assert max(lon) - min(lon) < 0.1, "the page's longitudes run on"


def test_nothing_seen_is_an_empty_outline() -> None:
    empty = see_files.in_degrees(shapely.MultiPolygon([]), LocalFrame(lat0_deg=0.0, lon0_deg=0.0))
    assert empty.geom_type == "MultiPolygon" and empty.is_empty


def test_the_page_brings_everything_and_asks_nobody(written: tuple[see_view.View, Path]) -> None:
    view, folder = written
    page = (folder / "map.html").read_text(encoding="utf-8")
    assert "connect-src 'none'" in page and "default-src 'none'" in page
    for outside in ('src="http', 'href="http', "url(", "@import", "//cdn"):
        assert outside not in page
    facts = json.loads(page.split('type="application/json">')[1].split("</script>")[0])
    assert facts["seen_km2"] == pytest.approx(view.area_km2(see_view.SEEN))
    table = facts["positions"]
    lat = np.array(table["lat"]).reshape(table["n"], table["n"])
    assert lat[16, 16] == pytest.approx(-10.0, abs=1e-3)


def test_a_title_cannot_close_the_script(written: tuple[see_view.View, Path]) -> None:
    assert "</script><b>" not in see_page.html({"title": "</script><b>"}, connect="'none'")


def test_the_sentence_adds_up(written: tuple[see_view.View, Path]) -> None:
    view, _ = written
    words = see_view.summary(view)
    assert words.startswith("From 10.00000° S 70.00000° W, 60 m above the ground (4060 m above the sea), a person")
    assert "the largest share to the east" in words and "none is unknown" in words
    most = see_view.hider(view)
    assert most is not None and most.alt_msl_m == pytest.approx(4300.0, abs=5.0)
    shares = [view.area_km2(v) / view.looked_km2 for v in (0, 1, 2)]
    assert sum(shares) == pytest.approx(1.0)
    assert f"({shares[1]:.0%})" in words and f"{shares[0]:.0%} is hidden" in words


# --- bad input


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"height_agl_m": 0.0}, "not above the ground"),
        ({"height_agl_m": -3.0}, "not above the ground"),
        ({"height_agl_m": float("nan")}, "no number"),
        ({"lat_deg": float("inf")}, "no number"),
        ({"lat_deg": 86.0}, "beyond 85 degrees"),
        ({"lat_deg": -86.0}, "beyond 85 degrees"),
        ({"lat_deg": 10.0}, "lies outside the terrain: wall.tif holds"),
        ({"max_range_m": -5.0}, "cannot be looked at"),
        ({"max_range_m": float("nan")}, "cannot be looked at"),
        ({"max_range_m": 1e7}, "cannot be looked at"),
        ({"target": "tank"}, "no target"),
        ({"target_height_m": -1.0}, "cannot be"),
        ({"mode": "best"}, "no mode"),
        ({"camera": "none_such"}, "no camera"),
        ({"light": "dusk"}, "no light"),
        ({"sector_deg": (0.0, 10.0, 40.0, 30.0)}, "is none"),
        ({"sector_deg": (0.0, 0.0)}, "is none"),
        ({"route": [(-70.0, -10.0), (-69.99, -10.0)]}, "a point and a route"),
    ],
)
def test_a_bad_wish_is_refused_in_one_clear_word(file: Path, wish: dict[str, object], words: str) -> None:
    with pytest.raises((ConfigError, TerrainError)) as refused:
        kuntur.see(file, **(EYE | wish))
    assert words in refused.value.message
    assert refused.value.remedy


def test_nothing_to_look_from_or_at() -> None:
    with pytest.raises(ConfigError, match="nothing to look from"):
        kuntur.see("no.tif", lat_deg=1.0, lon_deg=1.0)
    with pytest.raises(TerrainError, match=r"no terrain at no\.tif"):
        kuntur.see("no.tif", lat_deg=1.0, lon_deg=1.0, height_agl_m=2.0)
    with pytest.raises(TerrainError, match=r"outside the embedded area tambo_quemado .*69\.22° W"):
        kuntur.see(lat_deg=1.0, lon_deg=1.0, height_agl_m=2.0)


def test_over_a_void_and_below_the_ground(tmp_path: Path) -> None:
    heights = wall()
    heights[58:63, 58:63] = -9999.0
    path = write_terrain(tmp_path / "hole.tif", heights)
    with pytest.raises(TerrainError, match="lies over a void"):
        kuntur.see(path, **EYE)
    with pytest.raises(TerrainError, match=r"km \d+\.\d\d .* is 200 m below the ground"):
        kuntur.see(path, route=[(-70.03, -10.0, 3800.0), (-70.02, -10.0, 3800.0)], heights_are="msl", max_range_m=900.0)


def test_routes_that_cannot_be_flown(file: Path, tmp_path: Path) -> None:
    flat = [(-70.0, -10.0), (-69.99, -10.0)]
    for route, wish, words in (
        (flat, {}, "does not say how high"),
        (flat, {"height_agl_m": -1.0}, "not above the ground"),
        (flat, {"height_agl_m": 50.0, "every_m": 0.0}, "cannot be"),
        (flat, {"height_agl_m": 50.0, "heights_are": "feet"}, "no kind of height"),
        ([flat[0], flat[0]], {"height_agl_m": 50.0}, "shorter than a metre"),
        ([flat[0], (-60.0, -10.0)], {"height_agl_m": 50.0}, "outside the terrain"),
        (tmp_path / "none.geojson", {"height_agl_m": 50.0}, "no readable GeoJSON"),
    ):
        with pytest.raises((ConfigError, TerrainError)) as refused:
            kuntur.see(file, route=route, **wish)
        assert words in refused.value.message, words


def test_files_that_lie_about_themselves(tmp_path: Path) -> None:
    utm = {"north": 8_900_000.0, "west": 390_000.0, "step": 90.0}
    nowhere = write_terrain(tmp_path / "nowhere.tif", wall(), crs=None)
    metres = write_terrain(tmp_path / "metres.tif", wall(), **utm)  # metres called EPSG:4326
    degrees = write_terrain(tmp_path / "degrees.tif", wall(), crs="EPSG:32719")  # degrees called UTM
    for path, words in ((nowhere, "no CRS"), (metres, "says degrees"), (degrees, "says metres")):
        with pytest.raises(TerrainError, match=words):
            kuntur.see(path, **EYE)


def test_feet_become_metres_across_and_up(tmp_path: Path) -> None:
    """A file in US survey feet, heights too, gives the picture of the same file in metres."""
    foot = 1200.0 / 3937.0
    lon, lat = -105.0, 40.0
    rows = np.full((200, 200), 1600.0, np.float32)
    rows[:, 130:133] = 1700.0
    frame = LocalFrame(lat0_deg=lat, lon0_deg=lon)
    metric = write_terrain(tmp_path / "m.tif", rows, crs=frame.proj4, west=-3000.0, north=3000.0, step=30.0)
    feet = tmp_path / "ft.tif"
    write_terrain(
        feet, rows / np.float32(foot), crs=frame.proj4.replace("+units=m", "+units=us-ft"), west=-3000.0 / foot,
        north=3000.0 / foot, step=30.0 / foot,
    )  # fmt: skip
    with rasterio.open(feet, "r+") as file:
        file.units = ("US survey foot",)
    eye = {"lat_deg": lat, "lon_deg": lon, "height_agl_m": 30.0, "max_range_m": 2500.0}
    one, other = kuntur.see(metric, **eye), kuntur.see(feet, **eye)
    assert (one.values == other.values).mean() > 0.999
    with rasterio.open(feet, "r+") as file:
        file.units = ("fathom",)
    with pytest.raises(TerrainError, match="unknown unit"):
        kuntur.see(feet, **eye)


def test_far_north_still_works(tmp_path: Path) -> None:
    path = write_terrain(tmp_path / "north.tif", np.full((60, 900), 10.0, np.float32), north=84.03, west=9.6)
    view = kuntur.see(path, lat_deg=84.0, lon_deg=10.0, height_agl_m=40.0, max_range_m=1500.0)
    assert (view.values == 1).sum() / (view.values != 255).sum() > 0.99


def test_the_extent_of_files_on_both_sides_of_the_antimeridian(tmp_path: Path) -> None:
    flat = np.full((60, 60), 5.0, np.float32)
    one = write_terrain(tmp_path / "a.tif", flat, west=179.95, north=1.0)
    other = write_terrain(tmp_path / "b.tif", flat, west=-180.0, north=1.0)
    south, west, north, east = elevation.extent_deg([one, other])
    assert (round(south, 3), round(north, 3)) == (0.95, 1.0)
    assert west == pytest.approx(179.95) and east == pytest.approx(-179.95)


def test_an_area_also_tells_how_far_its_radio_reaches(area: Area) -> None:
    base = area.bases[0]
    near = kuntur.see(
        area, lat_deg=base.lat_deg, lon_deg=base.lon_deg, height_agl_m=120.0, max_range_m=1500.0, mode="fast"
    )
    assert f"The radio of {base.name} reaches it." in near.attrs["summary"]
    behind = see.look(
        area, see_ground.along_route([(-69.0, -18.1), (-69.045, -18.1)], 200.0, 20.0, "agl"), max_range_m=900.0
    )
    link = max(behind.links, key=lambda one: one.reached)
    assert len(behind.links) == len(area.bases) and 0 <= link.reached < len(behind.stations.lat_deg)


def test_doubt_gives_the_chance_of_being_in_sight(tmp_path: Path) -> None:
    path = write_terrain(tmp_path / "srtm_wall.tif", wall())  # SRTM by its name, so its error is known
    view = kuntur.see(path, **EYE, max_range_m=3500.0, with_doubt=True, mode="fast")
    chance = view.certain_prob.values
    assert np.nanmin(chance) >= 0.0 and np.nanmax(chance) == 1.0
    before, behind = (view.sel(x=x, y=0.0, method="nearest").certain_prob for x in (700.0, 3200.0))
    assert float(before) > 0.9 and float(behind) == 0.0
    np.testing.assert_array_equal(np.isnan(chance), view.values == 255)
    with pytest.raises(ConfigError, match=r"vertical error of this terrain .* is unknown"):
        kuntur.see(write_terrain(tmp_path / "wall.tif", wall()), **EYE, with_doubt=True)


# --- the command line


def command(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["kuntur", "see", *words])
    try:
        cli.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.mark.parametrize(
    "place",
    [("-10.0", "-70.0", "60"), ("10:00:00 S", "70W", "60m")],
)
def test_a_place_as_people_write_it(monkeypatch, capsys, file: Path, tmp_path: Path, place: tuple[str, ...]) -> None:
    end = command(
        monkeypatch, *place, "--terrain", str(file), "--range", "900", "--mode", "fast", "--out", str(tmp_path)
    )
    assert end == 0
    told = capsys.readouterr().out
    assert told.startswith("From 10.00000° S 70.00000° W, 60 m above the ground")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(see_files.NAMES)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("-10", "-70"), "A picture needs a point"),
        (("-10", "-70", "0"), "not above the ground"),
        (("-10", "-70", "high"), "'high' is no number"),
        (("70W", "10S", "60"), "'70W' is no latitude"),
        (("--rnage", "-70", "60"), "There is no option --rnage"),
        (("-10", "-70", "60", "--rnage", "5"), "unexpected extra argument"),
        (("-10", "-70", "60", "--sector", "west"), "'west' is no number"),
        (("-10", "-70", "60", "--area", "tambo_quemado", "--terrain", "x.tif"), "not both"),
        (("-10", "-70", "60", "--route", "x.geojson"), "a point and a route"),
        ((), "A picture needs a point"),
    ],
)
def test_mistakes_on_the_command_line(monkeypatch, capsys, words: tuple[str, ...], told: str) -> None:
    assert command(monkeypatch, *words) == 2
    heard = capsys.readouterr()
    assert told in " ".join((heard.err + heard.out).split())
    assert "Traceback" not in heard.err
