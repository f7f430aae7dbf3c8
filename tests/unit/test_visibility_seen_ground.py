"""What of a picture's ground is really seen: the polygon against the picture's own geometry and against sight lines."""

import math
import time

import numpy as np
import places
import pytest
import shapely
import visibility_oracle
from msgspec.structs import replace

from kuntur.errors import ConfigError, TerrainError
from kuntur.geodesy import frames, grid
from kuntur.model.place import Terrain
from kuntur.visibility import footprint, rays

LOOK = {"roll_rad": 0.0, "hfov_rad": math.radians(24.0), "vfov_rad": math.radians(19.0)}


def plain(cells: int = 201, cell_m: float = 30.0) -> Terrain:
    return places.terrain(np.full((cells, cells), 4000.0), cell_m)


def seen(terrain: Terrain, x_m: float, y_m: float, alt_m: float, azimuth_deg: float, elevation_deg: float, **options):
    options = {"max_range_m": 3000.0, **LOOK, **options}
    return footprint.seen_ground(
        terrain, x_m, y_m, alt_m, math.radians(azimuth_deg), math.radians(elevation_deg), **options
    )


@pytest.mark.parametrize("step_m", [None, 10.0, 2.5])
@pytest.mark.parametrize(("azimuth_deg", "roll_rad"), [(0.0, 0.0), (200.0, 0.3)])
def test_on_a_plain_it_is_the_picture_to_within_the_stated_error(
    step_m: float | None, azimuth_deg: float, roll_rad: float
) -> None:
    got = seen(plain(), 0.0, -500.0, 4400.0, azimuth_deg, -30.0, step_m=step_m, roll_rad=roll_rad, refraction=1.0)
    corners = frames.pixel_directions_enu(
        math.radians(azimuth_deg), math.radians(-30.0), roll_rad, LOOK["hfov_rad"], LOOK["vfov_rad"],
        1, 1, [0, 1, 1, 0], [0, 0, 1, 1],
    )  # fmt: skip
    picture = shapely.Polygon(np.array([0.0, -500.0]) + 400.0 * corners[:, :2] / -corners[:, 2:])
    error_m = (step_m or 30.0) * math.sqrt(0.5) + 1e-6
    assert picture.buffer(error_m).contains(got)
    assert got.buffer(error_m, join_style="mitre").contains(picture.buffer(-error_m))
    assert shapely.hausdorff_distance(got.exterior, picture.exterior, densify=0.01) <= error_m * math.sqrt(2.0)
    assert got.area == pytest.approx(picture.area, rel=0.03 if step_m is None else 0.01)


def test_every_square_of_it_is_seen_and_no_other_in_the_picture_is() -> None:
    terrain = places.ridge_terrain()
    eye = np.array([-2400.0, 300.0, float(grid.height_at(terrain, -2400.0, 300.0)) + 350.0])
    pose = (math.radians(80.0), math.radians(-9.0), 0.1)
    fields = (math.radians(30.0), math.radians(20.0))
    got = footprint.seen_ground(terrain, *eye, *pose, *fields, 4000.0, step_m=terrain.cell_m)
    # The middles of its squares, and as many on, all around.
    x_m = np.arange(got.bounds[0] - 1770.0, got.bounds[2] + 1800.0, terrain.cell_m)
    y_m = np.arange(got.bounds[1] - 1770.0, got.bounds[3] + 1800.0, terrain.cell_m)
    x, y = (a.ravel() for a in np.meshgrid(x_m, y_m))
    points = np.stack([x, y, grid.height_at(terrain, x, y)], axis=-1)
    inside = shapely.contains_xy(got, x, y)
    away = points - eye
    away[:, 2] -= 0.87 * (away[:, 0] ** 2 + away[:, 1] ** 2) / (2.0 * 6_371_000.0)
    along, right, up = frames.camera_axes(*pose) @ away.T
    edge = np.maximum(np.abs(right / along) / math.tan(fields[0] / 2), np.abs(up / along) / math.tan(fields[1] / 2))
    shown = (along > 0.0) & (edge < 1.0) & (np.linalg.norm(away, axis=1) < 4000.0)
    assert not inside[~shown].any()
    clear = np.array([visibility_oracle.sight(terrain, eye, p, 0.13) == 1 for p in points[shown]])
    np.testing.assert_array_equal(inside[shown], clear)
    assert 100 < clear.sum() < 0.9 * clear.size


def test_a_ridge_hides_what_lies_behind_it_and_the_horizon_ends_it() -> None:
    terrain = places.cone_terrain(size=201)
    fields = {"hfov_rad": math.radians(40.0), "vfov_rad": math.radians(30.0)}
    got = seen(terrain, 0.0, -2500.0, 4060.0, 0.0, 0.0, **{**fields, "max_range_m": 5000.0})
    assert got.is_valid
    assert not got.contains(shapely.Point(0.0, 900.0))  # behind the cone
    assert got.contains(shapely.Point(0.0, -450.0))  # its near slope
    assert got.contains(shapely.Point(-950.0, 900.0))  # beside it
    ring = shapely.Polygon(footprint.footprint(terrain, 0.0, -2500.0, 4060.0, 0.0, 0.0, 0.0, *fields.values(), 5000.0))
    assert ring.contains(shapely.Point(0.0, 900.0))  # the ring does not know of it
    # On a smooth earth the ground ends at sqrt(2 R h); bent downwards, rays make it a small one.
    small = seen(plain(), 0.0, -2900.0, 4040.0, 0.0, -5.0, refraction=-99.0, max_range_m=5000.0)
    horizon_m = math.sqrt(2.0 * 6_371_000.0 * 40.0 / 100.0)
    assert small.bounds[3] + 2900.0 == pytest.approx(horizon_m, abs=45.0)


def test_the_shadow_of_a_tower_inside_the_picture_is_a_hole() -> None:
    heights_m = np.full((201, 201), 4000.0)
    heights_m[98:101, 99:102] = 4090.0
    terrain = places.terrain(heights_m, 10.0)
    got = seen(terrain, 0.0, -500.0, 4500.0, 0.0, -45.0, max_range_m=2000.0)
    holes = [shapely.Polygon(hole) for hole in got.interiors]
    assert sum(hole.contains(shapely.Point(0.0, 40.0)) for hole in holes) == 1  # just behind the wall
    assert got.contains(shapely.Point(0.0, 10.0))  # its top
    assert got.contains(shapely.Point(0.0, 160.0))  # beyond the shadow


def test_range_and_sky() -> None:
    got = seen(plain(301), 0.0, 0.0, 4200.0, 57.0, -5.0, max_range_m=2000.0)
    reach_m = np.linalg.norm(shapely.get_coordinates(got), axis=1)
    assert 1950.0 < reach_m.max() < math.sqrt(2000.0**2 - 200.0**2) + 22.0
    assert seen(plain(), 0.0, 0.0, 4200.0, 57.0, 30.0).is_empty
    assert seen(plain(), 0.0, 0.0, 4200.0, 57.0, -90.0, max_range_m=150.0).is_empty  # the ground is farther
    assert seen(plain(), 0.0, 0.0, 4200.0, 57.0, -90.0).contains(shapely.Point(0.0, 0.0))


def test_void_ground_what_lies_behind_it_and_what_is_off_the_terrain_are_left_out() -> None:
    terrain = plain()
    heights_m = terrain.heights_m.copy()
    heights_m[85:90, 95:105] = np.nan  # y 315 to 465 m
    got = seen(replace(terrain, heights_m=heights_m), 0.0, -300.0, 4300.0, 0.0, -20.0)
    whole = seen(terrain, 0.0, -300.0, 4300.0, 0.0, -20.0)
    for y_m in (390.0, 600.0, 1000.0):
        assert whole.contains(shapely.Point(0.0, y_m))
        assert not got.contains(shapely.Point(0.0, y_m))
    assert got.contains(shapely.Point(0.0, 290.0))
    assert whole.buffer(0.1).contains(got)
    edge = seen(terrain, 0.0, 2500.0, 4200.0, 0.0, -15.0)
    assert 2900.0 < edge.bounds[3] <= terrain.north_m
    assert seen(terrain, 0.0, 2990.0, 4400.0, 0.0, -10.0).is_empty


def test_ground_under_trees_is_not_seen_but_the_clearing_is() -> None:
    terrain = plain()
    cover_m = np.zeros(terrain.heights_m.shape, np.float32)
    cover_m[80:100, :] = 15.0
    cover_m[86:94, 96:105] = 0.0
    got = seen(replace(terrain, cover_m=cover_m), 0.0, 0.0, 4800.0, 0.0, -65.0)
    assert not got.contains(shapely.Point(0.0, 90.0))
    assert got.contains(shapely.Point(0.0, 320.0))


def test_a_pose_that_is_none_is_refused() -> None:
    terrain = places.cone_terrain()
    for x_m, y_m, alt_m, why in (
        (0.0, 0.0, 4100.0, "below the ground"),
        (9e4, 0.0, 5000.0, "outside"),
    ):
        with pytest.raises(TerrainError, match=why):
            seen(terrain, x_m, y_m, alt_m, 0.0, -30.0)
    heights_m = terrain.heights_m.copy()
    heights_m[48:53, 48:53] = np.nan
    with pytest.raises(TerrainError, match="void"):
        seen(replace(terrain, heights_m=heights_m), 0.0, 0.0, 5000.0, 0.0, -30.0)
    for wrong in (
        {"alt_m": math.nan},
        {"azimuth_deg": math.inf},
        {"max_range_m": 0.0},
        {"max_range_m": -5.0},
        {"hfov_rad": math.pi},
        {"vfov_rad": 0.0},
        {"step_m": 0.0},
    ):
        pose = {"x_m": 0.0, "y_m": 0.0, "alt_m": 5000.0, "azimuth_deg": 0.0, "elevation_deg": -30.0, **wrong}
        with pytest.raises(ConfigError, match="No picture"):
            seen(terrain, **pose)


def test_it_takes_milliseconds_for_a_patrol_picture() -> None:
    terrain = places.ridge_terrain()
    pose = (500.0, 0.0, 5100.0, 70.0, -25.0)
    seen(terrain, *pose)
    spent_s = []
    for _ in range(5):
        start = time.process_time()
        got = seen(terrain, *pose)
        spent_s.append(time.process_time() - start)
    assert not got.is_empty
    assert min(spent_s) < 0.1  # 5 ms on an idle core


def test_squares_touching_at_corners_stay_apart() -> None:
    rng = np.random.default_rng(6)
    for _ in range(20):
        mask = rng.uniform(size=(9, 11)) < 0.5
        got = footprint._squares(mask, 100.0, -50.0, 2.0)
        row, col = np.nonzero(mask)
        want = shapely.union_all(
            shapely.box(100.0 + 2.0 * col, -50.0 + 2.0 * row, 102.0 + 2.0 * col, -48.0 + 2.0 * row)
        )
        assert got.is_valid
        assert got.equals(want)
    assert footprint._squares(np.zeros((3, 3), bool), 0.0, 0.0, 1.0).is_empty
    assert footprint._squares(np.ones((3, 3), bool), 0.0, 0.0, 1.0).equals(shapely.box(0.0, 0.0, 3.0, 3.0))
    assert rays.CLEAR == 1
