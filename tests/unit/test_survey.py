"""The survey of a small made-up area: bounds that hold, rasters that are COGs, pictures that say what they are."""

from pathlib import Path

import msgspec
import numpy as np
import places
import pytest
import rasterio
from matplotlib import image

from kuntur.errors import TerrainError
from kuntur.geodesy import grid, lines
from kuntur.model.place import Area
from kuntur.ops import maps, survey
from kuntur.visibility import detection, rays


@pytest.fixture(scope="module")
def area() -> Area:
    return places.ridge_area()


@pytest.fixture(scope="module")
def result(area: Area) -> survey.Survey:
    return survey.survey(area)


def test_viewpoints_fly_the_required_height_over_all_ground_of_their_cell_on_our_side(area: Area) -> None:
    points = survey.candidate_viewpoints(area)
    need = area.requirement
    assert len(points) > 15
    _, inward = lines.inward_offset(area.border.xy_m, area.border.ours, points[:, 0], points[:, 1])
    assert (inward >= 0).all()
    assert (inward <= need.depth_m + need.flight_cell_m).all()
    around = np.linspace(-0.5, 0.5, 9) * need.flight_cell_m / 2.0
    for x, y, alt in points:
        ground = grid.height_at(area.terrain, x + around[None, :], y + around[:, None])
        assert alt >= np.nanmax(ground) + need.height_agl_m
    airstrip = next(zone for zone in area.zones if zone.kind == "no_fly")
    assert not ((np.abs(points[:, :2] - airstrip.xy_m.mean(axis=0)) < 400.0).all(axis=1)).any()


def test_best_rate_needs_a_viewpoint_that_sees_it(area: Area, result: survey.Survey) -> None:
    """Every cell with a rate is, in all of its terrain cells, in plain sight of one viewpoint."""
    best = result.best_rate_hz("person")
    assert (best[~result.corridor] == 0).all()
    seen = (best > 0) & result.corridor
    assert 0.3 < seen.sum() / result.corridor.sum() < 1.0
    np.testing.assert_array_equal(result.seen_count("person") > 0, best > 0)
    which = result.rates_hz[result.targets.index("person")].argmax(axis=0)
    cells, terrain = result.lattice, area.terrain
    for row, col in np.argwhere(seen)[::7]:
        rows = cells.row0 + row * cells.factor + np.arange(cells.factor)
        cols = cells.col0 + col * cells.factor + np.arange(cells.factor)
        r, c = (a.ravel() for a in np.meshgrid(rows, cols))
        x = terrain.west_m + (c + 0.5) * terrain.cell_m
        y = terrain.north_m - (r + 0.5) * terrain.cell_m
        targets = np.stack([x, y, terrain.heights_m[r, c] + 1.0], axis=-1)
        eye = result.viewpoints_m[which[row, col]]
        assert (rays.line_of_sight(terrain, eye, targets) == rays.CLEAR).all()


def test_never_seen_ground_is_in_the_corridor_and_no_viewpoint_sees_it(area: Area) -> None:
    low = msgspec.structs.replace(area.requirement, height_agl_m=40.0)
    result = survey.survey(msgspec.structs.replace(area, requirement=low))
    hidden = result.never_seen
    assert not (hidden & ~result.fine_corridor).any()
    assert hidden.any()
    terrain = area.terrain
    row, col = np.nonzero(hidden)
    x_m, y_m = terrain.west_m + (col + 0.5) * terrain.cell_m, terrain.north_m - (row + 0.5) * terrain.cell_m
    targets = np.stack([x_m, y_m, terrain.heights_m[row, col] + 1.0], axis=-1)
    reach_m = max(detection.max_range_m(one.camera, "person", area.weather) for one in area.fleet.aircraft)
    in_range = 0
    for eye in result.viewpoints_m:
        near = np.hypot(*(targets[:, :2] - eye[:2]).T) < reach_m
        in_range += near.sum()
        assert not (rays.line_of_sight(terrain, eye, targets[near]) == rays.CLEAR).any()
    assert in_range > 0


def test_a_no_look_zone_is_not_looked_at(area: Area) -> None:
    """Moved to the border, the hamlet's zone empties its cells and no others."""
    middle = area.border.xy_m.mean(axis=0) + np.array([800.0, 0.0])
    ring = middle + np.array([[-200.0, -200.0], [200.0, -200.0], [200.0, 200.0], [-200.0, 200.0]])
    zones = tuple(msgspec.structs.replace(z, xy_m=ring) if z.kind == "no_look" else z for z in area.zones)
    closed = survey.survey(msgspec.structs.replace(area, zones=zones))
    free = survey.survey(msgspec.structs.replace(area, zones=()))
    x_m, y_m = np.meshgrid(*closed.lattice.centres())
    inside = (np.abs(x_m - middle[0]) < 200.0) & (np.abs(y_m - middle[1]) < 200.0)
    assert (free.best_rate_hz("person")[inside] > 0).any()
    assert (closed.best_rate_hz("person")[inside] == 0).all()
    far = (np.abs(x_m - middle[0]) > 400.0) | (np.abs(y_m - middle[1]) > 400.0)
    np.testing.assert_array_equal(
        closed.best_rate_hz("person")[far & (y_m > -3000)], free.best_rate_hz("person")[far & (y_m > -3000)]
    )


def test_radio_is_lost_behind_the_ridge(area: Area, result: survey.Survey) -> None:
    """Both bases reach the plain; on the far slope of the crest fewer places are reached than on the near one."""
    x_m, _ = np.meshgrid(*result.lattice.centres())
    assert result.radio_reach.shape == (2, *result.corridor.shape)
    assert result.radio_reach[:, x_m > 1500.0].mean() > 0.95
    low = msgspec.structs.replace(area.requirement, height_agl_m=30.0)
    near_ground = survey.survey(msgspec.structs.replace(area, requirement=low)).radio_reach
    assert near_ground[:, x_m < -300.0].mean() < near_ground[:, x_m > 1500.0].mean() - 0.2


def test_no_place_to_fly_is_one_clear_error(area: Area) -> None:
    everywhere = places.ridge_area().zones[1]
    ring = np.array([[-9e4, -9e4], [9e4, -9e4], [9e4, 9e4], [-9e4, 9e4]])
    closed = msgspec.structs.replace(area, zones=(msgspec.structs.replace(everywhere, xy_m=ring),))
    with pytest.raises(TerrainError, match="no place to fly") as raised:
        survey.survey(closed)
    assert raised.value.remedy


def test_rasters_are_cogs_in_place_and_say_sketched(area: Area, result: survey.Survey, tmp_path: Path) -> None:
    paths = survey.write_survey(result, area, tmp_path)
    assert {p.name for p in paths} == {p.name for p in tmp_path.iterdir()}
    for path in (p for p in paths if p.suffix == ".tif"):
        with rasterio.open(path) as file:
            assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
            assert "SKETCHED" in file.tags()["terrain"]
            assert file.crs.is_projected
            assert file.transform.a == -file.transform.e
    with rasterio.open(tmp_path / "detection_rate.tif") as file:
        best = file.read(1)
        np.testing.assert_array_equal(np.isnan(best), ~result.corridor)
        np.testing.assert_array_equal(best[result.corridor], result.best_rate_hz("person")[result.corridor])
        lattice = result.lattice
        assert file.transform @ (0, 0) == (lattice.west_m, lattice.north_m)
        assert file.count == len(result.targets)
    with rasterio.open(tmp_path / "sight_count.tif") as file:
        np.testing.assert_array_equal(file.read(1), result.sight_count)
    for path in (p for p in paths if p.suffix == ".png"):
        picture = image.imread(path)
        assert min(picture.shape[:2]) > 500
        assert picture.std() > 0.05


def test_the_stamp_is_on_sketched_terrain_only(area: Area, tmp_path: Path) -> None:
    surveyed = msgspec.structs.replace(area, terrain=msgspec.structs.replace(area.terrain, sketched=False))
    for one, stamped in ((area, True), (surveyed, False)):
        sheet = maps.Sheet(one, "Title")
        sheet.save(tmp_path / "map.png")
        words = [text.get_text() for text in sheet.axes.texts]
        assert (maps.SKETCHED in words) is stamped


def test_real_davos(shared_data: Path, area: Area) -> None:
    """One arc-second over the Alps, cells taken as 30 m squares, the made-up border laid across its middle."""
    with rasterio.open(shared_data / "terrain" / "davos_srtm1.tif") as source:
        heights_m = source.read(1).astype(float)[700:1340, 700:1340]
    terrain = places.terrain(heights_m, 30.0, sketched=False)
    bases = tuple(
        msgspec.structs.replace(b, alt_msl_m=float(grid.height_at(terrain, b.x_m, b.y_m))) for b in area.bases
    )
    result = survey.survey(msgspec.structs.replace(area, terrain=terrain, bases=bases))
    person = (result.best_rate_hz("person") > 0)[result.corridor].mean()
    vehicle = (result.best_rate_hz("light_vehicle") > 0)[result.corridor].mean()
    assert 0.01 < person <= vehicle < 1.0
    assert 0.0 < result.never_seen.sum() / result.fine_corridor.sum() < 0.8
